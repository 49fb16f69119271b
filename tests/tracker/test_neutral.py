"""Rest is learned from closed mouths and open eyes, slowly, on one side of zero, and only what is told is relative."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from models.arkit_names import ARKIT_NAMES, EYE_ROTATIONS
from models.builtin import load_builtin
from models.types import Identity
from tests.tracker.actor import Actor, Pose, frame
from tests.tracker.test_tracker import GivenLandmarks
from tracker.neutral import BIN, BINS, NeutralFace, may_be_at_rest
from tracker.tracker import HeadTracker

Floats = NDArray[np.float32]
BROW, SMILE, LOOK = (ARKIT_NAMES.index(name) for name in ("browDownLeft", "mouthSmileLeft", "eyeLookDownLeft"))


def weights(**named: float) -> Floats:
    out = np.zeros(len(ARKIT_NAMES), np.float32)
    for name, value in named.items():
        out[ARKIT_NAMES.index(name)] = value
    return out


@pytest.fixture(scope="module")
def resting() -> Floats:
    """[L, 3] of a face at rest before the camera."""
    return landmarks_m(Pose())


def landmarks_m(pose: Pose, **named: float) -> Floats:
    actor = Actor(1, noise_px=0)
    seen = actor.seen(pose, **named)
    scale = 0.6 / 554  # of a face as far away as the actor, to within what these checks can tell
    return np.column_stack((seen.points_px, seen.depth_px)).astype(np.float32) * np.float32(scale)


def learned(of: list[Floats], face: Floats, known: Floats | None = None) -> NeutralFace:
    neutral = NeutralFace(known)
    for each in of:
        neutral.observe(each, face)
    return neutral


def test_a_brow_that_always_sits_low_becomes_rest(resting: Floats) -> None:
    neutral = learned([weights(browDownLeft=0.2)] * 600, resting)
    assert neutral.weights[BROW] == pytest.approx(0.2, abs=BIN)
    assert neutral.relative(weights(browDownLeft=0.2))[BROW] == pytest.approx(0, abs=2 * BIN)
    assert neutral.relative(weights(browDownLeft=1.0))[BROW] == 1
    assert np.flatnonzero(neutral.weights).tolist() == [BROW]


def test_smiling_most_of_the_time_is_not_rest(resting: Floats) -> None:
    frames = [weights(mouthSmileLeft=0.3 if index % 10 < 7 else 0.0) for index in range(2000)]
    assert learned(frames, resting).weights[SMILE] == 0


def test_a_few_seconds_prove_nothing(resting: Floats) -> None:
    assert not learned([weights(mouthSmileLeft=0.3)] * 200, resting).weights.any()


def test_rest_is_never_far_from_zero(resting: Floats) -> None:
    neutral = learned([weights(mouthSmileLeft=0.9)] * 1500, resting)
    assert neutral.weights[SMILE] == pytest.approx(BIN * (BINS - 1))


def test_rest_moves_too_slowly_to_be_seen(resting: Floats) -> None:
    neutral, before = NeutralFace(), np.zeros(len(ARKIT_NAMES), np.float32)
    for _ in range(600):
        neutral.observe(weights(browDownLeft=0.3), resting)
        assert np.abs(neutral.weights - before).max() < 0.0011
        before = neutral.weights


def test_rest_comes_back_to_zero(resting: Floats) -> None:
    assert not learned([weights(browDownLeft=0.2)] * 400 + [weights()] * 600, resting).weights.any()


def test_gaze_is_an_angle_and_has_no_rest(resting: Floats) -> None:
    frames = [weights(**dict.fromkeys(EYE_ROTATIONS, 0.3))] * 600
    assert not learned(frames, resting).weights.any()


def test_what_was_learned_before_holds_at_once_and_longer(resting: Floats) -> None:
    known = weights(browDownLeft=0.2, eyeLookDownLeft=0.2)
    assert NeutralFace(known).weights[BROW] == pytest.approx(0.2)
    assert NeutralFace(known).weights[LOOK] == 0
    assert learned([weights()] * 70, resting, known).weights[BROW] == pytest.approx(0.2, abs=BIN)


@pytest.mark.parametrize(
    ("pose", "moved", "counts"),
    [
        (Pose(), {}, True),
        (Pose(pitch=10, yaw=15), {}, True),
        (Pose(), {"jawOpen": 0.3}, False),
        (Pose(), {"eyeBlinkLeft": 1.0}, False),
        (Pose(yaw=45), {}, False),
    ],
)
def test_only_a_face_that_may_be_at_rest_counts(pose: Pose, moved: dict[str, float], counts: bool) -> None:
    face = landmarks_m(pose, **moved)
    assert may_be_at_rest(face) is counts
    assert learned([weights(browDownLeft=0.2)] * 600, face).weights.any() == counts


def test_a_tracker_tells_weights_relative_to_rest_and_saves_it_with_the_identity() -> None:
    actor, known = Actor(1), weights(mouthSmileLeft=0.25)
    who = tracker_of(actor)
    plain = who.follow(actor.seen(Pose(), mouthSmileLeft=0.5), frame(0)).blendshapes
    again = Actor(1)
    who = tracker_of(again, known)
    told = who.follow(again.seen(Pose(), mouthSmileLeft=0.5), frame(0)).blendshapes
    assert plain is not None
    assert told is not None
    np.testing.assert_allclose(told[SMILE], (plain[SMILE] - 0.25) / 0.75, atol=1e-3)
    np.testing.assert_array_equal(np.delete(told, SMILE), np.delete(plain, SMILE))
    assert who.identity is not None
    assert who.identity.neutral is not None
    assert torch.equal(who.identity.neutral, torch.from_numpy(known))


def test_a_tracker_learns_rest_once_the_identity_is_settled() -> None:
    actor = Actor(1, noise_px=0)
    who = tracker_of(actor)
    for index in range(500):
        who.follow(actor.seen(Pose(), browDownLeft=0.3), frame(index))
    assert who.identity is not None
    assert who.identity.neutral is not None
    assert who.identity.neutral[BROW] > 0.1
    assert who.identity.neutral_known.observed


def tracker_of(actor: Actor, neutral: Floats | None = None) -> HeadTracker:
    head = load_builtin()
    rest = None if neutral is None else torch.from_numpy(neutral)
    identity = Identity(actor.shape, 554.0, actor.size, head.name, head.sha256, rest)
    return HeadTracker(head, GivenLandmarks(), identity)
