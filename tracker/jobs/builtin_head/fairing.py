"""Fair surfaces: vertices that minimise bending between those that are held."""

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import splu

from tracker.jobs.builtin_head.meshes import Points
from tracker.jobs.builtin_head.topology import Ids, edges_of


def laplacian(triangles: Ids, count: int, lengths_of: Points | None = None) -> sparse.csr_array:
    """Rows sum to 0: a vertex minus the mean of its neighbours; nearer ones count more where points are given."""
    edges = edges_of(triangles)
    weights = np.ones(len(edges))
    if lengths_of is not None:
        weights = 1 / np.maximum(np.linalg.norm(lengths_of[edges[:, 0]] - lengths_of[edges[:, 1]], axis=1), 1e-3)
    rows, columns = edges.T
    one_way = sparse.csr_array(sparse.coo_array((weights, (rows, columns)), (count, count)))
    adjacency = sparse.csr_array(one_way + one_way.T)
    total = np.asarray(adjacency.sum(1)).ravel()
    inverse = sparse.diags_array(1 / np.maximum(total, 1e-12))
    return sparse.csr_array(sparse.diags_array((total > 0).astype(float)) - inverse @ adjacency)


def fair(
    points: Points, triangles: Ids, pull: NDArray[np.float64], free: NDArray[np.bool_], rows: NDArray[np.bool_]
) -> Points:
    """Move the `free` vertices to least bending over the `rows`, each pulled to where it is now by `pull` [V]."""
    matrix = laplacian(triangles, len(points), points)
    bending = sparse.csr_array(matrix[np.flatnonzero(rows)])
    normal = sparse.csc_array(bending.T @ bending + sparse.diags_array(pull))
    unknown, held = np.flatnonzero(free), np.flatnonzero(~free)
    right = (pull[:, None] * points)[unknown] - normal[unknown][:, held] @ points[held]
    moved = points.copy()
    moved[unknown] = splu(sparse.csc_array(normal[unknown][:, unknown])).solve(right)
    return moved
