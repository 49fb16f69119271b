"""The built-in head from statistics: the committed file is what the code builds; every head it can take is sound."""

from functools import cache

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from models.arkit_names import EXPRESSION_SHAPES
from models.builtin import HEAD_FILE, load_builtin
from models.head import Head, pose_head, shape_head
from render.cpu import rasterize
from tracker.jobs.builtin_head.alignment import rigid_directions
from tracker.jobs.builtin_head.assemble import RawHead, assemble
from tracker.jobs.builtin_head.build import build_head
from tracker.jobs.builtin_head.carry import SIDES, Carrier, sealed
from tracker.jobs.builtin_head.correctives import explain, named_causes
from tracker.jobs.builtin_head.expressions import author_expressions
from tracker.jobs.builtin_head.refine import change_towards
from tracker.jobs.builtin_head.statistics_file import Statistics, load_statistics
from tracker.jobs.builtin_head.surface import Floats
from tracker.jobs.builtin_head.topology import LIPS_INNER, SURFACE_LANDMARKS

STATISTICS_FILE = HEAD_FILE.parent / "statistics.npz"
PEOPLE = 24


@cache
def statistics() -> Statistics:
    return load_statistics(STATISTICS_FILE)


@cache
def raw() -> RawHead:
    return assemble(statistics().mean)


@cache
def people() -> Floats:
    """Random heads at rest [N, V, 3]."""
    head = load_builtin()
    codes = torch.randn(PEOPLE, head.identity_size, generator=torch.Generator().manual_seed(5))
    return shape_head(head, codes).template.double().numpy()


def at_landmarks(head: Head, basis: torch.Tensor) -> Floats:
    return np.asarray(basis[head.embedding.vertices[:, 0]].double().numpy())


def test_the_committed_head_is_what_the_code_builds() -> None:
    """A file left behind by a change of what makes it fails here: `python -m tracker.jobs.builtin_head.build`."""
    fresh, committed = build_head(statistics()), load_builtin()
    for name in ("template", "identity_basis", "expression_basis", "pose_basis"):
        torch.testing.assert_close(getattr(committed, name), getattr(fresh, name), atol=1e-5, rtol=0, msg=name)
    for name in ("joint_regressor", "skinning_weights", "uvs", "colours"):
        torch.testing.assert_close(getattr(committed, name), getattr(fresh, name), atol=1e-4, rtol=0, msg=name)
    for name in ("triangles", "uv_triangles"):
        assert torch.equal(getattr(committed, name), getattr(fresh, name)), name
    for name in ("expression_prior", "jaw_prior", "eyes_prior"):
        for one, other in zip(
            vars(getattr(committed, name)).values(), vars(getattr(fresh, name)).values(), strict=True
        ):
            torch.testing.assert_close(one, other, atol=1e-4, rtol=0, msg=name)
    assert committed.expression_names == fresh.expression_names
    assert committed.regions.keys() == fresh.regions.keys()


def test_what_is_committed_is_small() -> None:
    assert sum(file.stat().st_size for file in HEAD_FILE.parent.glob("*.npz")) < 4e6


def test_identity_neither_moves_nor_turns_nor_grows_the_face() -> None:
    head = load_builtin()
    modes = at_landmarks(head, head.identity_basis).reshape(3 * 478, -1)
    landmarks = at_landmarks(head, head.template)
    weighted = rigid_directions(landmarks) * np.repeat(statistics().weights, 3)[:, None]
    spread = np.linalg.norm(modes * np.sqrt(np.repeat(statistics().weights, 3))[:, None], axis=0)
    along = weighted.T @ modes / np.linalg.norm(weighted, axis=0)[:, None]
    assert np.abs(along / spread).max() < 0.02


def test_heads_differ_as_heads_do() -> None:
    """Breadth of the skull and height of the face spread by a few percent, and no head leaves what heads are like."""
    everybody = people()
    breadth = np.ptp(everybody[:, raw().regions["scalp"], 0], axis=1)
    height = np.linalg.norm(everybody[:, 10] - everybody[:, 152], axis=1)
    for measure in (breadth, height):
        assert 0.01 < measure.std() / measure.mean() < 0.08
    assert 0.12 < breadth.min() < breadth.max() < 0.19


@pytest.mark.parametrize("side", SIDES)
def test_lids_keep_clear_of_the_eyeball_in_everybody(side: str) -> None:
    head = load_builtin()
    regions = {name: ids.numpy() for name, ids in head.regions.items()}
    for person in people():
        ball = person[regions[f"eyeball_{side}"]]
        centre = person[head.joint_regressor[3 if side == "left" else 4].numpy() > 0].mean(0)
        radius = np.linalg.norm(ball - centre, axis=1).max()
        for lid in (f"lid_margin_{side}", f"lid_upper_{side}", f"lid_lower_{side}"):
            assert np.linalg.norm(person[regions[lid]] - centre, axis=1).min() > radius + 0.0001


