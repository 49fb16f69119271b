"""Somebody who speaks: the mouth says a text, eyes blink and glance, the head sways and nods. For any head.

    motion = speaking(frames=300, seed=1)                          ten seconds of a greeting
    motion = speaking(300, 1, "How do you do?", turn_degrees=25)   other words, livelier

The mouth is a chain of visemes that blend as speech does: each pulls at the mouth with a dominance that rises before
its moment and fades after it, and the mouth is where they pull together (Cohen & Massaro 1993, "Modeling coarticulation
in synthetic visual speech"). Lips that must meet (p, b, m) pull hard, a k hardly at all: rounding precedes its vowel.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from render.studio.film import FPS
from render.studio.motion import Floats, Motion

GREETING = (
    "Hello. I am not a real person, nobody is behind this face. But a camera may look at me, and whoever follows my "
    "mouth, my eyes and my head can be told how well he has done. Who would have thought so?"
)
VOWEL_S, CONSONANT_S, GAP_S, COMMA_S, STOP_S = 0.125, 0.075, 0.02, 0.22, 0.5
PAUSES = ".,;:?!"
PAIRED = ("mouthPress", "mouthLowerDown", "mouthUpperUp", "mouthStretch", "mouthSmile")  # have a left and a right


@dataclass(frozen=True)
class Viseme:
    """A mouth on its way through a sound."""

    shapes: dict[str, float]
    force: float  # how hard it pulls
    vowel: bool = False


_REST = Viseme({}, 1.0)
_LIPS_MEET = Viseme({"mouthPress": 0.30, "mouthRollLower": 0.20, "mouthRollUpper": 0.15}, 5.0)
_LIP_TO_TEETH = Viseme({"jawOpen": 0.05, "mouthRollLower": 0.45, "mouthUpperUp": 0.18}, 2.5)
_TONGUE = Viseme({"jawOpen": 0.13, "mouthLowerDown": 0.15, "mouthUpperUp": 0.05}, 0.6)
_BACK = Viseme({"jawOpen": 0.16, "mouthLowerDown": 0.08}, 0.35)
_HISS = Viseme({"jawOpen": 0.06, "mouthStretch": 0.18, "mouthLowerDown": 0.22, "mouthUpperUp": 0.08}, 1.0)
_HUSH = Viseme({"jawOpen": 0.09, "mouthFunnel": 0.45, "mouthPucker": 0.15}, 1.2)
_ROUND_R = Viseme({"jawOpen": 0.12, "mouthFunnel": 0.22, "mouthPucker": 0.18}, 0.6)
_OO = Viseme({"jawOpen": 0.12, "mouthPucker": 0.60, "mouthFunnel": 0.20}, 1.4, vowel=True)
_W = Viseme({"jawOpen": 0.08, "mouthPucker": 0.65, "mouthFunnel": 0.15}, 1.6)
_O = Viseme({"jawOpen": 0.34, "mouthFunnel": 0.40, "mouthPucker": 0.18}, 1.1, vowel=True)
_AH = Viseme({"jawOpen": 0.46, "mouthLowerDown": 0.12, "mouthUpperUp": 0.06}, 1.0, vowel=True)
_EH = Viseme({"jawOpen": 0.28, "mouthStretch": 0.12, "mouthLowerDown": 0.15, "mouthSmile": 0.06}, 0.9, vowel=True)
_EE = Viseme({"jawOpen": 0.14, "mouthStretch": 0.20, "mouthLowerDown": 0.18, "mouthSmile": 0.18}, 1.0, vowel=True)
_UH = Viseme({"jawOpen": 0.24, "mouthLowerDown": 0.08}, 0.7, vowel=True)

# English spelling, roughly: the longest that fits is taken. What stands for several sounds is a tuple of them.
SPELLING: dict[str, tuple[Viseme, ...]] = {
    **dict.fromkeys(("p", "b", "m"), (_LIPS_MEET,)),
    **dict.fromkeys(("f", "v", "ph"), (_LIP_TO_TEETH,)),
    **dict.fromkeys(("t", "d", "n", "l", "th"), (_TONGUE,)),
    **dict.fromkeys(("k", "g", "c", "h", "ng", "ck"), (_BACK,)),
    **dict.fromkeys(("s", "z", "ss"), (_HISS,)),
    **dict.fromkeys(("sh", "ch", "j"), (_HUSH,)),
    **dict.fromkeys(("w", "wh"), (_W,)),
    **dict.fromkeys(("oo", "ew", "ould", "ou"), (_OO,)),
    **dict.fromkeys(("ee", "ea", "ie", "y"), (_EE,)),
    **dict.fromkeys(("ay", "ai", "ey"), (_AH, _EE)),
    "r": (_ROUND_R,), "qu": (_BACK, _W), "x": (_BACK, _HISS), "o": (_O,), "ow": (_AH, _OO), "a": (_AH,),
    "au": (_O,), "ough": (_O,), "e": (_EH,), "i": (_EE,), "u": (_UH,), "ll": (_TONGUE,), "tt": (_TONGUE,),
}  # fmt: skip
LONGEST = max(map(len, SPELLING))


@dataclass(frozen=True)
class Sound:
    """A viseme at its moment."""

    viseme: Viseme
    at_s: float  # its middle
    long_s: float
    stress: float  # how far the jaw goes, about 1


def speaking(frames: int, seed: int, text: str = GREETING, turn_degrees: float = 14.0, smile: float = 0.12) -> Motion:
    """The text again and again until the frames are full, from rest and back to it."""
    random = np.random.default_rng((seed, 10))
    motion = Motion.still(frames)
    length_s = frames / FPS
    sounds, pauses_s = utter(text, length_s, random)
    say(motion, sounds)
    _sway(motion, turn_degrees, random)
    _accents(motion, sounds, random)
    glance(motion, random)
    for name in ("mouthSmileLeft", "mouthSmileRight", "cheekSquintLeft", "cheekSquintRight"):
        motion.weight(name)[:] += smile * (1.0 if name.startswith("mouth") else 0.7)
    motion = motion.eased(10)
    blink(motion, blink_times(length_s, pauses_s, random), random)
    np.clip(motion.weights, 0, 1, out=motion.weights)
    return motion


# The mouth.


def utter(text: str, length_s: float, random: np.random.Generator) -> tuple[list[Sound], list[float]]:
    """The text's sounds in time, from a short silence on, and when its pauses begin."""
    sounds, pauses_s, now_s = [Sound(_REST, 0.0, 0.3, 1.0)], [], 0.35
    words = re.findall(rf"[a-z']+|[{PAUSES}]", text.lower())
    while words and now_s < length_s:
        for word in words:
            if word in PAUSES:
                pause_s = (COMMA_S if word in ",;:" else STOP_S) * random.uniform(0.8, 1.2)
                pauses_s.append(now_s)
                sounds.append(Sound(_REST, now_s + pause_s / 2, pause_s, 1.0))
                now_s += pause_s
                continue
            stress = random.uniform(0.65, 1.0) if len(word) < 4 else random.uniform(0.85, 1.25)
            for viseme in spell(word):
                long_s = (VOWEL_S if viseme.vowel else CONSONANT_S) * random.uniform(0.85, 1.15)
                sounds.append(Sound(viseme, now_s + long_s / 2, long_s, stress))
                now_s += long_s
            now_s += GAP_S
    return sounds, pauses_s


