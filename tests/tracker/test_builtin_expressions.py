"""The authored shapes on the head as it is assembled: what closes closes, what is hard stays hard, sides stay apart."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.spatial import cKDTree

from models.arkit_names import EXPRESSION_SHAPES, MIRRORED
from models.camera import clip_points
from render.rasterizer import rasterize
from render.shading import View
from tracker.jobs.builtin_head.anatomy import Anatomy
from tracker.jobs.builtin_head.anatomy_of_head import anatomy_of_head
from tracker.jobs.builtin_head.assemble import RawHead, assemble
from tracker.jobs.builtin_head.expressions import JAW_ROW, LEFT_EYE_ROW, Expressions, author_shapes
from tracker.jobs.builtin_head.jaw import opened, rotation
from tracker.jobs.builtin_head.statistics_file import load_statistics
from tracker.jobs.builtin_head.surface import Floats, Ids

STATISTICS = Path(__file__).parents[2] / "models" / "builtin" / "statistics.npz"
LEFT_SHAPES = [left for left, _ in MIRRORED if left in EXPRESSION_SHAPES and left != "mouthLeft"]
WEIGHTS = (0.25, 0.5, 0.75, 1.0)


@cache
def raw() -> RawHead:
    return assemble(load_statistics(STATISTICS).mean)


@cache
def face() -> Anatomy:
    return anatomy_of_head(raw())


@cache
def expressions() -> Expressions:
    return author_shapes(face())


def delta(name: str) -> Floats:
    return np.asarray(expressions().deltas[..., EXPRESSION_SHAPES.index(name)])


def yawning(shape: Floats | float = 0.0) -> Floats:
    """The head with the jaw at jawOpen 1 and a shape added."""
    angle = expressions().jaw_open_angle
    corrective = expressions().pose_basis[:, :, JAW_ROW + 4] * (np.cos(angle) - 1)
    return opened(face(), face().vertices + corrective + shape, angle)


def landmark(name: int, vertices: Floats) -> Floats:
    return np.asarray(vertices[face().landmark_vertices[name]])


def curve(points: Floats) -> Floats:
    """A polyline sampled densely."""
    steps = np.linspace(0, len(points) - 1, 600)
    return np.stack([np.interp(steps, np.arange(len(points)), points[:, k]) for k in range(3)], 1)


def lid_curves(vertices: Floats) -> tuple[Floats, Floats]:
    inner, outer = face().landmark_vertices[[362, 263]]
    upper, lower = face().lid_margins
    return curve(vertices[np.r_[inner, upper, outer]]), curve(vertices[np.r_[inner, lower, outer]])


def farthest(points: Floats, others: Floats) -> float:
    """How far the points can be from the nearest of the others."""
    return float(np.max(cKDTree(others).query(points)[0]))


def part(*names: str) -> Ids:
    return np.asarray(np.unique(raw().triangles[np.isin(np.array(raw().triangle_parts), names)]))


def ball_clearance(vertices: Floats, ids: Ids) -> Floats:
    """How far vertices stand off the left eyeball's own surface, in the direction from its centre: metres."""
    centre, ball = raw().eye_centres[0], face().vertices[raw().regions["eyeball_left"]] - raw().eye_centres[0]
    radius = np.linalg.norm(ball, axis=1)
    arm = vertices[ids] - centre
    distance = np.linalg.norm(arm, axis=1)
    nearest = cKDTree(ball / radius[:, None]).query(arm / distance[:, None])[1]
    return np.asarray(distance - radius[nearest])


def test_blink_closes_the_lids_all_along() -> None:
    upper, lower = lid_curves(face().vertices + delta("eyeBlinkLeft"))
    assert max(farthest(upper, lower), farthest(lower, upper)) < 0.0003


