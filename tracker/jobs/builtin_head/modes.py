"""Covariances to modes: the directions that explain most, each times its standard deviation."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

DEPTH_IMPORTANCE = 0.5  # pictures show depth least, and the detector knows it worst: spend few modes on it


def leading_modes(covariance: Floats, count: int, depth_importance: float = DEPTH_IMPORTANCE) -> Floats:
    """Of landmarks [3 L, 3 L] to modes [3 L, K], each times its standard deviation, those that explain most first.

    What counts as most is measured with depths made less important; the modes move depths as these go along with
    the rest. Of a mode's two signs the one is chosen whose largest component is positive, so that building twice
    agrees.
    """
    importance = np.tile((1.0, 1.0, depth_importance), len(covariance) // 3)
    variance, direction = np.linalg.eigh(importance[:, None] * covariance * importance)
    variance, direction = variance[::-1][:count], direction[:, ::-1][:, :count]
    modes = covariance @ (importance[:, None] * direction) / np.sqrt(np.maximum(variance, 1e-18))
    largest = modes[np.abs(modes).argmax(0), np.arange(modes.shape[1])]
    return np.asarray(modes * np.sign(largest))


def second_moment(rows: Floats) -> Floats:
    """About zero: [N, D] to [D, D]."""
    return np.asarray(rows.T @ rows / len(rows))
