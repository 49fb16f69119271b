"""Where the eyes look, read from the irises as the detector draws them.

The fit's own eyes are held back: by what is usual, by lids that go with them, and because the detector shows only some
0.4 of what an iris does up and down. So gaze is read once more: from each iris' place between its eye's corners, in the
head's frame, so that turning the head does not count; times what filmed people, whose gaze is known, taught. Left and
right look together, each counting as much as it is seen; a shut eye says nothing.

A person's gaze is taken to rest straight ahead most of the time: how high irises sit differs a little from face to
face, and the median of the pitch over time, within a few degrees, takes that away.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.compiled import quick
from models.types import Camera
from tracker.weights import LEFT_EYE, LEFT_IRIS, RIGHT_EYE, RIGHT_IRIS, openness

Floats = NDArray[np.float64]

NOISE = math.radians(1.0), math.radians(0.6)  # of one frame: pitch, yaw
PROCESS, GATE = 0.2, 2.0  # as the live fit blends frames: `tracker.config.LiveConfig`
UNKNOWN = math.radians(8.0), math.radians(12.0)  # what is usual, before anything was seen
LEAST_SEEN = 1e-3
REST_STEP, MOST_REST = math.radians(0.02), math.radians(5.0)  # a frame, and at most
FAR_EYE = 1.5  # how fast the far eye loses its say as the head turns
HIGHEST = math.radians(25.0), math.radians(35.0)


@dataclass(frozen=True)
class GazeCalibration:
    """Radians of gaze for an iris that moves by the eye's width."""

    pitch: float  # down above 0, for an iris that moves down
    yaw: float  # to the subject's left above 0
    level: float  # how far above the line between the corners an iris sits that looks ahead, in eye widths


class GazeReader:
    """Follows one person's gaze: one a session."""

    def __init__(self, calibration: GazeCalibration) -> None:
        self._calibration = calibration
        self._gaze, self._variance = np.zeros(2), np.square(UNKNOWN)
        self._time_s = -math.inf
        self._rest = 0.0

    def read(
        self, seen_px: NDArray[np.float32], camera: Camera, fitted_m: NDArray[np.float32], time_s: float
    ) -> Floats:
        """Pitch and yaw [2] of both eyes in the head frame, from the detected points and the fit of a frame."""
        c = self._calibration
        (aside, above), weight = iris_place(seen_px, camera, fitted_m)
        elapsed = 30 * min(max(time_s - self._time_s, 1e-3), 10.0)
        self._time_s = time_s
        _blend(self._gaze, self._variance, c.pitch * (c.level - above), c.yaw * aside, weight, elapsed)
        if weight > 1:
            self._rest += math.copysign(REST_STEP, self._gaze[0] - self._rest)
            self._rest = min(max(self._rest, -MOST_REST), MOST_REST)
        return self._gaze - (self._rest, 0.0)


@quick
def _blend(gaze: Floats, variance: Floats, pitch: float, yaw: float, weight: float, elapsed: float) -> None:
    """What is seen, into the gaze: held where it moved no more than the noise explains, believed where it moved more.

    `elapsed` is counted in frames of a thirtieth of a second.
    """
    for axis in range(2):
        noise = NOISE[axis] ** 2
        own = noise / min(max(weight, LEAST_SEEN), 1.0)
        move = min(max((pitch, yaw)[axis], -HIGHEST[axis]), HIGHEST[axis]) - gaze[axis]
        spread = variance[axis] + elapsed * PROCESS * noise
        spread = min(spread + max(move * move - GATE * (spread + own), 0.0), UNKNOWN[axis] ** 2)
        gaze[axis] += spread / (spread + own) * move
        variance[axis] = spread * own / (spread + own)


def iris_place(
    seen_px: NDArray[np.float32], camera: Camera, fitted_m: NDArray[np.float32]
) -> tuple[tuple[float, float], float]:
    """Both irises' mean place between their corners, to the subject's left and up in eye widths; how well seen: 0 to 2.

    The camera and the landmarks are the fit's own.
    """
    return _both_places(seen_px, fitted_m, camera.rotation.numpy(), float(camera.focal_px))  # type: ignore[no-any-return]


@quick
def _both_places(seen_px: Any, fitted_m: Any, rotation: Any, focal_px: float) -> Any:
    left, left_weight = _place(seen_px, fitted_m, rotation, focal_px, LEFT_EYE, LEFT_IRIS, -1)
    right, right_weight = _place(seen_px, fitted_m, rotation, focal_px, RIGHT_EYE, RIGHT_IRIS, 1)
    weight = left_weight + right_weight
    share = left_weight / weight if weight > 0 else 0.5
    return (share * left[0] + (1 - share) * right[0], share * left[1] + (1 - share) * right[1]), weight


@quick
def _place(seen_px: Any, fitted_m: Any, rotation: Any, focal_px: float, eye: Any, iris: int, side: int) -> Any:
    """The iris' place between the corners in eye widths, to the subject's left and up; and how well it is seen."""
    inner, outer = eye[2], eye[3]
    corner, other = fitted_m[inner], fitted_m[outer]
    middle, centre = (corner + other) / 2, fitted_m[iris]
    width = math.sqrt((corner[0] - other[0]) ** 2 + (corner[1] - other[1]) ** 2 + (corner[2] - other[2]) ** 2)
    a, b, c, d, e, f = rotation[0, 0], rotation[0, 1], rotation[1, 0], rotation[1, 1], rotation[0, 2], rotation[1, 2]
    # Of the iris before the corners.
    forward = (centre[0] - middle[0]) * e + (centre[1] - middle[1]) * f + (centre[2] - middle[2]) * rotation[2, 2]
    off, scale = seen_px[iris] - (seen_px[inner] + seen_px[outer]) / 2, middle[2] / focal_px  # metres a pixel
    u, v = off[0] * scale - e * forward, off[1] * scale - f * forward
    shown = min(a * d - b * c, -0.1) * width  # of the face's area; below 0, because pictures' y points down
    facing = 1 + FAR_EYE * side * e  # the far eye's corners are hidden by the nose first
    seen = min(max(openness(seen_px, eye), 0.0), 1.0) * min(max(facing, 0.05), 1.0)
    return ((d * u - b * v) / shown, (a * v - c * u) / shown), seen
