"""What the detector gets wrong in the same way on everybody, taken back once a frame is fitted.

The fit explains the detector's points. They are not quite where the face is: the detector draws faces as if they looked
a few degrees further down (noses too low, ears too high), shows a little less of a nod than there is, less of the
perspective than a lens at that distance gives, and less than half of what an iris does up and down. All of it was
measured on filmed heads of which everything is known (`python -m tracker.jobs.calibration`). So rotation, distance,
lens and gaze are told corrected, while the landmarks stay where they were seen: they are still the projection of
`fitted_m`, and the head's mesh lies beside them by as much as the detector errs.
"""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.camera import FACING
from models.compiled import quick
from models.head import Head, embed
from models.types import SKIN_COUNT, Camera, HeadParams
from tracker.contacts import LIDS
from tracker.gaze import GazeCalibration, GazeReader
from tracker.state_kernel import times_transposed

Floats = NDArray[np.float64]
_UPRIGHT = np.array(FACING, np.float64)


@dataclass(frozen=True)
class Calibration:
    """Numbers of one detector."""

    nod_degrees: float  # by which a face that looks straight ahead is seen to look down
    nod_share: float  # of a nod as seen, that is missing
    perspective: float  # true distance, and true focal length, over those that explain the points
    gaze: GazeCalibration


# By the detector's name; one that is not here is taken at its word. The numbers are what the job prints.
CALIBRATIONS = {
    "mesh": Calibration(
        nod_degrees=5.1, nod_share=0.09, perspective=0.69, gaze=GazeCalibration(pitch=5.64, yaw=3.36, level=0.055)
    )
}


@dataclass(frozen=True)
class Told:
    """A frame as it is told: all without a batch."""

    params: HeadParams
    camera: Camera
    fitted_m: NDArray[np.float32]  # [L, 3]


class Corrections:
    """What is taken back from the frames of one person; holds the gaze: one a session."""

    def __init__(self, head: Head, detector: str) -> None:
        self._calibration = CALIBRATIONS.get(detector)
        self._lids = LidShapes.of(head)
        self.forget()

    def forget(self) -> None:
        """Somebody else comes."""
        self._gaze = None if self._calibration is None else GazeReader(self._calibration.gaze)

    def apply(self, fit: Told, fitted_px: NDArray[np.float32], seen_px: NDArray[np.float32], time_s: float) -> Told:
        if self._calibration is None or self._gaze is None:
            return fit
        looks = self._gaze.read(seen_px, fit.camera, fit.fitted_m, time_s)
        camera, fitted_m = calibrated(self._calibration, fit.camera, fitted_px, fit.fitted_m)
        return Told(looking(fit.params, looks, self._lids), camera, fitted_m)


# Gaze, without moving the lids.


@dataclass(frozen=True)
class LidShapes:
    """Where a head's upper lids follow its eyes, the shapes that hold them where they were seen; left, right."""

    blink: tuple[int, ...]  # places among the expressions; none where lids do not follow
    wide: tuple[int, ...]
    per_radian: float  # of eyeBlink, that an eye turning down is worth
    wide_share: float  # of eyeBlink, that an eyeWide opens

    @staticmethod
    def of(head: Head) -> "LidShapes":
        names = head.expression_names
        blink, wide = (tuple(f"eye{move}{side}" for side in ("Left", "Right")) for move in ("Blink", "Wide"))
        if not {*blink, *wide} <= set(names) or not head.pose_basis.numel():
            return LidShapes((), (), 0.0, 1.0)
        closing, opening = (tuple(names.index(name) for name in shapes) for shapes in (blink, wide))
        shut, opened = (_lids_rise(head, head.expression_basis[..., list(c)].sum(-1)) for c in (closing, opening))
        if not shut or not opened:  # they move other things here
            return LidShapes((), (), 0.0, 1.0)
        # Of a rotation about x by a small angle, row 1 and column 2 hold its negative, row 2 and column 1 the angle.
        turns = head.pose_basis[..., 18:].reshape(-1, 3, 2, 3, 3).sum(2)
        down = _lids_rise(head, turns[..., 2, 1] - turns[..., 1, 2])
        return LidShapes(closing, opening, down / shut, -opened / shut)


def _lids_rise(head: Head, motion: Tensor) -> float:
    """By how much a motion of the vertices [V, 3] raises the upper lids, metres."""
    return float(embed(head.embedding, motion)[[upper for upper, _ in LIDS], 1].mean())


