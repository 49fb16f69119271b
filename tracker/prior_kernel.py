"""What is usual of one head's unknowns, compiled: the twin of the priors, limits and gaze in `tracker.residuals`."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.compiled import quick
from tracker.config import FitConfig
from tracker.residuals import Priors
from tracker.solver_kernel import Floats

Sides = NDArray[np.int8]  # [Q] of each unknown: 1 beyond its upper limit, -1 below its lower one, 0 between
UNKNOWN = 2


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


@quick
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


@quick
def note_limits(priors: KernelPriors, goal: Floats, met: Sides) -> bool:
    """Which limits are met at `goal`, into `met`; whether they are others than before."""
    others = False
    for k in range(len(met)):
        side = 1 if goal[k] > priors.high[k] else (-1 if goal[k] < priors.low[k] else 0)
        others |= side != met[k]
        met[k] = side
    return others


@quick
def add_priors(priors: KernelPriors, met: Sides, hessian: Floats, damping: float, out: Floats) -> None:
    """The lower half of the damped normal equations [C, C], with the limits that are met."""
    eyes = len(met) - 6
    for r in range(len(hessian)):
        for c in range(r + 1):
            out[r, c] = hessian[r, c]
    for k in range(len(met)):
        out[k, k] += priors.precision[k] + (priors.beyond[k] if met[k] else 0)
    for r in range(6):
        for c in range(r + 1):
            out[eyes + r, eyes + c] += priors.gaze[r, c]
    for k in range(len(out)):
        out[k, k] *= np.float32(1 + damping)


@quick
def downhill(priors: KernelPriors, met: Sides, gradient: Floats, state: Floats) -> Floats:
    """The way down [C]. It ends where a limit holds what it met: so a step may begin within it and end there."""
    out, eyes = -gradient, len(met) - 6
    for k in range(len(met)):
        out[k] -= priors.precision[k] * state[k]
        if met[k]:
            out[k] -= priors.beyond[k] * (state[k] - (priors.high[k] if met[k] > 0 else priors.low[k]))
    for r in range(6):
        for c in range(6):
            out[eyes + r] -= priors.gaze[r, c] * state[eyes + c]
    return out
