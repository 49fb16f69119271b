"""nvdiffrast behind the door of `render/rasterizer.py`: rasterising and antialiasing on an NVIDIA GPU.

Its first row is the bottom one, so it is shown the world upside down: what it calls the bottom is our top.
"""

import threading
from typing import Any

import nvdiffrast.torch as nvdiffrast
import torch
from torch import Tensor

from render.drawable import drawable

_own = threading.local()  # a context is not for two threads at once


def draw(clip: Tensor, triangles: Tensor, size: tuple[int, int]) -> Tensor:
    """float32 [V, 4] and integer [F, 3], F > 0 -> [H, W, 4] where the vertices are."""
    on_gpu = clip if clip.is_cuda else clip.cuda()
    vertices, kept = drawable(on_gpu, triangles.to(on_gpu.device))
    fragments, _ = nvdiffrast.rasterize(
        _context(on_gpu.device), _turned(vertices), kept.int().contiguous(), resolution=list(size), grad_db=False
    )
    image: Tensor = fragments[0]
    return image.to(clip.device)


def antialias(picture: Tensor, fragments: Tensor, clip: Tensor, triangles: Tensor) -> Tensor:
    """The picture [H, W, C] with its silhouettes smoothed, differentiable in colours and in clip [V, 4].

    `fragments` are those of `draw` for the same vertices and triangles; all on the GPU. Means what
    `render/diff/silhouette.py` does anywhere, in one kernel.
    """
    vertices, kept = drawable(clip, triangles)
    smooth: Tensor = nvdiffrast.antialias(
        picture[None].contiguous(), fragments[None].contiguous(), _turned(vertices), kept.int().contiguous()
    )
    return smooth[0]


def _turned(clip: Tensor) -> Tensor:
    """A batch of one: [1, V, 4]."""
    x, y, z, w = clip.unbind(1)
    return torch.stack((x, -y, z, w), 1)[None]


def _context(device: torch.device) -> Any:
    contexts = _own.__dict__.setdefault("contexts", {})
    if device not in contexts:
        contexts[device] = nvdiffrast.RasterizeCudaContext(device=device)
    return contexts[device]
