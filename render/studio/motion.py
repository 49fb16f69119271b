"""What a person does: ARKit weights, the head's turning and place, frame by frame, at 30 frames a second."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.arkit_names import ARKIT_NAMES

Floats = NDArray[np.float64]

FULL_LOOK_DEGREES = 30.0  # an eyeLook of 1
LID_DOWN, LID_UP = 0.30, 0.20  # what upper lids do as eyes look down and up, in eyeBlink and eyeWide

# The motions that count for "alive and clean": what moves together goes by one name.
_PAIRS = ("mouthSmile", "mouthFrown", "mouthUpperUp", "mouthLowerDown", "mouthPress", "mouthStretch", "mouthDimple",
          "cheekSquint", "noseSneer", "browOuterUp", "browDown", "eyeBlink", "eyeWide", "eyeSquint")  # fmt: skip
_SINGLE = ("jawOpen", "jawLeft", "jawRight", "mouthPucker", "mouthFunnel", "mouthLeft", "mouthRight", "mouthRollUpper",
           "mouthRollLower", "mouthShrugLower", "cheekPuff", "browInnerUp", "eyeBlinkLeft", "eyeBlinkRight",
           "mouthSmileLeft", "mouthSmileRight", "browDownLeft", "browOuterUpRight")  # fmt: skip
LOOKS = {
    "gazeLeft": ("eyeLookOutLeft", "eyeLookInRight"),
    "gazeRight": ("eyeLookInLeft", "eyeLookOutRight"),
    "gazeUp": ("eyeLookUpLeft", "eyeLookUpRight"),
    "gazeDown": ("eyeLookDownLeft", "eyeLookDownRight"),
}
SINGLE_MOTIONS: dict[str, tuple[str, ...]] = {
    **{name: (name,) for name in _SINGLE},
    **{name: (f"{name}Left", f"{name}Right") for name in _PAIRS},
    **LOOKS,
}


@dataclass(frozen=True)
class Motion:
    weights: Floats  # [T, 52]
    turn_degrees: Floats  # [T, 3] pitch (chin down above 0), yaw (to the subject's left), roll
    shift_m: Floats  # [T, 3] in the camera frame

    def __len__(self) -> int:
        return len(self.weights)

    @staticmethod
    def still(frames: int) -> "Motion":
        return Motion(np.zeros((frames, len(ARKIT_NAMES))), np.zeros((frames, 3)), np.zeros((frames, 3)))

    @staticmethod
    def joined(parts: Sequence["Motion"]) -> "Motion":
        return Motion(
            *(np.concatenate([getattr(p, key) for p in parts]) for key in ("weights", "turn_degrees", "shift_m"))
        )

    def part(self, start: int, stop: int) -> "Motion":
        return Motion(self.weights[start:stop], self.turn_degrees[start:stop], self.shift_m[start:stop])

    def eased(self, frames: int = 8) -> "Motion":
        """The same, setting out from rest and coming back to it."""
        edge = np.minimum(np.arange(len(self)), np.arange(len(self))[::-1]) / frames
        share = np.clip(edge, 0, 1)[:, None]
        share = share * share * (3 - 2 * share)
        return Motion(self.weights * share, self.turn_degrees * share, self.shift_m * share)

    def weight(self, name: str) -> Floats:
        """[T], a view that may be written to."""
        return self.weights[:, ARKIT_NAMES.index(name)]

    def look(self, yaw_degrees: Floats, pitch_degrees: Floats) -> None:
        """Turn both eyes: to the subject's left and down above 0."""
        sides = ((yaw_degrees, "gazeLeft"), (-yaw_degrees, "gazeRight"), (pitch_degrees, "gazeDown"))
        for angle, name in (*sides, (-pitch_degrees, "gazeUp")):
            for shape in LOOKS[name]:
                self.weight(shape)[:] = np.clip(angle / FULL_LOOK_DEGREES, 0, 1)

    def with_lids_following(self) -> Floats:
        """[T, 52] as the head shows it: upper lids go with the eyes, which is no blink and no stare."""
        shown = self.weights.copy()
        for side in ("Left", "Right"):
            blink, wide = (ARKIT_NAMES.index(f"eye{move}{side}") for move in ("Blink", "Wide"))
            shown[:, blink] = np.clip(shown[:, blink] + LID_DOWN * self.weight(f"eyeLookDown{side}"), 0, 1)
            shown[:, wide] = np.clip(shown[:, wide] + LID_UP * self.weight(f"eyeLookUp{side}"), 0, 1)
        return shown


# Whole motions.


def head_sweeps(frames_each: int = 60, degrees: float = 35.0) -> Motion:
    """Yaw, then pitch, then roll, there and back through both sides; then all at once, and nearer and farther."""
    sweep = np.sin(np.linspace(0, 2 * np.pi, frames_each, endpoint=False))
    parts = []
    for axis, reach in ((1, degrees), (0, 0.7 * degrees), (2, 0.8 * degrees)):
        part = Motion.still(frames_each)
        part.turn_degrees[:, axis] = reach * sweep
        parts.append(part)
    mixed = Motion.still(2 * frames_each)
    phase = np.linspace(0, 2 * np.pi, 2 * frames_each, endpoint=False)
    mixed.turn_degrees[:] = degrees * np.stack(
        [0.5 * np.sin(2 * phase), 0.8 * np.sin(phase), 0.4 * np.sin(3 * phase)], 1
    )
    mixed.shift_m[:] = np.stack([0.04 * np.sin(2 * phase), 0.015 * np.sin(phase), 0.08 * np.sin(phase)], 1)
    return Motion.joined([*parts, mixed])


