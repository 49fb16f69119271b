"""One head's landmarks, residuals and weighted Jacobian in one pass, compiled for the CPU.

The twin of `models.landmark_rows.view_landmarks` followed by `tracker.residuals._landmark_term`, for a single head with
a straight neck. torch's operators cost more here than the arithmetic: a fit that runs in every frame pays for each of
them. `tests/tracker/test_solver_kernel.py` holds it to the torch code.
"""

from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from models.landmark_rows import LandmarkRows

Floats = NDArray[np.float32]
_compiled: Any = numba.njit(cache=True, fastmath=True, error_model="numpy")


@dataclass(frozen=True)
class KernelRows:
    """`LandmarkRows` as arrays, with the places that the kernel writes to: one a session, never shared by threads."""

    landmark: NDArray[np.int32]  # [P]
    joint: NDArray[np.int32]  # [P]
    base: Floats  # [P, 3]
    basis: Floats  # [P, 3, K]
    pose_columns: NDArray[np.int32]
    expressions: int  # and identity's modes, where it is open: to the kernel they are alike
    landmarks: int
    jacobian: Floats  # [2 L + 2 G, C] weighted, in standard deviations a unit; the last rows are for the caller
    residual: Floats  # [2 L + 2 G] weighted
    roots: Floats  # [L] the weights in them: share and trust
    points_px: Floats  # [L, 2]
    camera_m: Floats  # [L, 3]

    @staticmethod
    def of(rows: LandmarkRows, gaps: int = 0) -> "KernelRows":
        """With room for `gaps` more residuals of two numbers each."""
        columns = rows.columns
        if columns.neck.start != columns.neck.stop or rows.base.dim() != 2:
            raise ValueError("the kernel takes one head with a straight neck")
        count = rows.landmark_count
        return KernelRows(
            landmark=rows.landmark.cpu().numpy().astype(np.int32),
            joint=rows.joint.cpu().numpy().astype(np.int32),
            base=rows.base.cpu().numpy().astype(np.float32),
            basis=rows.basis.cpu().numpy().astype(np.float32),
            pose_columns=rows.pose_columns.cpu().numpy().astype(np.int32),
            expressions=int(columns.identity.stop),
            landmarks=count,
            jacobian=np.zeros((2 * (count + gaps), columns.count), np.float32),
            residual=np.zeros(2 * (count + gaps), np.float32),
            roots=np.zeros(count, np.float32),
            points_px=np.zeros((count, 2), np.float32),
            camera_m=np.zeros((count, 3), np.float32),
        )


@dataclass(frozen=True)
class KernelSeen:
    """What one picture showed, and how it is weighed."""

    points_px: Floats  # [L, 2]
    share: Floats  # [L] each point's weight
    centre_px: Floats  # [2]
    unit_px: np.float32  # a standard deviation
    robust: np.float32  # the squared distance in standard deviations where trust is halved


def evaluate_landmarks(rows: KernelRows, state: Floats, seen: KernelSeen) -> float:
    """The energy of the landmarks at the state, filling `residual`, `roots`, `points_px` and `camera_m`."""
    return float(_evaluate(*_arguments(rows, state, seen))[0])


def linearise_landmarks(rows: KernelRows, state: Floats, seen: KernelSeen) -> float:
    """As `evaluate_landmarks`, and the Jacobian too."""
    return float(_linearise(*_arguments(rows, state, seen), rows.jacobian))


def _arguments(rows: KernelRows, state: Floats, seen: KernelSeen) -> tuple[Any, ...]:
    return (
        rows.landmark, rows.joint, rows.base, rows.basis, rows.pose_columns, rows.expressions, state,
        seen.points_px, seen.share, seen.unit_px, seen.robust, seen.centre_px,
        rows.residual, rows.roots, rows.points_px, rows.camera_m,
    )  # fmt: skip


