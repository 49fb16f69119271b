"""The nearest point of a triangle mesh, exactly, and only where the surface faces the same way if asked."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from models.embedding.mesh import Floats, Ids, triangle_vectors, unit, vertex_normals

MAX_SAMPLES = 250_000


@dataclass(frozen=True)
class Hits:
    """One place on the surface for each of N points."""

    triangles: Ids  # [N] into the whole mesh
    weights: Floats  # [N, 3] of that triangle's corners
    points: Floats  # [N, 3]
    normals: Floats  # [N, 3] smooth
    distance: Floats  # [N] inf where nothing faces the right way


class SurfaceIndex:
    """Answers nearest-point questions; `subset` picks triangles of the mesh that may be hit."""

    def __init__(self, vertices: Floats, triangles: Ids, subset: Ids | None = None) -> None:
        self.vertices, self.triangles = vertices, triangles
        self._normals = vertex_normals(vertices, triangles)
        self._face_normals = unit(triangle_vectors(vertices, triangles))
        chosen = np.arange(len(triangles)) if subset is None else subset
        samples, owners = sample_triangles(vertices, triangles, chosen)
        self._tree, self._owners = cKDTree(samples), owners

    def closest(self, points: Floats, normals: Floats | None = None, min_cosine: float = 0.4, k: int = 8) -> Hits:
        """points [N, 3], and where given only surface whose normal agrees with normals [N, 3]."""
        k = min(k, len(self._owners))
        near = self._owners[self._tree.query(points, k=k)[1].reshape(len(points), k)]  # [N, k]
        weights, on_surface, distance = project_to_triangles(points[:, None], self.vertices[self.triangles[near]])
        if normals is not None:
            agree = (self._face_normals[near] * normals[:, None]).sum(-1)
            distance = np.where(agree > min_cosine, distance, np.inf)
        best = distance.argmin(1)
        rows = np.arange(len(points))
        hit, share = near[rows, best], weights[rows, best]
        smooth = unit((self._normals[self.triangles[hit]] * share[..., None]).sum(1))
        return Hits(hit, share, on_surface[rows, best], smooth, distance[rows, best])


def sample_triangles(vertices: Floats, triangles: Ids, chosen: Ids, spacing: float | None = None) -> tuple[Floats, Ids]:
    """Points [N, 3] that cover the chosen triangles evenly, however long these are, and each point's triangle [N]."""
    if not len(chosen):
        return np.zeros((0, 3)), np.zeros(0, np.int64)
    corners = vertices[triangles[chosen]]  # [F, 3, 3]
    longest = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).max(1)
    step = 1.5 * float(np.median(longest)) if spacing is None else spacing
    parts = np.clip(np.ceil(longest / max(step, 1e-30)), 1, 24).astype(np.int64)
    while (parts**2).sum() > MAX_SAMPLES and parts.max() > 1:
        parts = np.maximum(parts // 2, 1)
    points, owners = [], []
    for n in np.unique(parts):
        these = parts == n
        shares = _lattice(int(n))
        points.append(np.einsum("sk,fkc->fsc", shares, corners[these]).reshape(-1, 3))
        owners.append(np.repeat(chosen[these], len(shares)))
    return np.concatenate(points), np.concatenate(owners)


def _lattice(n: int) -> Floats:
    """Middles of the n * n pieces of a triangle, as weights of its corners: [n * n, 3]."""
    up = [(i + 1 / 3, j + 1 / 3) for i in range(n) for j in range(n - i)]
    down = [(i + 2 / 3, j + 2 / 3) for i in range(n) for j in range(n - i - 1)]
    ij = np.array(up + down) / n
    return np.column_stack([ij, 1 - ij.sum(1)])


def project_to_triangles(points: Floats, corners: Floats) -> tuple[Floats, Floats, Floats]:
    """Points [..., 3] onto triangles [..., 3, 3] -> weights [..., 3], places [..., 3], distances [...]."""
    a, b, c = corners[..., 0, :], corners[..., 1, :], corners[..., 2, :]
    points = np.broadcast_to(points, a.shape)
    candidates = [_inside(points, a, b, c)]
    for start, (p, q) in enumerate(((a, b), (b, c), (c, a))):
        edge = q - p
        t = ((points - p) * edge).sum(-1) / np.maximum((edge * edge).sum(-1), 1e-30)
        t = np.clip(t, 0.0, 1.0)
        weights = np.zeros((*t.shape, 3))
        weights[..., start], weights[..., (start + 1) % 3] = 1 - t, t
        candidates.append(weights)
    weights = np.stack(candidates)  # [4, ..., 3]
    places = (weights[..., None] * corners).sum(-2)
    distance = np.linalg.norm(places - points, axis=-1)
    distance[0] = np.where((candidates[0] >= 0).all(-1), distance[0], np.inf)
    best = distance.argmin(0)[None]
    picked = np.take_along_axis(weights, best[..., None], 0)[0]
    return picked, np.take_along_axis(places, best[..., None], 0)[0], np.take_along_axis(distance, best, 0)[0]


def _inside(points: Floats, a: Floats, b: Floats, c: Floats) -> Floats:
    """Weights of the foot of the perpendicular; negative, or far off for slivers, where it lies outside."""
    ab, ac, ap = b - a, c - a, points - a
    d00, d01, d11 = (ab * ab).sum(-1), (ab * ac).sum(-1), (ac * ac).sum(-1)
    d20, d21 = (ap * ab).sum(-1), (ap * ac).sum(-1)
    determinant = d00 * d11 - d01 * d01
    flat = determinant <= 1e-12 * d00 * d11
    scale = 1 / np.where(flat, 1.0, determinant)
    v = np.where(flat, -1.0, (d11 * d20 - d01 * d21) * scale)
    w = np.where(flat, -1.0, (d00 * d21 - d01 * d20) * scale)
    return np.stack([1 - v - w, v, w], -1)
