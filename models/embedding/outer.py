"""What of a mesh can be seen from outside: skin is fitted to that alone, never to a mouth's lining or an eye socket.

Samples of the surface are splatted into depth grids from many directions. No rasteriser is needed, and nothing about
the mesh is assumed: it may be open, of many parts, or wound the wrong way round.
"""

from collections.abc import Sequence
from math import floor, sqrt
from typing import Any

import numpy as np

from models.compiled import compiling
from models.embedding.closest import sample_triangles
from models.embedding.mesh import Floats, Ids, Mask, components, triangle_vectors, unit

exactly = compiling(fastmath=False)

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
    if not len(triangles):
        return np.zeros(0), np.zeros(0)
    vertices = vertices - (vertices.min(0) / 2 + vertices.max(0) / 2)  # far from the origin cells are told by rounding
    cell = float(np.ptp(vertices, axis=0).max()) / CELLS or 1.0
    points, owners = sample_triangles(vertices, triangles, np.arange(len(triangles)), cell / 2)
    vectors = triangle_vectors(vertices, triangles)
    normals = unit(vectors)[owners]
    share = (np.linalg.norm(vectors, axis=1) / np.bincount(owners, minlength=len(triangles)))[owners]
    front, back = np.zeros(len(triangles)), np.zeros(len(triangles))
    reach = int(np.linalg.norm(points, axis=1).max() / cell) + 3  # cells
    depth = np.empty((2 * reach, 2 * reach))
    for direction in directions:
        across = np.cross(direction, (0.0, 1.0, 0.0) if abs(direction[1]) < 0.9 else (1.0, 0.0, 0.0))
        across /= np.linalg.norm(across)
        axes = np.stack([across, np.cross(direction, across), direction])
        depth.fill(-np.inf)
        _add_seen(points, normals, share, owners, axes, cell, depth, front, back)
    return front, back


@exactly
def _add_seen(
    points: Any, normals: Any, share: Any, owners: Any, axes: Any, cell: float, depth: Any, front: Any, back: Any
) -> None:
    """Add to the triangles' `front` and `back` [F] what is seen of their samples [N] from where the last of the axes
    [3, 3] points. `depth`: a grid of cells around the origin.

    A sample is seen if none in its cell, or in those beside it, which close the holes, is much nearer.
    """
    for point in range(len(points)):
        row, column, near = _place(points, point, axes, cell, len(depth))
        depth[row, column] = max(depth[row, column], near)
    for point in range(len(points)):
        cosine = normals[point, 0] * axes[2, 0] + normals[point, 1] * axes[2, 1] + normals[point, 2] * axes[2, 2]
        if not abs(cosine) > FACING:
            continue
        row, column, near = _place(points, point, axes, cell, len(depth))
        nearest = near
        for i in range(row - 1, row + 2):
            for j in range(column - 1, column + 2):
                nearest = max(nearest, depth[i, j])
        # Between two samples of one cell depth changes by the slope.
        if near >= nearest - cell * (0.4 + 2.5 * sqrt(1.0 - cosine * cosine) / abs(cosine)):
            if cosine > 0.0:
                front[owners[point]] += share[point] * cosine
            else:
                back[owners[point]] -= share[point] * cosine


@exactly
def _place(points: Any, point: Any, axes: Any, cell: float, side: Any) -> Any:
    """Row and column of its cell, which is none at the edge of the grid, and how near it is."""
    x, y, z = points[point, 0], points[point, 1], points[point, 2]
    row = floor((x * axes[0, 0] + y * axes[0, 1] + z * axes[0, 2]) / cell) + side // 2
    column = floor((x * axes[1, 0] + y * axes[1, 1] + z * axes[1, 2]) / cell) + side // 2
    near = x * axes[2, 0] + y * axes[2, 1] + z * axes[2, 2]
    return min(max(row, 1), side - 2), min(max(column, 1), side - 2), near


def _sphere(count: int) -> Floats:
    """Directions spread evenly: the Fibonacci lattice [count, 3]."""
    k = np.arange(count) + 0.5
    height, angle = 1 - 2 * k / count, np.pi * (1 + 5**0.5) * k
    ring = np.sqrt(1 - height**2)
    return np.stack([ring * np.cos(angle), height, ring * np.sin(angle)], 1)