@pytest.mark.parametrize("side", SIDES)
def test_eyeballs_stay_as_they_are(side: str) -> None:
    head = load_builtin()
    ids = head.regions[f"eyeball_{side}"].numpy()
    rest, seen = head.template.numpy()[ids], people()[:, ids]
    np.testing.assert_allclose(
        seen - seen.mean(1, keepdims=True), (rest - rest.mean(0))[None].repeat(PEOPLE, 0), atol=2e-5
    )


def test_mouths_at_rest_are_shut_in_everybody() -> None:
    upper, lower = list(LIPS_INNER[1:10]), list(LIPS_INNER[19:10:-1])
    assert np.linalg.norm(people()[:, upper] - people()[:, lower], axis=-1).max() < 0.0003


def visible(vertices: Floats, inside: NDArray[np.bool_], yaw: float) -> int:
    """How many square millimetres of the triangles in the mask `inside` [F] a far viewer sees of a head."""
    turn = np.array(((np.cos(yaw), 0, np.sin(yaw)), (0, 1, 0), (-np.sin(yaw), 0, np.cos(yaw))))
    seen = (vertices - vertices[13]) @ turn.T * (10, 10, -2.5)  # 200 mm across
    clip = np.column_stack([seen, np.ones(len(seen))]).astype(np.float32)
    label = rasterize(clip, load_builtin().triangles.numpy(), (200, 200))[..., 3].astype(int)
    return int(inside[label[label > 0] - 1].sum())


def test_nothing_of_the_mouth_comes_through_the_skin() -> None:
    """In random people with shut mouths lining, gums and teeth stay behind lips and chin."""
    parts = np.isin(raw().triangle_parts, ("mouth_bag", "gums", "teeth_upper", "teeth_lower", "tongue"))
    sizes = [visible(person, parts, yaw) for person in people() for yaw in (-0.6, 0.0, 0.6)]
    assert max(sizes) < 4


def test_correctives_move_skin_only_and_leave_the_skull() -> None:
    head = load_builtin()
    correctives = head.expression_basis[..., len(EXPRESSION_SHAPES) :]
    for name in ("eyeball_left", "eyeball_right", "teeth_upper", "teeth_lower", "gums", "tongue"):
        assert not correctives[head.regions[name]].any(), name
    back = head.template[:, 2] < -0.06
    assert correctives[back].abs().max() < 1e-4
    assert correctives[head.regions["neck_ring"]].abs().max() < 1e-4


def test_correctives_hold_no_rigid_motion() -> None:
    head = load_builtin()
    modes = at_landmarks(head, head.expression_basis[..., len(EXPRESSION_SHAPES) :])[:SURFACE_LANDMARKS]
    weights = np.repeat(statistics().weights[:SURFACE_LANDMARKS], 3)
    weighted = rigid_directions(at_landmarks(head, head.template)[:SURFACE_LANDMARKS]) * weights[:, None]
    rows = modes.reshape(3 * SURFACE_LANDMARKS, -1)
    along = weighted.T @ rows / np.linalg.norm(weighted, axis=0)[:, None]
    assert np.abs(along / np.linalg.norm(rows * np.sqrt(weights)[:, None], axis=0)).max() < 0.05


def test_correctives_prefer_no_side() -> None:
    """Each is its own mirror image, or the opposite of it."""
    head = load_builtin()
    modes = head.expression_basis[..., len(EXPRESSION_SHAPES) :].double().numpy()
    partner = modes[raw().mirror] * np.array((-1.0, 1.0, 1.0))[:, None]
    same, opposite = (np.abs(modes - sign * partner).max((0, 1)) for sign in (1, -1))
    assert (np.minimum(same, opposite) < 3e-5).all()


def test_correctives_come_with_what_the_shapes_leave_over() -> None:
    """Named weights that made a motion are found again, so they leave nothing over."""
    causes = named_causes(raw(), author_expressions(raw()))
    weights = np.zeros((2, causes.columns.shape[1]))
    weights[0, [EXPRESSION_SHAPES.index("mouthSmileLeft"), EXPRESSION_SHAPES.index("browInnerUp")]] = 0.8, 0.6
    weights[1, -3] = 0.4  # the jaw
    moves = weights @ causes.columns.T
    explained = explain(moves, causes, statistics())
    left = np.sqrt((explained.left_over**2).mean(1) / (moves**2).mean(1))
    assert left.max() < 0.25
    assert explained.jaw[1, 0] == pytest.approx(0.4, abs=0.1)
    assert explained.weights[0, EXPRESSION_SHAPES.index("browInnerUp")] == pytest.approx(0.6, abs=0.15)


