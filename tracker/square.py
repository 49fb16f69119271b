"""The upright square that the landmark model sees, cut out of a region of a picture."""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from tracker.region import Region

ROOM_PX = 2  # of the shrunk picture around the region, for interpolation
ENOUGH = 1.5  # times the model's own square: a region up to here is left as it is
KEEP = (0.65, 1.7)  # times the model's own square: between these the factor of the frame before is kept
MINIMUM_PX = 8  # a region that overlaps the picture by less shows no face


def shrink_for(region: Region, net_side: int, before: int) -> int:
    """By how much to average the region down, so that it is about as large as the model's own square.

    Taking single pixels out of many makes the noise of the camera the model's own: averaging first takes a quarter
    of the jitter away, and half on some clips. A change shifts the landmarks a little, so that the factor of the
    frame before is kept where it will do.
    """
    ratio = region.side / net_side
    if KEEP[0] < ratio / before < KEEP[1]:
        return before
    shrink = 1
    while ratio / shrink > ENOUGH and shrink < 64:
        shrink *= 2
    return shrink


def square_of(image: NDArray[np.uint8], region: Region, side: int, shrink: int) -> NDArray[np.uint8] | None:
    """[H, W, 3] -> the region [side, side, 3], averaged down by a power of two first; None where it shows nothing.

    Its corners lie where MediaPipe puts them: pixel (0, 0) is the region's corner itself. Outside the picture, the
    picture's border goes on.
    """
    reach = region.reach() + ROOM_PX * shrink
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
    along, across = region.side / side * math.cos(region.angle), region.side / side * math.sin(region.angle)
    x = region.x - left - shift - (along - across) * side / 2
    y = region.y - top - shift - (along + across) * side / 2
    there = np.array(((along, -across, x), (across, along, y))) / shrink
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    square = cv2.warpAffine(part, there, (side, side), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return square.astype(np.uint8, copy=False)


def _span(low: float, high: float, length: int, step: int) -> tuple[int, int]:
    """The whole pixels from low to high that exist, as many as are a multiple of step."""
    first, last = max(0, math.floor(low)), min(length, math.ceil(high))
    return first, first + max(0, last - first) // step * step
