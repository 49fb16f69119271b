"""What of a mesh can be seen from outside: skin is fitted to that alone, never to a mouth's lining or an eye socket.

Samples of the surface are splatted into depth grids from many directions. No rasteriser is needed, and nothing about
the mesh is assumed: it may be open, of many parts, or wound the wrong way round.
"""

from collections.abc import Sequence

import numpy as np
from scipy.ndimage import maximum_filter

from models.embedding.closest import sample_triangles
from models.embedding.mesh import Floats, Ids, Mask, components, triangle_vectors, unit

DIRECTIONS = 48
CELLS = 320  # along the mesh's longest side
LOWEST = -0.6  # the height from which directions look up at a head in the head frame
FACING = 0.3  # cosine under which a surface is too slanted to be judged


def outward(vertices: Floats, triangles: Ids) -> Ids:
    """The triangles [F, 3] with each part turned so that its outside is counter-clockwise."""
    part = components(vertices, triangles)[triangles[:, 0]]
    front, back = _seen_area(vertices, triangles, list(_sphere(DIRECTIONS)))
    inside_out = np.bincount(part, back) > np.bincount(part, front)
    return np.where(inside_out[part][:, None], triangles[:, ::-1], triangles)


def seen_from_outside(vertices: Floats, triangles: Ids) -> Mask:
    """[F] triangles whose front can be seen from somewhere outside."""
    # A head open at the neck must not be looked into from below.
    directions = [d for d in _sphere(DIRECTIONS) if d[1] > LOWEST]
    return np.asarray(_seen_area(vertices, triangles, directions)[0] > 0)


def _seen_area(vertices: Floats, triangles: Ids, directions: Sequence[Floats]) -> tuple[Floats, Floats]:
    """Area of each triangle's front and back [F] as seen, summed over the directions."""
    cell = float(np.ptp(vertices, axis=0).max()) / CELLS
    if not len(triangles):
        return np.zeros(0), np.zeros(0)
    points, owners = sample_triangles(vertices, triangles, np.arange(len(triangles)), cell / 2)
    vectors = triangle_vectors(vertices, triangles)
    normals = unit(vectors)[owners]
    share = (np.linalg.norm(vectors, axis=1) / np.bincount(owners, minlength=len(triangles)))[owners]
    front, back = np.zeros(len(points)), np.zeros(len(points))
    for direction in directions:
        cosine = normals @ direction
        # Between two samples of one cell depth changes by the slope.
        slope = np.sqrt(1 - np.clip(np.abs(cosine), FACING, 1) ** 2) / np.clip(np.abs(cosine), FACING, 1)
        nearest = _nearest_depth(points, direction, cell)
        seen = (points @ direction >= nearest - cell * (0.4 + 2.5 * slope)) & (np.abs(cosine) > FACING)
        front += np.where(seen & (cosine > 0), share * cosine, 0)
        back -= np.where(seen & (cosine < 0), share * cosine, 0)
    return tuple(np.bincount(owners, side, len(triangles)) for side in (front, back))  # type: ignore[return-value]


def _nearest_depth(points: Floats, direction: Floats, cell: float) -> Floats:
    """[N] how near to the viewer the nearest sample in the same cell of the grid, or one beside it, is."""
    across = np.cross(direction, (0.0, 1.0, 0.0) if abs(direction[1]) < 0.9 else (1.0, 0.0, 0.0))
    across /= np.linalg.norm(across)
    grid = np.floor(points @ np.stack([across, np.cross(direction, across)], 1) / cell).astype(np.int64)
    rows, columns = (grid - grid.min(0)).T
    depth = np.full((int(rows.max()) + 1, int(columns.max()) + 1), -np.inf)
    np.maximum.at(depth, (rows, columns), points @ direction)
    # Neighbours close the holes between samples.
    return np.asarray(maximum_filter(depth, 3)[rows, columns])


def _sphere(count: int) -> Floats:
    """Directions spread evenly: the Fibonacci lattice [count, 3]."""
    k = np.arange(count) + 0.5
    height, angle = 1 - 2 * k / count, np.pi * (1 + 5**0.5) * k
    ring = np.sqrt(1 - height**2)
    return np.stack([ring * np.cos(angle), height, ring * np.sin(angle)], 1)
