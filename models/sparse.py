"""The one sparse format of FLAME's files: scipy's csc, compressed by columns."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def dense_from_csc(data: Array, indices: Array, indptr: Array, shape: tuple[int, int]) -> Array:
    """data [n], indices [n] rows, indptr [columns + 1] -> float64 [rows, columns]; ValueError where they do not fit."""
    rows, columns = shape
    if not data.ndim == indices.ndim == indptr.ndim == 1 or len(data) != len(indices) or len(indptr) != columns + 1:
        raise ValueError(f"a sparse matrix of shape {[rows, columns]} has parts of other lengths")
    if indices.dtype.kind not in "iu" or indptr.dtype.kind not in "iu":
        raise ValueError("a sparse matrix has indices that are not whole numbers")
    counts = np.diff(indptr.astype(np.int64))
    if indptr[0] != 0 or indptr[-1] != len(data) or (counts < 0).any():
        raise ValueError("a sparse matrix has columns that overlap")
    if len(indices) and not 0 <= indices.min() <= indices.max() < rows:
        raise ValueError("a sparse matrix has rows out of range")
    dense = np.zeros(shape)
    np.add.at(dense, (indices.astype(np.int64), np.repeat(np.arange(columns), counts)), data)  # repeats add up
    return dense