@pytest.mark.parametrize("weight", WEIGHTS)
def test_lids_stay_outside_the_eyeball_on_their_way(weight: float) -> None:
    """The skin is well clear of it; the lining behind the margin may touch it, by less than a tenth of a millimetre."""
    shape = delta("eyeBlinkLeft")
    moving = np.flatnonzero(np.linalg.norm(shape, axis=1) > 1e-5)
    posed = face().vertices + weight * shape
    skin = np.intersect1d(moving, part("face"))
    lining = np.intersect1d(moving, np.setdiff1d(part("socket_left"), skin))
    assert ball_clearance(posed, skin).min() > 0.0005
    assert ball_clearance(posed, lining).min() > -0.0001


@pytest.mark.parametrize("degrees", [-25.0, 25.0])
def test_the_upper_lid_follows_the_gaze(degrees: float) -> None:
    pitch = np.radians(degrees)
    eye_turn = rotation(0, pitch) - np.eye(3)
    posed = face().vertices + expressions().pose_basis[:, :, LEFT_EYE_ROW : LEFT_EYE_ROW + 9] @ eye_turn.ravel()
    centre = raw().eye_centres[0]

    def elevation(name: int, vertices: Floats) -> float:
        arm = landmark(name, vertices) - centre
        return float(np.arctan2(arm[1], arm[2]))

    lowered = elevation(386, face().vertices) - elevation(386, posed)
    assert lowered / pitch == pytest.approx(0.7, abs=0.08)
    margins = np.concatenate(face().lid_margins)
    rest, now = (np.linalg.norm(v[margins] - centre, axis=1) for v in (face().vertices, posed))
    np.testing.assert_allclose(now, rest, atol=0.0002)


def test_jaw_open_is_a_wide_yawn() -> None:
    posed = yawning()
    eyes = np.linalg.norm(landmark(33, face().vertices) - landmark(263, face().vertices))
    gap = np.linalg.norm(landmark(13, posed) - landmark(14, posed)) / eyes
    assert 0.50 < gap < 0.58
    assert 20 < np.degrees(expressions().jaw_open_angle) < 36
    assert landmark(152, posed)[1] < landmark(152, face().vertices)[1] - 0.022


def test_mouth_close_meets_over_an_open_jaw() -> None:
    posed = yawning(delta("mouthClose"))
    upper, lower = face().seam
    assert np.linalg.norm(posed[upper] - posed[lower], axis=1).max() < 0.0005


@pytest.mark.parametrize("name", ["mouthPucker", "mouthLeft", "mouthSmileLeft", "mouthStretchLeft", "mouthDimpleLeft"])
def test_closed_lips_stay_sealed(name: str) -> None:
    posed = face().vertices + delta(name)
    upper, lower = face().seam
    rest = np.linalg.norm(face().vertices[upper] - face().vertices[lower], axis=1)
    assert (np.linalg.norm(posed[upper] - posed[lower], axis=1) - rest).max() < 0.0003


@pytest.mark.parametrize("name", ["mouthPucker", "mouthSmileLeft", "mouthStretchLeft", "mouthRollLower", "mouthClose"])
def test_nothing_inside_pokes_through_closed_lips(name: str) -> None:
    posed = yawning(delta(name)) if name == "mouthClose" else face().vertices + delta(name)
    view = View(yaw_degrees=30, target=tuple(posed[face().landmark_vertices[13]]), height_m=0.12)
    clip = clip_points(view.camera(400, 400), torch.from_numpy(posed), 400, 400)
    drawn = rasterize(clip.float(), torch.from_numpy(raw().triangles), (400, 400))[..., 3].long().numpy()
    seen = np.array(raw().triangle_parts)[drawn[drawn > 0] - 1]
    inside = ["teeth_upper", "teeth_lower", "gums", "tongue", "mouth_bag"]
    assert np.isin(seen, inside).sum() < 20  # of 160,000 pixels: corners of the mouth


def test_pairs_are_mirror_images() -> None:
    for left, right in MIRRORED:
        if left in EXPRESSION_SHAPES:
            np.testing.assert_allclose(delta(right), face().mirrored(delta(left)), atol=1e-9)


@pytest.mark.parametrize("name", LEFT_SHAPES)
def test_left_shapes_leave_the_right_side_alone(name: str) -> None:
    right = face().vertices[:, 0] < -0.012
    assert np.abs(delta(name)[right]).max() < 0.0003
    assert np.abs(delta(name)).max() > 0.002


