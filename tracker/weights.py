"""How far each landmark can be trusted in a picture, from where the head is turned and whether the eyes are open."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.compiled import quick
from models.head import Head, embed
from models.skinning import vertex_normals
from tracker.config import FitConfig

Floats = NDArray[np.float32]

# MediaPipe's face oval, clockwise in the picture from the top of the forehead.
OUTLINE = (10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152, 148, 176, 149,
           150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109)  # fmt: skip
RIGHT_IRIS, LEFT_IRIS = 468, 473  # the first of five: its centre
# Upper lid, lower lid, inner and outer corner.
RIGHT_EYE, LEFT_EYE = (159, 145, 133, 33), (386, 374, 362, 263)
UNSEEN = 1e-6  # the weight of a landmark that is not looked at: nothing, but no division by it fails
SHUT, OPEN = 0.10, 0.18  # lid opening over the eye's width, below which the iris is a guess, above which it is seen


class PointWeights:
    """Weights of the 478 landmarks for one head."""

    def __init__(self, head: Head, config: FitConfig) -> None:
        normals = embed(head.embedding, vertex_normals(head.template, head.triangles))
        self._normals = normals.cpu().float().numpy()  # [L, 3] in the head frame
        self._normals[468:] = (0, 0, 1)  # an iris is seen as long as its eye is
        self._base = np.ones(len(self._normals), np.float32)
        self._base[list(OUTLINE)] = config.outline_weight
        self._base[list(config.unseen)] = UNSEEN

    def at(self, rotation: Floats, points_px: Floats) -> Floats:
        """[L] for a head turned by `rotation` [3, 3] of T_camera_head, and its landmarks in the picture [L, 2]."""
        return _weights(self._normals, self._base, rotation, points_px)


@quick
def _weights(normals: Floats, base: Floats, rotation: Any, points_px: Floats) -> Floats:
    weights = np.empty(len(base), np.float32)
    for p in range(len(base)):
        # Cosine between the surface and the line of sight.
        facing = -(normals[p, 0] * rotation[2, 0] + normals[p, 1] * rotation[2, 1] + normals[p, 2] * rotation[2, 2])
        weights[p] = base[p] * min(max((facing + 0.1) / 0.4, 0.05), 1.0)
    # Outline and hairline are points of the picture, not of the skin, as soon as the head turns.
    of_skin = min(max(-2 * rotation[2, 2] - 1, 0.02), 1.0)
    for p in OUTLINE:
        weights[p] *= of_skin
    for first, eye in ((RIGHT_IRIS, RIGHT_EYE), (LEFT_IRIS, LEFT_EYE)):
        seen = min(max(openness(points_px, eye), 0.02), 1.0)
        for p in range(first, first + 5):
            weights[p] *= seen
    return weights


@quick
def openness(points: Floats, eye: tuple[int, int, int, int]) -> float:
    """From 0, where the lids hide the iris, to 1, where it is seen; and beyond both."""
    return (lid_opening(points, eye) - SHUT) / (OPEN - SHUT)


@quick
def lid_opening(points: Floats, eye: tuple[int, int, int, int]) -> float:
    """The gap between the lids over the eye's width, in the picture."""
    upper, lower, inner, outer = points[eye[0]], points[eye[1]], points[eye[2]], points[eye[3]]
    gap = math.hypot(upper[0] - lower[0], upper[1] - lower[1])
    return gap / max(math.hypot(inner[0] - outer[0], inner[1] - outer[1]), 1e-6)
