"""Following one face from picture to picture.

no region     search the picture, take the chosen face            (also: `still`, always)
region        read it; the landmarks give the next region, and other faces are never looked at
region lost   search at once; for a while only a face near the lost one is taken, so that a hand before the face
              does not hand the tracker over to a bystander. A cut in the film ends that while.
"""

from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from models.types import Landmarks
from tracker.region import Region, region_of_landmarks
from tracker.search import Effort, FaceSearch, FoundFace, checked_picture

REACH = 0.75  # of the lost region's side: how far off a face is taken for the same one at once ...
REACH_A_FRAME = 0.1  # ... and how much farther with every frame that passes
FORGET_FRAMES = 30  # after so many frames without it any face will do
LOOKS = 4  # at most, at a face just found, at 2 ms each
TIRED_FRAMES = 15  # after so many frames without any face the search goes easy on the processor
CUT_LEVELS = 28.0  # a mean change of so many of 255 levels between two pictures is a cut


@dataclass(frozen=True)
class Reading:
    """What a landmark model read in one region of a picture."""

    points_px: NDArray[np.float32]  # [L, 2]
    depth_px: NDArray[np.float32]  # [L] relative
    presence: float  # 0 to 1
    scores: NDArray[np.float32] | None = None  # [52] where the model gives them


class LandmarkNet(Protocol):
    def read(self, image: NDArray[np.uint8], region: Region) -> Reading | None: ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class Sketch:
    """About 32 x 32 single pixels of a picture: enough to tell a cut."""

    pixels: NDArray[np.uint8]
    size_px: tuple[int, int]  # of the picture: width, height

    @staticmethod
    def of(image: NDArray[np.uint8], size_px: tuple[int, int]) -> "Sketch":
        width, height = size_px
        return Sketch(image[:: max(1, height // 32), :: max(1, width // 32)].copy(), size_px)

    def is_cut_from(self, before: "Sketch") -> bool:
        if self.size_px != before.size_px:
            return True
        return cv2.norm(self.pixels, before.pixels, cv2.NORM_L1) > CUT_LEVELS * self.pixels.size


_NOTHING = Sketch(np.zeros((0, 0, 3), np.uint8), (0, 0))


class FollowingDetector:
    """A `LandmarkDetector` of a model that reads landmarks in a region and a search that finds regions."""

    def __init__(self, name: str, net: LandmarkNet, search: FaceSearch, *, still: bool = False) -> None:
        self.name = name
        self.scores: NDArray[np.float32] | None = None
        self._net = net
        self._search = search
        self._still = still
        self._region: Region | None = None
        self._now = _NOTHING  # of this picture
        self._last: Sketch | None = None  # of the last picture with a face ...
        self._age = 0  # ... and how many pictures ago that was
        self._fruitless = 0

    def detect(self, image: NDArray[np.uint8]) -> Landmarks | None:
        size = checked_picture(image)
        self._now = Sketch.of(image, size)
        reading = self._follow(image) or self._find(image)
        self.scores = reading.scores if reading else None
        if reading is None:
            self._grow_older()
            return None
        self._remember(reading)
        return Landmarks(reading.points_px, reading.depth_px, size, reading.presence)

    def close(self) -> None:
        self._net.close()
        self._search.close()

    def _follow(self, image: NDArray[np.uint8]) -> Reading | None:
        if self._still or self._region is None or self._is_cut():
            return None
        return self._net.read(image, self._region)

    def _find(self, image: NDArray[np.uint8]) -> Reading | None:
        found = self._first_read(image, self._search.all_faces(image, self._effort()))
        return found or self._first_read(image, self._search.near_faces(image))

    def _first_read(self, image: NDArray[np.uint8], faces: list[FoundFace]) -> Reading | None:
        """The first of the faces that may be taken and that the landmark model takes for one."""
        for region in (face.region() for face in faces):
            if not self._may_be_taken(region):
                continue
            first = self._net.read(image, region)
            if first is not None:
                return settled(self._net, image, first)
        return None

    def _effort(self) -> Effort:
        if self._still:
            return Effort.EVERYTHING
        return Effort.USUAL if self._fruitless < TIRED_FRAMES else Effort.A_FEW

    def _may_be_taken(self, region: Region) -> bool:
        if self._still or self._region is None or self._is_cut():
            return True
        return self._region.distance(region) < REACH + REACH_A_FRAME * self._age

    def _remember(self, reading: Reading) -> None:
        seen = region_of_landmarks(reading.points_px)
        goes_on = not self._still and self._last is not None and self._last.size_px == self._now.size_px
        self._region = self._region.dragged_to(seen) if goes_on and self._region is not None else seen
        self._last, self._age, self._fruitless = self._now, 0, 0

    def _is_cut(self) -> bool:
        """Is this picture of another scene than the last one with a face?"""
        return self._last is not None and self._now.is_cut_from(self._last)

    def _grow_older(self) -> None:
        self._age += 1
        self._fruitless += 1
        if self._age > FORGET_FRAMES:
            self._region = self._last = None


def settled(net: LandmarkNet, image: NDArray[np.uint8], reading: Reading) -> Reading:
    """The finder's box and tilt are rough: look again from the landmarks themselves until that changes little."""
    for _ in range(LOOKS):
        region = region_of_landmarks(reading.points_px)
        again = net.read(image, region)
        if again is None:
            break
        reading = again
        if region.is_near(region_of_landmarks(again.points_px)):
            break
    return reading
