"""A texture as the overlay reads it: halved again and again, so that a pixel has about one texel; and a texel is one
number, so that it is fetched at once."""

import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from models.compiled import compiled
from render.drawing.planes import PLACE

Texels = NDArray[np.uint32]  # [H + 1, W + 1] red, green and blue from the lowest byte on; the last row and column twice
MOST_TEXELS = 1.2  # a pixel: more cost time and glitter; half of it is a little soft, seen only side by side


def halvings(picture: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    """A texture [H, W, 3] and its halvings."""
    height, width = picture.shape[:2]
    sizes = [(width >> times, height >> times) for times in range(min(height, width).bit_length())]
    return [np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8) for size in sizes]


def halvings_for(texels_a_px: float) -> int:
    """How many leave little more than a texel a pixel, where a pixel has so many of the whole texture's."""
    return math.ceil(math.log2(max(texels_a_px / MOST_TEXELS, 1.0))) if math.isfinite(texels_a_px) else 0


def packed(picture: NDArray[np.uint8]) -> Texels:
    padded = np.pad(picture, ((0, 1), (0, 1), (0, 0)), mode="edge").astype(np.uint32)
    red, green, blue = np.moveaxis(padded, 2, 0)
    return np.ascontiguousarray(red | green << 8 | blue << 16)


@compiled
def look_up(texels: Any, values: Any, room: Any, first: Any, end: Any) -> None:
    """Multiply light by the texture: of pixels `first` up to `end`, `values` red, green and blue become what is shown
    of `light_skin`'s. `room` [5, W].

    u, v run from 0 to 1 with the texture's top left corner at 0; beyond its border a texture goes on with its outermost
    texels.
    """
    height, width = np.int32(texels.shape[0] - 1), np.int32(texels.shape[1] - 1)
    place, a, b, c, d = room[0], room[1], room[2], room[3], room[4]
    u, v = values[PLACE], values[PLACE + 1]
    _find(u, v, width, height, place, first, end)
    _fetch(texels.reshape(-1), np.uint32(width + 1), place, a, b, c, d, first, end)
    _colour(a, b, c, d, u, v, values[0], values[1], values[2], values[4], first, end)


@compiled
def _find(u: Any, v: Any, width: Any, height: Any, place: Any, first: Any, end: Any) -> None:
    """`place`: the upper left one of four texels; u and v become how far from it to the others."""
    for at in range(first, end):
        x, y = _texel(u[at], width), _texel(v[at], height)
        column, row = np.int32(x), np.int32(y)
        u[at], v[at] = x - np.float32(column), y - np.float32(row)
        place[at] = np.uint32(row * (width + np.int32(1)) + column)


@compiled
def _texel(place: Any, count: Any) -> Any:
    """From the first texel's middle on; a number that is none is 0, and reads no memory that is not the texture's."""
    texel, last = place * np.float32(count) - np.float32(0.5), np.float32(count) - np.float32(1.0)
    texel = texel if texel > np.float32(0.0) else np.float32(0.0)
    return texel if texel < last else last


@compiled
def _fetch(texels: Any, step: Any, place: Any, a: Any, b: Any, c: Any, d: Any, first: Any, end: Any) -> None:
    for at in range(first, end):
        upper = place[at]
        lower = upper + step
        a[at], b[at] = texels[upper], texels[upper + np.uint32(1)]
        c[at], d[at] = texels[lower], texels[lower + np.uint32(1)]


@compiled
def _colour(
    a: Any, b: Any, c: Any, d: Any, along: Any, down: Any, red: Any, green: Any, blue: Any, shine: Any, first: Any,
    end: Any,
) -> None:  # fmt: skip
    for at in range(first, end):
        of_d = along[at] * down[at]
        of_b, of_c = along[at] - of_d, down[at] - of_d
        shares = np.float32(1.0) - along[at] - of_c, of_b, of_c, of_d
        texels = np.int32(a[at]), np.int32(b[at]), np.int32(c[at]), np.int32(d[at])
        red[at] = red[at] * _mean(shares, texels, 0) + shine[at]
        green[at] = green[at] * _mean(shares, texels, 8) + shine[at]
        blue[at] = blue[at] * _mean(shares, texels, 16) + shine[at]


@compiled
def _mean(shares: Any, texels: Any, bit: int) -> Any:
    """Of the byte from that bit on, 0 to 255."""
    shift, byte = np.int32(bit), np.int32(255)
    upper = shares[0] * np.float32(texels[0] >> shift & byte) + shares[1] * np.float32(texels[1] >> shift & byte)
    lower = shares[2] * np.float32(texels[2] >> shift & byte) + shares[3] * np.float32(texels[3] >> shift & byte)
    return upper + lower
