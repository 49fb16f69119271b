"""The neutral head: closed, symmetric, of human size, its parts fitting each other. Millimetres unless said."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from render.rasterizer import rasterize
from tracker.jobs.builtin_head.assemble import RawHead, assemble
from tracker.jobs.builtin_head.topology import LIPS_INNER, boundary_loops

STATISTICS = Path(__file__).parents[2] / "models" / "builtin" / "statistics.npz"


@pytest.fixture(scope="module")
def mean() -> NDArray[np.float64]:
    with np.load(STATISTICS, allow_pickle=False) as data:
        return np.asarray(data["mean"], np.float64)


@pytest.fixture(scope="module")
def head(mean: NDArray[np.float64]) -> RawHead:
    return assemble(mean)


def millimetres(head: RawHead) -> NDArray[np.float64]:
    return head.vertices * 1000


def areas(points: NDArray[np.float64], triangles: NDArray[np.int64]) -> NDArray[np.float64]:
    a, b, c = (points[triangles[:, k]] for k in range(3))
    return np.asarray(np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2)


def volume(points: NDArray[np.float64], triangles: NDArray[np.int64]) -> float:
    a, b, c = (points[triangles[:, k]] for k in range(3))
    return float((np.cross(a, b) * c).sum() / 6)


def of_part(head: RawHead, *names: str) -> NDArray[np.int64]:
    return head.triangles[np.isin(np.array(head.triangle_parts), names)]


def test_sizes_are_within_the_budget(head: RawHead) -> None:
    count = len(head.vertices)
    assert 5000 <= count <= 9000
    assert head.triangles.shape == head.uv_triangles.shape
    assert head.colours.shape == (count, 3)
    assert head.joint_regressor.shape == (5, count)
    assert head.skinning_weights.shape == (count, 5)
    assert np.array_equal(np.unique(head.triangles), np.arange(count)), "a vertex is in no triangle"
    for name, ids in head.regions.items():
        assert len(ids), name
        assert ids.min() >= 0, name
        assert ids.max() < count, name
        assert len(np.unique(ids)) == len(ids), name


def test_building_twice_gives_the_same(head: RawHead, mean: NDArray[np.float64]) -> None:
    again = assemble(mean)
    assert np.array_equal(head.vertices, again.vertices)
    assert np.array_equal(head.triangles, again.triangles)
    assert np.array_equal(head.uvs, again.uvs)


def test_edges_are_manifold_and_only_the_neck_is_open(head: RawHead) -> None:
    t = head.triangles
    directed = np.concatenate([t[:, [0, 1]], t[:, [1, 2]], t[:, [2, 0]]])
    assert len(np.unique(directed, axis=0)) == len(directed), "two triangles use one edge in the same direction"
    loops = boundary_loops(t)
    assert len(loops) == 1
    assert set(loops[0]) == set(head.regions["neck_ring"])


def test_triangles_face_outward_and_none_is_degenerate(head: RawHead) -> None:
    points = millimetres(head)
    assert areas(points, head.triangles).min() > 0.004
    for name in ("eyeball_left", "eyeball_right", "teeth_upper", "teeth_lower", "gums", "tongue"):
        assert volume(points, of_part(head, name)) > 0, name
    # The skin is open at the neck: closed there, it must enclose a head's volume, about three to five litres.
    skin = head.triangles[~np.isin(np.array(head.triangle_parts), ("eyeball_left", "eyeball_right", "teeth_upper"))]
    ring = head.regions["neck_ring"]
    centre = points[ring].mean(0)
    assert 3.0e6 < volume(points - centre, skin) < 5.5e6


def test_left_and_right_are_mirror_images(head: RawHead) -> None:
    assert np.array_equal(head.mirror[head.mirror], np.arange(len(head.mirror)))
    np.testing.assert_allclose(head.vertices[head.mirror] * (-1, 1, 1), head.vertices, atol=1e-9)
    swapped = head.skinning_weights[head.mirror][:, [0, 1, 2, 4, 3]]
    np.testing.assert_allclose(swapped, head.skinning_weights, atol=1e-6)
    for name, ids in head.regions.items():
        if name.endswith("_left"):
            partner = head.regions[name.removesuffix("left") + "right"]
            assert set(head.mirror[ids]) == set(partner), name


def test_landmarks_are_vertices_and_keep_their_places(head: RawHead, mean: NDArray[np.float64]) -> None:
    at = head.vertices[head.embedding_vertices[:, 0]]
    assert np.array_equal(head.embedding_vertices[:468, 0], np.arange(468))
    moved = np.linalg.norm(at - mean, axis=1) * 1000
    lips = np.zeros(478, bool)
    lips[list(LIPS_INNER)] = True
    assert np.median(moved[:468]) < 0.2
    assert moved[:468][~lips[:468]].max() < 2.0  # the mouth is closed, so the skin around it gives way
    assert moved[468:].max() < 3.5  # a round iris of true size on a ball that fits the lids


def test_the_size_is_a_persons(head: RawHead) -> None:
    points = millimetres(head)
    scalp = points[head.regions["scalp"]]
    ear = points[head.regions["ear_left"]]
    assert 145 < np.ptp(scalp[:, 0]) < 160
    assert 180 < points[9, 2] - scalp[:, 2].min() < 200
    assert 205 < scalp[:, 1].max() - points[152, 1] < 235
    assert 56 < np.ptp(ear[:, 1]) < 68
    assert points[2, 1] - 12 < ear[:, 1].min() < ear[:, 1].max() < points[9, 1] + 12
    iris = points[head.embedding_vertices[473:478, 0]]
    assert np.linalg.norm(iris[1] - iris[3]) == pytest.approx(11.7, abs=0.3)
    # The ring runs as the detector's: towards +x, +y, -x, -y, in both eyes.
    for eye in (head.embedding_vertices[468:473, 0], head.embedding_vertices[473:478, 0]):
        x, y = (points[eye[1:]] - points[eye[0]])[:, :2].T
        assert x[0] > 5 > abs(y[0])
        assert y[1] > 5 > abs(x[1])
        assert x[2] < -5
        assert y[3] < -5


def test_lids_and_sockets_stay_off_the_eyeballs(head: RawHead) -> None:
    points = millimetres(head)
    for side, centre in zip(("left", "right"), head.eye_centres * 1000, strict=True):
        ball = np.linalg.norm(points[head.regions[f"eyeball_{side}"]] - centre, axis=1)
        assert 11.9 < ball.min() < ball.max() < 12.5
        socket = np.linalg.norm(points[head.regions[f"socket_{side}"]] - centre, axis=1)
        assert socket.min() >= 12.3
        margin = np.linalg.norm(points[head.regions[f"lid_margin_{side}"]] - centre, axis=1)
        assert 12.6 < margin.min() < 14.0


def test_the_lips_meet_without_crossing(head: RawHead) -> None:
    points = millimetres(head)
    upper, lower = points[list(LIPS_INNER[1:10])], points[list(LIPS_INNER[:10:-1])]
    assert np.abs(upper - lower).max() < 0.3
    margin = points[head.regions["lip_margin"]]
    gap = margin[1:20, 1] - margin[:20:-1, 1]
    assert gap.min() > -0.1
    assert gap.max() < 0.3


def test_joints_are_means_of_still_vertices(head: RawHead) -> None:
    np.testing.assert_allclose(head.joint_regressor.sum(1), 1, atol=1e-9)
    assert head.joint_regressor.min() >= 0
    joints = head.joint_regressor @ head.vertices * 1000
    points = millimetres(head)
    np.testing.assert_allclose(joints[3:], head.eye_centres * 1000, atol=0.1)
    np.testing.assert_allclose(joints[:3, 0], 0, atol=0.01)
    ear_front = points[head.regions["ear_left"], 2].max()
    assert abs(joints[2, 2] - ear_front) < 15, "the jaw's hinge lies just before the ear"
    assert joints[0, 1] < joints[1, 1] < joints[2, 1]


def test_skinning_is_a_smooth_partition(head: RawHead) -> None:
    weights = head.skinning_weights
    np.testing.assert_allclose(weights.sum(1), 1, atol=1e-9)
    assert weights.min() >= 0
    jaw = weights[:, 2]
    for name in ("teeth_lower", "gums_lower", "tongue"):
        assert (jaw[head.regions[name]] == 1).all(), name
    assert (jaw[[17, 200, 152]] > 0.99).all()
    assert (jaw[[0, 13, 4, 10, 33, 263]] < 0.01).all()
    assert jaw[[78, 308]] == pytest.approx([0.5, 0.5], abs=0.05)
    face = of_part(head, "face", "hood")
    edges = np.concatenate([face[:, [0, 1]], face[:, [1, 2]]])
    steep = np.abs(jaw[edges[:, 0]] - jaw[edges[:, 1]])
    assert np.percentile(steep, 99.5) < 0.3


def opened(head: RawHead, degrees: float) -> NDArray[np.float64]:
    """The vertices with the jaw turned about its joint, as skinning does it."""
    angle = np.radians(degrees)
    turn = np.array([[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]])
    hinge = (head.joint_regressor @ head.vertices)[2]
    turned = (head.vertices - hinge) @ turn.T + hinge
    return np.asarray(head.vertices + head.skinning_weights[:, 2:3] * (turned - head.vertices))


def test_the_jaw_opens_downward_into_a_wide_mouth(head: RawHead) -> None:
    points = opened(head, 30) * 1000
    assert points[152, 1] < millimetres(head)[152, 1] - 15
    gap = points[13, 1] - points[14, 1]
    assert 35 < gap < 60
    lengths = np.linalg.norm(points[list(LIPS_INNER)] - np.roll(points[list(LIPS_INNER)], 1, 0), axis=1)
    assert lengths.max() < 14, "the lips tear somewhere"
    before = areas(millimetres(head), of_part(head, "face"))
    after = areas(points, of_part(head, "face"))
    assert (after / before).min() > 0.05


def test_texture_coordinates_do_not_fold(head: RawHead) -> None:
    uvs, corners = head.uvs, head.uv_triangles
    assert uvs.min() >= 0
    assert uvs.max() <= 1
    a, b, c = (uvs[corners[:, k]] for k in range(3))
    signed = ((b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]) / 2
    skin = np.isin(
        np.array(head.triangle_parts), ("face", "hood", "ear_left", "ear_right", "nostril_left", "nostril_right")
    )
    assert (signed[skin] < 0).all(), "a triangle of the skin's island is turned over"  # origin at the top left
    assert np.abs(signed[skin]).sum() > 0.6
    face = np.array(head.triangle_parts) == "face"
    assert np.abs(signed[face]).sum() > 0.22
    density = np.sqrt(np.abs(signed[face]) / areas(head.vertices, head.triangles[face]))
    assert np.percentile(density, 95) / np.percentile(density, 5) < 3


def test_islands_do_not_overlap(head: RawHead) -> None:
    """Drawn as a picture, no pixel well inside a triangle belongs to a second one."""
    size = 1024
    a, b, c = (head.uvs[head.uv_triangles[:, k]] for k in range(3))
    total = np.abs((b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]).sum() / 2
    clip = np.concatenate([head.uvs * (2, -2) + (-1, 1), np.zeros((len(head.uvs), 1)), np.ones((len(head.uvs), 1))], 1)
    image = rasterize(torch.tensor(clip, dtype=torch.float32), torch.tensor(head.uv_triangles), (size, size)).numpy()
    covered = (image[..., 3] > 0).mean()
    assert covered == pytest.approx(total, rel=0.002)


def inside(points: NDArray[np.float64], shell: NDArray[np.float64], triangles: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which points a closed shell encloses, by the solid angle it spans around each (Van Oosterom and Strackee)."""
    a, b, c = (shell[triangles[:, k]][None] - points[:, None] for k in range(3))
    la, lb, lc = (np.linalg.norm(v, axis=-1) for v in (a, b, c))
    top = (a * np.cross(b, c)).sum(-1)
    bottom = la * lb * lc + (a * b).sum(-1) * lc + (b * c).sum(-1) * la + (c * a).sum(-1) * lb
    return np.asarray(np.abs(np.arctan2(top, bottom).sum(-1)) > np.pi)


