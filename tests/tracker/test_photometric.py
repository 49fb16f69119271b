"""Fitting pixels: derivatives against numeric differences, energy that falls, shapes that come back."""

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
import torch
from torch import Tensor

from models.camera import camera_points, project
from models.head import embed, pose_head, shape_head
from models.skinning import vertex_normals
from models.types import HeadParams, Identity, Landmarks, MienError
from render.diff.light import sh_basis, sh_slope
from tests.tracker import painted
from tracker.fit import PersonFit, PersonFitter
from tracker.jobs.photometric import PicturesByPixels, gain_report
from tracker.photometric.colours import linear, shown
from tracker.photometric.fit import MOST_WORSE_IOD, PhotometricFit, PhotometricFitter
from tracker.photometric.refine import Appearance, Picture, PixelConfig
from tracker.photometric.surface import Posed
from tracker.photometric.texture import TextureSolver
from tracker.photometric.view import View
from tracker.pose import iod_px


@lru_cache(maxsize=1)
def person() -> PersonFitter:
    return PersonFitter(painted.head())


@lru_cache(maxsize=1)
def skin() -> TextureSolver:
    return TextureSolver(painted.head(), side=256)


@lru_cache(maxsize=1)
def fitter() -> PhotometricFitter:
    return PhotometricFitter(person(), skin())


def smiling() -> HeadParams:
    params = painted.head().zero_params()
    names = painted.head().expression_names
    for name, weight in (("mouthSmileLeft", 0.5), ("mouthSmileRight", 0.5), ("browInnerUp", 0.4)):
        params.expression[names.index(name)] = weight
    params.jaw[0] = 0.08
    return params


def landmarks_of(vertices: Tensor, yaw: float, noise_iod: float) -> Landmarks:
    """As a detector would see them that strays, from point to point and all together."""
    points = embed(painted.head().embedding, vertices)
    at = painted.camera(yaw)
    flat = project(at, points).numpy()
    depth = (points @ at.rotation.T)[:, 2].numpy() * 400 / 0.42
    exact = Landmarks(flat, depth.astype(np.float32), painted.SIZE, 1.0)
    random = np.random.default_rng(5)
    along = np.linspace(0, 9, len(flat))
    astray = np.stack([np.sin(along + 3 * k) + 0.5 * random.standard_normal(len(flat)) for k in range(2)], 1)
    return replace(exact, points_px=(flat + noise_iod * iod_px(exact) * astray).astype(np.float32))


@lru_cache(maxsize=1)
def scene() -> tuple[np.ndarray, Landmarks, PersonFit, Tensor]:  # type: ignore[type-arg]
    """A picture, landmarks that stray by about 1 % of the IOD, the fit to them, and the true vertices."""
    params, shape = smiling(), painted.identity().shape
    vertices = pose_head(shape_head(painted.head(), shape), params).vertices
    image = painted.picture(painted.paint(), painted.camera(12.0), params, shape)
    seen = landmarks_of(vertices, 12.0, 0.008)
    return image, seen, person().fit([seen]), vertices


def the_view() -> View:
    image, seen, fit, _ = scene()
    return View.cut(image, fit.params[0], fit.camera[0], fit.fitted_px[0].numpy(), iod_px(seen))


@lru_cache(maxsize=1)
def refined() -> PhotometricFit:
    _, seen, fit, _ = scene()
    return fitter().fit(the_view(), seen, fit.identity)


# Derivatives.


def test_the_slope_of_light_is_that_of_its_basis() -> None:
    normals = torch.randn(30, 3, generator=torch.Generator().manual_seed(0)).double()
    for axis in range(3):
        step = 1e-6 * torch.eye(3).double()[axis]
        numeric = (sh_basis(normals + step) - sh_basis(normals - step)) / 2e-6
        assert torch.allclose(sh_slope(normals)[:, axis], numeric, atol=1e-8)


