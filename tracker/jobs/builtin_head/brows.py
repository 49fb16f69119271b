"""Brows, forehead and the root of the nose: frontalis lifts, corrugator and depressors lower and draw together.

A motion is a table along the brow: how its stations move, in millimetres. Skin above follows up to the hairline, skin
below down to the lid's margin, which stays.
"""

from collections.abc import Callable

import numpy as np
from scipy.interpolate import PchipInterpolator

from tracker.jobs.builtin_head.anatomy import Anatomy, falloff, smoothstep
from tracker.jobs.builtin_head.muscles import gather, slide
from tracker.jobs.builtin_head.surface import Floats

# Across |x|, from the midline outwards: where brows move nothing (root of the nose, upper lid's margin, temple), and
# where all of their motion is felt (glabella, the brow's lower edge).
STILL = (197, 362, 384, 385, 386, 387, 263)
FULL = (9, 285, 282, 276)
BROW = (9, 336, 296, 334, 293, 300)  # along its upper edge, from the midline outwards

# Where stations lie, as shares of the brow's length from the midline: midline, inner end, inner third, middle, outer
# third, outer end, temple.
STATIONS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.4)
INNER_X = (0.0, -0.9, -0.6, -0.2, 0.0, 0.0, 0.0)
INNER_UP = (7.5, 9.5, 7.5, 4.2, 1.4, 0.2, 0.0)
OUTER_X = (0.0, 0.0, 0.1, 0.3, 0.5, 0.5, 0.0)
OUTER_UP = (0.0, 0.6, 2.6, 5.8, 8.2, 7.6, 0.0)
DOWN_X = (0.0, -3.0, -2.5, -1.8, -1.3, -0.9, 0.0)
DOWN_UP = (-2.6, -6.4, -6.2, -5.6, -4.6, -3.2, 0.0)


def brow_inner_up(face: Anatomy) -> Floats:
    """Frontalis, its middle: the inner brows rise and come a little closer."""
    left = _along_brow(face, INNER_X, INNER_UP, reach_mm=40) * _half(face, 0.5)
    return _over_bone(face, left + face.mirrored(left), 3.5)


def brow_outer_up(face: Anatomy) -> Floats:
    """Frontalis, its side."""
    return _over_bone(face, _along_brow(face, OUTER_X, OUTER_UP, reach_mm=36) * _half(face, 4.0), 3.5)


def brow_down(face: Anatomy) -> Floats:
    """Corrugator and the depressors: the whole brow comes down, its inner end inwards as well."""
    return _over_bone(face, _along_brow(face, DOWN_X, DOWN_UP, reach_mm=26) * _half(face, 5.0), 6.0)


def _half(face: Anatomy, overlap_mm: float) -> Floats:
    return face.left_half(overlap_mm)[:, None]


def _along_brow(face: Anatomy, x_mm: tuple[float, ...], up_mm: tuple[float, ...], reach_mm: float) -> Floats:
    """The left side's motion [V, 3], before it is laid over the bone."""
    brow = face.landmarks[list(BROW)]
    along = np.abs(face.vertices[:, 0]) / brow[-1, 0]
    stations = np.clip(along, STATIONS[0], STATIONS[-1])
    height = face.vertices[:, 1] - np.interp(np.abs(face.vertices[:, 0]), brow[:, 0], brow[:, 1])
    weight = falloff(height, 2 * face.mm, reach_mm * face.mm) * brow_region(face) * face.mm
    x, up = (PchipInterpolator(STATIONS, table)(stations) for table in (x_mm, up_mm))
    return np.stack([x * weight, up * weight, 0 * weight], 1)


def _over_bone(face: Anatomy, field: Floats, thickness_mm: float) -> Floats:
    return np.asarray(slide(face, field) + gather(face, field, thickness_mm) * brow_region(face)[:, None])


def brow_region(face: Anatomy) -> Floats:
    """[V] 0 on the eye, its lids' margins, the nose and the back of the head, 1 from the brow upwards."""
    still, full = face.landmarks[list(STILL)], face.landmarks[list(FULL)]
    across = np.abs(face.vertices[:, 0])
    low = np.interp(across, still[:, 0], still[:, 1] + 2 * face.mm)
    high = np.interp(across, full[:, 0], full[:, 1])
    front = smoothstep((face.vertices[:, 2] - face.eye_centre[2] + 20 * face.mm) / (15 * face.mm))
    return smoothstep((face.vertices[:, 1] - low) / (high - low)) * front * face.soft


BROW_SHAPES: dict[str, Callable[[Anatomy], Floats]] = {
    "browDownLeft": brow_down,
    "browInnerUp": brow_inner_up,
    "browOuterUpLeft": brow_outer_up,
}
