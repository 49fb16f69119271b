"""Which frames a texture is made of: sharp, eyes open, the head turned to all sides; one for each range of yaw."""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from models.types import Frame, Identity, TrackResult
from tracker.photometric.view import View
from tracker.pose import iod_px
from tracker.weights import LEFT_EYE, OPEN, RIGHT_EYE, lid_opening

YAW_DEGREES = (-22.0, -8.0, 8.0, 22.0)  # between these ranges
EVERY = 3  # frames, of a range of which one is kept already
BETTER = 1.15  # times as sharp a frame must be to take another's place
WORST_ERROR_IOD = 0.03
POORER = 0.3  # times, for each wish that a frame does not meet
MOUTH_MOST_OPEN = 0.25  # of the eyes' distance: lips apart show no lips
INNER_LIPS, CORNERS = (13, 14), (33, 263)


@dataclass(frozen=True)
class Keyframe:
    view: View
    shape: Tensor  # the identity that it was fitted with
    sharpness: float


class Keyframes:
    """Looks at frames as they come, and keeps a few."""

    def __init__(self) -> None:
        self._kept: dict[int, Keyframe] = {}
        self._shape: Tensor | None = None

    def __len__(self) -> int:
        return len(self._kept)

    def offer(self, frame: Frame, result: TrackResult, identity: Identity | None) -> bool:
        """True where the frame was kept. Another identity's frames are forgotten."""
        if identity is None or result.params is None or result.picture_camera is None or result.fitted_px is None:
            return False
        if self._shape is not identity.shape:
            self._kept.clear()
            self._shape = identity.shape
        place = yaw_range(result)
        if place in self._kept and result.index % EVERY:
            return False
        sharpness = face_sharpness(frame.image, result.fitted_px) * worth(result)
        if place in self._kept and sharpness < BETTER * self._kept[place].sharpness:
            return False
        view = view_of(frame.image, result)
        self._kept[place] = Keyframe(view, identity.shape, sharpness)
        return True

    def views(self) -> list[View]:
        """The straightest first: its exposure is the measure."""
        middle = len(YAW_DEGREES) / 2
        return [self._kept[place].view for place in sorted(self._kept, key=lambda place: abs(place - middle))]


def worth(result: TrackResult) -> float:
    """1 with eyes open, mouth nearly shut, and a fit that is to be believed; less with each of these missing."""
    seen = result.landmarks
    if seen is None or result.error_iod is None:
        return POORER**3
    points = seen.points_px
    gap = float(np.linalg.norm(points[INNER_LIPS[0]] - points[INNER_LIPS[1]]))
    width = float(np.linalg.norm(points[CORNERS[0]] - points[CORNERS[1]]))
    open_eyes = min(lid_opening(points, RIGHT_EYE), lid_opening(points, LEFT_EYE)) > OPEN
    wishes = open_eyes, gap < MOUTH_MOST_OPEN * max(width, 1e-6), result.error_iod < WORST_ERROR_IOD
    return POORER ** wishes.count(False)


def yaw_range(result: TrackResult) -> int:
    assert result.picture_camera is not None
    forward = result.picture_camera.rotation[:, 2]  # the face's direction in the camera frame
    yaw = math.degrees(math.atan2(float(forward[0]), -float(forward[2])))
    return int(np.searchsorted(YAW_DEGREES, yaw))


def face_sharpness(image: NDArray[np.uint8], points_px: NDArray[np.float32]) -> float:
    """Energy of fine detail over that of coarse detail, in the part of the picture where the face is."""
    height, width = image.shape[:2]
    low, high = points_px[:468].min(0), points_px[:468].max(0)
    left, top = (int(np.clip(low[k], 0, (width, height)[k] - 1)) for k in (0, 1))
    right, bottom = (int(np.clip(high[k], 0, (width, height)[k])) for k in (0, 1))
    if right - left < 8 or bottom - top < 8:
        return 0.0
    grey = cv2.cvtColor(image[top:bottom, left:right], cv2.COLOR_RGB2GRAY)
    fine = float(cv2.Laplacian(grey, cv2.CV_32F).std())
    return fine / max(float(grey.std()), 1.0)


def view_of(image: NDArray[np.uint8], result: TrackResult) -> View:
    assert result.params is not None
    assert result.picture_camera is not None
    assert result.fitted_px is not None
    iod = iod_px(result.landmarks) if result.landmarks is not None else math.dist(*result.fitted_px[list(CORNERS)])
    return View.cut(image, result.params, result.picture_camera, result.fitted_px, iod)
