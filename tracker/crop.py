"""The part of a picture that the landmark model needs, cut out: MediaPipe copies what it is given, 4K or not."""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from tracker.region import Region

ROOM_PX = 2  # around the region, for interpolation
ENOUGH = 1.5  # times the model's own square: a region up to here is left as it is
KEEP = (0.65, 1.7)  # times the model's own square: between these the factor of the frame before is kept
MINIMUM_PX = 8  # a region that overlaps the picture by less shows no face


@dataclass(frozen=True)
class Crop:
    image: NDArray[np.uint8]  # [h, w, 3] contiguous
    x: float  # where the crop's top-left corner stands in the picture, pixels
    y: float
    shrink: int  # pixels of the picture a pixel of the crop, along each side

    def normalized(self, region: Region) -> dict[str, float]:
        """The region in parts of the crop, as MediaPipe wants it."""
        height, width = self.image.shape[0] * self.shrink, self.image.shape[1] * self.shrink
        return {
            "x_center": (region.x - self.x) / width,
            "y_center": (region.y - self.y) / height,
            "width": region.side / width,
            "height": region.side / height,
            "rotation": region.angle,
        }

    def to_picture(self, points: NDArray[np.float32]) -> NDArray[np.float32]:
        """[L, 3] in parts of the crop (depth in parts of its width) to the picture's pixels."""
        height, width = self.image.shape[0] * self.shrink, self.image.shape[1] * self.shrink
        return (points * (width, height, width) + (self.x, self.y, 0)).astype(np.float32)


def shrink_for(region: Region, net_side: int, before: int) -> int:
    """By how much to average the region down, so that it is about as large as the model's own square.

    The model's graph takes single pixels where it shrinks, which makes the noise of the camera its own: averaging
    first takes a quarter of the jitter away, and half on some clips. A change shifts the landmarks a little, so that
    the factor of the frame before is kept where it will do.
    """
    ratio = region.side / net_side
    if KEEP[0] < ratio / before < KEEP[1]:
        return before
    shrink = 1
    while ratio / shrink > ENOUGH and shrink < 64:
        shrink *= 2
    return shrink


def cut_out(image: NDArray[np.uint8], region: Region, shrink: int) -> Crop | None:
    """The region with a little room, averaged down by a power of two."""
    reach = region.reach() + ROOM_PX
    left, right = _span(region.x - reach, region.x + reach, image.shape[1], shrink)
    top, bottom = _span(region.y - reach, region.y + reach, image.shape[0], shrink)
    if min(right - left, bottom - top) < MINIMUM_PX * shrink:
        return None
    part = image[top:bottom, left:right]
    for _ in range(shrink.bit_length() - 1):  # halving is tenfold faster than any other factor
        half = (part.shape[1] // 2, part.shape[0] // 2)
        part = cv2.resize(part, half, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    # Shrinking by k carries pixel j to pixels k j to k j + k - 1, whose middle is not k j.
    shift = (shrink - 1) / 2
    return Crop(np.ascontiguousarray(part), left + shift, top + shift, shrink)


def _span(low: float, high: float, length: int, step: int) -> tuple[int, int]:
    """The whole pixels from low to high that exist, as many as are a multiple of step."""
    first, last = max(0, math.floor(low)), min(length, math.ceil(high))
    return first, first + max(0, last - first) // step * step
