"""How far each vertex goes with the lower jaw, 0 to 1: certain on bone and lips, spread smoothly over the rest. mm."""

import numpy as np

from tracker.jobs.builtin_head.face import FacePatch
from tracker.jobs.builtin_head.meshes import Points
from tracker.jobs.builtin_head.mouth import pocket_shares
from tracker.jobs.builtin_head.regions import LIP_RINGS, LOWER_LIP, UPPER_LIP, between
from tracker.jobs.builtin_head.skinning import spread
from tracker.jobs.builtin_head.topology import Ids, mirrored

# Landmarks over the chin's bone.
CHIN = (
    17, 18, 200, 199, 175, 152, 314, 405, 84, 181, 313, 406, 83, 182, 421, 418, 201, 194, 428, 208, 396, 171, 369, 140,
    377, 148,
)  # fmt: skip
# Along the oval's left half, over the mandible: the skin slides more and more towards the jaw's angle.
JAWLINE = {323: 0.06, 361: 0.25, 288: 0.5, 397: 0.72, 365: 0.86, 379: 0.94, 378: 0.98, 400: 1.0, 377: 1.0, 152: 1.0}
SKIN_PARTS = ("face", "hood", "ear_left", "ear_right", "mouth_bag", "socket_left", "socket_right")
SMOOTHNESS = 0.5


def jaw_share(
    points: Points, triangles: Ids, parts: tuple[str, ...], regions: dict[str, Ids], patch: FacePatch, hood: Ids
) -> Points:
    """[V]"""
    part = np.array(parts)
    known = dict.fromkeys(_on_skull(points, triangles, part, patch, hood).tolist(), 0.0)
    known.update(dict.fromkeys(between(patch, CHIN).tolist(), 1.0))
    for side in (tuple(JAWLINE), mirrored(tuple(JAWLINE))):
        known.update(zip(side, JAWLINE.values(), strict=True))
    known.update(_lip_shares(patch))
    known.update(pocket_shares(regions["mouth_bag"]))
    jaw = spread(triangles[np.isin(part, SKIN_PARTS)], points, known, SMOOTHNESS)
    for name, value in (("teeth_upper", 0), ("gums_upper", 0), ("teeth_lower", 1), ("gums_lower", 1), ("tongue", 1)):
        jaw[regions[name]] = value
    return jaw


def _lip_shares(patch: FacePatch) -> dict[int, float]:
    """From the lips' middles to their corners, so that an opening jaw draws a rounded mouth."""
    of_landmark: dict[int, float] = {}
    for ring in LIP_RINGS:
        along = np.abs(patch.points[list(ring), 0]) / patch.points[ring[10], 0]
        bow = 0.5 * (1 - along.clip(0, 1) ** 2.4) ** 0.7
        sign = np.where(np.arange(20) < 10, -1.0, 1.0)  # the upper lip comes first
        of_landmark.update(zip(ring, (0.5 + sign * bow).tolist(), strict=True))
    on_lips = between(patch, UPPER_LIP + LOWER_LIP)
    ends = patch.parents[on_lips].tolist()
    return {int(i): (of_landmark[a] + of_landmark[b]) / 2 for i, (a, b) in zip(on_lips, ends, strict=True)}


def _on_skull(points: Points, triangles: Ids, part: Ids, patch: FacePatch, hood: Ids) -> Ids:
    """The face above the cheeks, the nose, the cranium, the ears, the eye sockets, the lower throat and the nape."""
    face = np.arange(len(patch.points))
    high = face[points[face, 1] > 5]
    nose = face[(np.abs(points[face, 0]) < 20) & (points[face, 1] > -26)]
    back = hood[1:][hood[1:] >= 0]
    back = back[(points[back, 2] < -62) | (points[back, 1] > 5) | (points[back, 1] < -124)]
    other = triangles[np.isin(part, ("ear_left", "ear_right", "socket_left", "socket_right"))]
    return np.asarray(np.unique(np.concatenate([high, nose, back, np.unique(other)])), np.int64)