def spell(word: str) -> Iterator[Viseme]:
    """A word's visemes; an e at the end of a longer word is silent."""
    word = re.sub(r"(?<=[a-z]{2}[^aeiouy])e$", "", word.replace("'", ""))
    at = 0
    while at < len(word):
        piece = next((word[at : at + n] for n in range(LONGEST, 0, -1) if word[at : at + n] in SPELLING), "")
        yield from SPELLING.get(piece, ())
        at += max(1, len(piece))


def say(motion: Motion, sounds: list[Sound]) -> None:
    """Adds the mouth of these sounds to the motion."""
    time_s = np.arange(len(motion)) / FPS
    reach_s = np.array([0.75 * sound.long_s for sound in sounds])
    away = np.abs(time_s[:, None] - [sound.at_s for sound in sounds]) / reach_s
    pull = np.exp(-(away**1.5)) * [sound.viseme.force for sound in sounds]  # [T, N]
    pull /= pull.sum(1, keepdims=True) + 1e-3  # long after the last sound the mouth rests
    for shape in sorted({name for sound in sounds for name in sound.viseme.shapes}):
        targets = [sound.viseme.shapes.get(shape, 0.0) * sound.stress for sound in sounds]
        for name in (f"{shape}Left", f"{shape}Right") if shape in PAIRED else (shape,):
            motion.weight(name)[:] += pull @ targets


# Eyes.


def blink_times(length_s: float, pauses_s: list[float], random: np.random.Generator) -> list[float]:
    """One every two to five seconds, in a pause of speech where one is near."""
    times, now_s = [], random.uniform(0.8, 1.6)
    while now_s < length_s - 0.6:
        near = [pause for pause in pauses_s if abs(pause - now_s) < 0.7]
        times.append(near[0] + 0.05 if near and near[0] < length_s - 0.6 else now_s)
        now_s = times[-1] + random.uniform(2.0, 4.5)
    return times


