"""The smallest of `w A w / 2 - b w` with every weight in 0..1: block principal pivoting, a handful of small solves.

Each sweep takes every weight for free or held at a bound, solves for the free ones, and moves to the other kind all
whose sign is wrong. Where that stops getting better, one weight is moved at a time, which cannot go round in circles
(Portugal, Judice, Vicente 1994, section 3). Started from the solution nearby, one or two sweeps do.
"""

import numpy as np
from numpy.typing import NDArray

from models.cholesky import factorise, solve
from models.compiled import compiled

Floats = NDArray[np.float64]

PATIENCE = 3  # whole exchanges that may fail to get better before one weight is moved at a time
MAX_SWEEPS = 200
TOLERANCE = 1e-9


@compiled
def solve_box(matrix: Floats, right: Floats, start: Floats) -> tuple[Floats, int]:
    """matrix [K, K] positive definite, right [K], start [K] in 0..1 -> weights [K] and the sweeps it took."""
    count = len(start)
    weights, slope = start.copy(), _slope(matrix, right, start)
    held = np.zeros(count, np.int8)  # 0 is free, -1 held at 0, 1 held at 1
    for k in range(count):
        if start[k] <= 0 and slope[k] >= 0:
            held[k] = -1
        elif start[k] >= 1 and slope[k] <= 0:
            held[k] = 1
    fewest, patience = count + 1, PATIENCE
    for sweep in range(1, MAX_SWEEPS + 1):
        if not _solve_free(matrix, right, held, weights):
            return np.minimum(np.maximum(weights, 0), 1), sweep
        slope = _slope(matrix, right, weights)
        wrong, last = 0, 0
        for k in range(count):
            if _rightly(held[k], weights[k], slope[k]) != held[k]:
                wrong, last = wrong + 1, k
        if wrong == 0:
            return weights, sweep
        one_by_one = False
        if wrong < fewest:
            fewest, patience = wrong, PATIENCE
        elif patience:
            patience -= 1
        else:
            one_by_one = True
        for k in range(last if one_by_one else 0, last + 1):
            held[k] = _rightly(held[k], weights[k], slope[k])
    return np.minimum(np.maximum(weights, 0), 1), MAX_SWEEPS


@compiled
def _rightly(held: int, weight: float, slope: float) -> int:
    """How a weight should be held, for all that its own sign tells."""
    if held == 0:
        return -1 if weight < 0 else (1 if weight > 1 else 0)
    return 0 if -held * slope < -TOLERANCE else held


@compiled
def _slope(matrix: Floats, right: Floats, weights: Floats) -> Floats:
    out = -right
    for r in range(len(out)):
        for c in range(len(out)):
            out[r] += matrix[r, c] * weights[c]
    return out


@compiled
def _solve_free(matrix: Floats, right: Floats, held: NDArray[np.int8], weights: Floats) -> bool:
    """All weights, those that are free being where the slope is none; False where there is no such place."""
    free = np.flatnonzero(held == 0)
    part, goal = np.empty((len(free), len(free))), np.empty(len(free))
    for r in range(len(free)):
        goal[r] = right[free[r]]
        for k in range(len(held)):
            if held[k] == 1:
                goal[r] -= matrix[free[r], k]
        for c in range(r + 1):
            part[r, c] = matrix[free[r], free[c]]
    if not factorise(part):
        return False
    weights[:] = held == 1
    weights[free] = solve(part, goal)
    return True
