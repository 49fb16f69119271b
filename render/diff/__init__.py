"""Differentiable pictures in torch, above any rasteriser: what photometric fitting is made of.

A rasteriser only says which triangle a pixel sees. Everything that has a gradient is computed here from that number:

    hits = find_hits(clip, triangles, (height, width))     which pixels are covered, and where in their triangles
    normals = interpolate(vertex_normals, triangles, hits)
    albedo = sample(mip_levels(texture), interpolate(uvs, uv_triangles, hits), footprint)
    picture = to_picture(albedo * irradiance(normals, light), hits)
    picture = antialias(picture, hits, clip, triangles)    gradients of silhouettes

Any dtype and device; gradients are held against numeric differences in `tests/render/test_diff.py`.
"""

from render.diff.hits import Hits, find_hits, interpolate, pixel_footprint, to_picture
from render.diff.light import irradiance, sh_basis
from render.diff.silhouette import antialias
from render.diff.texture import mip_levels, sample

__all__ = [
    "Hits",
    "antialias",
    "find_hits",
    "interpolate",
    "irradiance",
    "mip_levels",
    "pixel_footprint",
    "sample",
    "sh_basis",
    "to_picture",
]