def looking(params: HeadParams, looks: Floats, lids: LidShapes) -> HeadParams:
    """Both eyes turned to pitch and yaw [2]; lids that would follow are held where they are."""
    before = params.eyes.numpy()
    eyes, expression = before.copy(), params.expression.numpy().copy()
    eyes[:, :2] = looks
    for blink, wide, lowered in zip(lids.blink, lids.wide, (eyes[:, 0] - before[:, 0]).tolist(), strict=False):
        _hold_lid(expression, blink, wide, -lids.per_radian * lowered, lids.wide_share)
    return replace(params, eyes=torch.from_numpy(eyes), expression=torch.from_numpy(expression))


@quick
def _hold_lid(expression: Any, blink: int, wide: int, close: float, wide_share: float) -> None:
    """Take back what a lid would open by, `close` in eyeBlinks: from one shape as far as it goes, then by the other."""
    if close > 0:
        taken = min(close, wide_share * max(expression[wide], 0.0))
        expression[wide] -= taken / wide_share
        expression[blink] += close - taken
    else:
        taken = min(-close, max(expression[blink], 0.0))
        expression[blink] -= taken
        expression[wide] += (-close - taken) / wide_share


# Where the head is.


def calibrated(
    calibration: Calibration, camera: Camera, fitted_px: NDArray[np.float32], fitted_m: NDArray[np.float32]
) -> tuple[Camera, NDArray[np.float32]]:
    """The camera without a batch, and the landmarks in its frame, which still project to `fitted_px`."""
    focal_px = calibration.perspective * float(camera.focal_px)
    rotation, translation, told_m = _replaced(
        camera.rotation.numpy(), camera.translation.numpy(), camera.principal_px.numpy(), focal_px, fitted_px, fitted_m,
        calibration.perspective, calibration.nod_share, math.radians(calibration.nod_degrees),
    )  # fmt: skip
    told = Camera(
        torch.from_numpy(rotation), torch.from_numpy(translation), torch.tensor(focal_px), camera.principal_px
    )
    return told, told_m


@quick
def _replaced(
    rotation: Any, translation: Any, principal_px: Any, focal_px: float, fitted_px: Any, fitted_m: Any,
    perspective: float, nod_share: float, nod_down: float,
) -> Any:  # fmt: skip
    """Rotation, translation and landmarks as told: turned by what is missing of the nod, and up from `nod_down`."""
    centre = np.zeros(3)
    for point in range(SKIN_COUNT):
        for axis in range(3):
            centre[axis] += fitted_m[point, axis] / SKIN_COUNT
    nearer = np.array((centre[0], centre[1], perspective * centre[2]))
    # A picture shows how a head is turned against the line of sight, and another lens bends that line.
    sight, bent = along(centre), along(nearer)
    seen = times_transposed(sight.T, rotation.astype(np.float64).T)
    nod = nod_share * nod_of(times_transposed(_UPRIGHT.T, seen.T)) - nod_down
    turned = times_transposed(bent, times_transposed(seen, about_x(nod).T).T)
    depths = times_transposed(bent, sight)[2]

    told_m = np.empty_like(fitted_m)
    for point in range(len(fitted_m)):
        depth = nearer[2]
        for axis in range(3):
            depth += depths[axis] * (fitted_m[point, axis] - centre[axis])
        for axis in range(2):
            told_m[point, axis] = (fitted_px[point, axis] - principal_px[axis]) * depth / focal_px
        told_m[point, 2] = depth

    told = np.empty(3, np.float32)
    for axis in range(3):
        told[axis] = nearer[axis]
        for own in range(3):  # the centre in the head frame stays
            for k in range(3):
                told[axis] -= turned[axis, own] * rotation[k, own] * (centre[k] - translation[k])
    return turned.astype(np.float32), told, told_m


@quick
def nod_of(upright: Floats) -> float:
    """How far a head [3, 3] nods about its own x axis, its tilt in the picture aside; radians, down above 0."""
    (a, b, c), (d, e, f) = upright[0], upright[1]
    return math.atan2(d * c - a * f, a * e - d * b)


@quick
def about_x(angle: float) -> Floats:
    c, s = math.cos(angle), math.sin(angle)
    return np.array(((1.0, 0.0, 0.0), (0.0, c, -s), (0.0, s, c)))


@quick
def along(point: Floats) -> Floats:
    """The rotation [3, 3] whose z axis points from the camera to a point [3], without tilt."""
    x, y, z = point
    ground, whole = math.hypot(x, z), math.sqrt(x * x + y * y + z * z)
    return np.array(
        (
            (z / ground, -x * y / (whole * ground), x / whole),
            (0.0, ground / whole, y / whole),
            (-x / ground, -z * y / (whole * ground), z / whole),
        )
    )