@pytest.mark.parametrize("degrees", [0.0, 10.0, 28.0])
def test_teeth_and_tongue_stay_inside_the_mouth(head: RawHead, degrees: float) -> None:
    points = opened(head, degrees)
    rim = head.regions["lip_margin"]
    lid = np.stack([rim, np.roll(rim, -1), np.full(len(rim), len(points))], 1)
    shell = np.concatenate([points, points[rim].mean(0, keepdims=True)])
    pocket = np.concatenate([of_part(head, "mouth_bag"), lid])
    for name in ("teeth_upper", "teeth_lower", "gums", "tongue"):
        assert inside(points[head.regions[name][::2]], shell, pocket).all(), name


def test_what_lies_inside_stays_under_the_skin(head: RawHead) -> None:
    skin = of_part(head, "face", "hood", "ear_left", "ear_right", "nostril_left", "nostril_right")
    shell, lids = head.vertices, []
    for loop in boundary_loops(skin):
        lids.append(np.stack([np.roll(loop, -1), loop, np.full(len(loop), len(shell))], 1))
        shell = np.concatenate([shell, head.vertices[loop].mean(0, keepdims=True)])
    closed = np.concatenate([skin, *lids])
    behind_lips, behind_lids = head.regions["mouth_bag"][80:], head.regions["socket_left"][64:]
    for ids in (behind_lips, behind_lids, head.regions["gums"], head.regions["tongue"]):
        assert inside(head.vertices[ids[::6]], shell, closed).all()
