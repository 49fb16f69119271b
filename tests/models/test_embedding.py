"""Fitting the built-in head to other heads: the geometry it stands on, then whole fits with known answers."""

import json
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.embedding import find_embedding
from models.embedding.closest import SurfaceIndex, project_to_triangles
from models.embedding.fit import Fit, fit_template
from models.embedding.outer import _seen_area, outward, seen_from_outside
from models.embedding.parts import find_eyeballs, find_parts, fit_sphere, shells_over_eyes
from models.embedding.similarity import Similarity, align, align_robustly
from models.head import embed
from models.known_landmarks import at_vertex, known_landmarks
from models.obj import read_obj
from models.types import LEFT_EYE, RIGHT_EYE, MienError
from tests.models.builtin import builtin_head, builtin_template, bumpy_ball, person, remeshed, turn

Floats = NDArray[np.float64]

# The nearest point of a triangle.


@given(st.integers(0, 10_000))
@settings(max_examples=60)
def test_no_point_of_the_triangle_is_nearer_than_the_projection(seed: int) -> None:
    random = np.random.default_rng(seed)
    corners, point = random.normal(size=(3, 3)), 2 * random.normal(size=3)
    if seed % 5 == 0:
        corners[2] = corners[0] + 0.3 * (corners[1] - corners[0])  # a sliver without area
    weights, place, distance = project_to_triangles(point[None], corners[None])
    assert weights.min() >= -1e-12
    assert weights.sum() == pytest.approx(1)
    np.testing.assert_allclose(weights[0] @ corners, place[0], atol=1e-9)
    others = random.dirichlet((0.5, 0.5, 0.5), 2000) @ corners
    assert distance[0] <= np.linalg.norm(others - point, axis=1).min() + 1e-9


def test_the_index_finds_what_looking_at_every_triangle_finds() -> None:
    vertices, triangles = bumpy_ball(rings=14)
    stretched = vertices * (1.0, 4.0, 0.3)  # long thin triangles beside small ones
    points = 0.15 * np.random.default_rng(0).normal(size=(60, 3))
    hits = SurfaceIndex(stretched, triangles).closest(points, k=24)
    every = project_to_triangles(points[:, None], stretched[triangles][None].repeat(len(points), 0))[2].min(1)
    np.testing.assert_allclose(hits.distance, every, atol=1e-9)


def test_a_hit_may_be_asked_to_face_the_same_way() -> None:
    square = np.array(((0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0)), float)
    plate = np.concatenate([square, square - (0, 0, 0.01)])  # the far side faces away
    triangles = np.array(((0, 1, 2), (0, 2, 3), (4, 6, 5), (4, 7, 6)))
    below = np.array(((0.4, 0.3, -0.1),))
    index = SurfaceIndex(plate, triangles)
    assert index.closest(below).points[0, 2] == pytest.approx(-0.01)
    assert index.closest(below, normals=np.array(((0.0, 0.0, 1.0),))).points[0, 2] == pytest.approx(0.0)


# Similarities.


@given(st.integers(0, 10_000))
@settings(max_examples=30)
def test_an_alignment_recovers_the_similarity(seed: int) -> None:
    random = np.random.default_rng(seed)
    truth = Similarity(float(random.uniform(0.1, 9)), turn(*random.uniform(-180, 180, 3)), random.normal(size=3))
    points = random.normal(size=(12, 3))
    found = align(points, truth(points))
    assert found.scale == pytest.approx(truth.scale)
    np.testing.assert_allclose(found.rotation, truth.rotation, atol=1e-9)
    np.testing.assert_allclose(found.inverse()(truth(points)), points, atol=1e-9)


def test_a_robust_alignment_forgives_a_quarter_of_wrong_pairs() -> None:
    random = np.random.default_rng(1)
    truth = Similarity(1.3, turn(10, -30, 5), np.array((0.1, 0.2, 0.3)))
    points = random.normal(size=(80, 3))
    target = truth(points) + 0.001 * random.normal(size=points.shape)
    target[:20] += random.normal(size=(20, 3))
    found = align_robustly(points, target)[0]
    assert found.scale == pytest.approx(1.3, abs=0.002)


# What is outside, what is an eye.


def test_what_lies_within_is_not_seen() -> None:
    outer, triangles = bumpy_ball(0.1, 30)
    vertices = np.concatenate([outer, 0.5 * outer])
    both = np.concatenate([triangles, triangles + len(outer)])
    seen = seen_from_outside(vertices, both)
    assert seen[: len(triangles)].mean() > 0.95
    assert seen[len(triangles) :].mean() < 0.005  # through the pinholes at the poles