@_compiled
def _linearise(
    landmark: Any, joint: Any, base: Any, basis: Any, pose_columns: Any, expressions: int, state: Any,
    observed_px: Any, share: Any, unit_px: Any, robust: Any, centre_px: Any,
    residual: Any, roots: Any, points_px: Any, camera_m: Any, jacobian: Any,
) -> float:  # fmt: skip
    energy, arms, in_camera, pivots, feature_motion, focal_px = _evaluate(
        landmark, joint, base, basis, pose_columns, expressions, state,
        observed_px, share, unit_px, robust, centre_px, residual, roots, points_px, camera_m,
    )  # fmt: skip
    landmarks, joints_end = len(camera_m), expressions + 9
    lens = np.empty((landmarks, 2, 3), np.float32)
    pose_motion = np.zeros((2 * landmarks, len(pose_columns)), np.float32)
    translation = state[joints_end + 9 : joints_end + 12]
    _fill_camera(camera_m, translation, focal_px, roots, unit_px, joints_end, lens, jacobian)
    _fill_shapes(landmark, joint, basis, in_camera, lens, expressions, jacobian, pose_motion)
    _fill_correctives(pose_columns, pose_motion, feature_motion, jacobian[: 2 * landmarks, expressions:joints_end])
    _fill_swings(landmark, joint, arms, lens, pivots, expressions, jacobian)
    return float(energy)


