"""The compiled energy against the torch code that it stands for."""

import torch

from models.builtin import load_builtin
from tests.tracker.actor import Actor, Pose
from tracker.fit import PersonFitter
from tracker.residuals import energy


def test_agrees_with_torch() -> None:
    fitter = PersonFitter(load_builtin())
    pictures = [Actor(seed).seen(Pose(yaw=10.0 * seed), jawOpen=0.3, eyeBlinkLeft=0.4 * seed) for seed in range(3)]
    states = torch.cat([fitter.first_state(picture) for picture in pictures])
    random = torch.Generator().manual_seed(0)
    step = 0.02 * torch.randn(3, fitter.layout.columns.count, generator=random)
    step[:, 5] = 4.0  # beyond its limit
    states = fitter.layout.retract(states, step)
    observed = fitter.observe(pictures, states)
    for shared_by, one_lens in ((1, True), (3, True), (3, False)):
        given = fitter.layout, fitter.priors, fitter.config, observed, shared_by, one_lens
        wanted, got = energy(fitter.rows, *given)(states), fitter.energy(observed, shared_by, one_lens)(states)
        scale = wanted.hessian.diagonal(dim1=1, dim2=2).sqrt()
        both = scale[:, :, None] * scale[:, None]
        torch.testing.assert_close(got.hessian / both, wanted.hessian / both, atol=1e-4, rtol=0)
        torch.testing.assert_close(got.gradient / scale, wanted.gradient / scale, atol=1e-3, rtol=1e-4)
        assert list(got.error_by_term) == list(wanted.error_by_term)
        for name, error in wanted.error_by_term.items():
            torch.testing.assert_close(got.error_by_term[name], error, atol=1e-3, rtol=1e-4)
