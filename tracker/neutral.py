"""The face at rest, which is not zero for everybody: a person's ARKit weights are told relative to it.

Brows that sit low, a lip that curls or lids that hang look like expression. What a weight seldom falls below, while
the mouth is closed and the eyes are open, is taken for rest: a low percentile, never a mean, which talking and smiling
bias. Rest is one-sided: zero until many frames say otherwise, and never far from it. It moves slowly, so that nobody
sees it move. Only the weights that are given out are relative; the head's own parameters keep their meaning.
"""

import math

import numpy as np
from numpy.typing import NDArray

from models.arkit_names import ALWAYS_ZERO, ARKIT_NAMES, EYE_ROTATIONS
from models.compiled import quick
from models.types import Known

Floats = NDArray[np.float32]

PERCENTILE = 0.2
BIN = 0.01  # of a weight
BINS = 36  # so rest is at most 0.35: more is an expression, however long it is kept
UNPROVEN_FRAMES = 60  # as if so many frames had shown zero: four times as many must differ before anything moves
PROVEN_FRAMES = 300  # the same for a rest that was learned before
MEMORY_FRAMES = 3000  # older ones count less and less
LOOK_EVERY = 15  # frames that count, between two looks at the percentile
STEP = 0.001  # of a weight, by which rest moves in a frame at most

EYES_OPEN = 0.14  # of the eye's width
MOUTH_CLOSED = 0.03  # of the distance between the outer corners of the eyes
LEARNED = Known(BIN, observed=True)  # halves of a long clip agree within a bin
TURNED = 0.5  # sine of the yaw beyond which the far half of the face is a guess

_RESTING = np.array([name not in (*EYE_ROTATIONS, *ALWAYS_ZERO) for name in ARKIT_NAMES])  # gaze is a measured angle
_ROWS = np.arange(len(ARKIT_NAMES))


class NeutralFace:
    """Learns one person's weights at rest; `known` [52] are those learned before."""

    def __init__(self, known: Floats | None = None) -> None:
        start = np.zeros(len(ARKIT_NAMES), np.float32) if known is None else known
        self._target = np.where(_RESTING, np.clip(start, 0, BIN * (BINS - 1)), 0).astype(np.float32)
        self.weights: Floats = self._target.copy()  # [52]
        self._before = np.zeros((len(ARKIT_NAMES), BINS), np.float32)  # what is believed without any frame
        self._before[_ROWS, _bins(self._target)] = UNPROVEN_FRAMES if known is None else PROVEN_FRAMES
        self._counts = np.zeros_like(self._before)
        self._frames = 0

    def observe(self, weights: Floats, fitted_m: Floats) -> None:
        """A frame's weights [52] and its fitted landmarks [L, 3] in the camera frame."""
        if not may_be_at_rest(fitted_m):
            return
        self._counts[_ROWS, _bins(weights)] += 1
        self._frames += 1
        if self._frames % LOOK_EVERY == 0:
            self._target = np.where(_RESTING, self._percentile(), 0).astype(np.float32)
        if self._frames % MEMORY_FRAMES == 0:
            self._counts *= 0.5
        self.weights = self.weights + np.minimum(np.maximum(self._target - self.weights, -STEP), STEP)

    def relative(self, weights: Floats) -> Floats:
        """Weights [52] as told: 0 at rest, and 1 still 1."""
        return np.asarray(np.minimum(np.maximum((weights - self.weights) / (1 - self.weights), 0), 1))

    def _percentile(self) -> Floats:
        below = np.cumsum(self._before + self._counts, 1)
        return np.asarray(BIN * (below >= PERCENTILE * below[:, -1:]).argmax(1), np.float32)


@quick
def may_be_at_rest(fitted_m: Floats) -> bool:
    """Mouth closed, eyes open, and turned to the camera far enough for both halves of the face to be seen."""
    right_lids, left_lids = _apart(fitted_m, 159, 145), _apart(fitted_m, 386, 374)
    right_eye, left_eye = _apart(fitted_m, 133, 33), _apart(fitted_m, 362, 263)
    is_open = right_lids > EYES_OPEN * right_eye and left_lids > EYES_OPEN * left_eye
    eyes = _apart(fitted_m, 33, 263)
    is_closed = _apart(fitted_m, 13, 14) < MOUTH_CLOSED * eyes
    return is_open and is_closed and abs(fitted_m[33, 2] - fitted_m[263, 2]) < TURNED * eyes


@quick
def _apart(points: Floats, one: int, other: int) -> float:
    x, y, z = points[one, 0] - points[other, 0], points[one, 1] - points[other, 1], points[one, 2] - points[other, 2]
    return math.sqrt(x * x + y * y + z * z)


def _bins(weights: Floats) -> NDArray[np.int64]:
    # A little more than the weight: 0.29 / 0.01 must not round down to 28.
    return np.minimum((weights / BIN + 1e-3).astype(np.int64), BINS - 1)
