"""Texture coordinates for a mesh that has none: a cylinder around the head, its seam at the back."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def cylinder_uvs(vertices: Array, triangles: Array) -> tuple[Array, Array]:
    """[V, 3] and [F, 3] -> coordinates [U, 2], origin at the top left, and their triangles [F, 3]."""
    centre = (vertices.min(0) + vertices.max(0)) / 2
    x, _, z = (vertices - centre).T
    low, high = vertices[:, 1].min(), vertices[:, 1].max()
    u = 0.5 + np.arctan2(x, z) / (2 * np.pi)  # the face's middle at 0.5
    v = (high - vertices[:, 1]) / max(high - low, 1e-9)
    uvs = np.stack((u, v), 1)
    return _close_seam(uvs, triangles)


def _close_seam(uvs: Array, triangles: Array) -> tuple[Array, Array]:
    """Triangles across the seam would stretch over the whole texture: draw their far corners to the near edge."""
    across = np.ptp(uvs[triangles, 0], axis=1) > 0.5
    corners = triangles[across]
    far = uvs[corners, 0] < 0.5
    extra = np.unique(corners[far])
    moved = uvs[extra]
    moved[:, 0] = 1.0
    uv_triangles = triangles.copy()
    uv_triangles[across] = np.where(far, len(uvs) + np.searchsorted(extra, corners), corners)
    return np.concatenate((uvs, moved)), uv_triangles
