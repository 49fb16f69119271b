"""States and steps of one head, compiled: the twins of `tracker.unknowns.Layout`'s, the focal length left out."""

from typing import Any

import numpy as np

from models.compiled import quick
from tracker.solver_kernel import Floats


@quick
def retract(state: Floats, step: Floats) -> Floats:
    """The state [D] moved by a step [C]; where the step has no focal length, that stays."""
    joints, out = len(state) - 13, state.copy()
    for k in range(joints):
        out[k] += step[k]
    for k in range(joints + 3, len(step)):
        out[k + 6] += step[k]
    x, y, z = step[joints], step[joints + 1], step[joints + 2]
    squared = np.float64(x) * x + np.float64(y) * y + np.float64(z) * z
    angle = np.sqrt(squared)
    sine = np.sin(angle) / angle if angle > 1e-6 else 1.0
    cosine = (1 - np.cos(angle)) / squared if angle > 1e-6 else 0.5
    before = _rotation(state)
    turn = np.empty((3, 3))
    for r in range(3):
        for c in range(3):
            twice = step[joints + r] * step[joints + c] - (squared if r == c else 0.0)
            cross = 0.0 if r == c else (step[joints + 3 - r - c] if (c - r) % 3 == 2 else -step[joints + 3 - r - c])
            turn[r, c] = (r == c) + sine * cross + cosine * twice
    turned = times_transposed(turn, before.T)
    # One Newton step towards the nearest rotation: keeps float32 products from drifting over hours.
    square = times_transposed(turned, turned)
    for r in range(3):
        for c in range(3):
            twice = square[r, 0] * turned[0, c] + square[r, 1] * turned[1, c] + square[r, 2] * turned[2, c]
            out[joints + 3 * r + c] = 1.5 * turned[r, c] - 0.5 * twice
    return out


@quick
def difference(state: Floats, other: Floats) -> Floats:
    """The step [C] without focal length from other to state."""
    joints = len(state) - 13
    out = np.empty(joints + 6, np.float32)
    for k in range(joints):
        out[k] = state[k] - other[k]
    for k in range(joints + 3, joints + 6):
        out[k] = state[k + 6] - other[k + 6]
    turn = times_transposed(_rotation(state), _rotation(other))
    # Of a turn well below a half.
    x, y, z = turn[2, 1] - turn[1, 2], turn[0, 2] - turn[2, 0], turn[1, 0] - turn[0, 1]
    sine, cosine = np.sqrt(x * x + y * y + z * z) / 2, (turn[0, 0] + turn[1, 1] + turn[2, 2] - 1) / 2
    scale = (np.arctan2(sine, cosine) / sine if sine > 1e-6 else 1.0) / 2
    out[joints], out[joints + 1], out[joints + 2] = scale * x, scale * y, scale * z
    return out


@quick
def _rotation(state: Floats) -> Any:
    out, joints = np.empty((3, 3)), len(state) - 13
    for entry in range(9):
        out[entry // 3, entry % 3] = state[joints + entry]
    return out


@quick
def times_transposed(one: Any, other: Any) -> Any:
    out = np.zeros((3, 3))
    for r in range(3):
        for c in range(3):
            for k in range(3):
                out[r, c] += one[r, k] * other[c, k]
    return out