def test_parts_wound_inside_out_are_turned() -> None:
    outer, triangles = bumpy_ball(0.1, 30)
    vertices = np.concatenate([outer, outer + np.array((0.3, 0, 0))])
    both = np.concatenate([triangles, triangles[:, ::-1] + len(outer)])
    np.testing.assert_array_equal(outward(vertices, both), np.concatenate([triangles, triangles + len(outer)]))


def test_what_is_seen_of_a_mesh_is_the_same_far_away() -> None:
    vertices, triangles = bumpy_ball(0.1, 30)
    vertices = np.round(vertices * 2**16) / 2**16  # to stay itself where it is moved to
    directions = [np.array((0.0, 0.0, 1.0)), np.array((0.6, 0.0, 0.8))]
    for far in (2.0**8, 2.0**34):
        areas = _seen_area(vertices + far, triangles, directions)
        np.testing.assert_array_equal(areas, _seen_area(vertices, triangles, directions))


def test_a_mesh_as_small_as_rounding_is_looked_at_too() -> None:
    corners, triangles = np.random.default_rng(0).integers(0, 3, (60, 3)), np.arange(60).reshape(20, 3)
    small = 1e6 + np.spacing(1e6) * corners
    np.testing.assert_array_equal(outward(small, triangles), outward(corners.astype(float), triangles))


def test_a_sphere_is_told_from_a_cap_and_from_a_box() -> None:
    ball = np.random.default_rng(0).normal(size=(400, 3))
    ball = 0.012 * ball / np.linalg.norm(ball, axis=1, keepdims=True) + (0.03, 0.04, 0.05)
    sphere = fit_sphere(ball)
    assert sphere is not None
    np.testing.assert_allclose(sphere[0], (0.03, 0.04, 0.05), atol=1e-9)
    assert sphere[1] == pytest.approx(0.012)
    assert fit_sphere(ball[ball[:, 2] > 0.056]) is None
    assert fit_sphere(np.random.default_rng(0).uniform(-1, 1, (400, 3)).round()) is None


def test_the_built_in_eyeballs_are_found_where_its_joints_are() -> None:
    template = builtin_template()
    parts = find_parts(template.rest, template.triangles)
    assert parts.eyes is not None
    joints = template.joints(template.rest)
    for eye, joint in zip(parts.eyes, (LEFT_EYE, RIGHT_EYE), strict=True):
        assert np.linalg.norm(eye.centre - joints[joint]) < 0.001
        assert 0.01 < eye.radius < 0.014


def test_what_wraps_an_eyeball_is_told_from_the_eyeball_itself() -> None:
    template = builtin_template()
    eyes = find_eyeballs(template.rest, template.triangles)
    assert eyes is not None
    assert not shells_over_eyes(template.rest, template.triangles, eyes).any()
    # A film before the left eye: the front of its eyeball, drawn a little larger.
    left = eyes[0]
    front = template.rest[:, 2] > left.centre[2] + 0.3 * left.radius
    film = template.triangles[(front & np.isin(np.arange(len(front)), left.ball))[template.triangles].all(1)]
    used, compact = np.unique(film, return_inverse=True)
    vertices = np.concatenate([template.rest, left.centre + 1.06 * (template.rest[used] - left.centre)])
    triangles = np.concatenate([template.triangles, compact.reshape(-1, 3) + len(template.rest)])
    hidden = shells_over_eyes(vertices, triangles, eyes)
    assert hidden[len(template.triangles) :].all()
    assert not hidden[: len(template.triangles)].any()


# Whole fits.


@lru_cache(maxsize=1)
def fitted_stranger() -> tuple[Fit, Floats, Floats]:
    """A random person, larger, tilted a little, in other triangles: the fit, the mesh's vertices and the truth."""
    vertices, landmarks = person(seed=4)
    pose = Similarity(1.08, turn(6, -5, 3), np.array((0.02, -0.03, 0.05)))
    points, triangles = remeshed(pose(vertices), builtin_template().triangles)
    return fit_template(builtin_template(), points, triangles), points, pose(landmarks)


def test_a_strangers_landmarks_are_found() -> None:
    fit, vertices, truth = fitted_stranger()
    placed = embed(fit.embedding, torch.from_numpy(vertices)).numpy()
    np.testing.assert_allclose(placed, fit.landmarks, atol=1e-9)
    off = np.linalg.norm(placed - truth, axis=1)
    assert np.median(off) < 0.0015
    assert np.percentile(off, 90) < 0.005


