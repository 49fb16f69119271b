"""The energy of a fit: its gradient is its slope, and known parameters are found again from their landmarks."""

import torch
from torch import Tensor

from models.camera import facing_camera
from models.head import Head
from models.landmark_rows import landmark_rows, view_landmarks
from models.rotations import matrix_from_axis_angle
from models.types import Camera, HeadParams
from tests.models.toy_head import toy_head
from tracker.config import FitConfig
from tracker.residuals import Observed, Priors, energy, mean_error_iod
from tracker.solver import SolverConfig, solve, solve_jointly
from tracker.unknowns import Layout

BATCH = 4


def random_scene(head: Head, seed: int = 0) -> tuple[Tensor, HeadParams, Camera]:
    """One person in BATCH pictures."""
    random = torch.Generator().manual_seed(seed)

    def normal(*size: int, scale: float) -> Tensor:
        return scale * torch.randn(*size, generator=random, dtype=torch.float64)

    gaze = normal(BATCH, 1, 3, scale=0.15)
    params = HeadParams(
        normal(BATCH, head.expression_size, scale=0.4),
        normal(BATCH, 3, scale=0.06),
        gaze.expand(-1, 2, -1),
        torch.zeros(BATCH, 3).double(),
    )
    front = facing_camera(640, 480, 0.6, dtype=torch.float64)
    camera = Camera(
        matrix_from_axis_angle(normal(BATCH, 3, scale=0.3)) @ front.rotation,
        front.translation + normal(BATCH, 3, scale=0.03),
        front.focal_px.expand(BATCH),
        front.principal_px.expand(BATCH, 2),
    )
    return normal(1, head.identity_size, scale=1.0).expand(BATCH, -1), params, camera


def observe(points_px: Tensor, camera: Camera) -> Observed:
    iod = (points_px[:, 33] - points_px[:, 263]).norm(dim=-1)
    return Observed(points_px, iod, torch.ones(points_px.shape[:2]).double(), camera.principal_px, camera.focal_px)


def test_gradient_is_the_slope_of_the_energy() -> None:
    head = toy_head()
    identity, params, camera = random_scene(head)
    rows = landmark_rows(head, None)
    layout = Layout(rows.columns)
    observed = observe(view_landmarks(rows, params, camera, identity, jacobian=False).points_px, camera)
    # Far enough that robustness does not bend the slope of the reweighted squares away from the energy's own.
    config = FitConfig(robust_iod=1e6)
    linearise = energy(rows, layout, Priors.of(head, rows.columns, config), config, observed, shared_by=3)
    state = layout.pack(params, camera, identity)
    state = layout.retract(state, 0.05 * torch.randn(BATCH, rows.columns.focal.stop, dtype=torch.float64))
    gradient = linearise(state).gradient
    for column in range(rows.columns.focal.stop):
        step = torch.zeros_like(gradient)
        step[:, column] = 1e-6
        rise = linearise(layout.retract(state, step)).error - linearise(layout.retract(state, -step)).error
        torch.testing.assert_close(gradient[:, column], rise / 4e-6, rtol=1e-4, atol=1e-2)


def test_known_parameters_are_found_again() -> None:
    head = toy_head()
    identity, params, camera = random_scene(head)
    rows = landmark_rows(head, identity)
    layout = Layout(rows.columns)
    observed = observe(view_landmarks(rows, params, camera, jacobian=False).points_px, camera)
    linearise = energy(rows, layout, Priors.of(head, rows.columns, FitConfig()), FitConfig(), observed)
    start = layout.pack(head.zero_params((BATCH,)), camera)
    state, _ = solve(linearise, layout.retract, start, SolverConfig(iterations=40))
    found = layout.unpack(state, camera.principal_px)
    fitted = view_landmarks(rows, found.params, found.camera, jacobian=False).points_px
    assert mean_error_iod(fitted, observed).max() < 5e-4
    torch.testing.assert_close(found.params.expression, params.expression, atol=0.05, rtol=0)


def test_one_identity_is_found_from_several_pictures() -> None:
    head = toy_head()
    identity, params, camera = random_scene(head)
    rows = landmark_rows(head, None)
    layout = Layout(rows.columns)
    observed = observe(view_landmarks(rows, params, camera, identity, jacobian=False).points_px, camera)
    linearise = energy(rows, layout, Priors.of(head, rows.columns, FitConfig()), FitConfig(), observed, shared_by=BATCH)
    start = layout.pack(head.zero_params((BATCH,)), camera, torch.zeros_like(identity))
    shared = layout.shared()
    state, _ = solve_jointly(linearise, layout.retract, start, shared, SolverConfig(iterations=40))
    found = layout.unpack(state, camera.principal_px)
    assert found.identity is not None
    assert (found.identity - found.identity[0]).abs().max() == 0
    assert (found.camera.focal_px - found.camera.focal_px[0]).abs().max() < 1e-9
    torch.testing.assert_close(found.identity, identity, atol=0.1, rtol=0)


def test_a_prior_of_what_is_shared_counts_once_and_of_what_is_not_in_every_picture() -> None:
    head = toy_head()
    identity, params, camera = random_scene(head)
    rows = landmark_rows(head, None)
    layout, config = Layout(rows.columns), FitConfig()
    priors = Priors.of(head, rows.columns, config)
    observed = observe(view_landmarks(rows, params, camera, identity, jacobian=False).points_px, camera)
    state = layout.pack(params, camera, identity)

    def stiffness(shared_by: int, one_lens: bool) -> Tensor:
        hessian = energy(rows, layout, priors, config, observed, shared_by, one_lens)(state).hessian
        return hessian.diagonal(dim1=1, dim2=2).sum(0)[layout.shared()]

    alone, together, own_lenses = stiffness(1, True), stiffness(BATCH, True), stiffness(BATCH, False)
    once = alone - together
    torch.testing.assert_close(once[:-1], torch.full_like(once[:-1], BATCH - 1))
    torch.testing.assert_close(once[-1], once.new_tensor((BATCH - 1) / config.focal_log_std**2))
    torch.testing.assert_close(own_lenses[:-1], together[:-1])
    torch.testing.assert_close(own_lenses[-1], alone[-1])
