"""What weights and angles of the built-in head are usual, and what they can be."""

import numpy as np
import torch

from models.types import Prior
from tracker.jobs.builtin_head.correctives import Explained, weight_spread
from tracker.jobs.builtin_head.expressions import Expressions
from tracker.jobs.builtin_head.surface import Floats

# Of a named shape: twice the spread found in the statistics, where most shapes rest most of the time, within reason.
# A shape that the detector hardly reports must still be able to move, and none is so usual that it should cost nothing.
NAMED_STD = (0.4, 0.5)
NAMED_LIMITS = (-0.1, 1.1)  # a little beyond 0 and 1, since neither rest nor the full shape is the same in everybody
CORRECTIVE_LIMIT = 3.5  # standard deviations
JAW_STD = (0.15, 0.03, 0.015)  # radians: opening, sideways, rolling
JAW_SHUT, JAW_ROLL = -0.04, 0.05  # a detector's shut mouth may be drawn more shut than ours
EYES_STD, EYES_LIMIT = (0.15, 0.2, 0.01), (0.5, 0.7, 0.02)  # pitch, yaw, roll: eyes do not roll


def expression_prior(explained: Explained, correctives: int) -> Prior:
    """[40 + correctives]; correctives are in units of their own spread."""
    std = np.r_[np.clip(2 * weight_spread(explained), *NAMED_STD), np.ones(correctives)]
    count = len(std) - correctives
    low, high = (
        np.r_[np.full(count, limit), np.full(correctives, sign * CORRECTIVE_LIMIT)]
        for limit, sign in zip(NAMED_LIMITS, (-1, 1), strict=True)
    )
    return _prior(std, low, high)


def jaw_prior(expressions: Expressions) -> Prior:
    """The upper limits are what jawOpen and jawLeft at 1 mean."""
    opened, aside = expressions.jaw_open_angle, expressions.jaw_side_angle
    return _prior(np.array(JAW_STD), np.array((JAW_SHUT, -aside, -JAW_ROLL)), np.array((opened, aside, JAW_ROLL)))


def eyes_prior() -> Prior:
    return _prior(np.array(EYES_STD), -np.array(EYES_LIMIT), np.array(EYES_LIMIT))


def _prior(std: Floats, low: Floats, high: Floats) -> Prior:
    return Prior(*(torch.from_numpy(np.asarray(column, np.float32)) for column in (std, low, high)))