@_compiled
def _evaluate(
    landmark: Any, joint: Any, base: Any, basis: Any, pose_columns: Any, expressions: int, state: Any,
    observed_px: Any, share: Any, unit_px: Any, robust: Any, centre_px: Any,
    residual: Any, roots: Any, points_px: Any, camera_m: Any,
) -> Any:  # fmt: skip
    joints_end = expressions + 9
    camera = np.empty((3, 3), np.float32)
    for entry in range(9):
        camera[entry // 3, entry % 3] = state[joints_end + entry]
    focal_px = np.exp(state[joints_end + 12])
    turns, pivots, feature_motion = _joints(state[expressions:joints_end], camera)
    x = np.empty(basis.shape[2], np.float32)
    for k in range(expressions):
        x[k] = state[k]
    for k in range(len(pose_columns)):
        entry = pose_columns[k] - 9  # the neck's nine are zero
        within = entry % 9
        x[expressions + k] = 0 if entry < 0 else turns[entry // 9, within // 3, within % 3] - (within % 4 == 0)
    in_camera = np.empty((4, 3, 3), np.float32)
    for r in range(3):
        for c in range(3):
            in_camera[0, r, c] = camera[r, c]
            for limb in range(3):
                turn = turns[limb, :, c]
                in_camera[limb + 1, r, c] = camera[r, 0] * turn[0] + camera[r, 1] * turn[1] + camera[r, 2] * turn[2]
    translation = state[joints_end + 9 : joints_end + 12]
    arms = _place(landmark, joint, base, basis, x, in_camera, translation, camera_m)
    energy = _measure(
        camera_m, focal_px, centre_px, observed_px, share, unit_px, robust, residual, roots, points_px
    )  # fmt: skip
    return energy, arms, in_camera, pivots, feature_motion, focal_px


@_compiled
def _joints(angles: Any, camera: Any) -> Any:
    """Rotations of jaw, left and right eye, the axes in the camera about which they turn further, and their slopes.

    Written out number by number: compiling small matrix products would take longer than all the rest.
    """
    turns = np.empty((3, 3, 3), np.float32)
    pivots = np.empty((3, 3, 3), np.float32)  # [limb, axis, xyz]
    feature_motion = np.empty((3, 3, 3, 3), np.float32)  # [limb, axis, row, column] of the rotation
    axes = np.empty((3, 3))
    for limb in range(3):
        v = angles[3 * limb : 3 * limb + 3].astype(np.float64)
        squared = v[0] * v[0] + v[1] * v[1] + v[2] * v[2]
        if squared < 1e-8:
            sine, cosine, sine3 = 1 - squared / 6, 0.5 - squared / 24, 1 / 6 - squared / 120
        else:
            angle = np.sqrt(squared)
            sine, cosine = np.sin(angle) / angle, (1 - np.cos(angle)) / squared
            sine3 = (angle - np.sin(angle)) / (squared * angle)
        for r in range(3):
            for c in range(3):
                # The matrices of v x and of v x v x.
                cross = 0.0 if r == c else (v[3 - r - c] if (c - r) % 3 == 2 else -v[3 - r - c])
                twice = v[r] * v[c] - (squared if r == c else 0.0)
                turns[limb, r, c] = (r == c) + sine * cross + cosine * twice
                axes[r, c] = (r == c) + cosine * cross + sine3 * twice
        for c in range(3):
            a, b, d = axes[0, c], axes[1, c], axes[2, c]
            for r in range(3):
                pivots[limb, c, r] = camera[r, 0] * a + camera[r, 1] * b + camera[r, 2] * d
                x, y, z = turns[limb, 0, r], turns[limb, 1, r], turns[limb, 2, r]
                feature_motion[limb, c, 0, r] = b * z - d * y
                feature_motion[limb, c, 1, r] = d * x - a * z
                feature_motion[limb, c, 2, r] = a * y - b * x
    return turns, pivots, feature_motion


@_compiled
def _place(
    landmark: Any, joint: Any, base: Any, basis: Any, x: Any, in_camera: Any, translation: Any, camera_m: Any
) -> Any:
    """Where the landmarks are, into `camera_m`; returns what each row adds to its landmark [P, 3]."""
    arms = np.empty_like(base)
    for p in range(len(camera_m)):
        for r in range(3):
            camera_m[p, r] = translation[r]
    local = np.empty(3, np.float32)
    for p in range(len(landmark)):
        for c in range(3):
            total = base[p, c]
            for k in range(basis.shape[2]):
                total += basis[p, c, k] * x[k]
            local[c] = total
        q = in_camera[max(joint[p] - 1, 0)]
        for r in range(3):
            arms[p, r] = q[r, 0] * local[0] + q[r, 1] * local[1] + q[r, 2] * local[2]
            camera_m[landmark[p], r] += arms[p, r]
    return arms


@_compiled
def _measure(
    camera_m: Any, focal_px: Any, centre_px: Any, observed_px: Any, share: Any, unit_px: Any, robust: Any,
    residual: Any, roots: Any, points_px: Any,
) -> float:  # fmt: skip
    """Project and weigh."""
    energy = 0.0
    for p in range(len(camera_m)):
        depth = camera_m[p, 2]
        points_px[p, 0] = focal_px * camera_m[p, 0] / depth + centre_px[0]
        points_px[p, 1] = focal_px * camera_m[p, 1] / depth + centre_px[1]
        off_x = (points_px[p, 0] - observed_px[p, 0]) / unit_px
        off_y = (points_px[p, 1] - observed_px[p, 1]) / unit_px
        squared = off_x * off_x + off_y * off_y
        trust = robust / (robust + squared)
        energy += share[p] * squared * trust
        root = np.sqrt(share[p]) * trust
        roots[p] = root
        residual[2 * p], residual[2 * p + 1] = off_x * root, off_y * root
    return energy


@_compiled
def _fill_camera(
    camera_m: Any, translation: Any, focal_px: Any, roots: Any, unit_px: Any, joints_end: int, lens: Any, jacobian: Any
) -> None:
    """Each landmark's lens, and the columns of the camera: rotation, translation, logarithm of the focal length."""
    for p in range(len(camera_m)):
        depth = camera_m[p, 2]
        slope_x, slope_y = camera_m[p, 0] / depth, camera_m[p, 1] / depth
        per_radian = roots[p] * focal_px / unit_px
        scale = per_radian / depth
        lens[p, 0, 0], lens[p, 0, 1], lens[p, 0, 2] = scale, 0.0, -scale * slope_x
        lens[p, 1, 0], lens[p, 1, 1], lens[p, 1, 2] = 0.0, scale, -scale * slope_y
        # From the head's origin, about which the head turns.
        x, y, z = camera_m[p, 0] - translation[0], camera_m[p, 1] - translation[1], depth - translation[2]
        for r in range(2):
            row, a, b, d = jacobian[2 * p + r], lens[p, r, 0], lens[p, r, 1], lens[p, r, 2]
            row[joints_end] = d * y - b * z
            row[joints_end + 1] = a * z - d * x
            row[joints_end + 2] = b * x - a * y
            row[joints_end + 3], row[joints_end + 4], row[joints_end + 5] = a, b, d
        jacobian[2 * p, joints_end + 6] = per_radian * slope_x
        jacobian[2 * p + 1, joints_end + 6] = per_radian * slope_y


@_compiled
def _fill_shapes(
    landmark: Any, joint: Any, basis: Any, in_camera: Any, lens: Any, expressions: int, jacobian: Any, pose_motion: Any
) -> None:
    landmarks = len(lens)
    for p in range(len(landmark)):
        q = in_camera[max(joint[p] - 1, 0)]
        at = landmark[p]
        for r in range(2):
            a = lens[at, r, 0] * q[0, 0] + lens[at, r, 1] * q[1, 0] + lens[at, r, 2] * q[2, 0]
            b = lens[at, r, 0] * q[0, 1] + lens[at, r, 1] * q[1, 1] + lens[at, r, 2] * q[2, 1]
            d = lens[at, r, 0] * q[0, 2] + lens[at, r, 1] * q[1, 2] + lens[at, r, 2] * q[2, 2]
            row, pose_row = jacobian[2 * at + r], pose_motion[2 * at + r]
            bx, by, bz = basis[p, 0], basis[p, 1], basis[p, 2]
            if p < landmarks:
                for k in range(expressions):
                    row[k] = a * bx[k] + b * by[k] + d * bz[k]
            else:
                for k in range(expressions):
                    row[k] += a * bx[k] + b * by[k] + d * bz[k]
            for k in range(len(pose_row)):
                pose_row[k] += a * bx[expressions + k] + b * by[expressions + k] + d * bz[expressions + k]


@_compiled
def _fill_correctives(pose_columns: Any, pose_motion: Any, feature_motion: Any, jacobian: Any) -> None:
    chain = np.zeros((len(pose_columns), 9), np.float32)
    for k in range(len(pose_columns)):
        entry = pose_columns[k] - 9
        if entry >= 0:
            limb, within = entry // 9, entry % 9
            for c in range(3):
                chain[k, 3 * limb + c] = feature_motion[limb, c, within // 3, within % 3]
    for row in range(len(jacobian)):
        for c in range(9):
            jacobian[row, c] = 0
        for k in range(len(chain)):
            for c in range(9):
                jacobian[row, c] += pose_motion[row, k] * chain[k, c]


@_compiled
def _fill_swings(landmark: Any, joint: Any, arms: Any, lens: Any, pivots: Any, expressions: int, jacobian: Any) -> None:
    for p in range(len(lens), len(landmark)):
        limb, at = joint[p] - 2, landmark[p]
        for c in range(3):
            u, v, w = pivots[limb, c, 0], pivots[limb, c, 1], pivots[limb, c, 2]
            x = v * arms[p, 2] - w * arms[p, 1]
            y = w * arms[p, 0] - u * arms[p, 2]
            z = u * arms[p, 1] - v * arms[p, 0]
            for r in range(2):
                jacobian[2 * at + r, expressions + 3 * limb + c] += (
                    lens[at, r, 0] * x + lens[at, r, 1] * y + lens[at, r, 2] * z
                )