@pytest.mark.parametrize("group", ["expression", "identity", "jaw", "rotation", "translation"])
def test_what_follows_points_and_normals_changes_as_their_jacobian_says(group: str) -> None:
    _, _, fit, _ = scene()
    surface, layout, columns = fitter().surface, person().layout, person().layout.columns
    state = layout.pack(fit.params, fit.camera, fit.identity.shape[None])
    state[0, columns.jaw] = torch.tensor((0.1, 0.02, -0.03))
    where = getattr(columns, group)
    random = torch.Generator().manual_seed(1)
    step = torch.zeros(1, columns.count)
    step[0, where] = torch.randn(where.stop - where.start, generator=random)
    step *= 2e-3 / step.norm()
    by_point, by_normal = torch.randn(2, surface.count, 3, generator=random)

    def posed(state: Tensor) -> Posed:
        found = layout.unpack(state, torch.zeros(1, 2))
        assert found.identity is not None
        return surface.pose(found.params[0], found.camera[0], found.identity[0])

    before, now, after = posed(layout.retract(state, -step)), posed(state), posed(layout.retract(state, step))
    none = torch.zeros_like(by_point)
    for point, normal in ((by_point, none), (none, by_normal)):
        moved = (after.camera_m - before.camera_m)[: surface.count], after.raw_normals - before.raw_normals
        numeric = (point * moved[0] + normal * moved[1]).sum(1) / 2
        expected = surface.follow(now, point, normal) @ step[0]
        assert (expected - numeric).norm() < 0.02 * expected.norm() + 1e-7 * len(expected)


def test_the_energy_of_pixels_changes_as_their_derivatives_say() -> None:
    _, _, fit, _ = scene()
    view, layout = the_view(), person().layout
    state = layout.pack(fit.params, view.camera[None], fit.identity.shape[None])
    height, width = view.size
    down, right = torch.meshgrid(torch.arange(height) / 31.0, torch.arange(width) / 23.0, indexing="ij")
    waves = [torch.sin(right + k) * torch.cos(down) * 0.3 + 0.5 for k in range(3)]
    slopes = [torch.cos(right + k) * torch.cos(down) * 0.3 / 23 for k in range(3)]
    slopes += [-torch.sin(right + k) * torch.sin(down) * 0.3 / 31 for k in range(3)]
    count = fitter().surface.count
    picture = Picture(torch.stack(waves + slopes), torch.ones(count), torch.ones(count, 3), 1.0)
    random = torch.Generator().manual_seed(2)
    weights = 0.1 * torch.randn(skin().space.basis.shape[1], 3, generator=random)
    appearance = Appearance(skin().space.mean, weights, painted.LIGHT)
    refiner, even, principal = fitter().refiner, painted.LIGHT[0].mean(), view.camera.principal_px
    moving = torch.ones(layout.columns.count, dtype=torch.bool)

    def energy(state: Tensor, appearance: Appearance) -> float:
        return refiner._linearise(state, appearance, picture, principal, even, moving).energy

    pixels = refiner._linearise(state, appearance, picture, principal, even, moving)
    columns = layout.columns
    for where in (
        columns.expression,
        columns.identity,
        columns.jaw,
        columns.rotation,
        columns.translation,
        columns.focal,
    ):
        gradient = sum(2 * (rows.T @ pixels.residual[:, k]) for k, rows in enumerate(pixels.geometry))[where]  # type: ignore[index]
        step = torch.zeros(1, columns.count)
        step[0, where] = gradient / gradient.norm() * 1e-3
        numeric = energy(layout.retract(state, step), appearance) - energy(layout.retract(state, -step), appearance)
        assert numeric / 2e-3 == pytest.approx(float(gradient.norm()), rel=0.06)
    for k in range(3):
        slope = 2 * (pixels.looks[k].T @ pixels.residual[:, k] + pixels.pull_back[:, k])
        unit = slope / slope.norm() * 2e-3
        energies = []
        for sign in (1, -1):
            weights, light = appearance.weights.clone(), appearance.light.clone()
            weights[:, k] += sign * unit[:-9]
            light[:, k] += sign * unit[-9:]
            energies.append(energy(state, replace(appearance, weights=weights, light=light)))
        assert (energies[0] - energies[1]) / 4e-3 == pytest.approx(float(slope.norm()), rel=0.03)


def test_normals_of_the_face_are_those_of_the_whole_head() -> None:
    _, _, fit, _ = scene()
    camera, shape = fit.camera[0], fit.identity.shape
    whole = camera_points(camera, pose_head(shape_head(painted.head(), shape), fit.params[0]).vertices)
    posed = fitter().surface.pose(fit.params[0], camera, shape, jacobian=False)
    expected = vertex_normals(whole, painted.head().triangles)[skin().space.skin]
    found = torch.nn.functional.normalize(posed.raw_normals, dim=-1)
    assert (found * expected).sum(1).min() > 0.9999


# What comes back.


def vertex_error_mm(shape: Tensor, params: HeadParams) -> float:
    """Of the face's skin, both heads brought together by rotation, scale and shift."""
    vertices = pose_head(shape_head(painted.head(), shape), params).vertices[skin().space.skin]
    true = scene()[3][skin().space.skin]
    a, b = vertices - vertices.mean(0), true - true.mean(0)
    u, s, vh = torch.linalg.svd(b.T @ a)
    return float(1e3 * (a @ (u @ vh).T * (s.sum() / (a * a).sum()) - b).norm(dim=1).mean())


