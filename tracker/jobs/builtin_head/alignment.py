"""Detected landmarks into one head frame: x to the subject's left, y up, z out of the face.

MediaPipe's depths fit a weak perspective: x, y and depth share one scale, and checked against 2D motion alone in
clips that turn, the depth needs no factor of its own. What is left of true perspective (a nose is nearer and
so drawn larger than ears) is undone for a usual distance; the pictures do not tell their own.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

RIGHT_EYE_OUTER, LEFT_EYE_OUTER = 33, 263
FOREHEAD, CHIN = 10, 152
RIGHT_SIDE, LEFT_SIDE = 234, 454  # where the outline passes before the ears
IRIS = slice(468, 478)
OUTLINE = (
    *(10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377),
    *(152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109),
)

CAMERA_DISTANCE_M = 1.5  # of usual pictures, cropped portraits among them; people's breadth at the ears comes out right
NOMINAL_EYES_M = 0.087  # between the outer eye corners, while the true scale is not known yet
EAR_CANAL_FROM_SIDE_M = (0.0, -0.005, -0.018)  # from the middle between landmarks 234 and 454 to that of the ears
OUTLINE_WEIGHT = 0.1  # the outline slides over the skin as the head turns
EVERY = 5  # frames, when a few suffice
REST_STD_M = 0.0015  # a point is never believed to be steadier than this
ROBUST_M = 0.004  # residuals beyond it lose their say


@dataclass(frozen=True)
class Aligned:
    """Frames in the head frame, pose and size removed."""

    points: Floats  # [T, L, 3]
    yaw_pitch: Floats  # [T, 2] radians the face is turned to the picture's right and up


def camera_aligned(points: NDArray[np.float32]) -> Floats:
    """Pixels [T, L, 3] to metres of nominal size, x right, y up, z to the camera; centred, perspective undone."""
    p = points.astype(np.float64) * (1.0, -1.0, -1.0)
    eyes = p[:, [RIGHT_EYE_OUTER, LEFT_EYE_OUTER]]
    p = (p - eyes.mean(1, keepdims=True)) * (
        NOMINAL_EYES_M / np.linalg.norm(eyes[:, 0] - eyes[:, 1], axis=-1)[:, None, None]
    )
    p[..., :2] *= 1.0 - p[..., 2:] / CAMERA_DISTANCE_M
    return np.asarray(p)


def align(points: Floats, mean: Floats, weights: Floats, rounds: int = 3) -> Aligned:
    """Robust similarity of each frame [T, L, 3] to the mean [L, 3]; weights [L]."""
    w = np.broadcast_to(weights, points.shape[:2])
    for _ in range(rounds):
        moved, turn = _similarity(points, mean, w / w.sum(1, keepdims=True))
        w = weights / (1.0 + ((moved - mean) ** 2).sum(-1) / ROBUST_M**2)
    forward = turn[:, :, 2]  # the head's z in camera axes
    return Aligned(moved, np.stack([np.arctan2(forward[:, 0], forward[:, 2]), np.arcsin(forward[:, 1])], 1))


def _similarity(points: Floats, mean: Floats, w: Floats) -> tuple[Floats, Floats]:
    """Weighted Procrustes (Umeyama 1991, eq. 34-42): moved points [T, L, 3] and rotations [T, 3, 3], p @ R ~ mean."""
    centre = np.einsum("tl,tli->ti", w, points)[:, None]
    mean_centre = (w @ mean)[:, None]
    p, m = points - centre, mean - mean_centre
    u, s, vt = np.linalg.svd(np.einsum("tl,tli,tlj->tij", w, p, m))
    sign = np.ones_like(s)
    sign[:, 2] = np.sign(np.linalg.det(u @ vt))
    turn = (u * sign[:, None]) @ vt
    scale = (s * sign).sum(1) / np.einsum("tl,tli->t", w, p**2)
    return scale[:, None, None] * p @ turn + mean_centre, turn


def common_frame(groups: list[Floats], rounds: int = 6) -> tuple[Floats, Floats]:
    """Generalised Procrustes over groups [T, L, 3], one a person: their mean face and each landmark's weight.

    A landmark that moves little within a person weighs much, so that expressions move what they move and leave the
    skull alone.
    """
    mean = np.median(groups[0], axis=0)
    weights = np.ones(mean.shape[0])
    weights[IRIS] = 0.0
    weights[list(OUTLINE)] = OUTLINE_WEIGHT
    for _ in range(rounds):
        moved = [align(group[::EVERY], mean, weights).points for group in groups]
        middles = [np.median(group, axis=0) for group in moved]
        mean = upright(np.mean(middles, axis=0))
        spread = [((g - m) ** 2).sum(-1).mean(0) for g, m in zip(moved, middles, strict=True) if len(g) > 1]
        weights = _steadiness(np.mean(spread, axis=0))
    return mean, weights


def _steadiness(variance: Floats) -> Floats:
    """Weights [L], the largest 1, from variances within persons."""
    weights = 1.0 / (REST_STD_M**2 + variance)
    weights[IRIS] = 0.0
    weights[list(OUTLINE)] *= OUTLINE_WEIGHT
    return np.asarray(weights / weights.max())


def upright(face: Floats) -> Floats:
    """Turned so that the eyes are level, the face looks along z, and forehead and chin are equally far out."""
    x = face[LEFT_SIDE] - face[RIGHT_SIDE]
    y = face[FOREHEAD] - face[CHIN]
    x = x / np.linalg.norm(x)
    y = y - (y @ x) * x
    y = y / np.linalg.norm(y)
    turned = face @ np.stack([x, y, np.cross(x, y)], axis=1)
    return np.asarray(turned - _origin(turned))


def _origin(face: Floats) -> Floats:
    """Between the ear canals."""
    return np.asarray(face[[RIGHT_SIDE, LEFT_SIDE]].mean(0) + np.array(EAR_CANAL_FROM_SIDE_M))


def rigid_directions(face: Floats) -> Floats:
    """[3 L, 7]: what the six small rigid motions and growing do to the landmarks."""
    moves = [np.broadcast_to(axis, face.shape) for axis in np.eye(3)]
    turns = [np.cross(axis, face) for axis in np.eye(3)]
    return np.stack([m.reshape(-1) for m in (*moves, *turns, face)], axis=1)


def without_rigid(displacements: Floats, face: Floats, weights: Floats) -> Floats:
    """Displacements [N, 3 L] made orthogonal, under weights [L], to the seven directions at `face`."""
    g = rigid_directions(face)
    weighted = g * np.repeat(weights, 3)[:, None]
    return np.asarray(displacements - (displacements @ weighted) @ np.linalg.solve(weighted.T @ g, g.T))
