"""Left and right: which landmark mirrors which, found in the mean face itself."""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from models.arkit_names import ARKIT_NAMES, mirror_name
from models.types import MienError

Floats = NDArray[np.float64]
FLIP = np.array((-1.0, 1.0, 1.0))


def mirror_order(face: Floats) -> NDArray[np.int64]:
    """[L]: the landmark on the other side of each; a nearly symmetric face [L, 3] upright in the head frame."""
    distance = np.linalg.norm((face * FLIP)[:, None] - face[None], axis=-1)
    order = linear_sum_assignment(distance + distance.T)[1]
    if not np.array_equal(order[order], np.arange(len(face))):
        raise MienError("expected landmarks that pair off left and right; the mean face is too lopsided")
    return np.asarray(order, dtype=np.int64)


def mirrored(points: Floats, order: NDArray[np.int64]) -> Floats:
    """Faces or displacements [..., L, 3] as in a mirror."""
    return np.asarray(points[..., order, :] * FLIP)


def mirrored_scores() -> NDArray[np.int64]:
    """For each of the 52 scores the place of the one for the other side."""
    return np.array([ARKIT_NAMES.index(mirror_name(name)) for name in ARKIT_NAMES], dtype=np.int64)
