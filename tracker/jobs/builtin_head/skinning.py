"""Joints, and how the skin follows them: root, neck, jaw, left eye, right eye. Millimetres."""

import numpy as np
from scipy import sparse
from scipy.optimize import nnls
from scipy.sparse.linalg import splu

from models.types import JAW, LEFT_EYE, NECK, RIGHT_EYE, ROOT
from tracker.jobs.builtin_head.eyes import Eyeball
from tracker.jobs.builtin_head.fairing import laplacian
from tracker.jobs.builtin_head.meshes import Points, smoothstep
from tracker.jobs.builtin_head.topology import Ids

JOINTS = 5
# Where the jaw turns about, y and z. The condyle, just before the ear canal at y = 3, slides forward as the mouth opens
# wide: the motion as a whole is a rotation about a point below it, in the middle of the jaw's ascending branch.
JAW_JOINT = (-20.0, -29.0)
NECK_JOINT = (-28.0, -72.0)  # y and z, near the base of the skull


def spread(triangles: Ids, points: Points, known: dict[int, float], smoothness: float) -> Points:
    """Values over a mesh that equal `known` where it says, and vary smoothly elsewhere: [V], clipped to 0..1.

    Membrane and thin-plate energy mixed: the membrane keeps values between the known ones, the plate rounds the kinks.
    """
    count = len(points)
    matrix = laplacian(triangles, count, points)
    membrane = 0.5 * (1 - smoothness) * sparse.csc_array(matrix + matrix.T)
    energy = sparse.csc_array(membrane + 8 * smoothness * sparse.csc_array(matrix.T @ matrix))
    held = np.array(sorted(known), np.int64)
    values = np.zeros(count)
    values[held] = [known[int(i)] for i in held]
    free = np.setdiff1d(np.unique(triangles), held)
    values[free] = splu(sparse.csc_array(energy[free][:, free])).solve(-energy[free][:, held] @ values[held])
    return np.asarray(values.clip(0, 1))


def skin_weights(points: Points, jaw: Points, eyes: tuple[Eyeball, Eyeball]) -> Points:
    """[V, 5], rows summing to 1, from the jaw's share [V] and the two eyeballs (left, right)."""
    weights = np.zeros((len(points), JOINTS))
    # The neck bends between the base of the skull and the shoulders, along a slant: the throat reaches lower.
    skull = smoothstep(-142.0, -60.0, points[:, 1] + 0.22 * (points[:, 2] - NECK_JOINT[1]))
    skull = np.maximum(skull, smoothstep(0.0, 0.6, jaw))  # however low the chin hangs, it is part of the head
    weights[:, NECK] = skull * (1 - jaw)
    weights[:, JAW] = jaw * skull
    weights[:, ROOT] = np.clip(1 - weights[:, NECK] - weights[:, JAW], 0, 1)
    for eye, joint in zip(eyes, (LEFT_EYE, RIGHT_EYE), strict=True):
        weights[eye.all] = np.eye(JOINTS)[joint]
    return weights


def joint_regressor(
    points: Points, jaw: Points, neck_ring: Ids, eyes: tuple[Eyeball, Eyeball], centres: tuple[Points, Points]
) -> Points:
    """[5, V]: each joint as a mean of vertices that keep still when the face moves."""
    height, depth = points[:, 1], points[:, 2]
    by_ears = (np.hypot(height + 10, depth + 38) < 24) & (np.abs(points[:, 0]) > 60) & (jaw < 0.3)
    nape = (np.abs(height - NECK_JOINT[0]) < 14) & (depth < -60)
    carriers = {
        ROOT: (neck_ring, points[neck_ring].mean(0)),
        NECK: (np.flatnonzero(nape), np.array([0.0, *NECK_JOINT])),
        JAW: (np.flatnonzero(by_ears), np.array([0.0, *JAW_JOINT])),
        LEFT_EYE: (eyes[0].equator, centres[0]),
        RIGHT_EYE: (eyes[1].equator, centres[1]),
    }
    regressor = np.zeros((JOINTS, len(points)))
    for joint, (ids, target) in carriers.items():
        regressor[joint, ids] = convex_weights(points[ids], target)
    return regressor


def convex_weights(points: Points, target: Points) -> Points:
    """Evenly spread weights, none negative, summing to 1, whose mean of the points [n, 3] is the target [3]."""
    count = len(points)
    system = np.concatenate([points.T, np.full((1, count), 100.0), 1e-3 * np.eye(count)])
    weights, _ = nnls(system, np.concatenate([target, [100.0], np.full(count, 1e-3 / count)]))
    weights /= weights.sum()
    miss = np.linalg.norm(weights @ points - target)
    if miss > 0.05:
        raise ValueError(f"the joint at {target} mm lies {miss:.2f} mm outside the vertices that should carry it")
    return np.asarray(weights)
