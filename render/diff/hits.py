"""Where covered pixels see a mesh, differentiable in the mesh's clip-space vertices, and what is interpolated there.

Weights follow from the three corners in clip space (x, y, w) alone: with `p` the pixel's ray (x, y, 1), the first
corner's is proportional to det(p, second, third). That is perspective-correct, and needs no division by w.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from render.rasterizer import rasterize


@dataclass(frozen=True)
class Hits:
    """The N pixels that see a triangle."""

    size: tuple[int, int]  # height, width of the picture
    pixels: Tensor  # [N] int64: row * width + column
    triangles: Tensor  # [N] int64
    weights: Tensor  # [N, 3] of the triangle's corners; sum to 1
    depth: Tensor  # [N] z/w, without a gradient


def find_hits(clip: Tensor, triangles: Tensor, size: tuple[int, int]) -> Hits:
    """Rasterise clip-space vertices [V, 4], triangles [F, 3] into a picture of (height, width)."""
    flat = rasterize(clip.detach().float(), triangles, size).reshape(-1, 4)
    pixels = flat[:, 3].nonzero()[:, 0]
    seen = flat[pixels]
    found = seen[:, 3].long() - 1
    weights = _weights_at(clip, triangles[found], pixel_centres(pixels, size, clip), size)
    return Hits(size, pixels, found, weights, seen[:, 2].to(clip.dtype))


def interpolate(values: Tensor, triangles: Tensor, hits: Hits) -> Tensor:
    """Values of vertices [V, C] at the hits: [N, C]. Texture coordinates come with triangles of their own."""
    return (values[triangles[hits.triangles]] * hits.weights[..., None]).sum(1)


def pixel_footprint(values: Tensor, triangles: Tensor, hits: Hits, clip: Tensor, clip_triangles: Tensor) -> Tensor:
    """By how much values [V, C] change from a hit to the next pixel, to the right or down, whichever is more: [N]."""
    corners, centres = clip_triangles[hits.triangles], pixel_centres(hits.pixels, hits.size, clip)
    at_corners = values[triangles[hits.triangles]]
    here = (at_corners * hits.weights[..., None]).sum(1)
    steps = [
        ((at_corners * _weights_at(clip, corners, centres + clip.new_tensor(step), hits.size)[..., None]).sum(1) - here)
        for step in ((1.0, 0.0), (0.0, 1.0))
    ]
    return torch.maximum(*(step.norm(dim=-1) for step in steps))


def to_picture(values: Tensor, hits: Hits, background: Tensor | None = None) -> Tensor:
    """Values [N, C] at the hits as a picture [H, W, C], over a background of that shape, or zero."""
    height, width = hits.size
    flat = values.new_zeros(height * width, values.shape[1]) if background is None else background.flatten(0, 1)
    return flat.index_copy(0, hits.pixels, values).reshape(height, width, -1)


def pixel_centres(pixels: Tensor, size: tuple[int, int], like: Tensor) -> Tensor:
    """[N, 2], x to the right and y down."""
    column, row = pixels % size[1], torch.div(pixels, size[1], rounding_mode="floor")
    return torch.stack((column, row), -1).to(like) + 0.5


def _weights_at(clip: Tensor, corners: Tensor, points_px: Tensor, size: tuple[int, int]) -> Tensor:
    """Weights [N, 3] of the triangles with corners [N, 3] where they, or their planes, cover points [N, 2]."""
    height, width = size
    a, b, c = clip[corners][..., (0, 1, 3)].unbind(1)
    scale = clip.new_tensor((2 / width, -2 / height))
    ray = torch.cat((points_px * scale + clip.new_tensor((-1.0, 1.0)), torch.ones_like(points_px[:, :1])), -1)
    shares = torch.stack([(ray * torch.linalg.cross(p, q)).sum(-1) for p, q in ((b, c), (c, a), (a, b))], -1)
    return shares / shares.sum(-1, keepdim=True)
