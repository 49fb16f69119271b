"""The compiled pass against the torch code that it stands for."""

import numpy as np
import pytest
import torch

from models.landmark_rows import landmark_rows, view_landmarks
from tests.models.toy_head import toy_head
from tests.tracker.test_residuals import observe, random_scene
from tracker.config import FitConfig
from tracker.residuals import _landmark_term
from tracker.solver_kernel import KernelRows, KernelSeen, evaluate_landmarks, linearise_landmarks
from tracker.unknowns import Layout


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_agrees_with_torch(seed: int) -> None:
    head, config = toy_head(seed=seed), FitConfig()
    identity, params, camera = random_scene(head, seed)
    rows = landmark_rows(head, identity[0])
    layout = Layout(rows.columns)
    seen = view_landmarks(rows, params, camera, jacobian=False).points_px
    observed = observe(
        seen + 5 * torch.randn(seen.shape, generator=torch.Generator().manual_seed(seed)).double(), camera
    )
    view = view_landmarks(rows, params, camera)
    assert view.jacobian is not None
    view.jacobian[..., rows.columns.focal] *= camera.focal_px[:, None, None, None]
    hessian, gradient, error, _ = _landmark_term(view.points_px, view.jacobian, config, observed)
    state = layout.pack(params, camera).numpy().astype(np.float32)

    kernel = KernelRows.of(rows)
    share = (observed.weights[0] * config.independent_points / 478).numpy().astype(np.float32)
    robust = (config.robust_iod / config.landmark_std_iod) ** 2
    for k in range(len(state)):
        unit = float(config.landmark_std_iod * observed.iod_px[k])
        points = observed.points_px[k].numpy().astype(np.float32)
        centre = camera.principal_px[k].numpy().astype(np.float32)
        seen_points = KernelSeen(points, share, centre, np.float32(unit), np.float32(robust))
        energy = linearise_landmarks(kernel, state[k], seen_points)
        assert evaluate_landmarks(kernel, state[k], seen_points) == pytest.approx(energy, rel=1e-6)
        np.testing.assert_allclose(kernel.points_px, view.points_px[k], atol=2e-3)
        np.testing.assert_allclose(kernel.camera_m, view.camera_m[k], atol=1e-6)
        assert energy == pytest.approx(float(error[k]), rel=1e-4)
        scale = hessian[k].diagonal().sqrt()
        product = torch.from_numpy(kernel.jacobian.T @ kernel.jacobian).double()
        torch.testing.assert_close(
            product / scale[:, None] / scale, hessian[k] / scale[:, None] / scale, atol=2e-4, rtol=0
        )
        slope = torch.from_numpy(kernel.jacobian.T @ kernel.residual).double()
        torch.testing.assert_close(slope / scale, gradient[k] / scale, atol=5e-3, rtol=1e-4)


def test_refuses_what_it_cannot_do() -> None:
    head = toy_head()
    with pytest.raises(ValueError, match="one head"):
        KernelRows.of(landmark_rows(head, head.zero_identity()[None].repeat(2, 1)))
    with pytest.raises(ValueError, match="straight neck"):
        KernelRows.of(landmark_rows(head, head.zero_identity(), neck=True))