def test_the_energy_falls_and_the_shape_comes_nearer_to_the_truth() -> None:
    _, _, fit, _ = scene()
    found = refined()
    assert all(end < start for start, end in (one.energy for one in found.passes))
    before = vertex_error_mm(fit.identity.shape, fit.params[0])
    assert vertex_error_mm(found.shape, found.params) < 0.98 * before
    assert found.error_iod <= found.landmark_error_iod + MOST_WORSE_IOD


def test_pixels_that_pull_away_go_no_farther_than_the_landmarks_bear() -> None:
    _, seen, fit, _ = scene()
    view = the_view()
    moved = replace(view, image=np.roll(view.image, 3, axis=1))
    loud = PhotometricFitter(person(), skin(), PixelConfig(independent=30000.0))
    found = loud.fit(moved, seen, fit.identity)
    assert 0.5 * MOST_WORSE_IOD < found.error_iod - found.landmark_error_iod <= MOST_WORSE_IOD


def test_the_same_picture_gives_the_same_answer() -> None:
    _, seen, fit, _ = scene()
    again = fitter().fit(the_view(), seen, fit.identity)
    assert torch.equal(again.shape, refined().shape)
    assert torch.equal(again.params.expression, refined().params.expression)


def test_pixels_are_explained_better_than_from_the_landmarks_alone() -> None:
    _, seen, fit, _ = scene()
    start = fitter().fit(the_view(), seen, fit.identity, geometry=False)
    assert torch.equal(start.shape, fit.identity.shape)
    assert start.error_iod == pytest.approx(start.landmark_error_iod)
    assert refined().pixel_error < start.pixel_error
    direction = refined().appearance.light[1:4].mean(1)
    assert torch.nn.functional.cosine_similarity(direction, painted.LIGHT[1:4].mean(1), dim=0) > 0.95


def test_who_is_known_keeps_shape_and_skin_and_moves_in_each_frame_s_light() -> None:
    _, seen, _, _ = scene()
    known_person = painted.identity()
    view = replace(the_view(), params=painted.head().zero_params())
    solved = skin().solve(known_person, [the_view()])
    known = fitter().known(solved.lighting, solved.texture)
    found = fitter().fit(view, seen, known_person, known)
    assert torch.equal(found.shape, known_person.shape)
    assert torch.equal(found.appearance.weights, known.weights)
    smile = painted.head().expression_names.index("mouthSmileLeft")
    assert float(found.params.expression[smile]) > 0.2
    darker = replace(view, image=shown(np.float32(0.6) * linear(view.image)))
    dim = fitter().fit(darker, seen, known_person, known)
    gain = dim.appearance.light[0].mean() / found.appearance.light[0].mean()
    assert float(gain) == pytest.approx(0.6, rel=0.03)
    assert dim.pixel_error < 1.1 * found.pixel_error
    assert float((dim.fitted_px - found.fitted_px).norm(dim=1).mean()) < 0.3


def test_a_report_tells_before_and_after() -> None:
    image, seen, fit, _ = scene()
    better, gain, _ = PicturesByPixels(person(), skin()).refine(fit, 0, image, seen)
    report = gain_report([gain])
    assert report is not None
    assert report["pixel_error"] < report["pixel_error_before"]
    assert report["landmarks_worse_at_most"] <= 100 * MOST_WORSE_IOD
    assert report["pixel_error_saved"] > 0
    assert better.fitted_px.shape == fit.fitted_px.shape
    moved = project(better.camera[0], embed(painted.head().embedding, pose_head(
        shape_head(painted.head(), better.identity.shape), better.params[0]).vertices))  # fmt: skip
    assert torch.allclose(moved, better.fitted_px[0], atol=0.01)
    assert gain_report([]) is None
    white = gain_report([replace(gain, pixel_error_before=0.0, pixel_error=0.0)])
    assert white is not None
    assert np.isnan(white["pixel_error_saved"])


def test_a_head_that_is_not_in_the_picture_is_refused() -> None:
    _, seen, fit, _ = scene()
    view = the_view()
    nan = torch.tensor(float("nan"))
    person_of: Identity = fit.identity
    for broken in (
        replace(view, camera=replace(view.camera, translation=-view.camera.translation)),
        replace(view, params=view.params.with_(expression=view.params.expression + nan)),
        replace(view, camera=replace(view.camera, focal_px=nan)),
    ):
        with pytest.raises(MienError, match="expected a face in view"):
            fitter().fit(broken, seen, person_of)
