"""How far each landmark can be trusted in a picture, from where the head is turned and whether the eyes are open."""

import math

import numpy as np
from numpy.typing import NDArray

from models.head import Head, embed
from models.skinning import vertex_normals
from tracker.config import FitConfig

Floats = NDArray[np.float32]

# MediaPipe's face oval, clockwise in the picture from the top of the forehead.
OUTLINE = (10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152, 148, 176, 149,
           150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109)  # fmt: skip
_OUTLINE = np.array(OUTLINE)
RIGHT_IRIS, LEFT_IRIS = slice(468, 473), slice(473, 478)
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
        self._base[_OUTLINE] = config.outline_weight
        self._base[list(config.unseen)] = UNSEEN

    def at(self, rotation: Floats, points_px: Floats) -> Floats:
        """[L] for a head turned by `rotation` [3, 3] of T_camera_head, and its landmarks in the picture [L, 2]."""
        facing = -(self._normals @ rotation[2])  # cosine between the surface and the line of sight
        weights: Floats = self._base * np.minimum(np.maximum((facing + 0.1) / 0.4, 0.05), 1)
        # Outline and hairline are points of the picture, not of the skin, as soon as the head turns.
        weights[_OUTLINE] *= min(max(float(rotation[2, 2]) * -2 - 1, 0.02), 1)
        for iris, eye in ((RIGHT_IRIS, RIGHT_EYE), (LEFT_IRIS, LEFT_EYE)):
            weights[iris] *= min(max((lid_opening(points_px, eye) - SHUT) / (OPEN - SHUT), 0.02), 1)
        return weights


def lid_opening(points: Floats, eye: tuple[int, int, int, int]) -> float:
    """The gap between the lids over the eye's width, in the picture."""
    upper, lower, inner, outer = (points[index].tolist() for index in eye)
    return math.dist(upper, lower) / max(math.dist(inner, outer), 1e-6)
