"""The vocabulary: every type that flows through Mien, on one page.

Shapes use fixed letters: V vertices, F triangles, U texture coordinates, J joints (5), L landmarks (478),
S identity modes, E expression shapes, H x W picture. `...` stands for any leading batch. Lengths are metres,
angles radians, picture positions pixels; frames of reference are those of `models/camera.py`.
"""

from dataclasses import dataclass, replace
from enum import Enum

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

LANDMARK_COUNT = 478  # MediaPipe's surface points, then 5 of the right iris and 5 of the left
SKIN_COUNT = 468  # of them, the surface points
JOINT_NAMES = ("root", "neck", "jaw", "left_eye", "right_eye")  # FLAME's order; left is the subject's
JOINT_PARENTS = (-1, 0, 1, 1, 1)
ROOT, NECK, JAW, LEFT_EYE, RIGHT_EYE = range(5)


class MienError(Exception):
    """Something a person can repair. The text says what was expected, what came and what to do."""


class State(Enum):
    """Where a tracker stands; the table of transitions is in `tracker/tracker.py`."""

    SEARCHING = "SEARCHING"
    ENROLLING = "ENROLLING"
    TRACKING = "TRACKING"
    LOST = "LOST"


class Hint(Enum):
    """What the person may do to be learned better; left is their own. The values go over the wire as they are."""

    TURN_LEFT = "turn_left"
    TURN_RIGHT = "turn_right"


@dataclass(frozen=True)
class Frame:
    """One picture, in host memory."""

    image: NDArray[np.uint8]  # [H, W, 3] RGB
    time_s: float
    index: int


@dataclass(frozen=True)
class Landmarks:
    """What the detector saw in one picture, in host memory."""

    points_px: NDArray[np.float32]  # [L, 2] pixels; (0, 0) is the picture's top-left corner
    depth_px: NDArray[np.float32]  # [L] the detector's relative depth, scaled as pixels, smaller is nearer
    size_px: tuple[int, int]  # width, height of the picture
    presence: float  # the detector's confidence that this is a face, 0 to 1


@dataclass(frozen=True)
class Camera:
    """A pinhole camera and the head's rigid pose before it."""

    rotation: Tensor  # [..., 3, 3] of T_camera_head
    translation: Tensor  # [..., 3] metres, of T_camera_head
    focal_px: Tensor  # [...]
    principal_px: Tensor  # [..., 2]

    def __getitem__(self, index: int | None) -> "Camera":
        """One of a batch; with None, a batch of one."""
        return Camera(self.rotation[index], self.translation[index], self.focal_px[index], self.principal_px[index])


@dataclass(frozen=True)
class HeadParams:
    """What moves from frame to frame, beside the camera."""

    expression: Tensor  # [..., E] weights
    jaw: Tensor  # [..., 3] axis-angle
    eyes: Tensor  # [..., 2, 3] axis-angle, left then right
    neck: Tensor  # [..., 3] axis-angle; zero in fits, files and on the wire

    @staticmethod
    def zeros(
        expressions: int,
        batch: tuple[int, ...] = (),
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> "HeadParams":
        def zero(*shape: int) -> Tensor:
            return torch.zeros(*batch, *shape, dtype=dtype, device=device)

        return HeadParams(zero(expressions), zero(3), zero(2, 3), zero(3))

    def __getitem__(self, index: int | None) -> "HeadParams":
        """One of a batch; with None, a batch of one."""
        return HeadParams(self.expression[index], self.jaw[index], self.eyes[index], self.neck[index])

    def with_(self, **changes: Tensor) -> "HeadParams":
        return replace(self, **changes)


@dataclass(frozen=True)
class Mesh:
    """A posed head in the head frame."""

    vertices: Tensor  # [..., V, 3] metres
    triangles: Tensor  # [F, 3] int64, counter-clockwise from outside


@dataclass(frozen=True)
class Prior:
    """What values of one group of parameters are usual and possible."""

    std: Tensor  # [n] one standard deviation
    low: Tensor  # [n]
    high: Tensor  # [n]


@dataclass(frozen=True)
class Embedding:
    """Where the 478 landmarks sit on a head's surface: a weighted mean of three vertices each."""

    vertices: Tensor  # [L, 3] int64
    weights: Tensor  # [L, 3], each row sums to 1


@dataclass(frozen=True)
class Known:
    """How well something was seen that is learned once."""

    std: float  # one standard deviation, in the unit told beside it
    observed: bool  # False: it is taken to be as is usual, and `std` says how much the usual varies


@dataclass(frozen=True)
class Identity:
    """What is learned once of a person and a camera."""

    shape: Tensor  # [S] the head's identity code
    focal_px: float  # for pictures of size_px
    size_px: tuple[int, int]  # width, height
    head: str  # name of the head that the code belongs to
    head_sha256: str
    neutral: Tensor | None = None  # [52] ARKit weights of the face at rest, which are not zero for everybody
    focal_known: Known = Known(15.0, observed=False)  # percent of focal_px: lenses of 50 to 75 degrees
    scale_known: Known = Known(6.0, observed=False)  # percent of every length: grown people differ by as much
    neutral_known: Known = Known(0.02, observed=False)  # of ARKit weights


@dataclass(frozen=True)
class TrackResult:
    """One frame, tracked. Without a face all that describes one is None, and the state says so."""

    index: int
    time_s: float
    size_px: tuple[int, int]
    state: State
    params: HeadParams | None  # without a batch, on the CPU
    camera: Camera | None
    landmarks: Landmarks | None  # as detected
    fitted_px: NDArray[np.float32] | None  # [L, 2] as the fit explains the detected points
    fitted_m: NDArray[np.float32] | None  # [L, 3] in the camera frame; they project to fitted_px
    blendshapes: NDArray[np.float32] | None  # [52] ARKit weights relative to rest, ordered as `models.arkit_names`
    error_iod: float | None  # mean landmark error as a part of the inter-ocular distance
    detect_ms: float
    fit_ms: float
    hint: Hint | None = None  # while a person is being learned: the view that is lacking
    seen_camera: Camera | None = None  # what lays the mesh on the picture, where `camera` is corrected beyond it

    @staticmethod
    def without_face(
        index: int,
        time_s: float,
        size_px: tuple[int, int],
        state: State,
        landmarks: Landmarks | None = None,
        detect_ms: float = 0.0,
    ) -> "TrackResult":
        """`landmarks` are there where they were detected, but no head fits them."""
        return TrackResult(
            index=index,
            time_s=time_s,
            size_px=size_px,
            state=state,
            params=None,
            camera=None,
            landmarks=landmarks,
            fitted_px=None,
            fitted_m=None,
            blendshapes=None,
            error_iod=None,
            detect_ms=detect_ms,
            fit_ms=0.0,
        )

    @property
    def picture_camera(self) -> Camera | None:
        """The camera to draw with over the picture, or to read pixels by."""
        return self.camera if self.seen_camera is None else self.seen_camera
