"""Flatten a disc of skin with little stretch and no overlap.

Every inner vertex becomes a convex combination of its neighbours with the border fixed on a convex outline, which
cannot fold (Tutte 1963, Floater 1997); the weights start as mean value coordinates (Floater 2003) and are then
relaxed where the map is stretched (Yoshizawa, Belyaev and Seidel 2004).
"""

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import splu

from tracker.jobs.builtin_head.meshes import Points
from tracker.jobs.builtin_head.topology import Ids

ROUNDS = 10
RELAXATION = 0.6


def flatten(points: Points, triangles: Ids, border: Ids, outline: Points, wanted: NDArray[np.float64]) -> Points:
    """Positions [V, 2] of a disc's vertices; `outline` [len(border), 2]; `wanted` [V] the relative scale desired."""
    weights = _mean_value_weights(points, triangles)
    best, best_cost = np.zeros((len(points), 2)), np.inf
    for _ in range(ROUNDS):
        flat = _solve(weights, border, outline)
        stretch = _stretch(points, flat, triangles) * wanted
        cost = float((stretch**2).mean())
        if cost > best_cost:
            break
        best, best_cost = flat, cost
        weights = sparse.csr_array(weights @ sparse.diags_array(stretch**-RELAXATION))
    return best


def _mean_value_weights(points: Points, triangles: Ids) -> sparse.csr_array:
    rows, columns, values = [], [], []
    for corner in range(3):
        i, j, k = (triangles[:, (corner + step) % 3] for step in range(3))
        to_j, to_k = points[j] - points[i], points[k] - points[i]
        length_j, length_k = np.linalg.norm(to_j, axis=1), np.linalg.norm(to_k, axis=1)
        cosine = (to_j * to_k).sum(1) / np.maximum(length_j * length_k, 1e-12)
        half_tangent = np.tan(np.arccos(cosine.clip(-0.999, 0.9999)) / 2)
        for other, length in ((j, length_j), (k, length_k)):
            rows.append(i)
            columns.append(other)
            values.append(half_tangent / np.maximum(length, 1e-3))
    size = len(points)
    return sparse.csr_array(
        sparse.coo_array((np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))), (size, size))
    )


def _solve(weights: sparse.csr_array, border: Ids, outline: Points) -> Points:
    size = weights.shape[0]
    total = np.asarray(weights.sum(1)).ravel()
    inner = np.setdiff1d(np.flatnonzero(total > 0), border)
    matrix = sparse.csr_array(sparse.diags_array(total) - weights)[inner]
    flat = np.zeros((size, 2))
    flat[border] = outline
    flat[inner] = splu(sparse.csc_array(matrix[:, inner])).solve(-(matrix[:, border] @ outline))
    return flat


def _stretch(points: Points, flat: Points, triangles: Ids) -> NDArray[np.float64]:
    """How much longer the surface is than its map, around each vertex (root mean square, mean 1)."""
    a, b, c = (points[triangles[:, k]] for k in range(3))
    edge = np.linalg.norm(b - a, axis=1)
    along = ((c - a) * (b - a)).sum(1) / np.maximum(edge, 1e-12)
    across = np.sqrt(np.maximum(((c - a) ** 2).sum(1) - along**2, 1e-12))
    p, q, r = (flat[triangles[:, k]] for k in range(3))
    # The map from the plane to the surface: columns are the surface's change a step in u and in v.
    to_flat = np.stack([q - p, r - p], -1)
    local = np.zeros_like(to_flat)
    local[:, 0, 0], local[:, 0, 1], local[:, 1, 1] = edge, along, across
    determinant = np.linalg.det(to_flat)
    safe = np.where(np.abs(determinant) < 1e-14, 1e-14, determinant)
    inverse = (
        np.stack(
            [np.stack([to_flat[:, 1, 1], -to_flat[:, 0, 1]], -1), np.stack([-to_flat[:, 1, 0], to_flat[:, 0, 0]], -1)],
            -2,
        )
        / safe[:, None, None]
    )
    squared = ((local @ inverse) ** 2).sum((1, 2)) / 2
    area = edge * across
    size = len(points)
    weighted = np.bincount(triangles.ravel(), np.repeat(area * squared, 3), minlength=size)
    total = np.bincount(triangles.ravel(), np.repeat(area, 3), minlength=size)
    stretch = np.sqrt(weighted / np.maximum(total, 1e-12))
    return np.asarray(np.where(total > 0, stretch / stretch[total > 0].mean(), 1.0))
