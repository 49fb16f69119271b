"""The door to the rasterisers: one interface with nvdiffrast's meaning, whatever draws behind it.

`rasterize(clip-space vertices, triangles, (height, width)) -> [H, W, 4]` gives for every pixel
`(u, v, z/w, triangle id + 1)`: `u` is the perspective-correct weight of the triangle's first vertex, `v` of its
second (the third has `1 - u - v`); all four are 0 where nothing is. Clip space is OpenGL's (`models/camera.py`).
No gradient passes: what is differentiable is computed above, from the triangles that were hit.

Row 0 is the TOP row of the picture, as in every picture of Mien (nvdiffrast's own is the bottom one; its backend
shows it the world upside down). Pixel (column, row) is sampled at its centre, (column + 0.5, row + 0.5).
Triangles are drawn from both sides. A triangle that touches or crosses the camera's plane (any w <= 0), or has a
vertex that is not finite, is dropped whole; fragments outside -1 <= z/w <= 1 are dropped one by one.

What draws (docs/backends.md): `cpu`, numba, everywhere; `cuda`, nvdiffrast, for vertices on an NVIDIA GPU;
`pytorch3d`, a reference to compare with, only when named. `auto` takes `cuda` where the vertices are on a GPU and
nvdiffrast is there, else `cpu`.
"""

import importlib.util
import os
from collections.abc import Callable
from typing import Literal, get_args

import torch
from torch import Tensor

from models.types import MienError

Backend = Literal["cpu", "cuda", "pytorch3d"]
BACKENDS: tuple[Backend, ...] = get_args(Backend)
LIBRARIES = {"cuda": "nvdiffrast", "pytorch3d": "pytorch3d"}  # what a user installs
CHOICE = "MIEN_RASTERIZER"  # in the environment: a backend's name, for a whole program

MAX_SIDE_PX = 16384
MAX_TRIANGLES = (1 << 24) - 1  # their numbers must pass through a float32


Draw = Callable[[Tensor, Tensor, tuple[int, int]], Tensor]


def rasterize(clip_vertices: Tensor, triangles: Tensor, size: tuple[int, int], backend: str | None = None) -> Tensor:
    """Clip-space vertices [V, 4], triangles [F, 3] of any integer type, (height, width) -> float32 [H, W, 4].

    The result is where the vertices are. `backend`: a name, or "auto"; by default what MIEN_RASTERIZER says.
    """
    _check(clip_vertices, triangles, size)
    draw = open_rasterizer(chosen(clip_vertices.device, backend))
    if not len(triangles):
        return torch.zeros(*size, 4, device=clip_vertices.device)
    return draw(clip_vertices.detach().float(), triangles.detach().to(clip_vertices.device), size)


def chosen(device: torch.device, backend: str | None = None) -> str:
    """The name of what draws there, by default as MIEN_RASTERIZER says."""
    name = backend or os.environ.get(CHOICE) or "auto"
    if name == "auto":
        name = "cuda" if device.type == "cuda" and missing("cuda") is None else "cpu"
    if why := missing(name):
        raise MienError(why)
    return name


def open_rasterizer(name: str) -> Draw:
    """The backend itself, for who draws the same triangles again and again: what it is given is not looked at, so that
    a GPU need not be waited for. float32 [V, 4], at least one triangle."""
    try:
        if name == "cuda":
            from render.cuda import draw
        elif name == "pytorch3d":
            from render.pytorch3d_reference import draw
        else:
            from render.cpu import draw
    except ImportError as error:  # built against another torch, most often
        raise MienError(
            f"the rasteriser '{name}' is there but cannot be loaded ({error}); build it again (docs/backends.md), "
            f"or set {CHOICE}=cpu"
        ) from error
    return draw


def missing(backend: str) -> str | None:
    """Why a backend cannot draw here, or None if it can."""
    if backend not in BACKENDS:
        return f"expected a rasteriser's name, auto, {', '.join(BACKENDS)}; got '{backend}'"
    if backend == "cuda" and not torch.cuda.is_available():
        return "the rasteriser 'cuda' needs an NVIDIA GPU, and torch sees none; leave it at auto, or choose 'cpu'"
    library = LIBRARIES.get(backend)
    if library is not None and not _is_there(library):
        return (
            f"the rasteriser '{backend}' needs {library}, which is not there; docs/backends.md says where it comes from"
        )
    return None


def _is_there(library: str) -> bool:
    found = importlib.util.find_spec(library)
    return found is not None and found.origin is not None  # a folder that bears its name has none


def _check(clip_vertices: Tensor, triangles: Tensor, size: tuple[int, int]) -> None:
    height, width = size
    if clip_vertices.ndim != 2 or clip_vertices.shape[1] != 4:
        raise MienError(f"expected clip-space vertices of shape [V, 4], got {list(clip_vertices.shape)}")
    if triangles.ndim != 2 or triangles.shape[1] != 3 or triangles.is_floating_point():
        raise MienError(f"expected integer triangles of shape [F, 3], got {triangles.dtype} {list(triangles.shape)}")
    if len(triangles) > MAX_TRIANGLES:
        raise MienError(f"expected at most {MAX_TRIANGLES} triangles, got {len(triangles)}; simplify the mesh")
    if not (0 < height <= MAX_SIDE_PX and 0 < width <= MAX_SIDE_PX):
        raise MienError(f"expected a picture of 1 to {MAX_SIDE_PX} pixels a side, got {height} x {width} (h x w)")
    if len(triangles) and (int(triangles.min()) < 0 or int(triangles.max()) >= len(clip_vertices)):
        raise MienError(
            f"triangles name vertices {int(triangles.min())} to {int(triangles.max())}, "
            f"but there are {len(clip_vertices)}: triangles and vertices must come from the same mesh"
        )
