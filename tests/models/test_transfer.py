"""Motion carried over to other meshes: what must stay the same, what must scale, what must touch."""

from functools import lru_cache

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from models.arkit import arkit_params
from models.arkit_names import ARKIT_NAMES
from models.borrow import LEFT_LIDS, LIPS, RIGHT_LIDS, Surface, borrow_head
from models.embedding.fit import Fit, fit_template
from models.embedding.mesh import unit, vertex_normals
from models.embedding.parts import find_parts
from models.embedding.similarity import Similarity
from models.head import Head, embed, pose_head, shape_head
from models.transfer import Transfer
from models.types import JAW, LEFT_EYE, NECK, RIGHT_EYE
from tests.models.builtin import builtin_template, person, remeshed, turn

Floats = NDArray[np.float64]
NO_SURFACE = Surface(np.zeros((1, 2)), np.zeros((1, 3), np.int64), "stranger", "none", "")


def exact_fit(pose: Similarity) -> Transfer:
    """The built-in head moved as a whole, bound to itself without any fitting."""
    template = builtin_template()
    vertices = pose(template.rest)
    embedding = template.head.embedding
    fit = Fit(
        template=template,
        similarity=pose,
        coefficients=np.zeros(template.shapes.shape[2]),
        vertices=vertices,
        landmarks=template.landmarks(vertices),
        embedding=embedding,
        joints=template.joints(vertices),
        parts=find_parts(vertices, template.triangles),
        face_error_m=0.0,
    )
    return Transfer(fit, vertices, template.triangles)


@lru_cache(maxsize=1)
def stranger() -> tuple[Transfer, Head]:
    """A random person in other triangles, fitted, and the head made of it."""
    vertices, _ = person(seed=11)
    points, triangles = remeshed(1.05 * vertices, builtin_template().triangles)
    transfer = Transfer(fit_template(builtin_template(), points, triangles), points, triangles)
    return transfer, borrow_head(transfer, NO_SURFACE).to(dtype=torch.float64)


def posed(**weights: float) -> Floats:
    _, head = stranger()
    all_weights = torch.zeros(len(ARKIT_NAMES), dtype=torch.float64)
    for name, value in weights.items():
        all_weights[ARKIT_NAMES.index(name)] = value
    return pose_head(shape_head(head, head.zero_identity()), arkit_params(head, all_weights)).vertices.numpy()


def landmarks(vertices: Floats) -> Floats:
    return embed(stranger()[1].embedding, torch.from_numpy(vertices)).numpy()


def test_a_head_carries_its_own_motion() -> None:
    transfer = exact_fit(Similarity(1.0, np.eye(3), np.zeros(3)))
    template = builtin_template()
    own = template.head.expression_basis.numpy()
    carried = transfer.carry(own)
    skin = template.importance > 0.5
    off = np.linalg.norm(carried - own, axis=1)[skin]
    assert np.linalg.norm(own, axis=1)[skin].max() > 0.015
    assert np.percentile(off, 99) < 0.0005


def test_motion_turns_and_grows_with_the_head() -> None:
    pose = Similarity(1.3, turn(0, 0, 25), np.array((0.1, 0, 0)))
    own = builtin_template().head.expression_basis.numpy()
    straight = exact_fit(Similarity(1.0, np.eye(3), np.zeros(3))).carry(own)
    turned = exact_fit(pose).carry(own)
    skin = builtin_template().importance > 0.5
    expected = 1.3 * np.einsum("ab,vbk->vak", pose.rotation, straight)
    assert np.percentile(np.linalg.norm(turned - expected, axis=1)[skin], 99) < 0.0003


def test_the_code_0_is_the_mesh_itself() -> None:
    transfer, head = stranger()
    np.testing.assert_allclose(posed(), transfer.vertices, atol=1e-6)
    assert torch.isfinite(head.expression_basis).all()
    np.testing.assert_allclose(head.skinning_weights.sum(1).numpy(), 1, atol=1e-6)
    assert head.skinning_weights.min() >= 0


def test_joints_are_carried_by_vertices_that_no_expression_moves() -> None:
    transfer, head = stranger()
    np.testing.assert_allclose((head.joint_regressor @ head.template).numpy(), transfer.fit.joints, atol=1e-6)
    drift = torch.einsum("jv,vce->jce", head.joint_regressor, head.expression_basis)
    assert drift.norm(dim=1).max() < 0.0003


