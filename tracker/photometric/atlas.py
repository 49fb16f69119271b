"""The head's texture as texels that know their place on the mesh, and where their mirror image lies."""

import threading
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from torch import Tensor

from models.embedding.closest import SurfaceIndex
from models.head import Head
from render.rasterizer import rasterize

NO_SKIN = ("mouth_bag", "gums", "teeth", "tongue", "socket", "nostril_passage", "eyeball")
SYMMETRIC_M = 0.004  # a place whose mirror is farther than this from the surface has none
STRETCH = 4.0  # a mirrored triangle larger than so many times its own size straddles a seam
KEPT = 2  # atlases


@dataclass(frozen=True)
class Atlas:
    side: int
    texels: Tensor  # [T] int64: row * side + column
    vertices: Tensor  # [T, 3] int64 of the texel's triangle
    weights: Tensor  # [T, 3]
    skin: Tensor  # [T] bool: skin, as against eyes and what lies inside mouth, sockets and nostrils
    mirror: NDArray[np.float32]  # [side, side, 2] column and row of the mirror image, -1 where there is none

    @staticmethod
    def of(head: Head, side: int = 1024) -> "Atlas":
        """Kept for the heads that were asked for last: it takes a quarter of a second."""
        key = head.sha256, side
        made = _kept.get(key)
        if made is None:
            made = _make(head.to("cpu"), side)
            with _lock:
                while len(_kept) >= KEPT:
                    _kept.pop(next(iter(_kept)))
                _kept[key] = made
        return made

    def interpolate(self, values: Tensor) -> Tensor:
        """Values of vertices [V, C] at the texels: [T, C]."""
        a, b, c = self.vertices.unbind(1)
        u, v, w = self.weights[..., None].unbind(1)
        return values[a].mul_(u).addcmul_(values[b], v).addcmul_(values[c], w)

    def picture(self, values: Tensor) -> NDArray[np.float32]:
        """Values [T, C] laid out: [side, side, C], 0 where no texel is."""
        out = values.new_zeros(self.side * self.side, values.shape[1])
        out[self.texels] = values
        return out.reshape(self.side, self.side, -1).numpy()


_kept: dict[tuple[str, int], Atlas] = {}
_lock = threading.Lock()  # sessions learn skins on threads of their own


def _make(head: Head, side: int) -> Atlas:
    fragments = _layout(head.uvs, head.uv_triangles, side)
    texels = fragments[:, 3].nonzero()[:, 0]
    triangle = fragments[texels, 3].long() - 1
    u, v = fragments[texels, 0], fragments[texels, 1]
    other = _other_triangles(head)
    return Atlas(
        side=side,
        texels=texels,
        vertices=head.triangles[triangle],
        weights=torch.stack((u, v, 1 - u - v), 1),
        skin=~other[triangle],
        mirror=_mirror(head, side, texels, triangle, torch.stack((u, v, 1 - u - v), 1), ~other),
    )


def _layout(uvs: Tensor, uv_triangles: Tensor, side: int) -> Tensor:
    """The triangles drawn where they lie in the texture: fragments [side * side, 4]."""
    place = 2 * uvs - 1
    clip = torch.stack((place[:, 0], -place[:, 1], torch.zeros(len(uvs)), torch.ones(len(uvs))), 1)
    return rasterize(clip.float(), uv_triangles, (side, side)).reshape(-1, 4)


def _other_triangles(head: Head) -> Tensor:
    other = torch.zeros(head.vertex_count, dtype=torch.bool)
    for name, region in head.regions.items():
        if name.startswith(NO_SKIN):
            other[region] = True
    return other[head.triangles].all(1)


def _mirror(
    head: Head, side: int, texels: Tensor, triangle: Tensor, weights: Tensor, skin: Tensor
) -> NDArray[np.float32]:
    rest, triangles, uvs = head.template.double().numpy(), head.triangles.numpy(), head.uvs.numpy()
    corners, uv_corners = triangles.ravel(), head.uv_triangles.numpy().ravel()
    owner = np.zeros(len(uvs), np.int64)
    owner[uv_corners] = corners
    flipped = rest * np.array((-1.0, 1.0, 1.0))
    distance, nearest = (np.asarray(found) for found in cKDTree(rest).query(flipped))
    at = np.full((head.vertex_count, 2), np.nan)
    uv_of = np.zeros(head.vertex_count, np.int64)
    uv_of[corners] = uv_corners
    twin = distance < 1e-5
    at[twin] = uvs[uv_of[nearest[twin]]]
    lone = np.flatnonzero(~twin & np.isin(np.arange(head.vertex_count), triangles[skin.numpy()]))
    if len(lone):
        hits = SurfaceIndex(rest, triangles, np.flatnonzero(skin.numpy())).closest(flipped[lone])
        near = hits.distance < SYMMETRIC_M
        found = (uvs[head.uv_triangles.numpy()[hits.triangles]] * hits.weights[..., None]).sum(1)
        at[lone[near]] = found[near]
    mirrored = at[triangles].astype(np.float32)  # [F, 3, 2]
    own = uvs[head.uv_triangles.numpy()]
    size, was = (np.abs(x - np.roll(x, 1, 1)).max((1, 2)) for x in (mirrored, own))
    mirrored[~(size <= STRETCH * np.maximum(was, 1e-3)) | ~skin.numpy()] = np.nan
    picture = np.full((side * side, 2), -1, np.float32)
    where = np.einsum("tki,tk->ti", mirrored[triangle.numpy()], weights.numpy()) * side - 0.5
    picture[texels.numpy()] = np.where(np.isfinite(where), where, -1)
    return picture.reshape(side, side, 2)
