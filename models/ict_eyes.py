"""ICT-FaceKit's eyeballs: where they look, and where the iris landmarks sit on their outer shells."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.ict_parts import SHELLS
from models.known_landmarks import KnownLandmarks, Spot, known_landmarks

Array = NDArray[Any]

IRIS_M = 0.00585  # the kit's iris: a disc of this radius across the axis in which the eye looks
_IRIS_POINTS = ((0, 0), (1, 0), (0, 1), (-1, 0), (0, -1))  # centre, the subject's left, up, right, down


def known_ict_landmarks(neutral: Array, triangles: Array) -> KnownLandmarks:
    """The ten iris landmarks; the right eye's are 468 to 472."""
    spots: dict[int, Spot] = {}
    for first, shell in ((468, SHELLS[1]), (473, SHELLS[0])):
        inside = (triangles >= shell.start).all(1) & (triangles < shell.stop).all(1)
        centre, axis = eye_axis(neutral[list(shell)])
        aside = np.cross((0.0, 1.0, 0.0), axis)
        aside /= np.linalg.norm(aside)
        seen = (neutral - centre) @ np.stack((aside, np.cross(axis, aside), axis)).T
        for number, direction in enumerate(_IRIS_POINTS):
            spots[first + number] = spot_along_axis(seen, triangles[inside], np.array(direction) * IRIS_M)
    return known_landmarks(spots)


def eye_axis(shell: Array) -> tuple[Array, Array]:
    """Centre [3] of an eyeball and the unit direction [3] in which it looks, from its outer shell [n, 3]."""
    centre = sphere_centre(shell)
    arms = shell - centre
    reach = np.linalg.norm(arms, axis=1)
    bulge = np.maximum(reach - 1.06 * np.median(reach), 0)  # the cornea stands out of the sphere
    axis = (arms * bulge[:, None]).sum(0)
    return centre, np.asarray(axis / np.linalg.norm(axis))


def sphere_centre(shell: Array) -> Array:
    """The centre of an eyeball's outer shell [n, 3]; its cornea, which bulges, is left out."""
    back = shell[:, 2] < np.quantile(shell[:, 2], 0.6)
    system = np.column_stack((2 * shell[back], np.ones(back.sum())))
    solution, *_ = np.linalg.lstsq(system, (shell[back] ** 2).sum(1), rcond=None)
    return np.asarray(solution[:3])


def away_from_axis(shell: Array) -> Array:
    """Distance [n] of an eyeball's vertices from the axis in which it looks; infinite behind its centre."""
    centre, axis = eye_axis(shell)
    along = (shell - centre) @ axis
    away = np.linalg.norm(shell - centre - along[:, None] * axis, axis=1)
    return np.where(along > 0, away, np.inf)


def spot_along_axis(seen: Array, triangles: Array, place: Array) -> Spot:
    """Where a line along z through `place` [2] meets the foremost triangle; `seen` [V, 3] has z along the axis."""
    a, b, c = (seen[triangles[:, corner]] for corner in range(3))
    ab, ac, ap = (b - a)[:, :2], (c - a)[:, :2], place - a[:, :2]
    area = ab[:, 0] * ac[:, 1] - ab[:, 1] * ac[:, 0]
    area = np.where(abs(area) < 1e-14, np.inf, area)
    v = (ap[:, 0] * ac[:, 1] - ap[:, 1] * ac[:, 0]) / area
    w = (ab[:, 0] * ap[:, 1] - ab[:, 1] * ap[:, 0]) / area
    weights = np.stack((1 - v - w, v, w), 1)
    depth = (weights * np.stack((a[:, 2], b[:, 2], c[:, 2]), 1)).sum(1)
    met = (weights.min(1) >= -1e-9) & np.isfinite(area)
    foremost = int(np.argmax(np.where(met, depth, -np.inf)))
    x, y, z = (int(vertex) for vertex in triangles[foremost])
    p, q, r = (float(weight) for weight in weights[foremost])
    return (x, y, z), (p, q, r)
