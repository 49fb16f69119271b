"""Small symmetric systems inside compiled passes: a call to LAPACK from Python costs more than its work on them.

A matrix is its lower half; what stands above the diagonal is never looked at.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.compiled import quick

Floats = NDArray[np.floating[Any]]

BLOCK = 64  # columns; a loop of fewer is unrolled into single numbers, and takes twice as long


@quick
def factorise(matrix: Floats) -> bool:
    """A matrix [N, N] into its Cholesky factor, in its place; False where it is not positive definite."""
    for r in range(len(matrix)):
        for c in range(r + 1):
            total = matrix[r, c]
            for k in range(c):
                total -= matrix[r, k] * matrix[c, k]
            if r > c:
                matrix[r, c] = total / matrix[c, c]
            elif total > 0:
                matrix[r, r] = math.sqrt(total)
            else:
                return False
    return True


@quick
def solve(factor: Floats, right: Floats) -> Floats:
    """The [N] that the factorised matrix carries to `right` [N]."""
    out = right.copy()
    for r in range(len(out)):
        for k in range(r):
            out[r] -= factor[r, k] * out[k]
        out[r] /= factor[r, r]
    for r in range(len(out) - 1, -1, -1):
        out[r] /= factor[r, r]
        for k in range(r):
            out[k] -= factor[r, k] * out[r]
    return out


@quick
def inverse_diagonal(factor: Floats) -> Floats:
    """[N] of the factorised matrix' inverse: the sums of squares of the columns of the factor's own inverse.

    Columns are solved for in blocks, because loops of a known length take one instruction.
    """
    count = len(factor)
    out, columns, total = (
        np.zeros(count, factor.dtype),
        np.empty((count, BLOCK), factor.dtype),
        np.empty(BLOCK, factor.dtype),
    )
    for first in range(0, count, BLOCK):
        for r in range(first, count):
            for c in range(BLOCK):
                total[c] = first + c == r
            for k in range(first, r):
                weight = factor[r, k]
                for c in range(BLOCK):
                    total[c] -= weight * columns[k, c]
            scale = 1 / factor[r, r]
            for c in range(BLOCK):
                columns[r, c] = scale * total[c]
        for r in range(first, count):
            for c in range(min(BLOCK, count - first)):
                out[first + c] += columns[r, c] * columns[r, c]
    return out
