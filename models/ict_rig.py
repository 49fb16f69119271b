"""Joints for ICT-FaceKit, which comes without: its linear jaw and gaze shapes become rotations.

The jaw: the lower teeth move rigidly when the kit's jaw opens, so their motion gives the hinge and the angle; each
vertex follows as much of that rotation as its own offset says; what is left becomes a pose corrective, an entry of
`R - 1` times a column, so that at the full angle the mesh is exactly the kit's shape. Jaw left and right likewise about
the vertical axis. The kit's gaze shapes move the lids alone: the eyeballs turn on their joints, the lids' offsets are
correctives of that turn, and so follow the gaze.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.ict_eyes import sphere_centre
from models.ict_parts import PARTS, SHELLS, VERTICES
from models.types import JAW, LEFT_EYE, NECK, RIGHT_EYE, ROOT

Array = NDArray[Any]

GAZE = math.radians(30)  # what the kit's gaze shapes stand for; its upper lid goes down 28 degrees around the eye
JAW_OPEN, JAW_SIDE = math.radians(25), math.radians(5.6)  # where the kit's own shapes are missing

# Entries of R - 1 that tell a turn's sine (odd) and cosine less one (even) about the axes x and y.
_ODD, _EVEN = {0: (2, 1), 1: (0, 2)}, {0: (1, 1), 1: (0, 0)}


@dataclass(frozen=True)
class Rig:
    regressor: Array  # [J, V]
    weights: Array  # [V, J]
    pose: Array  # [V, 3, 36] metres
    jaw_open: float  # radians about x at jawOpen 1
    jaw_side: float  # radians about y at jawLeft 1
    opened: Array  # [V, 3, 3] the linear part of skinning at jawOpen 1


def rig_ict(neutral: Array, expressions: Mapping[str, Array]) -> Rig:
    """neutral [V, 3] and Apple's shapes as offsets [V, 3]."""
    teeth = np.array(PARTS["teeth_lower"])
    pivot, jaw_open = _hinge(neutral[teeth], expressions.get("jawOpen", np.zeros_like(neutral))[teeth])
    joints = _joints(neutral, pivot)
    follow = _follow(neutral, pivot, jaw_open, expressions.get("jawOpen"))
    jaw_side = _side_angle(neutral[teeth] - pivot, expressions, teeth)
    pose = np.zeros((VERTICES, 3, 36))
    turns = _jaw_turns(neutral, pivot, follow, jaw_open, jaw_side, expressions)
    _fit_correctives(pose, JAW, turns)
    for joint, turn in _gaze_turns(expressions):
        _fit_correctives(pose, joint, turn)
    return Rig(
        regressor=_regressor(neutral, joints),
        weights=_weights(neutral, follow),
        pose=pose,
        jaw_open=jaw_open,
        jaw_side=jaw_side,
        opened=_blended(follow, _turn(0, jaw_open)),
    )


# The jaw.