def test_a_strangers_irises_lie_on_his_eyeballs_around_straight_ahead() -> None:
    fit, _, truth = fitted_stranger()
    for centre, joint in ((468, RIGHT_EYE), (473, LEFT_EYE)):
        assert np.linalg.norm(fit.landmarks[centre] - truth[centre]) < 0.003
        rim = np.linalg.norm(fit.landmarks[centre + 1 : centre + 5] - fit.landmarks[centre], axis=1)
        assert (np.abs(rim - 0.0062) < 0.0015).all()
        assert np.linalg.norm(fit.joints[joint] - fit.landmarks[centre]) < 0.016


def test_a_strangers_joints_are_where_his_own_are() -> None:
    fit, _, _ = fitted_stranger()
    vertices, _ = person(seed=4)
    pose = Similarity(1.08, turn(6, -5, 3), np.array((0.02, -0.03, 0.05)))
    off = np.linalg.norm(fit.joints - builtin_template().joints(pose(vertices)), axis=1)
    assert off[[LEFT_EYE, RIGHT_EYE]].max() < 0.001
    assert off.max() < 0.015


def test_a_mask_without_eyeballs_scalp_and_mouth_is_enough() -> None:
    template = builtin_template()
    vertices, truth = person(seed=7, strength=0.7)
    shift = np.array((0.01, 0.02, -0.03))
    face = np.isin(template.triangles, np.flatnonzero(template.importance > 0.6)).all(1)
    fit = fit_template(template, vertices + shift, template.triangles[face])
    off = np.linalg.norm(fit.landmarks[:468] - truth[:468] - shift, axis=1)
    assert fit.parts.eyes is None
    assert np.median(off) < 0.002


def test_known_landmarks_are_kept_as_they_are() -> None:
    template = builtin_template()
    vertices, _ = person(seed=5)
    own = template.head.embedding.vertices[:, 0].numpy()
    known = known_landmarks({landmark: at_vertex(int(own[landmark])) for landmark in range(0, 468, 9)})
    found = find_embedding(vertices, template.triangles, known, head=builtin_head())
    assert torch.equal(found.vertices[known.known], known.embedding.vertices[known.known])
    placed = embed(found, torch.from_numpy(vertices)).numpy()
    assert np.median(np.linalg.norm(placed - vertices[own], axis=1)) < 0.001


@pytest.mark.parametrize("size", [0.1, 0.4])
def test_what_is_no_head_is_told(size: float) -> None:
    with pytest.raises(MienError, match="expected a head"):
        fit_template(builtin_template(), *bumpy_ball(size))


def test_a_mesh_without_triangles_is_told() -> None:
    template = builtin_template()
    with pytest.raises(MienError, match="expected"):
        fit_template(template, template.rest, template.triangles[:0])


# ICT-FaceKit's 68 points that mean what a MediaPipe landmark means: eye corners, nose, mouth corners and lips.
SAME_POINTS = {27: 168, 30: 4, 31: 98, 32: 97, 33: 2, 34: 326, 35: 327}
SAME_POINTS |= dict(zip(range(36, 48), (33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380), strict=True))
SAME_POINTS |= dict(zip(range(48, 60), (61, 39, 37, 0, 267, 269, 291, 321, 314, 17, 84, 91), strict=True))
SAME_POINTS |= dict(zip(range(60, 68), (78, 82, 13, 312, 308, 317, 14, 87), strict=True))


def test_landmarks_on_a_head_of_another_make_agree_with_its_own(shared_dir: Path) -> None:
    folder = shared_dir / "ict_facekit_sample" / "FaceXModel"
    if not folder.is_dir():
        pytest.skip("needs the sample of ICT-FaceKit")
    mesh = read_obj(folder / "generic_neutral_mesh.obj")
    own = json.loads((folder / "vertex_indices.json").read_text())["idx_to_landmark_verts"]
    vertices = mesh.vertices / 100
    fit = fit_template(builtin_template(), vertices, mesh.triangles)
    theirs = vertices[[own[k] for k in SAME_POINTS]]
    off = np.linalg.norm(fit.landmarks[list(SAME_POINTS.values())] - theirs, axis=1)
    print(f"median {1000 * np.median(off):.2f} mm, largest {1000 * off.max():.1f} mm")
    assert np.median(off) < 0.003
    assert off.max() < 0.009
    assert fit.face_error_m < 0.001