def gaze_sweeps(frames: int = 150, yaw_degrees: float = 25.0, pitch_degrees: float = 15.0) -> Motion:
    """Eyes to the sides, up and down, and between, with a head that is nearly still."""
    motion = Motion.still(frames)
    phase = np.linspace(0, 2 * np.pi, frames, endpoint=False)
    motion.look(yaw_degrees * np.sin(3 * phase), pitch_degrees * np.sin(5 * phase))
    motion.turn_degrees[:] = np.stack([np.sin(phase), 1.5 * np.sin(2 * phase), 0.5 * np.sin(phase)], 1)
    return motion


def one_rise(name: str, frames: int = 20) -> Motion:
    """One motion of `SINGLE_MOTIONS` from 0 to 1 and back, then a few frames of rest."""
    motion = Motion.still(frames)
    rise = np.zeros(frames)
    moving = frames - 4
    rise[:moving] = np.sin(np.pi * (np.arange(moving) + 0.5) / moving) ** 2
    for shape in SINGLE_MOTIONS[name]:
        motion.weight(shape)[:] = rise / rise.max()
    return motion


def talking(frames: int, turn_degrees: float, seed: int, liveliness: float = 1.0) -> Motion:
    """All at once: a jaw that speaks, lips, brows, cheeks, blinks and looks that come and go, over a moving head."""
    random = np.random.default_rng((seed, 9))
    motion = Motion.still(frames)
    for name in MIXED_SHAPES:
        _come_and_go(motion, name, random, liveliness)
    syllables = 0.5 + 0.5 * np.sin(np.cumsum(random.uniform(0.3, 0.9, frames)))
    motion.weight("jawOpen")[:] = 0.55 * liveliness * syllables * _wander(frames, 25, random, 0.2, 1)
    motion.look(_wander(frames, 18, random, -14, 14), _wander(frames, 18, random, -8, 8))
    for axis, part in enumerate((0.45, 1.0, 0.35)):
        motion.turn_degrees[:, axis] = _wander(frames, 40, random, -turn_degrees, turn_degrees) * part
    for axis, reach in enumerate((0.015, 0.008, 0.02)):
        motion.shift_m[:, axis] = _wander(frames, 50, random, -reach, reach)
    return motion.eased()


# Shapes that come and go in `talking`: (name, or the stem of a pair), how often a second, how strong.
MIXED_SHAPES: dict[str, tuple[float, float]] = {
    **dict.fromkeys(
        ("mouthSmile", "mouthFrown", "mouthUpperUp", "mouthLowerDown", "mouthStretch", "mouthPress"), (0.35, 0.7)
    ),
    **dict.fromkeys(("mouthDimple", "cheekSquint", "noseSneer", "eyeSquint", "eyeWide"), (0.3, 0.8)),
    **dict.fromkeys(("browDown", "browOuterUp", "browInnerUp"), (0.35, 0.8)),
    **dict.fromkeys(("mouthPucker", "mouthFunnel", "mouthRollUpper", "mouthRollLower", "mouthShrugLower"), (0.3, 0.6)),
    **dict.fromkeys(("mouthLeft", "mouthRight", "jawLeft", "jawRight", "cheekPuff"), (0.2, 0.6)),
    "eyeBlink": (0.4, 1.0),
}


def _come_and_go(motion: Motion, name: str, random: np.random.Generator, liveliness: float) -> None:
    rate, strength = MIXED_SHAPES[name]
    shapes = SINGLE_MOTIONS[name]
    for _ in range(max(1, round(rate * len(motion) / 30))):
        length = int(random.integers(5, 9)) if name == "eyeBlink" else int(random.integers(12, 30))
        start = int(random.integers(0, max(1, len(motion) - length)))
        bump = np.sin(np.pi * np.arange(1, length + 1) / (length + 1)) ** 2
        height = strength * (1.0 if name == "eyeBlink" else liveliness * random.uniform(0.5, 1))
        for shape in shapes:
            uneven = 1.0 if name == "eyeBlink" else random.uniform(0.7, 1)
            row = motion.weight(shape)[start : start + length]
            row[:] = np.maximum(row, height * uneven * bump[: len(row)])


def _wander(frames: int, every: int, random: np.random.Generator, low: float, high: float) -> Floats:
    """[T] a smooth walk between random places, a new one every so many frames."""
    places = random.uniform(low, high, frames // every + 3)
    at = np.arange(frames) / every
    cell, part = at.astype(int), at % 1
    share = part * part * (3 - 2 * part)
    return np.asarray(places[cell] * (1 - share) + places[cell + 1] * share)
