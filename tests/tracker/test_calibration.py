"""What is taken back of the detector's faults: nod, distance and gaze, and weights by learned responses."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from models.arkit_learned import SKIN, load_learned, shown_in_head
from models.arkit_names import ARKIT_NAMES
from models.builtin import load_builtin
from models.camera import FACING, camera_points, project
from models.head import Head, embed, pose_head, shape_head
from models.types import Camera, HeadParams, Identity, Landmarks
from render.studio.film import head_turn
from tracker.blendshapes import BlendshapeReader, landmarks_at_rest
from tracker.calibration import CALIBRATIONS, Corrections, LidShapes, Told, along, calibrated, looking, nod_of
from tracker.gaze import GazeReader
from tracker.jobs.calibration import SOLVED
from tracker.jobs.casting import with_own_shapes

Floats = NDArray[np.float32]
MESH = CALIBRATIONS["mesh"]


@pytest.fixture(scope="module")
def head() -> Head:
    return load_builtin()


def camera(pitch: float, yaw: float, roll: float, x: float = 0.0) -> Camera:
    turn = torch.tensor(FACING) @ head_turn(torch.tensor((pitch, yaw, roll), dtype=torch.float64)).float()
    return Camera(turn, torch.tensor((x, 0.02, 0.6)), torch.tensor(600.0), torch.tensor((320.0, 240.0)))


def seen_by(head: Head, params: HeadParams, view: Camera) -> tuple[Floats, Floats]:
    """Landmarks in the picture and in the camera frame."""
    vertices = pose_head(shape_head(head, head.zero_identity()), params).vertices
    points = embed(head.embedding, vertices)
    return project(view, points).numpy(), camera_points(view, points).numpy()


@pytest.mark.parametrize("turn", [(0, 0, 0), (15, 0, 0), (-10, 25, 0), (5, -20, 30)])
def test_a_nod_is_told_as_it_was_and_landmarks_stay_where_they_were_seen(
    head: Head, turn: tuple[float, float, float]
) -> None:
    fitted = camera(*turn)
    points_px, points_m = seen_by(head, head.zero_params(), fitted)
    told, told_m = calibrated(MESH, fitted, points_px, points_m)
    upright = np.array(FACING).T
    before, after = (
        nod_of(upright @ along(points[:468].mean(0).astype(np.float64)).T @ view.rotation.double().numpy())
        for view, points in ((fitted, points_m), (told, told_m))
    )
    assert np.degrees(after - before) == pytest.approx(MESH.nod_share * np.degrees(before) - MESH.nod_degrees, abs=0.1)
    assert np.linalg.det(told.rotation.numpy()) == pytest.approx(1, abs=1e-4)
    assert float(told.focal_px) == pytest.approx(MESH.perspective * 600)
    assert told_m[:468, 2].mean() == pytest.approx(MESH.perspective * points_m[:468, 2].mean(), rel=1e-3)
    again = told.focal_px.numpy() * told_m[:, :2] / told_m[:, 2:] + told.principal_px.numpy()
    assert np.abs(again - points_px).max() < 0.01


def test_a_head_aside_is_seen_along_another_line_through_another_lens(head: Head) -> None:
    aside = camera(0, 0, 0, x=0.2)
    told, _ = calibrated(MESH, aside, *seen_by(head, head.zero_params(), aside))
    yaw = np.degrees(np.arctan2(told.rotation[0, 2], -told.rotation[2, 2]))
    nearer, before = (np.degrees(np.arctan2(0.2, depth)) for depth in (0.55 * MESH.perspective, 0.55))
    assert yaw == pytest.approx(before - nearer, abs=1), "it keeps its angle with the line of sight"


@pytest.mark.parametrize("turn", [(0, 0, 0), (10, 20, 10)])
def test_gaze_follows_the_iris_and_not_the_head(head: Head, turn: tuple[float, float, float]) -> None:
    def read(pitch: float, yaw: float) -> Floats:
        params = head.zero_params()
        params.eyes[:, 0], params.eyes[:, 1] = pitch, yaw
        view = camera(*turn)
        return GazeReader(MESH.gaze).read(*_picture(head, params, view), 0.0).astype(np.float32)

    ahead, left, down = read(0, 0), read(0, 0.2), read(0.1, 0)
    assert left[1] - ahead[1] == pytest.approx(0.2 / 0.85, abs=0.09), (
        "a little more than drawn, as the detector shows less"
    )
    assert abs(left[0] - ahead[0]) < 0.08
    assert down[0] - ahead[0] > 0.15, "a few times of what is drawn"


def _picture(head: Head, params: HeadParams, view: Camera) -> tuple[Floats, Camera, Floats]:
    points_px, points_m = seen_by(head, params, view)
    return points_px, view, points_m


def test_a_shut_eye_says_nothing_and_a_still_gaze_is_held(head: Head) -> None:
    reader, view = GazeReader(MESH.gaze), camera(0, 0, 0)
    looking_left = head.zero_params()
    looking_left.eyes[:, 1] = 0.2
    for frame in range(5):
        before = reader.read(*_picture(head, looking_left, view), frame / 30)
    shut = head.zero_params()
    shut.expression[[head.expression_names.index(f"eyeBlink{side}") for side in ("Left", "Right")]] = 1
    during = reader.read(*_picture(head, shut, view), 5 / 30)
    assert np.abs(during - before).max() < np.radians(1)
    points_px, _, points_m = _picture(head, looking_left, view)
    random, held, alone = np.random.default_rng(0), [], []
    for frame in range(6, 60):
        noisy = (points_px + random.normal(0, 0.06, points_px.shape)).astype(np.float32)
        held.append(reader.read(noisy, view, points_m, frame / 30))
        alone.append(GazeReader(MESH.gaze).read(noisy, view, points_m, 0.0))
    assert (np.std(held[10:], 0) < 0.7 * np.std(alone[10:], 0)).all()


def test_lids_stay_where_they_were_seen_when_the_gaze_is_corrected(head: Head) -> None:
    lids = LidShapes.of(head)
    for pitch in (0.2, -0.2):
        told = looking(head.zero_params(), np.array((pitch, 0.0)), lids)
        still, moved, plain = (
            seen_by(head, params, camera(0, 0, 0))[1][[159, 386], 1]
            for params in (head.zero_params(), told, head.zero_params().with_(eyes=told.eyes))
        )
        assert np.abs(moved - still).max() < 0.3 * np.abs(plain - still).min()


def test_a_detector_that_was_not_measured_is_taken_at_its_word(head: Head) -> None:
    points_px, view, points_m = _picture(head, head.zero_params(), camera(5, 5, 5))
    plain = Told(head.zero_params(), view, points_m)
    assert Corrections(head, "task").apply(plain, points_px, points_px, 0.0) is plain


# Weights.


def detected(points_px: Floats, points_m: Floats, view: Camera) -> Landmarks:
    """As a detector without fault has them: depth in pixels, about some point."""
    depth_px = (points_m[:, 2] - points_m[0, 2]) * float(view.focal_px) / points_m[SKIN, 2].mean()
    return Landmarks(points_px, depth_px.astype(np.float32), (640, 480), 1.0)


@pytest.mark.parametrize("turn", [(0, 0, 0), (5, -20, 30)])
def test_what_is_detected_is_shown_where_it_is_in_the_head(head: Head, turn: tuple[float, float, float]) -> None:
    params, view = head.zero_params(), camera(*turn, x=0.1)
    params.expression[head.expression_names.index("cheekPuff")] = 0.8
    points_px, points_m = seen_by(head, params, view)
    in_head = embed(head.embedding, pose_head(shape_head(head, head.zero_identity()), params).vertices).numpy()[SKIN]
    np.testing.assert_allclose(shown_in_head(detected(points_px, points_m, view), view, points_m), in_head, atol=2e-5)
    flat = seen_by(head, head.zero_params(), view)[1]  # what a fit that knows no cheekPuff would say
    shown = shown_in_head(detected(points_px, points_m, view), view, flat)
    assert np.linalg.norm(shown - in_head, axis=1).max() < 0.5 * np.linalg.norm(points_m - flat, axis=1).max()


def test_everybody_has_shapes_of_their_own_and_the_same_each_time(head: Head) -> None:
    one, again, other = (with_own_shapes(head, seed) for seed in (1, 1, 2))
    assert torch.equal(one.expression_basis, again.expression_basis)
    assert torch.equal(one.identity_basis, head.identity_basis)
    for changed in (one, other):
        own, usual = changed.expression_basis.flatten(0, 1), head.expression_basis.flatten(0, 1)
        alike = torch.cosine_similarity(own, usual, dim=0)
        assert alike.min() > 0.8
        assert alike.max() < 0.9999
    assert not torch.equal(one.expression_basis, other.expression_basis)


def test_the_table_tells_the_weights_it_was_made_for() -> None:
    table = load_learned()
    assert tuple(ARKIT_NAMES[k] for k in table.solved) == SOLVED
    assert table.pull.shape == (3 * 468, len(SOLVED))
    assert np.linalg.eigvalsh(table.normal).min() > 0


def test_a_face_at_rest_has_hardly_any_weights_and_a_shape_its_own(head: Head) -> None:
    identity = Identity(head.zero_identity(), 600.0, (640, 480), head.name, head.sha256)
    view = camera(0, 0, 0)
    # Shapes that the detector shows much as they are; of a pucker it shows another depth.
    named = ("jawOpen", "eyeBlinkLeft", "mouthSmileLeft", "browInnerUp")

    def read(params: HeadParams) -> Floats:
        points_px, points_m = seen_by(head, params, view)
        return BlendshapeReader(head, identity).read(params, view, points_m, detected(points_px, points_m, view))

    rest = read(head.zero_params())
    for name in named:
        params = head.zero_params()
        if name == "jawOpen":
            params.jaw[0] = 0.6 * head.jaw_prior.high[0]
        else:
            params.expression[head.expression_names.index(name)] = 0.6
        weights = read(params)
        assert ((weights >= 0) & (weights <= 1)).all()
        own = ARKIT_NAMES.index(name)
        assert weights[own] > rest[own] + 0.25, name


def test_rest_is_the_head_without_motion(head: Head) -> None:
    shape = torch.linspace(-1, 1, head.identity_size)
    identity = Identity(shape, 600.0, (640, 480), head.name, head.sha256)
    expected = embed(head.embedding, shape_head(head, shape).template).numpy()
    np.testing.assert_allclose(landmarks_at_rest(head, identity), expected, atol=1e-6)
