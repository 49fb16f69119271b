"""Names for sets of vertices."""

import numpy as np

from tracker.jobs.builtin_head.eyes import Eyeball
from tracker.jobs.builtin_head.face import FacePatch
from tracker.jobs.builtin_head.meshes import Points
from tracker.jobs.builtin_head.topology import (
    BROW_LEFT,
    EYE_LEFT,
    LIP_MIDDLE_RINGS,
    LIPS_INNER,
    LIPS_OUTER,
    Ids,
    mirrored,
)

# Landmarks of the lids around the left eye's opening, corners excluded.
LID_LOWER_LEFT = (249, 390, 373, 374, 380, 381, 382, 255, 339, 254, 253, 252, 256, 341)
LID_UPPER_LEFT = (398, 384, 385, 386, 387, 388, 466, 414, 286, 258, 257, 259, 260, 467)
EYE_CORNERS_LEFT = (EYE_LEFT[0], EYE_LEFT[8])
NOSTRIL_LEFT = (250, 458, 461, 462, 309, 392, 290, 305, 328, 326)
LIP_RINGS = (LIPS_OUTER, *LIP_MIDDLE_RINGS, LIPS_INNER)
UPPER_LIP = tuple(i for ring in LIP_RINGS for i in ring[:11])
LOWER_LIP = tuple(i for ring in LIP_RINGS for i in (*ring[10:], ring[0]))
LIP_CORNERS = tuple(ring[k] for ring in LIP_RINGS for k in (0, 10))


def face_regions(
    points: Points, triangles: Ids, parts: tuple[str, ...], patch: FacePatch, hood: Ids, eyes: tuple[Eyeball, Eyeball]
) -> dict[str, Ids]:
    """Every region that follows from the landmarks, from the hood's grid [ROWS + 1, 72] or from the eyeballs."""
    below_oval = hood[1:][hood[1:] >= 0]
    height, depth = points[below_oval, 1], points[below_oval, 2]
    regions = {
        "face": np.arange(len(patch.points)),
        "lips_upper": between(patch, UPPER_LIP),
        "lips_lower": between(patch, LOWER_LIP),
        "lip_corners": between(patch, LIP_CORNERS),
        "lip_margin": patch.lips,
        "scalp": below_oval[height > 0],
        "neck": below_oval[(height < -60) & (depth < 20)],
        "neck_ring": hood[-1],
        "sclera": np.concatenate([eyes[0].sclera, eyes[1].sclera]),
        "lid_margin_left": patch.eye_left,
        "lid_margin_right": patch.eye_right,
    }
    part = np.array(parts)
    covered = np.unique(triangles[part == "face"])
    for side, ball, pick in (("left", eyes[0], tuple[int, ...]), ("right", eyes[1], mirrored)):
        regions[f"lid_upper_{side}"] = between(patch, pick(LID_UPPER_LEFT + EYE_CORNERS_LEFT))
        regions[f"lid_lower_{side}"] = between(patch, pick(LID_LOWER_LEFT + EYE_CORNERS_LEFT))
        regions[f"brow_{side}"] = between(patch, pick(BROW_LEFT))
        passage = np.setdiff1d(triangles[part == f"nostril_{side}"], covered)
        regions[f"nostril_{side}"] = np.union1d(between(patch, pick(NOSTRIL_LEFT)), passage)
        regions[f"nostril_passage_{side}"] = passage
        regions[f"nostril_rim_{side}"] = np.intersect1d(triangles[part == f"nostril_{side}"], covered)
        regions[f"eyeball_{side}"], regions[f"iris_{side}"], regions[f"pupil_{side}"] = ball.all, ball.iris, ball.pupil
    return regions


def between(patch: FacePatch, landmarks: tuple[int, ...]) -> Ids:
    """The landmarks and the vertices born between two of them."""
    return np.flatnonzero(np.isin(patch.parents, landmarks).all(1))
