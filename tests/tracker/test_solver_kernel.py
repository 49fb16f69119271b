"""The compiled passes against the torch code that they stand for."""

import numpy as np
import pytest
import torch

from models.landmark_rows import landmark_rows, view_landmarks
from tests.models.toy_head import toy_head
from tests.tracker.test_residuals import observe, random_scene
from tracker.config import FitConfig
from tracker.picture_energy import PictureEnergy, Seen
from tracker.prior_kernel import KernelPriors, with_priors
from tracker.residuals import Observed, Priors, energy
from tracker.solver_kernel import KernelRows
from tracker.state_kernel import difference, retract
from tracker.unknowns import Layout

CONFIG = FitConfig()


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_agrees_with_torch(seed: int) -> None:
    head = toy_head(seed=seed)
    identity, params, camera = random_scene(head, seed)
    rows = landmark_rows(head, identity[0])
    layout = Layout(rows.columns)
    view = view_landmarks(rows, params, camera, jacobian=False)
    noise = torch.randn(view.points_px.shape, generator=torch.Generator().manual_seed(seed)).double()
    observed = observe(view.points_px + 5 * noise, camera)
    states = layout.pack(params, camera)
    priors = Priors.of(head, rows.columns, CONFIG)
    wanted = energy(rows, layout, priors, CONFIG, observed)(states)
    as_compiled = Priors(*(t.float() if t.is_floating_point() else t for t in vars(priors).values()))

    compiled = PictureEnergy(head, rows, CONFIG)
    for k, state in enumerate(states.numpy().astype(np.float32)):
        compiled.look(seen(observed, k), CONFIG.robust_iod)
        points_px, camera_m = compiled.place(state)
        np.testing.assert_allclose(points_px, view.points_px[k], atol=2e-3)
        np.testing.assert_allclose(camera_m, view.camera_m[k], atol=1e-6)

        hessian, here = compiled.linearise(state)
        there = compiled.slope(state)
        assert there.energy == pytest.approx(here.energy, rel=1e-6)
        np.testing.assert_allclose(there.gradient, here.gradient, rtol=1e-5, atol=1e-3)
        lens = float(wanted.error_by_term["focal"][k])  # which is fixed here
        assert here.energy == pytest.approx(float(wanted.error[k]) - lens, rel=1e-4)

        whole, downhill = with_priors(KernelPriors.of(as_compiled, CONFIG), hessian, here.gradient, state, state, 0.0)
        whole, count = np.triu(whole) + np.triu(whole, 1).T, len(whole)
        scale = wanted.hessian[k].diagonal().sqrt().numpy()[:count]
        np.testing.assert_allclose(
            whole / np.outer(scale, scale), wanted.hessian[k, :count, :count] / np.outer(scale, scale), atol=2e-4
        )
        np.testing.assert_allclose(-downhill / scale, wanted.gradient[k, :count] / scale, atol=5e-3, rtol=1e-4)


def seen(observed: Observed, k: int) -> Seen:
    tensors = observed.points_px, observed.weights, observed.principal_px
    points, weights, centre = (tensor[k].float().numpy() for tensor in tensors)
    return Seen(points, float(observed.iod_px[k]), weights, centre, 0.0)


def test_a_step_of_the_camera_brings_the_head_where_it_is_seen() -> None:
    head = toy_head(seed=4)
    identity, params, camera = random_scene(head, 4)
    rows = landmark_rows(head, identity[0])
    layout = Layout(rows.columns)
    observed = observe(view_landmarks(rows, params, camera, jacobian=False).points_px, camera)
    state = layout.pack(params, camera)[0].numpy().astype(np.float32)
    step = np.zeros(rows.columns.focal.start, np.float32)
    step[rows.columns.rotation.start :] = (0.03, -0.02, 0.04, 0.004, -0.003, 0.006)
    compiled = PictureEnergy(head, rows, CONFIG)
    compiled.look(seen(observed, 0), 10 * CONFIG.robust_iod)
    away = retract(state, step)
    closer = compiled.move_head(away)
    assert compiled.slope(closer).energy < 0.05 * compiled.slope(away).energy
    np.testing.assert_array_equal(closer[: rows.columns.rotation.start], state[: rows.columns.rotation.start])


def test_a_point_without_weight_says_nothing() -> None:
    head = toy_head(seed=5)
    identity, params, camera = random_scene(head, 5)
    rows = landmark_rows(head, identity[0])
    observed = observe(view_landmarks(rows, params, camera, jacobian=False).points_px + 3, camera)
    state = Layout(rows.columns).pack(params, camera)[0].numpy().astype(np.float32)
    compiled, given = PictureEnergy(head, rows, CONFIG), seen(observed, 0)
    given.weights[100:200] = 0
    compiled.look(given, CONFIG.robust_iod)
    one = compiled.linearise(state)
    given.points_px[100:200] += 50
    compiled.look(given, CONFIG.robust_iod)
    other = compiled.linearise(state)
    np.testing.assert_array_equal(one[0], other[0])
    assert np.isfinite(one[0]).all()
    assert one[1].energy == other[1].energy


def test_states_move_as_torch_moves_them() -> None:
    head = toy_head(seed=3)
    identity, params, camera = random_scene(head, 3)
    rows = landmark_rows(head, identity[0])
    layout = Layout(rows.columns)
    states = layout.pack(params, camera)
    steps = 0.1 * torch.randn(len(states), rows.columns.count, generator=torch.Generator().manual_seed(3)).double()
    steps[:, -1] = 0
    wanted = layout.retract(states, steps)
    for state, step, moved in zip(states.numpy(), steps.numpy(), wanted.numpy(), strict=True):
        got = retract(state.astype(np.float32), step[:-1].astype(np.float32))
        np.testing.assert_allclose(got, moved, atol=2e-5)
        np.testing.assert_allclose(difference(got, state.astype(np.float32)), step[:-1], atol=5e-5)


def test_refuses_what_it_cannot_do() -> None:
    head = toy_head()
    with pytest.raises(ValueError, match="straight neck"):
        KernelRows.of(landmark_rows(head, head.zero_identity(), neck=True))