@pytest.mark.parametrize("name", [name for name in EXPRESSION_SHAPES if name != "jawForward"])
def test_hard_parts_never_move(name: str) -> None:
    assert not delta(name)[face().soft == 0].any()


def test_jaw_forward_carries_the_lower_teeth_rigidly() -> None:
    moved = delta("jawForward")[raw().regions["teeth_lower"]]
    np.testing.assert_allclose(moved, np.broadcast_to(moved[0], moved.shape), atol=1e-9)
    assert moved[0, 2] > 0.005
    assert not delta("jawForward")[raw().regions["teeth_upper"]].any()


# Where each kind of shape has no business: landmark numbers on the left, and what little they may move.
ELSEWHERE = {
    "eye": (13, 291, 1, 10, 334, 336, 152),
    "brow": (13, 291, 1, 374, 386, 385, 152, 425),
    "mouth": (336, 300, 386, 10, 168, 6),
    "cheekSquint": (13, 336, 300, 386, 152),
    "noseSneer": (336, 300, 386, 374, 152, 291),
}


@pytest.mark.parametrize("name", [name for name in EXPRESSION_SHAPES if name.startswith(tuple(ELSEWHERE))])
def test_shapes_move_nothing_else(name: str) -> None:
    places = next(ids for kind, ids in ELSEWHERE.items() if name.startswith(kind))
    moved = np.linalg.norm(delta(name)[face().landmark_vertices[list(places)]], axis=1)
    assert dict(zip(places, moved > 0.0006, strict=True)) == dict.fromkeys(places, False)


# Where a landmark goes at weight 1, in millimetres: what the shape is about.
DIRECTIONS = {
    "mouthSmileLeft": (291, (7.5, 9.0, -5.0)),
    "mouthFrownLeft": (291, (0.6, -8.5, -1.5)),
    "mouthStretchLeft": (291, (9.5, -3.0, -6.0)),
    "mouthDimpleLeft": (291, (5.5, 0.6, -5.0)),
    "mouthPucker": (291, (-12.0, -0.5, 7.0)),
    "mouthUpperUpLeft": (270, (0.6, 7.0, 0.0)),
    "mouthLowerDownLeft": (321, (1.0, -8.0, 0.0)),
    "browInnerUp": (336, (0.0, 9.0, -1.0)),
    "browOuterUpLeft": (300, (0.5, 9.0, -2.0)),
    "browDownLeft": (285, (-2.5, -5.0, 1.0)),
    "cheekPuff": (411, (11.0, -2.0, 5.0)),
    "cheekSquintLeft": (280, (0.0, 6.0, 1.0)),
    "noseSneerLeft": (294, (0.5, 5.0, 0.0)),
    "eyeWideLeft": (386, (0.0, 2.8, -1.0)),
    "jawForward": (152, (0.0, -1.0, 7.0)),
}


@pytest.mark.parametrize("name", DIRECTIONS)
def test_shapes_go_where_their_muscle_pulls(name: str) -> None:
    place, wanted = DIRECTIONS[name]
    moved, target = landmark(place, delta(name)) * 1000, np.asarray(wanted)
    assert moved @ target / np.linalg.norm(moved) / np.linalg.norm(target) > 0.85
    assert 0.6 < np.linalg.norm(moved) / np.linalg.norm(target) < 1.6


@pytest.mark.parametrize("name", [name for name in EXPRESSION_SHAPES if name != "mouthClose"])
def test_skin_does_not_fold_over(name: str) -> None:
    """Of the face's triangles hardly any turns its back; what does lies in the crease between the lips."""
    triangles = raw().triangles[np.array(raw().triangle_parts) == "face"]

    def facing(vertices: Floats) -> Floats:
        a, b, c = (vertices[triangles[:, k]] for k in range(3))
        return np.asarray(np.cross(b - a, c - a))

    turned = (facing(face().vertices) * facing(face().vertices + delta(name))).sum(1) < 0
    assert turned.mean() < 0.003
