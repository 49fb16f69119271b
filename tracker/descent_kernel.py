"""Down the energy of one head in one picture, compiled: steps with one linearisation, for as long as it will do."""

from typing import NamedTuple

import numpy as np

from models.cholesky import factorise, solve
from models.compiled import quick
from tracker.jacobian_kernel import linearise_camera
from tracker.prior_kernel import UNKNOWN, KernelPriors, Sides, add_priors, downhill, note_limits, usual_energy
from tracker.solver_kernel import Floats, KernelRows, KernelSeen, slope
from tracker.state_kernel import retract


class Equations(NamedTuple):
    """The normal equations where they were made last: one a session, never shared by threads."""

    hessian: Floats  # [C, C] what the landmarks say; of all three the lower half counts
    factor: Floats  # [C, C] of the damped equations with the limits in `met`
    whole: Floats  # [C, C] with what is usual, undamped
    met: Sides

    @staticmethod
    def of(unknowns: int, priors: KernelPriors) -> "Equations":
        square = unknowns, unknowns
        hessian, factor, whole = (
            np.zeros(square, np.float32),
            np.zeros(square, np.float32),
            np.zeros(square, np.float32),
        )
        return Equations(hessian, factor, whole, np.zeros(len(priors.precision), np.int8))


class Steps(NamedTuple):
    """How steps are taken: `tracker.config.LiveConfig`."""

    damping: float
    small_gain: float
    limit_rounds: int


@quick
def move_head(rows: KernelRows, seen: KernelSeen, state: Floats) -> Floats:
    hessian, start = np.empty((6, 6), np.float32), len(rows.gradient) - 6
    linearise_camera(rows, seen, state, hessian)
    step = np.zeros(len(rows.gradient), np.float32)
    if factorise(hessian):
        step[start:] = solve(hessian, -rows.gradient[start:])
    return retract(state, step)


@quick
def descend(
    rows: KernelRows, seen: KernelSeen, priors: KernelPriors, equations: Equations, steps: Steps, state: Floats,
    energy: float, damping: float, taken: int, limit: int,
) -> tuple[Floats, float, int, bool]:  # fmt: skip
    """From a state where all was just made anew: the state, damping, steps so far, and whether it is there.

    After a step the equations are made anew only if the old ones still promise something: near the answer they hardly
    change, and the gradient is always exact.
    """
    equations.met[:] = UNKNOWN
    stale = False
    while True:
        gradient = rows.gradient.copy()
        step, promised = _lowest(priors, equations, gradient, state, damping, steps.limit_rounds)
        little = promised < steps.small_gain * energy
        if taken == limit or (little and taken):
            return retract(state, step) if little else state, damping, taken, True
        if stale:
            return state, 0.1 * damping, taken, False
        taken += 1
        candidate = retract(state, step)
        there = slope(rows, seen, candidate) + usual_energy(priors, candidate)
        if there < energy:
            state, energy, stale = candidate, there, True
        else:
            damping = max(10 * damping, 1e-3)
            rows.gradient[:] = gradient
            equations.met[:] = UNKNOWN


@quick
def _lowest(
    priors: KernelPriors, equations: Equations, gradient: Floats, state: Floats, damping: float, rounds: int
) -> tuple[Floats, float]:
    """To the lowest point of the parabola, with the limits that are met on the way; and how far down that leads."""
    goal, met, factor = state, equations.met, equations.factor
    down, step = gradient, gradient
    for tried in range(rounds):
        if note_limits(priors, goal, met):
            add_priors(priors, met, equations.hessian, damping, factor)
            if not factorise(factor):
                met[:] = UNKNOWN
                return np.zeros_like(gradient), np.inf
        elif tried:
            break
        down = downhill(priors, met, gradient, state)
        step = solve(factor, down)
        goal = state[: len(step)] + step
    promised = 0.0
    for k in range(len(step)):
        promised += step[k] * down[k]
    return step, promised
