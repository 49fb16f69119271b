"""A person's own skin and the room's light, as drawing takes them."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from models.head import Head, embed
from models.types import MienError

GAMMA = 2.2  # shown = linear ** (1 / GAMMA)
_LOBES = (1.0, 2 / 3, 1 / 4)  # of the cosine, by order, over pi
_SQUARED = _LOBES[2] * math.sqrt(15 / (4 * math.pi))
# What spherical harmonics of a normal are multiplied by, the cosine's lobe in it: 1; x, y, z; xy, xz, yz; x^2 - y^2;
# 3z^2 - 1. Coefficients are then of radiance: under an even sky of radiance 1 a white surface shows 1.
SH_FACTORS = (_LOBES[0] * math.sqrt(1 / (4 * math.pi)), _LOBES[1] * math.sqrt(3 / (4 * math.pi)), _SQUARED,
              _SQUARED / 2, _SQUARED / math.sqrt(12))  # fmt: skip
DIMMEST = 0.2  # of the even light: no part of a head gets less, in any colour
NEAR_M, FAR_M = 0.012, 0.030  # from the nearest landmark: surely of the face, surely not


@dataclass(frozen=True)
class Texture:
    """Albedo and light: their product is what the camera sees."""

    albedo: NDArray[np.uint8]  # [S, S, 3] as a screen shows it, row 0 at the top
    light: NDArray[np.float32]  # [9, 3] spherical harmonics of normals in the camera frame, linear

    def __post_init__(self) -> None:
        if self.albedo.ndim != 3 or self.albedo.shape[2] != 3 or self.albedo.dtype != np.uint8 or not self.albedo.size:
            raise MienError(f"expected a texture of bytes [H, W, 3], got {self.albedo.dtype} {self.albedo.shape}")
        if self.light.shape != (9, 3) or not np.isfinite(self.light).all():
            raise MienError(f"expected a light of 9 x 3 finite numbers, got shape {self.light.shape}")


def face_reach(head: Head) -> NDArray[np.float32]:
    """[V] 1 on the face, falling to 0 where hair, ears and clothes are more likely than skin."""
    landmarks = embed(head.embedding, head.template).cpu().numpy()[:468]
    away = cKDTree(landmarks).query(head.template.cpu().numpy())[0]
    return np.asarray(np.clip((FAR_M - away) / (FAR_M - NEAR_M), 0, 1), np.float32)
