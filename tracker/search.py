"""Where are faces, and which is meant? The whole picture first, then windows of it, in which small faces are larger."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from models.types import MienError
from tracker.region import Region, region_of_box

MINIMUM_SIDE_PX = 16  # below this no face can be found, and MediaPipe's resizing fails in odd ways
FINDER_SIDE_PX = 192  # what the face finder sees of a window, whatever its size
SAME_FACE = 0.3  # faces that overlap by this part of their union are one


@dataclass(frozen=True)
class FoundFace:
    """One face as the finder reports it, in pixels."""

    low: NDArray[np.float32]  # [2] the box's top left
    high: NDArray[np.float32]  # [2]
    right_eye: NDArray[np.float32]  # [2] the subject's right
    left_eye: NDArray[np.float32]
    score: float  # 0 to 1

    def region(self) -> Region:
        return region_of_box(self.low, self.high, self.right_eye, self.left_eye)

    @property
    def side(self) -> float:
        return float((self.high - self.low).max())

    def placed(self, x: float, y: float, scale: float) -> "FoundFace":
        """The same face where its window stands in the picture."""
        offset = np.array((x, y), np.float32)

        def put(point: NDArray[np.float32]) -> NDArray[np.float32]:
            return point * np.float32(scale) + offset

        return FoundFace(put(self.low), put(self.high), put(self.right_eye), put(self.left_eye), self.score)

    def overlap(self, other: "FoundFace") -> float:
        """Intersection over union."""
        shared = np.prod(np.maximum(np.minimum(self.high, other.high) - np.maximum(self.low, other.low), 0))
        union = np.prod(self.high - self.low) + np.prod(other.high - other.low) - shared
        return float(shared / union) if union > 0 else 0.0


@dataclass(frozen=True)
class FaceChoice:
    """Which of several faces: the largest, the one nearest to the picture's centre, or a number from the left."""

    rule: str  # "largest", "centre" or "number"
    number: int = 1  # 1 is the leftmost

    @staticmethod
    def parse(text: str) -> "FaceChoice":
        if text in ("largest", "centre"):
            return FaceChoice(text)
        if text.isdecimal() and 1 <= int(text) <= 99:
            return FaceChoice("number", int(text))
        raise MienError(f"expected a face as largest, centre or a number from 1 (the leftmost), got '{text}'")

    def ordered(self, faces: list[FoundFace], width: int, height: int) -> list[FoundFace]:
        """The faces to try, best first. A number leaves only those from it to the right: those before are not meant."""
        if self.rule == "largest":
            return sorted(faces, key=lambda face: -face.side)
        centre = np.array((width, height), np.float32) / 2
        if self.rule == "centre":
            return sorted(faces, key=lambda face: float(np.linalg.norm((face.low + face.high) / 2 - centre)))
        return sorted(faces, key=lambda face: float(face.low[0] + face.high[0]))[self.number - 1 : self.number]


Window = tuple[int, int, int, int]  # x, y, width, height


HALVES, QUARTERS = (0.5,), (0.25,)  # windows of these parts of the picture's longer side
FEW = 2


class Effort(Enum):
    """How many windows to look through, at about 2 ms each."""

    EVERYTHING = "halves and quarters: a photo"
    USUAL = "halves: a face has just gone, or none has come yet"
    A_FEW = "halves and quarters in turn: nobody has been here for a while"


class Finder(Protocol):
    """Both give faces in no order; the first those of a room, the second one that fills the picture."""

    def find(self, image: NDArray[np.uint8]) -> list[FoundFace]: ...

    def find_near(self, image: NDArray[np.uint8]) -> list[FoundFace]: ...

    def close(self) -> None: ...


class FaceSearch:
    """Looks for faces with a finder that sees little of a large picture."""

    def __init__(self, finder: Finder, choice: FaceChoice) -> None:
        self.choice = choice
        self._finder = finder
        self._turn = 0

    def all_faces(self, image: NDArray[np.uint8], effort: Effort) -> list[FoundFace]:
        """Every face, best first by the choice. Windows are looked through where small faces may matter."""
        height, width = image.shape[:2]
        faces = self._in_window(image, (0, 0, width, height))
        if self.choice.rule != "largest" or not faces:
            for window in self._windows(width, height, effort):
                for face in self._in_window(image, window):
                    if not _cut_by(face, window, width, height):
                        add_face(faces, face)
        return self.choice.ordered(faces, width, height)

    def near_faces(self, image: NDArray[np.uint8]) -> list[FoundFace]:
        """Where nothing else was a face: one so near that the finder for rooms does not know it."""
        return self.choice.ordered(self._finder.find_near(image), image.shape[1], image.shape[0])

    def _windows(self, width: int, height: int, effort: Effort) -> list[Window]:
        if effort is Effort.USUAL:
            return list(windows(width, height, HALVES))
        every = list(windows(width, height, HALVES + QUARTERS))
        if effort is Effort.EVERYTHING or not every:
            return every
        self._turn += FEW
        return [every[(self._turn + i) % len(every)] for i in range(min(FEW, len(every)))]

    def close(self) -> None:
        self._finder.close()

    def _in_window(self, image: NDArray[np.uint8], window: Window) -> list[FoundFace]:
        x, y, w, h = window
        part = image[y : y + h, x : x + w]
        scale = max(w, h) / FINDER_SIDE_PX
        if scale > 1:
            size = (max(1, round(w / scale)), max(1, round(h / scale)))
            part = cv2.resize(part, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
        else:
            scale = 1.0
        return [face.placed(x, y, scale) for face in self._finder.find(np.ascontiguousarray(part))]


def windows(width: int, height: int, parts: tuple[float, ...]) -> Iterator[Window]:
    """Squares of these parts of the longer side, where the picture has the pixels, each overlapping by half."""
    for part in parts:
        side = int(max(width, height) * part)
        if side < FINDER_SIDE_PX / 2:  # hardly more to see than in a larger one
            return
        for y in _starts(height, side):
            for x in _starts(width, side):
                yield x, y, min(side, width), min(side, height)


def _starts(length: int, side: int) -> list[int]:
    if length <= side:
        return [0]
    count = -(-(length - side) * 2 // side) + 1
    return [round(i * (length - side) / (count - 1)) for i in range(count)]


def add_face(faces: list[FoundFace], new: FoundFace) -> None:
    """Add a face unless it is there already; of two views of one face the surer stays."""
    for i, old in enumerate(faces):
        if old.overlap(new) > SAME_FACE:
            faces[i] = max(old, new, key=lambda face: face.score)
            return
    faces.append(new)


def _cut_by(face: FoundFace, window: Window, width: int, height: int) -> bool:
    """Does the face reach over an inner edge of its window? Another window shows it whole."""
    x, y, w, h = window
    return bool(
        (x > 0 and face.low[0] < x)
        or (y > 0 and face.low[1] < y)
        or (x + w < width and face.high[0] > x + w)
        or (y + h < height and face.high[1] > y + h)
    )


def checked_picture(image: NDArray[np.uint8]) -> tuple[int, int]:
    """Width and height of a picture in which a face can be looked for."""
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise MienError(f"expected an RGB picture [H, W, 3] of bytes, got {list(image.shape)} of {image.dtype}")
    height, width = image.shape[:2]
    if min(height, width) < MINIMUM_SIDE_PX:
        raise MienError(f"expected a picture of at least {MINIMUM_SIDE_PX} pixels a side, got {width}x{height}")
    return width, height
