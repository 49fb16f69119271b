"""Time's say in one head's frame, compiled: what the last frame left is a prior on what this one found."""

from typing import NamedTuple

import numpy as np

from models.cholesky import factorise, inverse_diagonal, solve
from models.compiled import quick
from tracker.descent_kernel import Equations
from tracker.prior_kernel import UNKNOWN, KernelPriors, add_priors, note_limits
from tracker.solver_kernel import Floats
from tracker.state_kernel import difference, retract

_NOTHING_KNOWN = 1e6  # the variance of unknowns whose equations cannot be solved


class Memory(NamedTuple):
    """How much of the last frame is kept: `tracker.config.LiveConfig`."""

    process_noise: float
    stirred_noise: float
    gate: float
    hold: float
    still_shape: float
    still_camera: float


@quick
def alone(priors: KernelPriors, equations: Equations, state: Floats, shift_precision: float) -> Floats:
    """The variance [C] of what this frame found by itself; fills `whole`, and `factor` with that information's.

    The detector moves all its points together by a small unknown amount in every picture.
    """
    equations.met[:] = UNKNOWN
    note_limits(priors, state, equations.met)
    add_priors(priors, equations.met, equations.hessian, 0.0, equations.whole)
    _marginalise_shift(equations.whole, shift_precision, equations.factor)
    if factorise(equations.factor):
        return inverse_diagonal(equations.factor)
    return np.full(len(equations.whole), _NOTHING_KNOWN, np.float32)


@quick
def blend(
    priors: KernelPriors, equations: Equations, memory: Memory, state: Floats, shift_precision: float,
    before: Floats, variance: Floats, elapsed: float,
) -> tuple[Floats, Floats]:  # fmt: skip
    """State and variance with the last frame's, `elapsed` thirtieths of a second ago."""
    own = alone(priors, equations, state, shift_precision)
    move = difference(state, before)
    information = equations.factor
    _marginalise_shift(equations.whole, shift_precision, information)
    drift = elapsed * memory.process_noise + memory.stirred_noise * _energy(information, move, 0)
    spread = np.empty_like(own)
    for k in range(len(own)):
        drifted = variance[k] + drift * own[k]
        spread[k] = drifted + max(move[k] * move[k] - memory.gate * (drifted + own[k]), 0.0)
    back = _recall(information, equations.whole, move, spread, memory, elapsed)
    if not factorise(information):
        return state, own
    return retract(state, solve(information, back)), inverse_diagonal(information)


@quick
def _marginalise_shift(hessian: Floats, precision: float, out: Floats) -> None:
    """The lower half of `hessian` less what would also be explained by a common shift of the landmarks.

    That looks like a translation across the view, known beforehand to `precision`: a Schur complement, axis by axis.
    """
    count = len(hessian)
    for r in range(count):
        for c in range(r + 1):
            out[r, c] = hessian[r, c]
    column = np.empty(count, np.float32)
    for axis in range(count - 3, count - 1):
        for k in range(count):
            column[k] = out[max(k, axis), min(k, axis)]
        scale = np.float32(1 / (column[axis] + precision))
        for r in range(count):
            weight = scale * column[r]
            for c in range(r + 1):
                out[r, c] -= weight * column[c]


@quick
def _recall(
    information: Floats, hessian: Floats, move: Floats, spread: Floats, memory: Memory, elapsed: float
) -> Floats:
    """Add to the lower half of `information` what the last frame says; returns how it pulls the move back [C].

    Each unknown is held fully while its move shifts the landmarks by no more than their noise. The camera's six are
    judged together, because a turn and a shift may stand for each other.
    """
    count, camera = len(move), len(move) - 6
    turn = _energy(hessian, move, camera)
    held, back = np.empty(count, np.float32), np.zeros(count, np.float32)
    for k in range(count):
        shift = turn / memory.still_camera if k >= camera else move[k] * move[k] * hessian[k, k] / memory.still_shape
        held[k] = np.sqrt(memory.hold / elapsed) / max(shift, 1.0)
    for r in range(count):
        pulled = np.float32(0)
        for c in range(r):
            weight = hessian[r, c] * held[r] * held[c]
            information[r, c] += weight
            pulled += weight * move[c]
            back[c] -= weight * move[r]
        weight = hessian[r, r] * held[r] * held[r] + 1 / spread[r]
        information[r, r] += weight
        back[r] -= pulled + weight * move[r]
    return back


@quick
def _energy(hessian: Floats, move: Floats, first: int) -> float:
    """By how much the unknowns from `first` on shift the landmarks with such a move."""
    energy = 0.0
    for r in range(first, len(move)):
        half = np.float32(0)
        for c in range(first, r):
            half += hessian[r, c] * move[c]
        energy += move[r] * (2 * half + hessian[r, r] * move[r])
    return energy
