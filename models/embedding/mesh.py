"""Small facts about a triangle mesh: normals, which corners are really one, which parts hang together."""

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components

Floats = NDArray[np.float64]
Ids = NDArray[np.int64]
Mask = NDArray[np.bool_]


def triangle_vectors(vertices: Floats, triangles: Ids) -> Floats:
    """Normals as long as twice the triangles' areas: [F, 3]."""
    a, b, c = (vertices[triangles[:, corner]] for corner in range(3))
    return np.asarray(np.cross(b - a, c - a))


def unit(vectors: Floats) -> Floats:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-30))


def vertex_normals(vertices: Floats, triangles: Ids) -> Floats:
    """Unit, area-weighted: [V, 3]."""
    vectors = triangle_vectors(vertices, triangles)
    corners = triangles.ravel()
    columns = [np.bincount(corners, np.repeat(vectors[:, axis], 3), len(vertices)) for axis in range(3)]
    return unit(np.stack(columns, 1))


def weld(vertices: Floats) -> Ids:
    """[V] one number for all vertices at the same place: files split vertices along the seams of their texture."""
    size = float(np.ptp(vertices, axis=0).max())
    _, same = np.unique(np.round(vertices / max(size * 1e-6, 1e-30)), axis=0, return_inverse=True)
    return np.asarray(same, np.int64).reshape(-1)


def edges(triangles: Ids) -> Ids:
    """Each edge once, smaller vertex first: [E, 2]."""
    both = np.sort(triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    return np.asarray(np.unique(both, axis=0))


def components(vertices: Floats, triangles: Ids) -> Ids:
    """[V] the number of the part each vertex belongs to; vertices of no triangle are parts of their own."""
    same = weld(vertices)
    pairs = same[edges(triangles)]
    count = int(same.max()) + 1
    graph = sparse.coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), (count, count))
    return np.asarray(connected_components(graph, directed=False)[1][same], np.int64)


def stiffness(vertices: Floats, triangles: Ids) -> sparse.csc_array:
    """The cotangent Laplacian, positive semi-definite, without the negative weights of obtuse corners: [V, V]."""
    count = len(vertices)
    rows, columns, values = [], [], []
    for corner in range(3):
        i, j, o = (triangles[:, (corner + step) % 3] for step in range(3))
        u, v = vertices[i] - vertices[o], vertices[j] - vertices[o]
        cotangent = (u * v).sum(1) / np.maximum(np.linalg.norm(np.cross(u, v), axis=1), 1e-30)
        half = np.clip(cotangent, 0.05, 10.0) / 2
        rows += [i, j]
        columns += [j, i]
        values += [half, half]
    weights = sparse.csc_array(
        (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))), (count, count)
    )
    return sparse.csc_array(sparse.diags_array(np.asarray(weights.sum(1)).ravel()) - weights)


def vertex_areas(vertices: Floats, triangles: Ids) -> Floats:
    """A third of the triangles around each vertex: [V]."""
    area = np.linalg.norm(triangle_vectors(vertices, triangles), axis=1) / 6
    return np.asarray(np.bincount(triangles.ravel(), np.repeat(area, 3), len(vertices)), np.float64)
