"""The turned square of the picture that the landmark model looks at, and how it follows from what was seen last."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.compiled import quick

MARGIN = 1.5  # the square is so much larger than the face in it; the landmark models were trained with it
PLAY = 0.02  # of the side: how far a face may move in the square before the square follows
PLAY_ANGLE = 0.03  # radians, likewise
NEAR = 0.03  # nearer than this, another look would see the same
JUMP = 0.3  # of the side: farther off, the new square is taken as it is
EYE_CORNERS = (33, 263)  # the subject's right and left outer corner


@dataclass(frozen=True)
class Region:
    """A square in the picture. `angle` turns the picture's x axis towards its y axis."""

    x: float  # centre, pixels
    y: float
    side: float  # pixels
    angle: float  # radians

    def reach(self) -> float:
        """Half the side of the upright square that holds it, pixels."""
        return 0.5 * self.side * (abs(math.cos(self.angle)) + abs(math.sin(self.angle)))

    def to_picture(self, points: NDArray[np.float32]) -> NDArray[np.float32]:
        """[L, 3] in parts of the square (depth likewise) to the picture's pixels."""
        along, across = self.side * math.cos(self.angle), self.side * math.sin(self.angle)
        turned = np.array(((along, across, 0), (-across, along, 0), (0, 0, self.side)))
        placed: NDArray[np.float64] = (points - (0.5, 0.5, 0)) @ turned + (self.x, self.y, 0)
        return placed.astype(np.float32)

    def distance(self, other: "Region") -> float:
        """Between the centres, in sides of this region."""
        return math.hypot(self.x - other.x, self.y - other.y) / self.side

    def is_near(self, other: "Region", part: float = NEAR) -> bool:
        """Is the other within this part of a side, and turned by no more radians?"""
        turned, grown = abs(other.angle - self.angle), abs(other.side / self.side - 1)
        return max(self.distance(other), turned, grown) < part

    def dragged_to(self, new: "Region") -> "Region":
        """This region moved just so far that the new one is within its play.

        The landmarks depend a little on where in the square the face lies, and the square on the landmarks: without
        play this circle adds a third to the jitter of a still face.
        """
        if not self.is_near(new, JUMP):
            return new
        play = PLAY * self.side
        return Region(
            _drag(self.x, new.x, play),
            _drag(self.y, new.y, play),
            _drag(self.side, new.side, play),
            _drag(self.angle, new.angle, PLAY_ANGLE),
        )


def _drag(old: float, new: float, play: float) -> float:
    return old + math.copysign(max(0.0, abs(new - old) - play), new - old)


def region_of_landmarks(points_px: NDArray[np.float32]) -> Region:
    """[L, 2] pixels -> where to look in the next frame. As MediaPipe does it, whose models are used to it."""
    low, high = _box(points_px)
    right, left = points_px[EYE_CORNERS[0]], points_px[EYE_CORNERS[1]]
    return region_of_box(low, high, right, left)


@quick
def _box(points: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The lowest and the highest x and y."""
    low, high = points[0].copy(), points[0].copy()
    for point in points:
        for axis in range(2):
            low[axis], high[axis] = min(low[axis], point[axis]), max(high[axis], point[axis])
    return low, high


def region_of_box(
    low: NDArray[np.float32], high: NDArray[np.float32], right_eye: NDArray[np.float32], left_eye: NDArray[np.float32]
) -> Region:
    """A face's upright box and its two eyes [2] -> the square around it, turned with the eyes."""
    centre = low + (high - low) / 2
    side = float((high - low).max()) * MARGIN
    angle = math.atan2(float(left_eye[1] - right_eye[1]), float(left_eye[0] - right_eye[0]))
    return Region(float(centre[0]), float(centre[1]), side, angle)
