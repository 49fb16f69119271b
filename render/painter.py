"""What draws a head into a picture, whoever does it: `render/compiled_painter.py` on the CPU, where nothing else is
asked for, or `render/torch_painter.py` on any device of torch's, where a GPU has a rasteriser of its own."""

import math
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.head import Head, shape_head
from models.types import Camera, HeadParams, Identity
from render.overlay_surface import Surface
from render.rasterizer import chosen
from render.texture import Texture

Picture = NDArray[np.uint8]
Floats = NDArray[np.float32]
Window = tuple[int, int, int, int]  # left, top, right, bottom


@dataclass(frozen=True)
class Style:
    """How a surface is drawn over what is behind it. Opacities are factors of the paint's."""

    fill: float
    lines: float = 0.0
    line_px: float = 0.0
    edge_on: float = 0.3  # the part of its opacity that the surface keeps where it is seen edge on

    def packed(self) -> Floats:
        return np.array((self.fill, self.lines, self.line_px, self.edge_on), np.float32)


class Posed(NamedTuple):
    """A person, how they look and where they are seen from."""

    identity: Identity
    params: Floats  # [E + 12] expression, neck, jaw, eyes
    camera: Floats  # [15] rotation row by row, translation, focal length, principal point


class Painter(Protocol):
    """Draws one head; keeps what does not change from frame to frame. Not for two threads at once."""

    def draw(self, canvas: Picture, posed: Posed, window: Window, style: Style, texture: Texture | None = None) -> None:
        """Into `canvas` [H, W, 3], inside the window; in the person's own skin where there is a texture."""


def open_painter(head: Head, device: str = "cpu", surface: Surface | None = None) -> Painter:
    """On a GPU where `device` is `cuda` and there is a rasteriser for it (docs/backends.md), else on the CPU.

    `surface`, of the same head, spares making it again.
    """
    head = head.to("cpu")
    surface = surface or Surface.of(head)
    if device == "cuda" and chosen(torch.device(device)) == "cuda":
        from render.torch_painter import TorchPainter

        return TorchPainter(head, surface, device)
    from render.compiled_painter import CompiledPainter

    return CompiledPainter(head, surface)


# What both are given, packed.


def posed(identity: Identity, params: HeadParams, camera: Camera, shift: int = 0) -> Posed:
    """`shift`: pixels that the picture is moved to the right by."""
    seen_from = _packed(camera.rotation, camera.translation, camera.focal_px, camera.principal_px)
    seen_from[13] += shift
    return Posed(identity, _packed(params.expression, params.neck, params.jaw, params.eyes), seen_from)


def _packed(*parts: Tensor) -> Floats:
    return np.concatenate(
        [part.detach().cpu().numpy().ravel() for part in parts], dtype=np.float32, casting="same_kind"
    )


class Rest(NamedTuple):
    """A person's head at rest: N vertices of a surface."""

    template: Floats  # [N, 3]
    joints: Floats  # [5, 3]
    joint_motion: Floats  # [5, 3, E] how expression moves them


def at_rest(head: Head, surface: Surface, identity: Identity) -> Rest:
    shaped = shape_head(head, identity.shape.detach().to(head.template))
    parts = shaped.template.numpy()[surface.vertices], shaped.joints.numpy(), shaped.expression_joints.numpy()
    return Rest(*(np.ascontiguousarray(part, np.float32) for part in parts))


def texels_a_px(texture: Texture, surface: Surface, camera: Floats) -> float:
    """How many of the whole texture's a pixel of the face has; NaN where that makes no sense."""
    away_m, focal_px = float(camera[11]), float(camera[12])
    texels_a_metre = max(texture.albedo.shape[:2]) / surface.texture_m
    return texels_a_metre * away_m / focal_px if focal_px > 0 else math.nan