def _hinge(teeth: Array, offsets: Array) -> tuple[Array, float]:
    """The point [3] on the mid-plane about which the lower teeth [n, 3] turn, and by how much."""
    before, after = teeth[:, 1:], (teeth + offsets)[:, 1:]
    middle, moved = before.mean(0), after.mean(0)
    a, b = before - middle, after - moved
    angle = math.atan2((a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum(), (a * b).sum())
    if abs(angle) < 1e-3:  # no jawOpen: a hinge before the ears, as anatomy has it
        return np.array((0.0, -0.019, -0.037)), JAW_OPEN
    rotation = np.array(((math.cos(angle), -math.sin(angle)), (math.sin(angle), math.cos(angle))))
    pivot = np.linalg.solve(np.eye(2) - rotation, moved - rotation @ middle)
    return np.array((0.0, *pivot)), angle


def _follow(neutral: Array, pivot: Array, angle: float, offsets: Array | None) -> Array:
    """How much of the jaw's rotation each vertex follows: [V] in 0..1."""
    if offsets is None:
        follow = np.zeros(VERTICES)
        follow[list(PARTS["teeth_lower"])] = 1.0
        return follow
    rigid = (neutral - pivot) @ _turn(0, angle).T - (neutral - pivot)
    still = 0.001**2  # near the hinge nothing moves, and the quotient would be noise
    return np.asarray(np.clip((offsets * rigid).sum(1) / ((rigid * rigid).sum(1) + still), 0, 1))


def _side_angle(arms: Array, expressions: Mapping[str, Array], teeth: Array) -> float:
    """The turn about the vertical axis nearest to how jawLeft and jawRight move the lower teeth."""
    angles = []
    for name, sign in (("jawLeft", 1), ("jawRight", -1)):
        if name in expressions:
            push = np.cross((0.0, 1.0, 0.0), arms)
            angles.append(sign * (push * expressions[name][teeth]).sum() / (push * push).sum())
    return float(np.mean(angles)) if angles else JAW_SIDE


Turns = list[tuple[int, float, Array]]  # axis, angle, offsets [V, 3] before skinning


def _jaw_turns(
    neutral: Array, pivot: Array, follow: Array, opening: float, side: float, expressions: Mapping[str, Array]
) -> Turns:
    """What skinning leaves over of each jaw shape, carried back to before skinning."""
    turns: Turns = []
    for name, axis, angle in (("jawOpen", 0, opening), ("jawLeft", 1, side), ("jawRight", 1, -side)):
        if name not in expressions:
            continue
        linear = _blended(follow, _turn(axis, angle))
        skinned = (linear @ (neutral - pivot)[:, :, None])[:, :, 0] + pivot
        left_over = neutral + expressions[name] - skinned
        turns.append((axis, angle, np.linalg.solve(linear, left_over[:, :, None])[:, :, 0]))
    return turns


# The eyes.


def _gaze_turns(expressions: Mapping[str, Array]) -> list[tuple[int, Turns]]:
    """Joint -> the lids' offsets at full gaze. Looking down turns about +x, to the subject's left about +y."""
    eyes = []
    for joint, side, inward in ((LEFT_EYE, "Left", -1), (RIGHT_EYE, "Right", 1)):
        names = (("Down", 0, 1), ("Up", 0, -1), ("In", 1, inward), ("Out", 1, -inward))
        turns = [
            (axis, sign * GAZE, _lids_alone(expressions[f"eyeLook{way}{side}"]))
            for way, axis, sign in names
            if f"eyeLook{way}{side}" in expressions
        ]
        eyes.append((joint, turns))
    return eyes


def _lids_alone(offsets: Array) -> Array:
    """The eyeballs turn by their joints alone."""
    offsets = offsets.copy()
    for part in ("eyeball_left", "eyeball_right"):
        offsets[list(PARTS[part])] = 0
    return offsets


# Both.


def _fit_correctives(pose: Array, joint: int, turns: Turns) -> None:
    """Columns of `pose` for one joint, so that each full turn is met: odd and even in the angle where both ways are
    known, odd alone where one is."""
    for axis in (0, 1):
        there = [(angle, offsets) for about, angle, offsets in turns if about == axis]
        if not there:
            continue
        odd, even = (9 * (joint - 1) + 3 * row + column for row, column in (_ODD[axis], _EVEN[axis]))
        if len(there) == 1:
            pose[:, :, odd] += there[0][1] / math.sin(there[0][0])
            continue
        system = np.array([(math.sin(angle), math.cos(angle) - 1) for angle, _ in there])
        columns = np.linalg.solve(system, np.stack([offsets for _, offsets in there]).reshape(2, -1))
        pose[:, :, odd] += columns[0].reshape(-1, 3)
        pose[:, :, even] += columns[1].reshape(-1, 3)


def _turn(axis: int, angle: float) -> Array:
    c, s = math.cos(angle), math.sin(angle)
    rows = ((1, 0, 0), (0, c, -s), (0, s, c)) if axis == 0 else ((c, 0, s), (0, 1, 0), (-s, 0, c))
    return np.array(rows, np.float64)


def _blended(follow: Array, rotation: Array) -> Array:
    """[V], [3, 3] -> [V, 3, 3], what skinning multiplies each vertex by."""
    return np.asarray(np.eye(3) + follow[:, None, None] * (rotation - np.eye(3)))


# Joints and skinning.


def _joints(neutral: Array, hinge: Array) -> Array:
    """[J, 3]. Neck and root stand to the eyes as FLAME's do."""
    joints = np.zeros((5, 3))
    joints[JAW] = hinge
    for joint, shell in ((LEFT_EYE, SHELLS[0]), (RIGHT_EYE, SHELLS[1])):
        joints[joint] = sphere_centre(neutral[list(shell)])
    between = joints[[LEFT_EYE, RIGHT_EYE]].mean(0)
    joints[NECK] = between - np.array((0, 0.0317, 0.0773))
    joints[ROOT] = between - np.array((0, 0.1689, 0.1059))
    return joints


def _regressor(neutral: Array, joints: Array) -> Array:
    """Each joint as a mean of vertices around it that any stretch or turn of them carries along: [J, V]."""
    skin = np.array((*PARTS["face"], *PARTS["head"]))
    height, depth = neutral[skin, 1], neutral[skin, 2]
    around: dict[int, Array] = {
        ROOT: skin[abs(height - joints[ROOT, 1]) < 0.015],
        NECK: skin[(abs(height - joints[NECK, 1]) < 0.025) & (depth < 0.02)],
        JAW: skin[(abs(height - joints[JAW, 1]) < 0.02) & (abs(depth - joints[JAW, 2]) < 0.03)],
        LEFT_EYE: np.array(SHELLS[0]),
        RIGHT_EYE: np.array(SHELLS[1]),
    }
    regressor = np.zeros((5, VERTICES))
    for joint, ids in around.items():
        regressor[joint, ids] = affine_weights(neutral[ids], joints[joint])
    return regressor


def affine_weights(points: Array, target: Array) -> Array:
    """The most even weights [n] that sum to 1 and whose mean of points [n, 3] is the target."""
    middle = points.mean(0)
    system = np.column_stack((points - middle, np.full(len(points), 0.01)))  # conditioned for heads in metres
    wanted = np.append(target - middle, 0.01)
    return np.asarray(np.linalg.lstsq(system.T, wanted, rcond=None)[0])


def _weights(neutral: Array, follow: Array) -> Array:
    """[V, J]: the head turns with the neck, and lets go of it towards the shoulders."""
    height = neutral[:, 1] + 0.25 * neutral[:, 2]  # the throat ends lower than the nape
    along = np.clip((height + 0.175) / 0.06, 0, 1)
    neck = along * along * (3 - 2 * along)
    weights = np.zeros((VERTICES, 5))
    weights[:, JAW] = follow
    weights[:, NECK] = (1 - follow) * neck
    weights[:, ROOT] = (1 - follow) * (1 - neck)
    for joint, part in ((LEFT_EYE, "eyeball_left"), (RIGHT_EYE, "eyeball_right")):
        weights[list(PARTS[part])] = np.eye(5)[joint]
    return weights
