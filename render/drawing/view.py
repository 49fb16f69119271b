"""Posed vertices as the camera sees them: their pixels, and which way the surface faces there."""

from math import ceil, floor, sqrt
from typing import Any

import numpy as np

from models.compiled import compiled

NEAR_M = 0.05  # a triangle with a corner nearer than this, or behind the camera, is dropped whole
FAR_PX = 1e5  # and so is one with a corner as far out as this


@compiled
def project(vertices: Any, camera: Any, window: Any, screen: Any) -> Any:
    """Fill `screen` [N, 3] with pixels and inverse depth, 0 for what cannot be seen.

    Returns the head's rectangle inside `window`, with an empty pixel around it where there is room.
    """
    focal, x0, y0 = camera[12], camera[13], camera[14]
    left, top, right, bottom = 1e9, 1e9, -1e9, -1e9
    for vertex in range(len(vertices)):
        z = vertices[vertex, 2]
        screen[vertex, 2] = 0.0
        if not z > NEAR_M:
            continue
        inverse = np.float32(1.0) / z
        x = focal * vertices[vertex, 0] * inverse + x0
        y = focal * vertices[vertex, 1] * inverse + y0
        if not (abs(x) < FAR_PX and abs(y) < FAR_PX):
            continue
        screen[vertex, 0], screen[vertex, 1], screen[vertex, 2] = x, y, inverse
        left, right = min(left, x), max(right, x)
        top, bottom = min(top, y), max(bottom, y)
    return (
        max(window[0], floor(left) - 1),
        max(window[1], floor(top) - 1),
        min(window[2], ceil(right) + 2),
        min(window[3], ceil(bottom) + 2),
    )


@compiled
def find_normals(vertices: Any, triangles: Any, normals: Any) -> None:
    """Unit, the area-weighted mean over a vertex's triangles."""
    for vertex in range(len(normals)):
        for axis in range(3):
            normals[vertex, axis] = 0.0
    for triangle in range(len(triangles)):
        a, b, c = triangles[triangle, 0], triangles[triangle, 1], triangles[triangle, 2]
        x, y, z = vertices[a, 0], vertices[a, 1], vertices[a, 2]
        ux, uy, uz = vertices[b, 0] - x, vertices[b, 1] - y, vertices[b, 2] - z
        vx, vy, vz = vertices[c, 0] - x, vertices[c, 1] - y, vertices[c, 2] - z
        nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        for corner in (a, b, c):
            normals[corner, 0] += nx
            normals[corner, 1] += ny
            normals[corner, 2] += nz
    for vertex in range(len(normals)):
        x, y, z = normals[vertex, 0], normals[vertex, 1], normals[vertex, 2]
        scale = np.float32(1.0) / sqrt(max(x * x + y * y + z * z, np.float32(1e-30)))
        normals[vertex, 0], normals[vertex, 1], normals[vertex, 2] = x * scale, y * scale, z * scale
