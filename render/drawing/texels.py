"""A texture as the overlay reads it: halved again and again, so that a pixel has about one texel; and a texel is one
number, so that what lies between four of them costs four multiplications."""

import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from models.compiled import compiled

Texels = NDArray[np.uint32]  # [H, W] red, green and blue from the lowest byte on
MOST_TEXELS = 1.2  # a pixel: more cost time and glitter; half of it is a little soft, seen only side by side
STEPS = 64  # between two texels: the weights of four have its square as their sum
LANE_BITS = 21  # of 64, for one colour: they hold a byte times that sum


class Levels:
    """A texture [H, W, 3] and its halvings."""

    def __init__(self, picture: NDArray[np.uint8]) -> None:
        height, width = picture.shape[:2]
        sizes = [(width >> halvings, height >> halvings) for halvings in range(min(height, width).bit_length())]
        self._levels = [_packed(cv2.resize(picture, size, interpolation=cv2.INTER_AREA)) for size in sizes]

    def finest(self, texels_a_px: float) -> Texels:
        """That with little more than a texel a pixel, where a pixel has so many of the whole texture's."""
        level = math.ceil(math.log2(max(texels_a_px / MOST_TEXELS, 1.0))) if math.isfinite(texels_a_px) else 0
        return self._levels[min(level, len(self._levels) - 1)]


def _packed(picture: NDArray[Any]) -> Texels:
    red, green, blue = np.moveaxis(picture.astype(np.uint32), 2, 0)
    return np.ascontiguousarray(red | green << 8 | blue << 16)


@compiled
def texel_at(texels: Any, u: Any, v: Any) -> Any:
    """The colour between the four nearest texels, 0 to 255; u, v from 0 to 1 with the texture's top left corner at 0.

    Beyond its border a texture goes on with its outermost texels.
    """
    x, y = _steps(u, texels.shape[1]), _steps(v, texels.shape[0])
    column, row = x // np.uint32(STEPS), y // np.uint32(STEPS)
    along, down = x % np.uint32(STEPS), y % np.uint32(STEPS)
    after = min(column + np.uint32(1), np.uint32(texels.shape[1] - 1))
    below = min(row + np.uint32(1), np.uint32(texels.shape[0] - 1))
    d = along * down
    b, c = np.uint32(STEPS) * along - d, np.uint32(STEPS) * down - d
    a = np.uint32(STEPS * STEPS) - b - c - d
    mixed = a * _spread(texels[row, column]) + b * _spread(texels[row, after])
    mixed += c * _spread(texels[below, column]) + d * _spread(texels[below, after])
    share, lane = np.float32(1.0 / (STEPS * STEPS)), np.uint64((1 << LANE_BITS) - 1)
    red = np.int32(mixed & lane)
    green = np.int32(mixed >> np.uint64(LANE_BITS) & lane)
    blue = np.int32(mixed >> np.uint64(2 * LANE_BITS))
    return np.float32(red) * share, np.float32(green) * share, np.float32(blue) * share


@compiled
def _spread(texel: Any) -> Any:
    """A lane for each colour."""
    bits = np.uint64(texel)
    green, blue = bits & np.uint64(0xFF00), bits & np.uint64(0xFF0000)
    return bits & np.uint64(0xFF) | green << np.uint64(LANE_BITS - 8) | blue << np.uint64(2 * LANE_BITS - 16)


@compiled
def _steps(place: Any, count: Any) -> Any:
    """From the first texel's middle on; a number that is none is 0, and reads no memory that is not the texture's."""
    steps = place * np.float32(count * STEPS) + np.float32(0.5 - STEPS / 2)
    most = np.float32((count - 1) * STEPS)
    steps = steps if steps > np.float32(0.0) else np.float32(0.0)
    return np.uint32(np.int32(steps if steps < most else most))
