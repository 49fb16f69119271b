"""Cheeks and nose: what zygomaticus, orbicularis, the lip's levators and blown-out air do to soft volume."""

from collections.abc import Callable

import numpy as np

from tracker.jobs.builtin_head.anatomy import FLIP, Anatomy, smoothstep
from tracker.jobs.builtin_head.lids import close
from tracker.jobs.builtin_head.lips import seam_at_rest
from tracker.jobs.builtin_head.muscles import Pull, gather, pull, push, slide
from tracker.jobs.builtin_head.surface import Floats

CHEEKBONE = (280, 330, 329)
APPLE = (425, 280, 411)
BUCCAL = (427, 411, 434, 416)  # the cheek between the mouth, the cheekbone and the jaw
PUFF_MM, PUFF_REACH_MM = 14.0, (38.0, 40.0, 55.0)
NOSE_WING = (294, 278, 279)
NASOLABIAL = (358, 423, 426, 436)
# From the midline outwards: below the nose's root, under the lower lid, at the temple.
EDGE = (6, 362, 374, 263, 356)


def cheek_squint(face: Anatomy) -> Floats:
    """Orbicularis, its outer ring: the cheek is lifted against the lower lid."""
    field = pull(
        face,
        Pull(CHEEKBONE, (-0.4, 6.5, 1.2), reach_mm=27, core_mm=6),
        Pull((340, 261, 446), (-1.8, 0.6, 0), reach_mm=16),
        mask=below_eye(face),
    )
    return slide(face, field) + gather(face, field, 8.0) + close(face, 0.0, 0.8)


def cheek_puff(face: Anatomy) -> Floats:
    """Air behind closed lips: the hollows of the cheeks swell, outwards more than forwards."""
    middle = face.landmarks[list(BUCCAL)].mean(0)
    mirrored = np.where(face.vertices[:, :1] < 0, FLIP, 1.0)
    offset = (face.vertices * mirrored - middle) / (np.asarray(PUFF_REACH_MM) * face.mm)
    inflated = (1 - smoothstep(np.linalg.norm(offset, axis=1))) * face.soft * (1 - face.lining)
    direction = face.smooth_normals + np.array((0.35, 0.0, 0.0)) * mirrored
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    return np.asarray(direction * (PUFF_MM * face.mm * face.smooth(inflated))[:, None])


def nose_sneer(face: Anatomy) -> Floats:
    """Levator labii alaeque nasi: the nostril's wing goes up and flares, the lip follows, the nose's side creases."""
    field = pull(
        face,
        Pull(NOSE_WING, (0.9, 3.8, 0), reach_mm=19, core_mm=4),
        Pull((358, 423, 429), (-0.2, 3.0, 0.6), reach_mm=24, core_mm=3),
        Pull((270, 269, 391), (0, 1.6, 0), reach_mm=14, core_mm=3),
        mask=below_eye(face) * face.left_half(5.0),
    )
    wrinkle = push(face, (351, 465, 343), 1.2, reach_mm=11, core_mm=2)
    return seam_at_rest(face, field + gather(face, field, 3.0) + wrinkle)


def lift_apple(face: Anatomy, up_mm: float, out_mm: float) -> Floats:
    """The cheek's apple rises before the corner of the mouth."""
    field = pull(face, Pull(APPLE, (out_mm, up_mm, 0.25 * up_mm), reach_mm=30, core_mm=4), mask=below_eye(face))
    return slide(face, field) + gather(face, field, 9.0)


def below_eye(face: Anatomy) -> Floats:
    """[V] 0 at the lower lid's margin and above, 1 a centimetre below it; on the nose, 1 from below its root."""
    points = face.landmarks[list(EDGE)]
    across = np.abs(face.vertices[:, 0])
    edge = np.interp(across, points[:, 0], points[:, 1])
    return smoothstep((edge - face.vertices[:, 1]) / (10 * face.mm)) * face.soft


CHEEK_SHAPES: dict[str, Callable[[Anatomy], Floats]] = {
    "cheekPuff": cheek_puff,
    "cheekSquintLeft": cheek_squint,
    "noseSneerLeft": nose_sneer,
}