def test_eyes_and_teeth_are_rigid() -> None:
    transfer, _ = stranger()
    rest, moved = posed(), posed(jawOpen=1, mouthSmileLeft=1, eyeBlinkLeft=1, eyeLookOutLeft=0.7, eyeLookInRight=0.7)
    for joint in (LEFT_EYE, RIGHT_EYE, JAW, NECK):
        ids = transfer.rigid[joint]
        assert len(ids) > 50
        before = np.linalg.norm(rest[ids] - rest[ids[0]], axis=1)
        np.testing.assert_allclose(np.linalg.norm(moved[ids] - moved[ids[0]], axis=1), before, atol=1e-5)
    lower = transfer.rigid[JAW]
    assert (rest[lower, 1] - moved[lower, 1]).mean() > 0.01


def test_eyes_look_where_they_are_told() -> None:
    transfer, _ = stranger()
    moved = landmarks(posed(eyeLookOutLeft=1.0)) - landmarks(posed())
    assert moved[473, 0] > 0.004  # the left iris to the subject's left
    assert np.abs(moved[468]).max() < 1e-6
    assert transfer.fit.parts.eyes is not None


@pytest.mark.parametrize("lids", [LEFT_LIDS, RIGHT_LIDS])
def test_lids_close(lids: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    opened, closed = landmarks(posed()), landmarks(posed(eyeBlinkLeft=1, eyeBlinkRight=1))
    upper, lower = list(lids[0]), list(lids[1])
    axis = unit(closed[upper[-1]] - closed[upper[0]])

    def gap(points: Floats) -> Floats:
        across = points[upper] - points[lower]
        return np.asarray(np.linalg.norm(across - np.outer(across @ axis, axis), axis=1))

    assert gap(opened).max() > 0.006
    assert gap(closed).max() < 0.0005


def height_over(ball: Floats, points: Floats) -> Floats:
    """How far points stand out of an eyeball's surface, both about its centre."""
    nearest = cKDTree(unit(ball)).query(unit(points))[1]
    return np.asarray(np.linalg.norm(points, axis=1) - np.linalg.norm(ball[nearest], axis=1))


def test_lids_stay_outside_the_eyeball() -> None:
    transfer, _ = stranger()
    assert transfer.fit.parts.eyes is not None
    rest, closed = posed(), posed(eyeBlinkLeft=1, eyeBlinkRight=1)
    outer = np.unique(transfer.triangles[transfer.fit.parts.skin])
    for eye in transfer.fit.parts.eyes:
        near = outer[np.linalg.norm(rest[outer] - eye.centre, axis=1) < 1.5 * eye.radius]
        ball = rest[eye.vertices] - eye.centre
        was_outside = near[height_over(ball, rest[near] - eye.centre) > 0]
        assert len(was_outside) > 100
        assert height_over(ball, closed[was_outside] - eye.centre).min() > -0.0001


def test_lips_seal_over_an_open_jaw() -> None:
    rest, opened, closed = (landmarks(posed(**w)) for w in ({}, {"jawOpen": 1}, {"jawOpen": 1, "mouthClose": 1}))
    upper, lower = list(LIPS[0]), list(LIPS[1])
    gap_opened = np.linalg.norm(opened[upper] - opened[lower], axis=1)
    assert gap_opened.max() > 0.03
    before, after = rest[upper] - rest[lower], closed[upper] - closed[lower]
    assert np.linalg.norm(after - before, axis=1).max() < 0.0005


def test_a_smile_is_smooth_and_stays_in_the_face() -> None:
    transfer, _ = stranger()
    moved = posed(mouthSmileLeft=1) - posed()
    size = np.linalg.norm(moved, axis=1)
    face = cKDTree(landmarks(posed())[:468])
    assert size[face.query(posed())[0] > 0.04].max() < 0.001
    right = landmarks(moved)[[61, 50, 205]]
    assert np.linalg.norm(right, axis=1).max() < 0.004
    normals_before = vertex_normals(posed(), transfer.triangles)
    normals_after = vertex_normals(posed(mouthSmileLeft=1), transfer.triangles)
    skin = np.unique(transfer.triangles[transfer.fit.parts.skin])
    assert np.percentile((normals_before * normals_after).sum(1)[skin], 1) > 0.5


def test_identity_modes_change_the_person() -> None:
    _, head = stranger()
    code = torch.zeros(head.identity_size, dtype=torch.float64)
    code[0] = 1.5
    vertices = pose_head(shape_head(head, code), head.zero_params()).vertices.numpy()
    assert 0.0005 < np.linalg.norm(vertices - posed(), axis=1).mean() < 0.02
