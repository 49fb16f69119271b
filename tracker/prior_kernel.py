"""What is usual of one head's unknowns, compiled: the twin of the priors, limits and gaze in `tracker.residuals`."""

from typing import Any, NamedTuple

import numpy as np

from tracker.config import FitConfig
from tracker.residuals import Priors
from tracker.solver_kernel import Floats, compiled


class KernelPriors(NamedTuple):
    """Of the Q unknowns that stand before the camera's rotation; the last six are the eyes'."""

    precision: Floats  # [Q]
    low: Floats  # [Q]
    high: Floats  # [Q]
    beyond: Floats  # [Q] the precision with which limits hold what is beyond them
    gaze: Floats  # [6, 6]

    @staticmethod
    def of(priors: Priors, config: FitConfig) -> "KernelPriors":
        precision = (1 / priors.std.numpy() ** 2).astype(np.float32)
        beyond = precision / np.float32(config.limit_std**2)
        return KernelPriors(precision, priors.low.numpy(), priors.high.numpy(), beyond, priors.gaze.numpy())


@compiled
def usual_energy(priors: KernelPriors, state: Floats) -> float:
    """Of what is usual, of the limits and of the gaze."""
    energy, eyes = 0.0, len(priors.precision) - 6
    for k in range(len(priors.precision)):
        over = state[k] - min(max(state[k], priors.low[k]), priors.high[k])
        energy += priors.precision[k] * state[k] * state[k] + priors.beyond[k] * over * over
    for r in range(6):
        for c in range(6):
            energy += priors.gaze[r, c] * state[eyes + r] * state[eyes + c]
    return energy


@compiled
def with_priors(
    priors: KernelPriors, hessian: Floats, gradient: Floats, state: Floats, goal: Floats, damping: float
) -> Any:
    """The damped normal equations with the limits that are met at `goal`: a hessian (its upper half) and the way down.

    The way down ends where a limit holds what it met: so a step may begin within it and end there.
    """
    out, downhill, eyes = hessian.copy(), -gradient, len(priors.precision) - 6
    for k in range(len(priors.precision)):
        limit, stiff = min(max(goal[k], priors.low[k]), priors.high[k]), np.float32(0)
        if limit != goal[k]:
            stiff = priors.beyond[k]
        out[k, k] += priors.precision[k] + stiff
        downhill[k] -= priors.precision[k] * state[k] + stiff * (state[k] - limit)
    for r in range(6):
        for c in range(6):
            downhill[eyes + r] -= priors.gaze[r, c] * state[eyes + c]
            if r <= c:
                out[eyes + r, eyes + c] += priors.gaze[r, c]
    for k in range(len(out)):
        out[k, k] *= np.float32(1 + damping)
    return out, downhill


@compiled
def meets_the_same_limits(priors: KernelPriors, one: Floats, other: Floats) -> bool:
    for k in range(len(priors.precision)):
        low, high = priors.low[k], priors.high[k]
        if (one[k] < low) != (other[k] < low) or (one[k] > high) != (other[k] > high):
            return False
    return True
