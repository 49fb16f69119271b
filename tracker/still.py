"""Photos: a face is looked for upright, and where that leaves doubt also in the picture turned by quarters.

The landmark model says how sure it is that it reads a face. Of faces that look at the camera it says odds of e^20 and
more; of an upside-down or sideways one misread as upright, e^17 at most; of one turned by 60 degrees, e^15. As a
probability all of them are 1. So a reading that is not sure enough is held against those in the turned picture, and a
face that is still doubtful, which is then one seen from the side, is read once more in a tighter square: its landmarks
leave much of the usual one empty, and what they tell of the turn comes out truer.
"""

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from models.types import Landmarks
from tracker.follow import FollowingDetector, LandmarkNet, Reading, settled
from tracker.region import region_of_landmarks
from tracker.search import MINIMUM_SIDE_PX, FaceSearch, checked_picture

SURE = 20.0  # logarithm of the odds
LEAST_SURE = 8.0  # of a face seen in a turned picture: rooms have less
TURNED_SIDE_PX = 380  # turned pictures are no larger, and searched whole and by halves: faces in them are large
SAME_FACE = 0.75  # of the region's side: what is farther off in the turned picture is another face
TIGHT = 0.8  # of the usual square


def sureness(presence: float) -> float:
    """The logarithm of the odds that it is a face."""
    if presence >= 1:
        return math.inf
    return math.log(presence / (1 - presence)) if presence > 0 else -math.inf


@dataclass(frozen=True)
class _Turned:
    """A smaller picture, turned against the clock by quarters."""

    image: NDArray[np.uint8]
    quarters: int
    scale: float  # pixels of the picture in one of the small ones

    def in_picture(self, seen: Landmarks) -> Reading:
        """What was seen here, where it is in the picture."""
        x, y = seen.points_px.T
        width, height = seen.size_px
        for _ in range(self.quarters):
            x, y, width, height = height - y, x, height, width
        points = (np.stack((x, y), 1) * self.scale).astype(np.float32)
        return Reading(points, (seen.depth_px * self.scale).astype(np.float32), seen.presence)


class StillDetector:
    """A `LandmarkDetector` of pictures that have nothing to do with each other."""

    def __init__(self, name: str, net: LandmarkNet, search: FaceSearch) -> None:
        self.name = name
        self.scores: NDArray[np.float32] | None = None
        self._net = net
        self._by_number = search.choice.rule == "number"
        self._upright = FollowingDetector(name, net, search, still=True)

    def detect(self, image: NDArray[np.uint8]) -> Landmarks | None:
        size = checked_picture(image)
        seen = self._upright.detect(image)
        self.scores = self._upright.scores
        if seen is not None and sureness(seen.presence) >= SURE:
            return seen
        best = None if seen is None else Reading(seen.points_px, seen.depth_px, seen.presence, self.scores)
        best = self._surest(image, best)
        if best is not None and sureness(best.presence) < SURE:
            best = self._tighter(image, best)
        self.scores = None if best is None else best.scores
        return None if best is None else Landmarks(best.points_px, best.depth_px, size, best.presence)

    def close(self) -> None:
        self._upright.close()

    def _surest(self, image: NDArray[np.uint8], upright: Reading | None) -> Reading | None:
        """Of the face as found upright and in the turned pictures.

        Numbers count faces as the picture has them: one not found there could be anybody in the turned ones.
        """
        best = upright
        where = None if upright is None else region_of_landmarks(upright.points_px)
        for turned in () if self._by_number and upright is None else _turned(image):
            seen = self._upright.detect(turned.image)
            if seen is None or sureness(seen.presence) < LEAST_SURE:
                continue
            reading = turned.in_picture(seen)
            if where is not None and where.distance(region_of_landmarks(reading.points_px)) > SAME_FACE:
                continue
            if best is None or reading.presence > best.presence:
                best = reading
        return best if best is None or best is upright else settled(self._net, image, best)

    def _tighter(self, image: NDArray[np.uint8], reading: Reading) -> Reading:
        region = region_of_landmarks(reading.points_px)
        return self._net.read(image, replace(region, side=TIGHT * region.side)) or reading


def _turned(image: NDArray[np.uint8]) -> list[_Turned]:
    height, width = image.shape[:2]
    scale = max(1.0, max(width, height) / TURNED_SIDE_PX)
    if min(width, height) < MINIMUM_SIDE_PX * scale:
        return []
    small = image
    if scale > 1:
        size = (round(width / scale), round(height / scale))
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    return [_Turned(np.ascontiguousarray(np.rot90(small, quarters)), quarters, scale) for quarters in (1, 2, 3)]
