"""Lips as two rods of flesh that are shifted and rolled, station by station, from corner to corner.

A motion is a table of five stations: right corner, right half, middle, left half, left corner. Each has a shift
(x to the left, y up, z forward; millimetres) and a roll (degrees; positive turns the red of the lip outwards).
"""

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import PchipInterpolator

from tracker.jobs.builtin_head.anatomy import Anatomy, falloff, smoothstep
from tracker.jobs.builtin_head.surface import Floats, Ids

STATIONS = np.array((-1.0, -0.55, 0.0, 0.55, 1.0))
Station = tuple[float, float, float, float]


@dataclass(frozen=True)
class LipMotion:
    upper: tuple[Station, Station, Station, Station, Station]
    lower: tuple[Station, Station, Station, Station, Station]
    reach_mm: float = 26.0  # how far the skin around follows
    core_mm: float = 6.0  # how far all of it does: the body of a lip
    roll_reach_mm: float = 13.0


def even(middle: Station, half: Station, corner: Station) -> tuple[Station, Station, Station, Station, Station]:
    """Stations of a motion that is its own mirror image, given on the left."""
    right_half, right_corner = ((-s[0], *s[1:]) for s in (half, corner))
    return (right_corner, right_half, (0.0, *middle[1:]), half, corner)


def left_only(middle: Station, half: Station, corner: Station) -> tuple[Station, Station, Station, Station, Station]:
    """Stations of a motion of the left side: the right half is at rest."""
    rest = (0.0, 0.0, 0.0, 0.0)
    return (rest, rest, middle, half, corner)


def move_lips(face: Anatomy, motion: LipMotion) -> Floats:
    """The displacement [V, 3] of lips, of the skin around and of the lining behind them."""
    mouth = face.mouth
    upper_share = smoothstep(0.5 + mouth.side / 2)
    total = np.zeros_like(face.vertices)
    for stations, share, axis, sign in (
        (motion.upper, upper_share, mouth.upper_axis, -1.0),
        (motion.lower, 1 - upper_share, mouth.lower_axis, 1.0),
    ):
        table = PchipInterpolator(STATIONS, np.asarray(stations))(np.clip(mouth.u, -1, 1))
        shift = (
            table[:, :3]
            * face.mm
            * falloff(mouth.distance, motion.core_mm * face.mm, motion.reach_mm * face.mm)[:, None]
        )
        total += share[:, None] * (shift + _rolled(face, axis, np.radians(table[:, 3]) * sign, motion.roll_reach_mm))
    return np.asarray(total * face.soft[:, None])


def _rolled(face: Anatomy, axis: Floats, angle: Floats, reach_mm: float) -> Floats:
    """Rotation about the lip's own axis, taken as parallel to x; it fades out where the lip ends."""
    q = face.vertices - axis
    fade = falloff(np.linalg.norm(q, axis=1), 4.0 * face.mm, reach_mm * face.mm)
    # The lining turns with the lip's edge only: its deep fold stays where it hangs on the gums.
    fade *= 1 - face.lining * (1 - falloff(face.seam_distance, 0.0, 6.0 * face.mm))
    sine, cosine = np.sin(angle * fade), np.cos(angle * fade) - 1
    turned = np.zeros_like(q)
    turned[:, 1] = q[:, 1] * cosine - q[:, 2] * sine
    turned[:, 2] = q[:, 1] * sine + q[:, 2] * cosine
    return turned


def seal(face: Anatomy, field: Floats) -> Floats:
    """The same motion with the lips kept together: where they touch at rest, both go where their mean goes."""
    upper, lower = face.seam
    shift = (face.vertices[lower] - face.vertices[upper]) / 2
    together = (field[upper] + field[lower]) / 2
    return hit_exactly(face, field, np.r_[upper, lower], np.concatenate([together + shift, together - shift]))


def seam_at_rest(face: Anatomy, field: Floats) -> Floats:
    """The same motion without parting or moving the lips where they touch."""
    ids = np.concatenate(face.seam)
    return hit_exactly(face, field, ids, np.zeros((len(ids), 3)))


def hit_exactly(face: Anatomy, field: Floats, ids: Ids, wanted: Floats) -> Floats:
    """Add what is missing at some vertices, and a little of it around them."""
    missing = wanted - field[ids]
    total = np.zeros_like(field)
    weight_sum = np.full(len(field), 1e-9)
    for vertex, shift in zip(ids, missing, strict=True):
        weight = np.exp(-((np.linalg.norm(face.vertices - face.vertices[vertex], axis=1) / (2.5 * face.mm)) ** 2))
        weight *= face.mouth.side * face.mouth.side[vertex] >= -0.02
        total += weight[:, None] * shift
        weight_sum += weight
    out: Floats = field + total / np.maximum(weight_sum, 1.0)[:, None]
    out[ids] = wanted
    return out
