"""The door to the rasterisers: one interface with nvdiffrast's meaning, whatever draws behind it.

`rasterize(clip-space vertices, triangles, (height, width)) -> [H, W, 4]` gives for every pixel
`(u, v, z/w, triangle id + 1)`: `u` is the perspective-correct weight of the triangle's first vertex, `v` of its
second (the third has `1 - u - v`); all four are 0 where nothing is. Clip space is OpenGL's (`models/camera.py`).

Row 0 is the TOP row of the picture, as in every picture of Mien (nvdiffrast's own is the bottom one; its backend
turns the result over). Pixel (column, row) is sampled at its centre, (column + 0.5, row + 0.5).
Triangles are drawn from both sides. A triangle that touches or crosses the camera's plane (any w <= 0) is dropped
whole; fragments outside -1 <= z/w <= 1 are dropped one by one.
"""

import torch
from torch import Tensor

from models.types import MienError
from render import cpu

MAX_SIDE_PX = 16384


def rasterize(clip_vertices: Tensor, triangles: Tensor, size: tuple[int, int]) -> Tensor:
    """Clip-space vertices [V, 4], triangles [F, 3] of any integer type, (height, width) -> float32 [H, W, 4]."""
    _check(clip_vertices, triangles, size)
    image = cpu.rasterize(clip_vertices.detach().cpu().numpy(), triangles.detach().cpu().numpy(), size)
    return torch.from_numpy(image).to(clip_vertices.device)


def _check(clip_vertices: Tensor, triangles: Tensor, size: tuple[int, int]) -> None:
    height, width = size
    if clip_vertices.ndim != 2 or clip_vertices.shape[1] != 4:
        raise MienError(f"expected clip-space vertices of shape [V, 4], got {list(clip_vertices.shape)}")
    if triangles.ndim != 2 or triangles.shape[1] != 3 or triangles.is_floating_point():
        raise MienError(f"expected integer triangles of shape [F, 3], got {triangles.dtype} {list(triangles.shape)}")
    if not (0 < height <= MAX_SIDE_PX and 0 < width <= MAX_SIDE_PX):
        raise MienError(f"expected a picture of 1 to {MAX_SIDE_PX} pixels a side, got {height} x {width} (h x w)")
    if len(triangles) and (int(triangles.min()) < 0 or int(triangles.max()) >= len(clip_vertices)):
        raise MienError(
            f"triangles name vertices {int(triangles.min())} to {int(triangles.max())}, "
            f"but there are {len(clip_vertices)}: triangles and vertices must come from the same mesh"
        )
