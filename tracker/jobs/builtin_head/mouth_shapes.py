"""The mouth's shapes: motions of both lips, and what cheeks, nose and chin add. Right ones are mirror images of these.

Stations are (x to the left, y up, z forward, millimetres; roll outwards, degrees), see `lips.py`.
"""

from collections.abc import Callable

from tracker.jobs.builtin_head.anatomy import Anatomy
from tracker.jobs.builtin_head.cheeks import NASOLABIAL, NOSE_WING, below_eye, lift_apple
from tracker.jobs.builtin_head.lids import close
from tracker.jobs.builtin_head.lips import LipMotion, even, left_only, move_lips, seal
from tracker.jobs.builtin_head.muscles import Pull, gather, pull, push
from tracker.jobs.builtin_head.surface import Floats

CHIN_BOSS = (175, 199, 200)
REST = (0.0, 0.0, 0.0, 0.0)

SMILE = LipMotion(
    upper=left_only((1.2, 0.6, -0.6, 0), (4.6, 3.2, -2.6, 0), (7.5, 9.0, -5.5, 0)),
    lower=left_only((1.2, 0.6, -0.6, 0), (4.6, 3.2, -2.6, 0), (7.5, 9.0, -5.5, 0)),
    reach_mm=30,
)
FROWN = LipMotion(
    upper=left_only((0, -0.3, 0, 0), (0.2, -2.4, 0, 0), (0.6, -8.5, -1.5, 0)),
    lower=left_only((0, -0.3, 0, 0), (0.2, -2.6, 0.2, 4), (0.6, -8.5, -1.5, 0)),
    reach_mm=28,
)
DIMPLE = LipMotion(
    upper=left_only((0.5, 0, -0.2, 0), (2.6, 0.2, -1.0, -6), (5.5, 0.6, -4.5, 0)),
    lower=left_only((0.5, 0, -0.2, 0), (2.6, 0.2, -1.0, -6), (5.5, 0.6, -4.5, 0)),
    reach_mm=24,
)
STRETCH = LipMotion(
    upper=left_only((1.0, 0, -0.4, 0), (4.6, -0.6, -2.4, 0), (9.5, -3.2, -6.5, 0)),
    lower=left_only((1.0, -0.4, -0.4, 0), (4.8, -2.4, -2.4, 0), (9.5, -3.2, -6.5, 0)),
    reach_mm=36,
)
PRESS = LipMotion(
    upper=left_only((0, -0.3, -0.4, -12), (0.6, -0.8, -1.4, -38), (1.4, 1.4, -1.6, 0)),
    lower=left_only((0, 0.6, -0.4, -12), (0.6, 2.0, -1.4, -38), (1.4, 1.4, -1.6, 0)),
    reach_mm=20,
)
LOWER_DOWN = LipMotion(
    upper=left_only(REST, REST, (0.6, -1.4, -0.4, 0)),
    lower=left_only((0.2, -4.0, -0.6, 4), (1.0, -7.5, -1.0, 8), (0.6, -1.4, -0.4, 0)),
)
UPPER_UP = LipMotion(
    upper=left_only((0.2, 3.2, -0.2, 4), (0.6, 6.5, -0.4, 8), (0.5, 1.6, -0.4, 0)),
    lower=left_only(REST, REST, (0.5, 1.6, -0.4, 0)),
)
# The corner ahead is squeezed up against its cheek, the one behind is drawn out and down.
SIDEWAYS = LipMotion(
    upper=((8.0, -0.6, 2.2, 0), (8.4, -0.2, 1.4, 0), (8.5, 0.1, -0.4, 0), (7.8, 0.6, -2.2, 0), (6.4, 1.6, -4.0, 0)),
    lower=((8.0, -0.6, 2.2, 0), (8.4, -0.2, 1.4, 0), (8.5, 0.1, -0.4, 0), (7.8, 0.6, -2.2, 0), (6.4, 1.6, -4.0, 0)),
    reach_mm=32,
)
FUNNEL = LipMotion(
    upper=even((0, 4.2, 6.0, 30), (-4.0, 3.6, 6.5, 26), (-8.0, -0.4, 6.0, 0)),
    lower=even((0, -5.2, 5.5, 34), (-4.0, -4.4, 6.0, 28), (-8.0, -0.4, 6.0, 0)),
    reach_mm=30,
)
PUCKER = LipMotion(
    upper=even((0, 0.2, 9.5, 16), (-6.2, 0.3, 9.0, 12), (-12.0, -0.8, 7.0, 0)),
    lower=even((0, -0.2, 9.0, 18), (-6.2, -0.9, 8.5, 12), (-12.0, -0.8, 7.0, 0)),
    reach_mm=34,
)
ROLL_LOWER = LipMotion(
    upper=even((0, -1.4, -0.6, 0), (0, -1.1, -0.5, 0), REST),
    lower=even((0, 3.6, -3.0, -48), (0, 3.2, -2.8, -44), REST),
    reach_mm=20,
)
ROLL_UPPER = LipMotion(
    upper=even((0, -2.6, -3.2, -50), (0, -2.3, -2.9, -46), REST),
    lower=even((0, 1.3, -0.5, 0), (0, 1.0, -0.4, 0), REST),
    reach_mm=20,
)
SHRUG_LOWER = LipMotion(
    upper=even((0, 3.4, 0.8, 0), (0, 2.6, 0.6, 0), (0, 0.2, 0, 0)),
    lower=even((0, 5.0, 3.6, 24), (0, 4.0, 3.0, 20), (0, 0.2, 0, 0)),
    reach_mm=24,
)
SHRUG_UPPER = LipMotion(
    upper=even((0, 3.2, 3.4, 16), (0, 2.6, 2.8, 14), (0, 0.3, 0.2, 0)),
    lower=even((0, 3.0, 1.2, -6), (0, 2.4, 1.0, -4), (0, 0.3, 0.2, 0)),
    reach_mm=22,
)


