"""One head's landmarks, residuals, slope and weighted Jacobian in one pass, compiled for the CPU.

The twin of `models.landmark_rows.view_landmarks` followed by the terms of `tracker.residuals`, for a single head with a
straight neck. torch's operators cost more here than the arithmetic: a fit that runs in every frame pays for each of
them. `tests/tracker/test_solver_kernel.py` holds it to the torch code.

The slope comes without the Jacobian, by carrying each landmark's pull back through the rows: a tenth of the work.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.compiled import quick
from models.landmark_rows import LandmarkRows

Floats = NDArray[np.float32]
Integers = NDArray[np.int32]
_LEAST = np.float32(1e-9)  # of a root, so that a point of no weight divides nothing by zero


class KernelRows(NamedTuple):
    """`LandmarkRows` as arrays, with the places that the kernel writes to: one a session, never shared by threads."""

    landmark: Integers  # [P]
    joint: Integers  # [P]
    base: Floats  # [P, 3]
    basis: Floats  # [P, 3, K]
    pose_columns: Integers
    pairs: Integers  # [2, G] the landmarks of lids and lips whose gaps count
    jacobian: Floats  # [2 L + 2 G, C] weighted, in standard deviations a unit; landmarks, then gaps
    residual: Floats  # [2 L + 2 G] weighted
    roots: Floats  # [L] the weights in them: share and trust
    pull: Floats  # [L, 3] the slope of half the energy in each landmark's place in the camera frame
    gradient: Floats  # [C] jacobian.T @ residual
    points_px: Floats  # [L, 2]
    camera_m: Floats  # [L, 3]

    @staticmethod
    def of(rows: LandmarkRows, pairs: Integers | None = None, lens: bool = False) -> "KernelRows":
        """`lens`: whether the focal length is an unknown, the last one."""
        columns = rows.columns
        if columns.neck.start != columns.neck.stop or rows.base.dim() != 2:
            raise ValueError("the kernel takes one head with a straight neck")
        count, unknowns = rows.landmark_count, columns.focal.start + lens
        gaps = np.zeros((2, 0), np.int32) if pairs is None else pairs
        residuals = 2 * (count + gaps.shape[1])
        return KernelRows(
            landmark=rows.landmark.cpu().numpy().astype(np.int32),
            joint=rows.joint.cpu().numpy().astype(np.int32),
            base=rows.base.cpu().numpy().astype(np.float32),
            basis=rows.basis.cpu().numpy().astype(np.float32),
            pose_columns=rows.pose_columns.cpu().numpy().astype(np.int32),
            pairs=gaps,
            jacobian=np.zeros((residuals, unknowns), np.float32),
            residual=np.zeros(residuals, np.float32),
            roots=np.zeros(count, np.float32),
            pull=np.zeros((count, 3), np.float32),
            gradient=np.zeros(unknowns, np.float32),
            points_px=np.zeros((count, 2), np.float32),
            camera_m=np.zeros((count, 3), np.float32),
        )


@quick
def shapes_of(rows: KernelRows) -> int:
    """How many unknowns stand before the jaw's: expressions and, where it is open, identity."""
    return rows.basis.shape[2] - len(rows.pose_columns)


class KernelSeen(NamedTuple):
    """What one picture showed, and how it is weighed."""

    points_px: Floats  # [L, 2]
    share: Floats  # [L] each point's weight
    centre_px: Floats  # [2]
    unit_px: np.float32  # a standard deviation
    robust: np.float32  # the squared distance in standard deviations where trust is halved
    gap_trust: np.float32 = np.float32(0)  # of a gap between two points of weight one: the root of its weight


class Posed(NamedTuple):
    """A state made ready for the rows."""

    x: Any  # [K] shapes and pose feature
    in_camera: Any  # [4, 3, 3] rotations of root, jaw, left and right eye in the camera
    pivots: Any  # [3 limbs, 3 axes, 3] about which they turn further, in the camera
    feature_motion: Any  # [3 limbs, 3 axes, 3, 3] how that changes the limbs' rotations
    translation: Any  # [3]
    focal_px: Any


@quick
def evaluate(rows: KernelRows, seen: KernelSeen, state: Floats) -> float:
    """The energy of landmarks and gaps at the state, filling `residual`, `roots`, `points_px` and `camera_m`."""
    posed = _pose(rows, state)
    _place(rows, posed)
    return _measure(rows, seen, posed) + _measure_gaps(rows, seen)


