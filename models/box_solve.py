"""The smallest of `w A w / 2 - b w` with every weight in 0..1: block principal pivoting, a handful of small solves.

Each sweep takes every weight for free or held at a bound, solves for the free ones, and moves to the other kind all
whose sign is wrong. Where that stops getting better, one weight is moved at a time, which cannot go round in circles
(Portugal, Judice, Vicente 1994, section 3). Started from the solution nearby, one or two sweeps do.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack

Floats = NDArray[np.float64]

PATIENCE = 3  # whole exchanges that may fail to get better before one weight is moved at a time
MAX_SWEEPS = 200
TOLERANCE = 1e-9


def solve_box(matrix: Floats, right: Floats, start: Floats) -> tuple[Floats, int]:
    """matrix [K, K] positive definite, right [K], start [K] in 0..1 -> weights [K] and the sweeps it took."""
    slope = matrix @ start - right
    low, high = (start <= 0) & (slope >= 0), (start >= 1) & (slope <= 0)
    fewest, patience = len(start) + 1, PATIENCE
    for sweep in range(1, MAX_SWEEPS + 1):
        weights, slope = _solve_free(matrix, right, low, high)
        free = ~(low | high)
        too_low, too_high = free & (weights < 0), free & (weights > 1)
        let_go = (low & (slope < -TOLERANCE)) | (high & (slope > TOLERANCE))
        wrong = np.flatnonzero(too_low | too_high | let_go)
        if not len(wrong):
            return weights, sweep
        if len(wrong) < fewest:
            fewest, patience = len(wrong), PATIENCE
        elif patience:
            patience -= 1
        else:
            wrong = wrong[-1:]
        low[wrong], high[wrong] = too_low[wrong], too_high[wrong]
    return np.clip(weights, 0, 1), MAX_SWEEPS


def _solve_free(
    matrix: Floats, right: Floats, low: NDArray[np.bool_], high: NDArray[np.bool_]
) -> tuple[Floats, Floats]:
    weights = high.astype(np.float64)
    free = np.flatnonzero(~(low | high))
    if len(free):
        rows = matrix[free]
        _, weights[free], _ = lapack.dposv(rows[:, free], right[free] - rows @ weights)
    return weights, matrix @ weights - right
