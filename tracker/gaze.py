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

import numpy as np
from numpy.typing import NDArray

from models.types import Camera
from tracker.weights import OPEN, SHUT, lid_opening

Floats = NDArray[np.float64]

NOISE = np.radians((1.0, 0.6))  # of one frame: pitch, yaw
PROCESS, GATE = 0.2, 2.0  # as the live fit blends frames: `tracker.config.LiveConfig`
UNKNOWN = np.radians((8.0, 12.0))  # what is usual, before anything was seen
LEAST_SEEN = 1e-3
REST_STEP, MOST_REST = np.radians(0.02), np.radians(5.0)  # a frame, and at most
FAR_EYE = 1.5  # how fast the far eye loses its say as the head turns
HIGHEST = np.radians((25.0, 35.0))

_LEFT, _RIGHT = (386, 374, 362, 263, 473), (159, 145, 133, 33, 468)  # upper lid, lower lid, corners, iris' centre


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
        self._gaze, self._variance = np.zeros(2), UNKNOWN**2
        self._time_s = -np.inf
        self._rest = 0.0

    def read(
        self, seen_px: NDArray[np.float32], camera: Camera, fitted_m: NDArray[np.float32], time_s: float
    ) -> Floats:
        """Pitch and yaw [2] of both eyes in the head frame, from the detected points and the fit of a frame."""
        (aside, above), weight = iris_place(seen_px, camera, fitted_m)
        weight = max(weight, LEAST_SEEN)
        c = self._calibration
        alone = np.minimum(np.maximum((c.pitch * (c.level - above), c.yaw * aside), -HIGHEST), HIGHEST)
        gaze = self._blend(alone, NOISE**2 / min(weight, 1.0), time_s)
        if weight > 1:
            drift = REST_STEP * np.sign(gaze[0] - self._rest)
            self._rest = min(max(self._rest + float(drift), -MOST_REST), MOST_REST)
        return gaze - (self._rest, 0.0)

    def _blend(self, alone: Floats, own: Floats, time_s: float) -> Floats:
        """With the frame before: held where it moved no more than the noise explains, believed where it moved more."""
        elapsed = 30 * min(max(time_s - self._time_s, 1e-3), 10.0)
        move = alone - self._gaze
        spread = self._variance + elapsed * PROCESS * NOISE**2
        spread = np.minimum(spread + np.maximum(move * move - GATE * (spread + own), 0), UNKNOWN**2)
        self._gaze = self._gaze + spread / (spread + own) * move
        self._variance = spread * own / (spread + own)
        self._time_s = time_s
        return self._gaze


def iris_place(
    seen_px: NDArray[np.float32], camera: Camera, fitted_m: NDArray[np.float32]
) -> tuple[tuple[float, float], float]:
    """Both irises' mean place between their corners, to the subject's left and up in eye widths; how well seen: 0 to 2.

    The camera and the landmarks are the fit's own.
    """
    rotation, focal = camera.rotation.tolist(), float(camera.focal_px)
    (left, left_weight), (right, right_weight) = (
        _iris_place(seen_px, fitted_m, rotation, focal, eye, side) for eye, side in ((_LEFT, -1), (_RIGHT, 1))
    )
    weight = left_weight + right_weight
    share = left_weight / weight if weight else 0.5
    return (share * left[0] + (1 - share) * right[0], share * left[1] + (1 - share) * right[1]), weight


def _iris_place(
    seen_px: NDArray[np.float32],
    fitted_m: NDArray[np.float32],
    rotation: list[list[float]],
    focal_px: float,
    eye: tuple[int, int, int, int, int],
    side: int,
) -> tuple[tuple[float, float], float]:
    """The iris' place between the corners in eye widths, to the subject's left and up; and how well it is seen."""
    *_, inner, outer, iris = eye
    (ix, iy, iz), (ox, oy, oz), (px, py, pz) = fitted_m[[inner, outer, iris]].tolist()
    (a, b, e), (c, d, f), (_, _, g) = rotation
    width = math.sqrt((ix - ox) ** 2 + (iy - oy) ** 2 + (iz - oz) ** 2)
    forward = (px - (ix + ox) / 2) * e + (py - (iy + oy) / 2) * f + (pz - (iz + oz) / 2) * g  # of the corners
    scale = (iz + oz) / 2 / focal_px  # metres a pixel
    (iu, iv), (ou, ov), (pu, pv) = seen_px[[inner, outer, iris]].tolist()
    u, v = (pu - (iu + ou) / 2) * scale - e * forward, (pv - (iv + ov) / 2) * scale - f * forward
    shown = min(a * d - b * c, -0.1) * width  # of the face's area; below 0, because pictures' y points down
    opened = (lid_opening(seen_px, eye[:4]) - SHUT) / (OPEN - SHUT)
    facing = 1 + FAR_EYE * side * e  # the far eye's corners are hidden by the nose first
    return ((d * u - b * v) / shown, (a * v - c * u) / shown), min(max(opened, 0.0), 1.0) * min(max(facing, 0.05), 1.0)