@quick
def slope(rows: KernelRows, seen: KernelSeen, state: Floats) -> float:
    """As `evaluate`, and the gradient too."""
    energy, _, _ = carry(rows, seen, state)
    return float(energy)


@quick
def carry(rows: KernelRows, seen: KernelSeen, state: Floats) -> Any:
    """As `slope`; returns the energy, the posed state, and what each row adds to its landmark."""
    posed = _pose(rows, state)
    arms = _place(rows, posed)
    energy = _measure(rows, seen, posed) + _measure_gaps(rows, seen)
    _carry_back(rows, seen, posed, arms)
    return energy, posed, arms


# The state.


@quick
def _pose(rows: KernelRows, state: Any) -> Any:
    shapes = shapes_of(rows)
    joints_end = shapes + 9
    camera = np.empty((3, 3), np.float32)
    for entry in range(9):
        camera[entry // 3, entry % 3] = state[joints_end + entry]
    turns, pivots, feature_motion = _joints(state[shapes:joints_end], camera)
    x = np.empty(rows.basis.shape[2], np.float32)
    for k in range(shapes):
        x[k] = state[k]
    for k in range(len(rows.pose_columns)):
        entry = rows.pose_columns[k] - 9  # the neck's nine are zero
        within = entry % 9
        x[shapes + k] = 0 if entry < 0 else turns[entry // 9, within // 3, within % 3] - (within % 4 == 0)
    in_camera = np.empty((4, 3, 3), np.float32)
    for r in range(3):
        for c in range(3):
            in_camera[0, r, c] = camera[r, c]
            for limb in range(3):
                turn = turns[limb, :, c]
                in_camera[limb + 1, r, c] = camera[r, 0] * turn[0] + camera[r, 1] * turn[1] + camera[r, 2] * turn[2]
    translation = state[joints_end + 9 : joints_end + 12]
    return Posed(x, in_camera, pivots, feature_motion, translation, np.exp(state[joints_end + 12]))


@quick
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


# The energy.


@quick
def _place(rows: KernelRows, posed: Any) -> Any:
    """Where the landmarks are, into `camera_m`; returns what each row adds to its landmark [P, 3]."""
    arms = np.empty_like(rows.base)
    for p in range(len(rows.camera_m)):
        for r in range(3):
            rows.camera_m[p, r] = posed.translation[r]
    x = posed.x
    for p in range(len(rows.landmark)):
        bx, by, bz = rows.basis[p, 0], rows.basis[p, 1], rows.basis[p, 2]
        a, b, d = rows.base[p, 0], rows.base[p, 1], rows.base[p, 2]
        for k in range(len(x)):
            a += bx[k] * x[k]
            b += by[k] * x[k]
            d += bz[k] * x[k]
        q = posed.in_camera[max(rows.joint[p] - 1, 0)]
        for r in range(3):
            arms[p, r] = q[r, 0] * a + q[r, 1] * b + q[r, 2] * d
            rows.camera_m[rows.landmark[p], r] += arms[p, r]
    return arms


@quick
def _measure(rows: KernelRows, seen: KernelSeen, posed: Any) -> float:
    """Project and weigh."""
    energy = 0.0
    for p in range(len(rows.camera_m)):
        per_metre = posed.focal_px / rows.camera_m[p, 2]
        rows.points_px[p, 0] = per_metre * rows.camera_m[p, 0] + seen.centre_px[0]
        rows.points_px[p, 1] = per_metre * rows.camera_m[p, 1] + seen.centre_px[1]
        off_x = (rows.points_px[p, 0] - seen.points_px[p, 0]) / seen.unit_px
        off_y = (rows.points_px[p, 1] - seen.points_px[p, 1]) / seen.unit_px
        squared = off_x * off_x + off_y * off_y
        # Geman and McClure's: quadratic near zero, bounded far out.
        trust = seen.robust / (seen.robust + squared)
        energy += seen.share[p] * squared * trust
        root = np.sqrt(seen.share[p]) * trust
        rows.roots[p] = root
        rows.residual[2 * p], rows.residual[2 * p + 1] = off_x * root, off_y * root
    return energy


@quick
def gap_of(rows: KernelRows, seen: KernelSeen, g: int) -> Any:
    """A gap's two landmarks, and the weights with which its residual is made of theirs."""
    upper, lower = rows.pairs[0, g], rows.pairs[1, g]
    one, other = max(rows.roots[upper], _LEAST), max(rows.roots[lower], _LEAST)
    # A point that is hidden or not believed has no gap either.
    trust = np.sqrt(one * other) * seen.gap_trust
    return upper, lower, trust / one, trust / other


@quick
def _measure_gaps(rows: KernelRows, seen: KernelSeen) -> float:
    energy, at = 0.0, 2 * len(rows.roots)
    for g in range(rows.pairs.shape[1]):
        upper, lower, up, down = gap_of(rows, seen, g)
        for r in range(2):
            off = up * rows.residual[2 * upper + r] - down * rows.residual[2 * lower + r]
            rows.residual[at + 2 * g + r] = off
            energy += off * off
    return energy


# Its slope.


@quick
def _carry_back(rows: KernelRows, seen: KernelSeen, posed: Any, arms: Any) -> None:
    """The gradient, from each landmark's pull carried back through the rows."""
    _pull(rows, seen, posed)
    shapes = shapes_of(rows)
    motion = np.zeros(len(posed.x), np.float32)
    moments = np.zeros((3, 3), np.float32)  # of the limbs about their joints
    for p in range(len(rows.landmark)):
        limb, q = rows.joint[p] - 2, posed.in_camera[max(rows.joint[p] - 1, 0)]
        pull = rows.pull[rows.landmark[p]]
        x, y, z = pull[0], pull[1], pull[2]
        a = q[0, 0] * x + q[1, 0] * y + q[2, 0] * z
        b = q[0, 1] * x + q[1, 1] * y + q[2, 1] * z
        d = q[0, 2] * x + q[1, 2] * y + q[2, 2] * z
        bx, by, bz = rows.basis[p, 0], rows.basis[p, 1], rows.basis[p, 2]
        for k in range(len(motion)):
            motion[k] += a * bx[k] + b * by[k] + d * bz[k]
        if limb >= 0:
            moments[limb, 0] += arms[p, 1] * z - arms[p, 2] * y
            moments[limb, 1] += arms[p, 2] * x - arms[p, 0] * z
            moments[limb, 2] += arms[p, 0] * y - arms[p, 1] * x
    for k in range(shapes):
        rows.gradient[k] = motion[k]
    for limb in range(3):
        moment = moments[limb]
        for c in range(3):
            pivot = posed.pivots[limb, c]
            turning = pivot[0] * moment[0] + pivot[1] * moment[1] + pivot[2] * moment[2]
            rows.gradient[shapes + 3 * limb + c] = turning
    for k in range(len(rows.pose_columns)):
        entry = rows.pose_columns[k] - 9
        if entry >= 0:
            limb, within = entry // 9, entry % 9
            for c in range(3):
                turning = posed.feature_motion[limb, c, within // 3, within % 3]
                rows.gradient[shapes + 3 * limb + c] += motion[shapes + k] * turning


@quick
def _pull(rows: KernelRows, seen: KernelSeen, posed: Any) -> None:
    """How each landmark is drawn in the camera frame, and with them the camera itself."""
    landmarks, camera = len(rows.roots), shapes_of(rows) + 9
    drawn = rows.residual[: 2 * landmarks].copy()
    for g in range(rows.pairs.shape[1]):
        upper, lower, up, down = gap_of(rows, seen, g)
        for r in range(2):
            off = rows.residual[2 * (landmarks + g) + r]
            drawn[2 * upper + r] += up * off
            drawn[2 * lower + r] -= down * off
    for k in range(camera, len(rows.gradient)):
        rows.gradient[k] = 0
    for p in range(landmarks):
        depth = rows.camera_m[p, 2]
        slope_x, slope_y = rows.camera_m[p, 0] / depth, rows.camera_m[p, 1] / depth
        per_radian = rows.roots[p] * posed.focal_px / seen.unit_px
        across = drawn[2 * p] * slope_x + drawn[2 * p + 1] * slope_y
        a, b, d = per_radian / depth * drawn[2 * p], per_radian / depth * drawn[2 * p + 1], -per_radian / depth * across
        # From the head's origin, about which the head turns.
        x, y, z = (
            rows.camera_m[p, 0] - posed.translation[0],
            rows.camera_m[p, 1] - posed.translation[1],
            depth - posed.translation[2],
        )
        rows.pull[p, 0], rows.pull[p, 1], rows.pull[p, 2] = a, b, d
        rows.gradient[camera] += y * d - z * b
        rows.gradient[camera + 1] += z * a - x * d
        rows.gradient[camera + 2] += x * b - y * a
        rows.gradient[camera + 3] += a
        rows.gradient[camera + 4] += b
        rows.gradient[camera + 5] += d
        if len(rows.gradient) > camera + 6:
            rows.gradient[camera + 6] += per_radian * across
