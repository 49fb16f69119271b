"""Who is filmed for `tracker.jobs.calibration`, and what they play. Nobody of `mien bench` is among them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from models.head import Head
from models.library import load_head
from render.studio.motion import LOOKS, SINGLE_MOTIONS, Motion, gaze_sweeps, head_sweeps, talking
from tracker.jobs.benchmarks.truth import filmed_head
from tracker.jobs.benchmarks.truth_rig import Act

Floats = NDArray[np.float64]

ONE_BY_ONE = (0.5, 1.0, 0.6, 0.0)  # what a shape played alone goes through
FACE_M = (0.07, 0.09, 0.08)  # half a face's extent to the side, up and out
# Standard deviations of how one person's shape differs from another's: its strength as a whole, from place to place,
# and by direction (radians); and of how its left differs from its right.
STRENGTH, UNEVEN, TILT, ASKEW = 0.2, 0.2, 0.12, 0.06


@dataclass(frozen=True)
class Cast:
    seeds: Sequence[int]
    head_of: Callable[[int], Head | None]  # the head that plays; None where its files are not here
    acts_of: Callable[[int], list[Act]]


def every_motion(seed: int) -> list[Act]:
    """Head, eyes and face: for what is off on everybody."""
    return [
        Act("enrolment", talking(80, 18.0, seed, liveliness=0.6)),
        Act("head", head_sweeps(28)),
        Act("gaze", gaze_sweeps(90)),
        Act("gentle", talking(120, 6.0, seed + 1)),
        Act("turning", talking(330, 14.0, seed + 1000, liveliness=1.2)),
    ]


def every_shape(seed: int) -> list[Act]:
    """Shapes together and one by one, in time-lapse: neighbouring frames teach the same."""
    return [
        Act("enrolment", _time_lapse(talking(90, 18.0, seed, liveliness=0.6), 2)),
        Act("gentle", _time_lapse(talking(300, 6.0, seed + 1), 3)),
        Act("turning", _time_lapse(talking(420, 22.0, seed + 1000, liveliness=1.1), 3)),
        Act("one by one", _one_by_one(seed)),
    ]


def with_own_shapes(head: Head, seed: int) -> Head:
    """Nobody smiles quite like the next one: each shape stronger or weaker, here and there, and a little aslant."""
    random = np.random.default_rng((seed, 32))
    place = head.template.double().numpy()
    x, y, z = np.clip((place - place.mean(0)) / FACE_M, -1.5, 1.5).T
    waves = np.column_stack((x, y, z, x * x - 0.5, y * y - 0.5, x * y))
    shapes = head.expression_basis.double().numpy().copy()
    of_pair: dict[str, tuple[float, Floats, Floats]] = {}
    for column, name in enumerate(head.expression_names):
        pair = name.removesuffix("Left").removesuffix("Right")
        if pair not in of_pair:
            strength = 1 + STRENGTH * random.standard_normal()
            of_pair[pair] = strength, UNEVEN * random.standard_normal(6), TILT * random.standard_normal(3)
        strength, uneven, tilt = of_pair[pair]
        side = -1 if name.endswith("Right") else 1
        uneven = uneven * (side, 1, 1, 1, 1, side) + ASKEW * random.standard_normal(6)
        strength = strength + ASKEW * random.standard_normal()
        shape = shapes[..., column] * np.clip(strength + waves @ uneven, 0.3, 2)[:, None]
        shapes[..., column] = shape + np.cross(tilt * (1, side, side), shape)
    return replace(head, expression_basis=torch.from_numpy(shapes).to(head.expression_basis))


def _time_lapse(motion: Motion, step: int) -> Motion:
    return Motion(motion.weights[::step], motion.turn_degrees[::step], motion.shift_m[::step])


def _one_by_one(seed: int) -> Motion:
    names = [name for name in SINGLE_MOTIONS if name not in LOOKS]
    frames = len(ONE_BY_ONE)
    motion = Motion.still(frames * len(names))
    for place, name in enumerate(names):
        for shape in SINGLE_MOTIONS[name]:
            motion.weight(shape)[frames * place : frames * (place + 1)] = ONE_BY_ONE
    turns = np.random.default_rng((seed, 31)).normal(0, 1, (len(names), 3)) * (3, 5, 2)
    motion.turn_degrees[:] = np.repeat(turns, frames, 0)
    return motion


CASTS = {
    "builtin": Cast(range(11, 19), lambda seed: filmed_head("builtin"), every_motion),
    "ict": Cast((3,), lambda seed: filmed_head("ict"), every_motion),
    "lively": Cast(range(202, 216, 2), lambda seed: load_head(), every_shape),
    "varied": Cast(range(101, 109), lambda seed: with_own_shapes(load_head(), seed), every_shape),
}
