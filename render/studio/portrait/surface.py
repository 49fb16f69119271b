"""The head as a portrait wants it: every triangle as four, bent along the normals, and what each is made of."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.head import Head
from render.studio.fine_surface import halve
from render.studio.portrait.kernels import EYE, MOUTH, SKIN

Floats = NDArray[np.float64]
Ids = NDArray[np.int64]

BENT = 0.7  # how far midpoints follow the tangent planes of their ends (Boubekeur & Alexa 2008, "Phong Tessellation")
WET_INSIDE = ("mouth_bag", "teeth", "gums", "tongue")


@dataclass(frozen=True)
class PortraitSurface:
    pairs: Ids  # [M, 2] ends of the halved edges: vertices are the head's V, then these midpoints
    triangles: Ids  # [F, 3]
    uvs: NDArray[np.float32]  # [F, 3, 2]
    material: NDArray[np.uint8]  # [F]

    @staticmethod
    def of(head: Head) -> "PortraitSurface":
        own, own_uv = head.triangles.numpy(), head.uv_triangles.numpy()
        triangles, pairs = halve(own, head.vertex_count)
        uv_triangles, uv_pairs = halve(own_uv, len(head.uvs))
        uvs = head.uvs.double().numpy()
        uvs = np.concatenate([uvs, uvs[uv_pairs].mean(1)])
        material = np.full(head.vertex_count, SKIN, np.uint8)
        for name, ids in head.regions.items():
            if name.startswith("eyeball"):
                material[ids.numpy()] = EYE
            elif name.startswith(WET_INSIDE):
                material[ids.numpy()] = MOUTH
        of_triangle = np.where((material[own] == material[own][:, :1]).all(1), material[own][:, 0], SKIN)
        return PortraitSurface(pairs, triangles, uvs[uv_triangles].astype(np.float32), np.repeat(of_triangle, 4))

    def lift(self, values: Floats) -> Floats:
        """What is known of the head's vertices [V, K], for all."""
        return np.concatenate([values, values[self.pairs].mean(1)])

    def bend(self, vertices: Floats, normals: Floats) -> tuple[Floats, Floats]:
        """Places and unit normals of all, from those of the head's own vertices."""
        a, b = (vertices[self.pairs[:, k]] for k in (0, 1))
        na, nb = (normals[self.pairs[:, k]] for k in (0, 1))
        half = (b - a) / 2
        out = (half * na).sum(1, keepdims=True) * na - (half * nb).sum(1, keepdims=True) * nb
        middle = na + nb
        middle /= np.maximum(np.linalg.norm(middle, axis=1, keepdims=True), 1e-9)
        return np.concatenate([vertices, a + half - BENT / 2 * out]), np.concatenate([normals, middle])
