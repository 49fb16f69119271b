"""Step one of the built-in head's builder: on people made up from known answers, and the committed file's facts."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from models.arkit_names import ARKIT_NAMES
from models.types import LANDMARK_COUNT, MienError
from tracker.jobs.builtin_head.alignment import CAMERA_DISTANCE_M, IRIS, align, rigid_directions, without_rigid
from tracker.jobs.builtin_head.expression import Person, reliability
from tracker.jobs.builtin_head.identity import Seen, identity_covariance
from tracker.jobs.builtin_head.modes import leading_modes
from tracker.jobs.builtin_head.observations import Observation, keep
from tracker.jobs.builtin_head.statistics import derive
from tracker.jobs.builtin_head.statistics_file import Statistics, load_statistics, save_statistics
from tracker.jobs.builtin_head.symmetry import mirror_order, mirrored, mirrored_scores

Floats = NDArray[np.float64]
COMMITTED = Path(__file__).parents[2] / "models" / "builtin" / "statistics.npz"


@pytest.fixture(scope="module")
def committed() -> Statistics:
    return load_statistics(COMMITTED)


def distance(face: Floats, one: int, other: int) -> float:
    return float(np.linalg.norm(face[one] - face[other]))


# The committed file.


def test_committed_mean_is_a_face_at_rest_in_the_head_frame(committed: Statistics) -> None:
    face = committed.mean
    assert COMMITTED.stat().st_size < 1_000_000
    np.testing.assert_allclose(face, mirrored(face, committed.mirror), atol=1e-7)
    assert distance(face, 468, 473) == pytest.approx(0.062, abs=1e-4)  # pupils
    assert distance(face, 33, 263) == pytest.approx(0.088, abs=0.003)  # outer corners of the eyes
    assert distance(face, 13, 14) < 0.0015  # lips closed
    assert distance(face, 159, 145) > 0.007  # eyes open
    assert face[10, 2] == pytest.approx(face[152, 2], abs=1e-6)
    assert face[263, 0] > 0 > face[33, 0]  # the subject's left is x
    assert face[10, 1] > face[152, 1]
    assert face[1, 2] > face[[33, 152, 234]].max(0)[2]  # the nose is foremost


def test_committed_modes_leave_pose_and_gaze_alone(committed: Statistics) -> None:
    weights = np.repeat(committed.weights, 3)
    rigid = rigid_directions(committed.mean)
    rigid /= np.linalg.norm(rigid * np.sqrt(weights)[:, None], axis=0)
    for modes in (committed.expression_modes, committed.identity_modes):
        flat = modes.reshape(3 * LANDMARK_COUNT, -1)
        size = np.linalg.norm(flat * np.sqrt(weights)[:, None], axis=0)
        assert np.abs(rigid.T @ (weights[:, None] * flat) / size).max() < 0.02
    assert not committed.expression_modes[IRIS].any()
    assert not committed.score_responses[IRIS].any()


def test_committed_responses_mean_their_names(committed: Statistics) -> None:
    def moved(name: str, landmark: int) -> Floats:
        return np.asarray(committed.score_responses[landmark, :, ARKIT_NAMES.index(name)])

    assert moved("jawOpen", 14)[1] < -0.01
    assert moved("mouthSmileLeft", 291)[0] > 0.001  # the left corner of the mouth, outwards
    assert moved("eyeBlinkLeft", 386)[1] < -0.002  # the left upper lid, down
    assert abs(moved("eyeBlinkLeft", 159)[1]) < 0.5 * abs(moved("eyeBlinkLeft", 386)[1])  # not the right one
    assert moved("browInnerUp", 107)[1] > 0.001
    assert committed.score_reliability[ARKIT_NAMES.index("jawOpen")] > 0.9
    assert committed.score_reliability[ARKIT_NAMES.index("tongueOut")] == 0.0


# Alignment, symmetry, modes.


def test_alignment_undoes_pose_and_size_whatever_the_mouth_does(committed: Statistics) -> None:
    rng = np.random.default_rng(0)
    turns = Rotation.from_euler("yx", rng.uniform(-30, 30, (20, 2)), degrees=True)
    faces = np.stack([committed.mean] * 20)
    faces[:, [13, 14, 17, 152, 200]] += (0, -0.02, 0)
    posed = np.einsum("tij,tlj->tli", turns.as_matrix(), faces) * rng.uniform(0.5, 2, (20, 1, 1)) + rng.normal(
        size=(20, 1, 3)
    )
    aligned = align(posed, committed.mean, committed.weights)
    assert np.linalg.norm(aligned.points - faces, axis=-1).max() < 0.0005
    forward = turns.as_matrix()[:, :, 2]
    np.testing.assert_allclose(aligned.yaw_pitch[:, 0], np.arctan2(forward[:, 0], forward[:, 2]), atol=0.01)
    np.testing.assert_allclose(aligned.yaw_pitch[:, 1], np.arcsin(forward[:, 1]), atol=0.01)


def test_small_pose_changes_are_no_displacement(committed: Statistics) -> None:
    turn = Rotation.from_rotvec((1e-4, -2e-4, 3e-4)).as_matrix()
    moved = ((committed.mean @ turn.T) * 1.0002 + (1e-4, 0, -1e-4) - committed.mean).reshape(1, -1)
    left = without_rigid(moved, committed.mean, committed.weights)
    assert np.abs(left).max() < 1e-3 * np.abs(moved).max()


def test_mirror_pairs_the_sides(committed: Statistics) -> None:
    order = mirror_order(committed.mean)
    assert [order[i] for i in (33, 61, 468, 1, 234)] == [263, 291, 473, 1, 454]
    lopsided = committed.mean + np.random.default_rng(0).normal(scale=0.0003, size=(LANDMARK_COUNT, 3))
    assert (mirror_order(lopsided) == order).mean() > 0.97
    swapped = mirrored_scores()
    assert swapped[ARKIT_NAMES.index("mouthLeft")] == ARKIT_NAMES.index("mouthRight")
    assert swapped[ARKIT_NAMES.index("jawOpen")] == ARKIT_NAMES.index("jawOpen")


def test_modes_rebuild_their_covariance() -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(30, 4)) * (4, 3, 2, 1)
    modes = leading_modes(truth @ truth.T, 4)
    np.testing.assert_allclose(modes @ modes.T, truth @ truth.T, atol=1e-9)
    reach = [np.linalg.norm(modes.reshape(10, 3, 4)[:, :2, k]) for k in range(4)]
    assert reach == sorted(reach, reverse=True)


def test_identity_is_told_from_the_smile_it_was_seen_through() -> None:
    rng = np.random.default_rng(0)
    identity, smile = np.linalg.qr(rng.normal(size=(60, 2)))[0].T * 0.004  # along 60 coordinates
    doubt = np.repeat((0.1, 1.0), (40, 200))
    faces = rng.normal(size=(240, 1)) * identity + np.sqrt(doubt)[:, None] * rng.normal(size=(240, 1)) * smile
    faces += rng.normal(scale=0.0003, size=faces.shape)
    found = identity_covariance(Seen(faces, doubt), np.outer(smile, smile))
    plain = faces.T @ faces / len(faces)

    def seen_along(covariance: Floats, direction: Floats) -> float:
        unit = direction / np.linalg.norm(direction)
        return float(unit @ covariance @ unit / 0.004**2)

    assert seen_along(found, identity) == pytest.approx(1.0, abs=0.2)
    assert seen_along(found, smile) < 0.25 < 0.7 < seen_along(plain, smile)


def test_a_score_is_reliable_where_clips_agree_on_it() -> None:
    rng = np.random.default_rng(0)
    agreed, people = rng.normal(size=(20, 3)) * 0.01, []
    for i in range(2):
        own = rng.normal(size=(20, 3)) * 0.01
        scores = np.zeros((50, len(ARKIT_NAMES)))
        scores[:, :2] = rng.uniform(size=(50, 2))
        faces = rng.normal(size=(20, 3)) + np.einsum("tk,kli->tli", scores[:, :2], np.stack((agreed, own)))
        people.append(Person(f"made_{i}", True, faces, np.zeros((50, 2)), scores))
    found = reliability(people)
    assert found[0] > 0.95
    assert found[1] < 0.5
    assert not found[2:].any()


# From detections to statistics.


def made_up_people(truth: Statistics, count: int, frames: int) -> list[Observation]:
    """Clips of people whose identity, scores and pose are drawn at random, as the detector would draw them."""
    rng = np.random.default_rng(1)
    names = ("jawOpen", "mouthSmileLeft", "mouthSmileRight", "browInnerUp", "mouthPucker", "eyeBlinkLeft")
    used = [ARKIT_NAMES.index(name) for name in names]
    people = []
    for i in range(count):
        neutral = truth.mean + truth.identity_modes[:, :, :5] @ rng.normal(size=5)
        scores = np.zeros((frames, len(ARKIT_NAMES)), np.float32)
        scores[:, used] = np.abs(rng.normal(scale=0.3, size=(frames, len(used))))
        scores[: frames // 5] = 0.0
        faces = neutral + np.einsum("lin,tn->tli", truth.score_responses, scores)
        turns = Rotation.from_euler("yx", rng.uniform(-0.3, 0.3, (frames, 2))).as_matrix()
        seen = np.einsum("tij,tlj->tli", turns, faces)
        seen -= seen[:, [33, 263]].mean(1, keepdims=True)
        seen[..., :2] /= 1 - seen[..., 2:] / CAMERA_DISTANCE_M
        points = seen * (4000.0, -4000.0, -4000.0) + (320, 240, 0)
        people.append(Observation(f"made_{i}", True, points.astype(np.float32), scores, str(i)))
    return people


def test_statistics_of_made_up_people_are_those_they_were_made_from(committed: Statistics) -> None:
    found = derive(made_up_people(committed, count=12, frames=60), with_reliability=False)
    assert np.linalg.norm(found.mean - committed.mean, axis=1).mean() < 0.0015
    np.testing.assert_allclose(found.mean, mirrored(found.mean, found.mirror), atol=1e-9)
    np.testing.assert_array_equal(found.mirror, committed.mirror)
    for name in ("jawOpen", "mouthSmileLeft", "browInnerUp"):
        column = ARKIT_NAMES.index(name)
        one, other = found.score_responses[:, :, column].ravel(), committed.score_responses[:, :, column].ravel()
        assert one @ other / np.linalg.norm(one) / np.linalg.norm(other) > 0.95
    assert found.counts[0] == 12


def test_statistics_survive_their_file(committed: Statistics, tmp_path: Path) -> None:
    save_statistics(tmp_path / "one.npz", committed)
    again = load_statistics(tmp_path / "one.npz")
    for name in Statistics.__dataclass_fields__:
        np.testing.assert_allclose(getattr(again, name), getattr(committed, name), atol=2e-6)
    save_statistics(tmp_path / "two.npz", committed)
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()


def test_leaving_out_takes_clips_and_pictures_of_that_name(committed: Statistics) -> None:
    people = made_up_people(committed, count=4, frames=2)
    assert [seen.name for seen in keep(people, "made_2")] == ["made_0", "made_1", "made_3"]
    assert len(keep(people, None)) == 4
    with pytest.raises(MienError, match="at least 2 clips"):
        keep(people, "made")