def test_carried_motion_agrees_with_the_landmarks_and_is_smooth() -> None:
    carrier = Carrier(raw())
    moves = np.zeros((SURFACE_LANDMARKS, 3, 1))
    cheek = np.linalg.norm(raw().vertices[:SURFACE_LANDMARKS] - raw().vertices[425], axis=1)
    moves[:, 2, 0] = 0.003 * np.exp(-((cheek / 0.015) ** 2))
    carried = carrier.expression(moves)[..., 0]
    np.testing.assert_allclose(carried[:SURFACE_LANDMARKS, :2], 0, atol=1e-9)
    face = raw().regions["face"]
    distance = np.linalg.norm(raw().vertices[face] - raw().vertices[425], axis=1)
    expected = 0.003 * np.exp(-((distance / 0.015) ** 2))
    assert np.abs(carried[face, 2] - expected).max() < 0.0004


def test_sealed_lips_go_together() -> None:
    moves = np.random.default_rng(0).normal(size=(SURFACE_LANDMARKS, 3, 2))
    closed = sealed(moves)
    np.testing.assert_array_equal(closed[13], closed[14])
    np.testing.assert_array_equal(closed[10], moves[10])


def test_lids_keep_clear_of_the_eyeball_in_every_mix() -> None:
    """Random correctives, eyes open to shut: the skin of the lids lies on the eyeball, never in it."""
    head = load_builtin()
    weights = torch.randn(16, head.expression_size, generator=torch.Generator().manual_seed(2))
    weights[:, : len(EXPRESSION_SHAPES)] = 0
    blink = [EXPRESSION_SHAPES.index(f"eyeBlink{side}") for side in ("Left", "Right")]
    weights[:, blink] = torch.linspace(0, 1, 16)[:, None]
    posed = pose_head(
        shape_head(head, head.zero_identity()), head.zero_params((16,)).with_(expression=weights)
    ).vertices
    for side, centre in zip(SIDES, raw().eye_centres, strict=True):
        ball = np.linalg.norm(raw().vertices[raw().regions[f"eyeball_{side}"]] - centre, axis=1).max()
        for lid in ("margin", "upper", "lower"):
            skin = posed[:, head.regions[f"lid_{lid}_{side}"]].numpy()
            assert np.linalg.norm(skin - centre, axis=-1).min() > ball, lid


def test_mixes_stay_on_the_head() -> None:
    """Random weights with an open jaw move no vertex further than a yawn does."""
    head = load_builtin()
    weights = torch.randn(8, head.expression_size, generator=torch.Generator().manual_seed(2))
    params = head.zero_params((8,)).with_(expression=weights * head.expression_prior.std)
    params = params.with_(jaw=params.jaw + torch.tensor((0.2, 0.0, 0.0)))
    posed = pose_head(shape_head(head, head.zero_identity()), params).vertices
    assert posed.isfinite().all()
    assert (posed - head.template).norm(dim=-1).max() < 0.05


def test_refining_leaves_contacts_and_the_other_side_alone() -> None:
    head, authored = load_builtin(), author_expressions(raw()).deltas
    shapes = head.expression_basis[..., : len(EXPRESSION_SHAPES)].double().numpy()
    changed = {name: np.abs(shapes[..., k] - authored[..., k]).max() for k, name in enumerate(EXPRESSION_SHAPES)}
    assert changed["mouthSmileLeft"] > 0.001  # refined at all
    assert max(changed[name] for name in ("eyeBlinkLeft", "mouthClose", "jawForward", "cheekPuff")) < 1e-5
    upper, lower = list(LIPS_INNER[1:10]), list(LIPS_INNER[19:10:-1])
    for name in ("mouthSmileLeft", "mouthLeft", "mouthPucker", "mouthStretchRight"):
        k = EXPRESSION_SHAPES.index(name)
        parted = shapes[upper, :, k] - shapes[lower, :, k] - authored[upper, :, k] + authored[lower, :, k]
        assert np.abs(parted).max() < 1e-5, name
        if name.endswith("Left") and name != "mouthLeft":
            assert np.abs(shapes[raw().vertices[:, 0] < -0.012, :, k]).max() < 0.0004


def test_what_is_seen_bends_a_shape_within_its_reach_only() -> None:
    """Of a motion seen elsewhere, and of one that points another way, a shape takes nothing."""
    face = raw().vertices[:SURFACE_LANDMARKS]

    def bump(landmark: int, direction: tuple[float, float, float]) -> Floats:
        near = np.exp(-((np.linalg.norm(face - face[landmark], axis=1) / 0.02) ** 2))
        return np.asarray(near[:, None] * np.array(direction) * 0.01)

    shape, steady = bump(291, (1.0, 0.0, 0.0)), np.ones(SURFACE_LANDMARKS)
    alike = change_towards(shape, bump(291, (0.5, 0.1, 0.0)) + bump(336, (0.0, 0.3, 0.0)), face, steady)
    assert alike[291, 1] > 0.0005
    assert np.abs(alike[336]).max() < 1e-5
    assert not change_towards(shape, bump(291, (0.0, 0.5, 0.0)), face, steady).any()
