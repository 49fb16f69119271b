"""Following one face from picture to picture.

no region     search the picture, take the chosen face            (also: `still`, always)
region        read it; the landmarks give the next region, and other faces are never looked at
region lost   search at once; for a while only a face near the lost one is taken, so that a hand before the face
              does not hand the tracker over to a bystander. A cut in the film ends that while.
"""

from dataclasses import dataclass
from typing import Protocol

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

    points: NDArray[np.float32]  # [L, 3] pixels; depth is relative
    presence: float  # 0 to 1
    scores: NDArray[np.float32] | None  # [52] where the model gives them


class LandmarkNet(Protocol):
    def read(self, image: NDArray[np.uint8], region: Region) -> Reading | None: ...

    def close(self) -> None: ...


class FollowingDetector:
    """A `LandmarkDetector` of a model that reads landmarks in a region and a search that finds regions."""

    def __init__(self, name: str, net: LandmarkNet, search: FaceSearch, *, still: bool = False) -> None:
        self.name = name
        self.scores: NDArray[np.float32] | None = None
        self._net = net
        self._search = search
        self._still = still
        self._region: Region | None = None
        self._samples: NDArray[np.uint8] | None = None  # of the last picture with a face ...
        self._size = (0, 0)  # ... its width and height ...
        self._age = 0  # ... and how many pictures ago that was
        self._fruitless = 0

    def detect(self, image: NDArray[np.uint8]) -> Landmarks | None:
        width, height = checked_picture(image)
        reading = self._follow(image) or self._find(image)
        self.scores = reading.scores if reading else None
        if reading is None:
            self._grow_older()
            return None
        self._remember(image, reading)
        points = reading.points
        return Landmarks(points[:, :2].copy(), points[:, 2].copy(), (width, height), reading.presence)

    def close(self) -> None:
        self._net.close()
        self._search.close()

    def _follow(self, image: NDArray[np.uint8]) -> Reading | None:
        if self._still or self._region is None or self._is_cut(image):
            return None
        return self._net.read(image, self._region)

    def _find(self, image: NDArray[np.uint8]) -> Reading | None:
        found = self._first_read(image, self._search.all_faces(image, self._effort()))
        return found or self._first_read(image, self._search.near_faces(image))

    def _first_read(self, image: NDArray[np.uint8], faces: list[FoundFace]) -> Reading | None:
        """The first of the faces that may be taken and that the landmark model takes for one."""
        for region in (face.region() for face in faces):
            if not self._may_be_taken(region, image):
                continue
            first = self._net.read(image, region)
            if first is not None:
                return self._settled(image, first)
        return None

    def _settled(self, image: NDArray[np.uint8], reading: Reading) -> Reading:
        """The finder's box and tilt are rough: look again from the landmarks themselves until that changes little."""
        for _ in range(LOOKS):
            region = region_of_landmarks(reading.points)
            again = self._net.read(image, region)
            if again is None:
                break
            reading = again
            if region.is_near(region_of_landmarks(again.points)):
                break
        return reading

    def _effort(self) -> Effort:
        if self._still:
            return Effort.EVERYTHING
        return Effort.USUAL if self._fruitless < TIRED_FRAMES else Effort.A_FEW

    def _may_be_taken(self, region: Region, image: NDArray[np.uint8]) -> bool:
        if self._still or self._region is None or self._is_cut(image):
            return True
        return self._region.distance(region) < REACH + REACH_A_FRAME * self._age

    def _remember(self, image: NDArray[np.uint8], reading: Reading) -> None:
        seen = region_of_landmarks(reading.points)
        same = self._region is not None and not self._still and self._size == (image.shape[1], image.shape[0])
        self._region = self._region.dragged_to(seen) if same and self._region else seen
        self._samples, self._size, self._age = _samples(image), (image.shape[1], image.shape[0]), 0
        self._fruitless = 0

    def _is_cut(self, image: NDArray[np.uint8]) -> bool:
        """Is this picture of another scene than the last one with a face?"""
        if self._samples is None:
            return False
        if self._size != (image.shape[1], image.shape[0]):
            return True
        return float(np.abs(self._samples.astype(np.int16) - _samples(image)).mean()) > CUT_LEVELS

    def _grow_older(self) -> None:
        self._age += 1
        self._fruitless += 1
        if self._age > FORGET_FRAMES:
            self._region = self._samples = None


def _samples(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """About 32 x 32 single pixels of the picture: enough to tell a cut."""
    return image[:: max(1, image.shape[0] // 32), :: max(1, image.shape[1] // 32)].copy()
