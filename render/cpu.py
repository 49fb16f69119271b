"""The CPU rasteriser: numba, depth-buffered. Meaning and row order are those of `render/rasterizer.py`."""

import math
import os
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.compiled import compiling

exactly = compiling(fastmath=False)
FEWEST_ROWS = 64  # of a band: for less, another thread does not pay


def draw(clip: Tensor, triangles: Tensor, size: tuple[int, int]) -> Tensor:
    """float32 [V, 4] and integer [F, 3] -> [H, W, 4] where the vertices are."""
    return torch.from_numpy(rasterize(clip.cpu().numpy(), triangles.cpu().numpy(), size)).to(clip.device)


def rasterize(
    clip_vertices: NDArray[np.float32], triangles: NDArray[np.int64], size: tuple[int, int], bands: int | None = None
) -> NDArray[np.float32]:
    """Clip-space vertices [V, 4] and triangles [F, 3] -> [H, W, 4] of (u, v, z/w, triangle id + 1).

    The picture is cut into bands of rows, one a thread of torch's unless told; what is drawn does not depend on it.
    """
    height, width = size
    image = np.zeros((height, width, 4), np.float32)
    vertices = np.ascontiguousarray(clip_vertices, np.float32)
    corners = np.ascontiguousarray(triangles, np.int64)
    count = max(1, min(bands or torch.get_num_threads(), height // FEWEST_ROWS))
    edges = np.linspace(0, height, count + 1).astype(int).tolist()
    if count == 1:
        _draw(vertices, corners, image, 0, height)
    else:
        for done in [_threads().submit(_draw, vertices, corners, image, *rows) for rows in pairwise(edges)]:
            done.result()
    return image


@lru_cache(maxsize=1)
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(os.cpu_count(), "rasteriser")


@exactly
def _draw(
    clip: NDArray[np.float32], triangles: NDArray[np.int64], image: NDArray[np.float32], first: int, end: int
) -> None:
    """Rows from `first` up to `end`."""
    for face in range(triangles.shape[0]):
        a, b, c = clip[triangles[face, 0]], clip[triangles[face, 1]], clip[triangles[face, 2]]
        # NaN fails this test too, so that a broken vertex costs its triangles and nothing else.
        if not (a[3] > 0.0 and b[3] > 0.0 and c[3] > 0.0):
            continue
        _draw_triangle(a, b, c, face + 1, first, end, image)


@exactly
def _draw_triangle(a: Any, b: Any, c: Any, label: int, first: int, end: int, image: Any) -> None:
    height, width = image.shape[:2]
    # Inverse w, and pixel positions, in double: edge functions of large triangles lose too much in single.
    ia, ib, ic = 1.0 / a[3], 1.0 / b[3], 1.0 / c[3]
    ax, ay = (a[0] * ia * 0.5 + 0.5) * width, (0.5 - a[1] * ia * 0.5) * height
    bx, by = (b[0] * ib * 0.5 + 0.5) * width, (0.5 - b[1] * ib * 0.5) * height
    cx, cy = (c[0] * ic * 0.5 + 0.5) * width, (0.5 - c[1] * ic * 0.5) * height
    area = (bx - ax) * (cy - ay) - (cx - ax) * (by - ay)
    if not (abs(area) > 1e-12 and abs(area) < 1e18):
        return
    left, right = _pixel_range(min(ax, bx, cx), max(ax, bx, cx), width)
    top, bottom = _pixel_range(min(ay, by, cy), max(ay, by, cy), height)
    top, bottom = max(top, first), min(bottom, end)
    za, zb, zc = a[2] * ia, b[2] * ib, c[2] * ic
    scale = 1.0 / area
    for row in range(top, bottom):
        y = row + 0.5
        for column in range(left, right):
            x = column + 0.5
            wa = ((bx - x) * (cy - y) - (cx - x) * (by - y)) * scale
            wb = ((cx - x) * (ay - y) - (ax - x) * (cy - y)) * scale
            wc = 1.0 - wa - wb
            # The tiny slack closes hairline gaps between neighbours; who wins there is decided by depth, then order.
            if wa < -1e-9 or wb < -1e-9 or wc < -1e-9:
                continue
            depth = wa * za + wb * zb + wc * zc
            pixel = image[row, column]
            if not -1.0 <= depth <= 1.0 or (pixel[3] != 0.0 and depth >= pixel[2]):
                continue
            pa, pb = wa * ia, wb * ib
            total = pa + pb + wc * ic
            pixel[0], pixel[1], pixel[2], pixel[3] = pa / total, pb / total, depth, label


@exactly
def _pixel_range(low: Any, high: Any, count: int) -> tuple[int, int]:
    """The first pixel whose centre is at or beyond `low`, and one past the last at or before `high`."""
    first = math.ceil(max(low, 0.0) - 0.5 - 1e-6)
    last = math.floor(min(high, float(count)) - 0.5 + 1e-6) + 1
    return max(int(first), 0), min(int(last), count)