def blink(motion: Motion, starts_s: list[float], random: np.random.Generator) -> None:
    """Lids close within 100 to 150 ms, stay for a moment, and open more slowly."""
    time_s = np.arange(len(motion)) / FPS
    for start_s in starts_s:
        close_s, shut_s, open_s = random.uniform(0.10, 0.15), random.uniform(0.02, 0.06), random.uniform(0.16, 0.25)
        since = time_s - start_s
        closing = np.clip(since / close_s, 0, 1)
        opening = np.clip((since - close_s - shut_s) / open_s, 0, 1)
        lids = _ease(closing) * (1 - _ease(opening))
        for name in ("eyeBlinkLeft", "eyeBlinkRight"):
            row = motion.weight(name)
            row[:] = np.maximum(row, lids)


def glance(motion: Motion, random: np.random.Generator) -> None:
    """Mostly at the camera, whichever way the head turns; now and then aside, in a jump of some 60 ms."""
    frames = len(motion)
    aside = np.zeros((frames, 2))  # yaw, pitch in degrees
    now = int(random.integers(40, 75))
    while now < frames - 30:
        hold = int(random.integers(14, 32))
        aside[now : now + hold] = (random.choice((-1, 1)) * random.uniform(8, 18), random.uniform(-7, 8))
        now += hold + int(random.integers(50, 100))
    for _ in range(frames // 18):  # the eye never quite rests
        aside[int(random.integers(0, frames)) :] += random.normal(0, 0.35, 2)
    aside = (aside + np.roll(aside, 1, 0) + np.roll(aside, -1, 0)) / 3
    pitch, yaw = motion.turn_degrees[:, 0], motion.turn_degrees[:, 1]
    motion.look(aside[:, 0] - 0.9 * yaw, aside[:, 1] - 0.9 * pitch)


# The head.


def _sway(motion: Motion, turn_degrees: float, random: np.random.Generator) -> None:
    """Slow turns to both sides, and the little that nobody holds back."""
    frames = len(motion)
    phase = 2 * np.pi * np.arange(frames) / max(frames, 1)
    wide, tilt = random.uniform(0, 0.5, 2)
    motion.turn_degrees[:, 1] = 0.8 * turn_degrees * np.sin(2 * phase + wide) + 0.2 * turn_degrees * _drift(
        frames, random
    )
    motion.turn_degrees[:, 0] = 0.22 * turn_degrees * _drift(frames, random)
    motion.turn_degrees[:, 2] = 0.25 * turn_degrees * np.sin(3 * phase + tilt) + 0.1 * turn_degrees * _drift(
        frames, random
    )
    for axis, reach in enumerate((0.010, 0.004, 0.012)):
        motion.shift_m[:, axis] = reach * _drift(frames, random)


def _accents(motion: Motion, sounds: list[Sound], random: np.random.Generator) -> None:
    """Stressed words come with a small nod, some with raised brows."""
    time_s = np.arange(len(motion)) / FPS
    last_s = -1.0
    for sound in sounds:
        if sound.stress < 1.05 or not sound.viseme.vowel or sound.at_s < last_s + 0.6:
            continue
        last_s = sound.at_s
        motion.turn_degrees[:, 0] += random.uniform(0.8, 2.4) * np.exp(-(((time_s - last_s - 0.05) / 0.14) ** 2))
        if random.random() < 0.6:
            raised = random.uniform(0.2, 0.55) * np.exp(-(((time_s - last_s + 0.05) / random.uniform(0.18, 0.35)) ** 2))
            for name in ("browInnerUp", "browOuterUpLeft", "browOuterUpRight"):
                motion.weight(name)[:] += raised * (0.8 if name == "browInnerUp" else 1.0)


def _drift(frames: int, random: np.random.Generator) -> Floats:
    """[T] smooth, about -1 to 1, never the same: a few slow waves."""
    time_s = np.arange(frames) / FPS
    waves = [
        np.sin(2 * np.pi * (random.uniform(0.8, 1.2) * hertz * time_s + random.uniform())) for hertz in (0.23, 0.5, 1.1)
    ]
    return np.asarray(0.55 * waves[0] + 0.3 * waves[1] + 0.15 * waves[2])


def _ease(x: Floats) -> Floats:
    return np.asarray(x * x * (3 - 2 * x))