def smile(face: Anatomy) -> Floats:
    fold = push(face, NASOLABIAL, -1.2, reach_mm=9)
    return seal(face, move_lips(face, SMILE) + lift_apple(face, 4.5, 2.5) + fold) + close(face, 0.0, 0.2)


def frown(face: Anatomy) -> Floats:
    return _with_volume(face, FROWN, 4.0)


def dimple(face: Anatomy) -> Floats:
    return _with_volume(face, DIMPLE, 4.0) + push(face, (287, 432), -2.6, reach_mm=10)


def upper_up(face: Anatomy) -> Floats:
    levator = pull(
        face,
        Pull(NOSE_WING, (0.2, 1.6, 0), reach_mm=14),
        Pull(NASOLABIAL, (0.2, 2.0, 0.4), reach_mm=16),
        mask=below_eye(face),
    )
    return move_lips(face, UPPER_UP) + levator + gather(face, levator, 5.0)


def shrug_lower(face: Anatomy) -> Floats:
    mentalis = pull(face, Pull(CHIN_BOSS, (0, 4.2, 1.4), reach_mm=24, core_mm=5))
    return seal(face, move_lips(face, SHRUG_LOWER) + mentalis + gather(face, mentalis, 5.0))


def _with_volume(face: Anatomy, motion: LipMotion, thickness_mm: float) -> Floats:
    field = move_lips(face, motion)
    return seal(face, field + gather(face, field, thickness_mm))


def _open(motion: LipMotion) -> Callable[[Anatomy], Floats]:
    return lambda face: move_lips(face, motion)


def _sealed(motion: LipMotion) -> Callable[[Anatomy], Floats]:
    return lambda face: seal(face, move_lips(face, motion))


MOUTH_SHAPES: dict[str, Callable[[Anatomy], Floats]] = {
    "mouthFunnel": _open(FUNNEL),
    "mouthPucker": _sealed(PUCKER),
    "mouthLeft": _sealed(SIDEWAYS),
    "mouthSmileLeft": smile,
    "mouthFrownLeft": frown,
    "mouthDimpleLeft": dimple,
    "mouthStretchLeft": _sealed(STRETCH),
    "mouthRollLower": _open(ROLL_LOWER),
    "mouthRollUpper": _open(ROLL_UPPER),
    "mouthShrugLower": shrug_lower,
    "mouthShrugUpper": _sealed(SHRUG_UPPER),
    "mouthPressLeft": _sealed(PRESS),
    "mouthLowerDownLeft": _open(LOWER_DOWN),
    "mouthUpperUpLeft": upper_up,
}
