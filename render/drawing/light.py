"""Light, at the vertices: their triangles are a few pixels wide.

It is fixed to the room: normals and directions are those of the camera frame (x right, y down, z forward).
"""

from math import sqrt
from typing import Any

import numpy as np

from models.compiled import compiled
from render.texture import DIMMEST, GAMMA, SH_FACTORS

# Directions towards the lights, unit; strengths below are of linear light.
KEY = (-0.5970, -0.5771, -0.5572)
FILL = (0.8452, -0.1690, -0.5071)
GLINT = (-0.3383, -0.3270, -0.8824)  # halfway between the key light and the viewer
AMBIENT, SKY, KEY_STRENGTH, FILL_STRENGTH, RIM_STRENGTH = 0.06, 0.14, 1.15, 0.16, 0.35
WARM, COOL = (1.06, 1.0, 0.92), (0.80, 0.97, 1.25)  # the key light, and all others
FADE = 0.38  # the surface is whole where it is seen from this cosine on, and thins out towards where it is edge on
SKIN_SHINE = 120.0  # of 255: what a glint adds to a skin of full gloss
WRAP = 0.15  # how far the key light reaches around the terminator


@compiled
def light_clay(vertices: Any, normals: Any, paint: Any, style: Any, lit: Any) -> None:
    """`lit` [N, 5]: what the picture's red, green and blue become, opacity of the surface and of a line on it."""
    for vertex in range(len(vertices)):
        nx, ny, nz = normals[vertex, 0], normals[vertex, 1], normals[vertex, 2]
        facing = _facing(vertices[vertex, 0], vertices[vertex, 1], vertices[vertex, 2], nx, ny, nz)
        fade = style[3] + (np.float32(1.0) - style[3]) * _fade(facing)
        for kind in range(2):
            lit[vertex, 3 + kind] = fade * min(style[kind] * paint[vertex, 3], np.float32(1.0))
        warm, cool = _key_at(nx, ny, nz), _other_light_at(nx, ny, nz, facing)
        shine = paint[vertex, 4] * _glint_at(nx, ny, nz)
        for channel in range(3):
            light = warm * np.float32(WARM[channel]) + cool * np.float32(COOL[channel])
            linear = min(max(paint[vertex, channel] * light + shine, np.float32(0.0)), np.float32(1.0))
            lit[vertex, channel] = np.float32(255.0) * sqrt(linear)


@compiled
def light_skin(vertices: Any, normals: Any, paint: Any, light: Any, lit: Any) -> None:
    """`lit` [N, 5]: what shown albedo is multiplied by, opacity, and shine of 0 to 255 that is added."""
    for vertex in range(len(vertices)):
        nx, ny, nz = normals[vertex, 0], normals[vertex, 1], normals[vertex, 2]
        facing = _facing(vertices[vertex, 0], vertices[vertex, 1], vertices[vertex, 2], nx, ny, nz)
        lit[vertex, 3] = paint[vertex, 3] * _fade(facing)
        lit[vertex, 4] = np.float32(SKIN_SHINE) * paint[vertex, 4] * _glint_at(nx, ny, nz)
        for channel in range(3):
            even = light[0, channel] * np.float32(SH_FACTORS[0])
            value = max(even + _uneven_at(nx, ny, nz, light, channel), np.float32(DIMMEST) * max(even, np.float32(0.0)))
            lit[vertex, channel] = value ** np.float32(1.0 / GAMMA)


@compiled
def _facing(x: Any, y: Any, z: Any, nx: Any, ny: Any, nz: Any) -> Any:
    """The cosine under which a point is seen, 0 from behind."""
    cosine = -(nx * x + ny * y + nz * z) / sqrt(max(x * x + y * y + z * z, np.float32(1e-12)))
    return min(max(cosine, np.float32(0.0)), np.float32(1.0))


@compiled
def _fade(facing: Any) -> Any:
    """0 where the surface is edge on, 1 where it is whole."""
    share = min(facing * np.float32(1.0 / FADE), np.float32(1.0))
    return share * share * (np.float32(3.0) - np.float32(2.0) * share)


@compiled
def _uneven_at(nx: Any, ny: Any, nz: Any, light: Any, channel: Any) -> Any:
    """The room's light beyond what comes from everywhere alike."""
    first = light[1, channel] * nx + light[2, channel] * ny + light[3, channel] * nz
    second = light[4, channel] * nx * ny + light[5, channel] * nx * nz + light[6, channel] * ny * nz
    difference = light[7, channel] * (nx * nx - ny * ny)
    zonal = light[8, channel] * (np.float32(3.0) * nz * nz - np.float32(1.0))
    return (
        np.float32(SH_FACTORS[1]) * first
        + np.float32(SH_FACTORS[2]) * second
        + np.float32(SH_FACTORS[3]) * difference
        + np.float32(SH_FACTORS[4]) * zonal
    )


@compiled
def _key_at(nx: Any, ny: Any, nz: Any) -> Any:
    """The key light on a matt surface, linear."""
    cosine = nx * np.float32(KEY[0]) + ny * np.float32(KEY[1]) + nz * np.float32(KEY[2])
    return np.float32(KEY_STRENGTH / (1.0 + WRAP)) * max(cosine + np.float32(WRAP), np.float32(0.0))


@compiled
def _other_light_at(nx: Any, ny: Any, nz: Any, facing: Any) -> Any:
    cosine = nx * np.float32(FILL[0]) + ny * np.float32(FILL[1]) + nz * np.float32(FILL[2])
    light = np.float32(AMBIENT) + np.float32(SKY * 0.5) * (np.float32(1.0) - ny)
    light += np.float32(FILL_STRENGTH) * max(cosine, np.float32(0.0))
    edge = np.float32(1.0) - facing
    return light + np.float32(RIM_STRENGTH) * edge * edge * edge


@compiled
def _glint_at(nx: Any, ny: Any, nz: Any) -> Any:
    """The key light's reflection, to the 64th."""
    cosine = max(nx * np.float32(GLINT[0]) + ny * np.float32(GLINT[1]) + nz * np.float32(GLINT[2]), np.float32(0.0))
    for _ in range(6):
        cosine *= cosine
    return cosine
