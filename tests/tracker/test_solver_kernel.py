"""The compiled passes against the torch code that they stand for."""

import numpy as np
import pytest
import torch

from models.landmark_rows import landmark_rows, view_landmarks
from tests.models.toy_head import toy_head
from tests.tracker.test_residuals import observe, random_scene
from tracker.config import LiveConfig
from tracker.picture_energy import PictureEnergy, Seen
from tracker.prior_kernel import KernelPriors, add_priors, downhill, note_limits
from tracker.residuals import Observed, Priors, energy
from tracker.solver_kernel import KernelRows
from tracker.state_kernel import difference, retract
from tracker.unknowns import Layout

CONFIG = LiveConfig()


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

        energy_here, equations, gradient = compiled.linearise(state)
        lens = float(wanted.error_by_term["focal"][k])  # which is fixed here
        assert energy_here == pytest.approx(float(wanted.error[k]) - lens, rel=1e-4)

        kernel_priors, met, whole = KernelPriors.of(as_compiled, CONFIG), equations.met, equations.whole
        note_limits(kernel_priors, state, met)
        add_priors(kernel_priors, met, equations.hessian, 0.0, whole)
        down = downhill(kernel_priors, met, gradient, state)
        whole, count = np.tril(whole) + np.tril(whole, -1).T, len(whole)
        scale = wanted.hessian[k].diagonal().sqrt().numpy()[:count]
        np.testing.assert_allclose(
            whole / np.outer(scale, scale), wanted.hessian[k, :count, :count] / np.outer(scale, scale), atol=2e-4
        )
        np.testing.assert_allclose(-down / scale, wanted.gradient[k, :count] / scale, atol=5e-3, rtol=1e-4)


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
    assert compiled.linearise(closer)[0] < 0.05 * compiled.linearise(away)[0]
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
    energy, equations, _ = compiled.linearise(state)
    hessian = equations.hessian.copy()
    given.points_px[100:200] += 50
    compiled.look(given, CONFIG.robust_iod)
    assert compiled.linearise(state)[0] == energy
    np.testing.assert_array_equal(equations.hessian, hessian)
    assert np.isfinite(hessian).all()


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
