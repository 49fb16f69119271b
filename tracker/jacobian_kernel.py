"""The Jacobian that `solver_kernel`'s gradient does without: once a frame, for the normal equations."""

from typing import Any

import numpy as np

from models.compiled import quick
from tracker.solver_kernel import Floats, KernelRows, KernelSeen, carry, gap_of, shapes_of


@quick
def linearise(rows: KernelRows, seen: KernelSeen, state: Floats) -> float:
    """As `slope`, and the Jacobian too. Returns the energy."""
    energy, posed, arms = carry(rows, seen, state)
    lens = _fill_camera(rows, seen, posed)
    _fill_shapes(rows, posed, lens)
    _fill_swings(rows, posed, arms, lens)
    _fill_gaps(rows, seen)
    return float(energy)


@quick
def linearise_camera(rows: KernelRows, seen: KernelSeen, state: Floats, hessian: Floats) -> None:
    """The gradient, and the hessian [6, 6] of the camera's rotation and translation alone: a fifth of the work."""
    _, posed, _ = carry(rows, seen, state)
    _fill_camera(rows, seen, posed)
    _fill_gaps(rows, seen)
    camera = shapes_of(rows) + 9
    for r in range(6):
        for c in range(6):
            hessian[r, c] = 0
    for p in range(len(rows.jacobian)):
        row = rows.jacobian[p, camera : camera + 6]
        for r in range(6):
            for c in range(6):
                hessian[r, c] += row[r] * row[c]


@quick
def _fill_camera(rows: KernelRows, seen: KernelSeen, posed: Any) -> Any:
    """The columns of the camera: rotation, translation, logarithm of the focal length. Returns each landmark's lens."""
    camera, lens = shapes_of(rows) + 9, np.empty((len(rows.roots), 2, 3), np.float32)
    for p in range(len(lens)):
        depth = rows.camera_m[p, 2]
        slope_x, slope_y = rows.camera_m[p, 0] / depth, rows.camera_m[p, 1] / depth
        per_radian = rows.roots[p] * posed.focal_px / seen.unit_px
        scale = per_radian / depth
        lens[p, 0, 0], lens[p, 0, 1], lens[p, 0, 2] = scale, 0.0, -scale * slope_x
        lens[p, 1, 0], lens[p, 1, 1], lens[p, 1, 2] = 0.0, scale, -scale * slope_y
        x = rows.camera_m[p, 0] - posed.translation[0]
        y = rows.camera_m[p, 1] - posed.translation[1]
        z = depth - posed.translation[2]
        for r in range(2):
            row, a, b, d = rows.jacobian[2 * p + r], lens[p, r, 0], lens[p, r, 1], lens[p, r, 2]
            row[camera] = d * y - b * z
            row[camera + 1] = a * z - d * x
            row[camera + 2] = b * x - a * y
            row[camera + 3], row[camera + 4], row[camera + 5] = a, b, d
        if rows.jacobian.shape[1] > camera + 6:
            rows.jacobian[2 * p, camera + 6] = per_radian * slope_x
            rows.jacobian[2 * p + 1, camera + 6] = per_radian * slope_y
    return lens


@quick
def _fill_shapes(rows: KernelRows, posed: Any, lens: Any) -> None:
    """The columns of the shapes, and what the pose feature does in those of jaw and eyes."""
    shapes, landmarks, jacobian = shapes_of(rows), len(lens), rows.jacobian
    pose_motion = np.zeros((2 * landmarks, len(rows.pose_columns)), np.float32)
    for p in range(len(rows.landmark)):
        q, at = posed.in_camera[max(rows.joint[p] - 1, 0)], rows.landmark[p]
        bx, by, bz = rows.basis[p, 0], rows.basis[p, 1], rows.basis[p, 2]
        for r in range(2):
            a = lens[at, r, 0] * q[0, 0] + lens[at, r, 1] * q[1, 0] + lens[at, r, 2] * q[2, 0]
            b = lens[at, r, 0] * q[0, 1] + lens[at, r, 1] * q[1, 1] + lens[at, r, 2] * q[2, 1]
            d = lens[at, r, 0] * q[0, 2] + lens[at, r, 1] * q[1, 2] + lens[at, r, 2] * q[2, 2]
            row, pose_row = jacobian[2 * at + r], pose_motion[2 * at + r]
            if p < landmarks:
                for k in range(shapes):
                    row[k] = a * bx[k] + b * by[k] + d * bz[k]
            else:
                for k in range(shapes):
                    row[k] += a * bx[k] + b * by[k] + d * bz[k]
            for k in range(len(pose_row)):
                pose_row[k] += a * bx[shapes + k] + b * by[shapes + k] + d * bz[shapes + k]
    for row in range(2 * landmarks):
        for c in range(9):
            jacobian[row, shapes + c] = 0
    for k in range(len(rows.pose_columns)):
        entry = rows.pose_columns[k] - 9
        if entry >= 0:
            limb, within = entry // 9, entry % 9
            at, motion = shapes + 3 * limb, posed.feature_motion[limb, :, within // 3, within % 3]
            for row in range(2 * landmarks):
                for c in range(3):
                    jacobian[row, at + c] += pose_motion[row, k] * motion[c]


@quick
def _fill_swings(rows: KernelRows, posed: Any, arms: Any, lens: Any) -> None:
    """What turning jaw and eyes does to the landmarks that they carry."""
    shapes = shapes_of(rows)
    for p in range(len(lens), len(rows.landmark)):
        limb, at = rows.joint[p] - 2, rows.landmark[p]
        for c in range(3):
            u, v, w = posed.pivots[limb, c, 0], posed.pivots[limb, c, 1], posed.pivots[limb, c, 2]
            x = v * arms[p, 2] - w * arms[p, 1]
            y = w * arms[p, 0] - u * arms[p, 2]
            z = u * arms[p, 1] - v * arms[p, 0]
            for r in range(2):
                rows.jacobian[2 * at + r, shapes + 3 * limb + c] += (
                    lens[at, r, 0] * x + lens[at, r, 1] * y + lens[at, r, 2] * z
                )


@quick
def _fill_gaps(rows: KernelRows, seen: KernelSeen) -> None:
    landmarks, jacobian = len(rows.roots), rows.jacobian
    for g in range(rows.pairs.shape[1]):
        upper, lower, up, down = gap_of(rows, seen, g)
        for r in range(2):
            row, above, below = jacobian[2 * (landmarks + g) + r], jacobian[2 * upper + r], jacobian[2 * lower + r]
            for k in range(len(row)):
                row[k] = up * above[k] - down * below[k]
