"""Where a clip is taken: lens, distance, lights, background, sensor."""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from models.camera import default_focal_px

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Stage:
    size_px: tuple[int, int]  # width, height
    focal_px: float
    position_m: tuple[float, float, float]  # of the head's origin at rest, in the camera frame
    # Unit directions towards the lights in the camera frame turned upright (x right, y up, z towards the camera).
    lights: tuple[tuple[float, float, float], ...]
    strengths: tuple[float, ...]
    warmth: float  # of the first light, about 0
    ambient: float
    exposure: float  # what white skin's brightness is lifted to; 1 is ordinary
    blur_px: float
    noise_levels: float  # standard deviation of the sensor's noise, of 255
    seed: int


def random_stage(seed: int, size_px: tuple[int, int] = (640, 480), face_px: float = 200.0) -> Stage:
    """Lens of 50 to 75 degrees over the diagonal; the distance follows, so that a face is about `face_px` high."""
    random = np.random.default_rng((seed, 2))
    focal = default_focal_px(*size_px, diagonal_degrees=random.uniform(50, 75))
    distance = float(np.clip(focal * FACE_M / (face_px * random.uniform(0.9, 1.15)), 0.4, 0.9))
    side = random.choice((-1, 1))
    key = _direction(side * random.uniform(10, 55), random.uniform(5, 45))
    fill = _direction(-side * random.uniform(20, 70), random.uniform(-10, 25))
    return Stage(
        size_px=size_px,
        focal_px=focal,
        position_m=(random.uniform(-0.03, 0.03), random.uniform(-0.02, 0.02), distance),
        lights=(key, fill),
        strengths=(random.uniform(0.7, 1.1), random.uniform(0.15, 0.45)),
        warmth=random.uniform(-0.08, 0.12),
        ambient=random.uniform(0.3, 0.55),
        exposure=random.uniform(0.9, 1.25),
        blur_px=random.uniform(0.5, 0.8),
        noise_levels=random.uniform(1.0, 2.2),
        seed=seed,
    )


FACE_M = 0.19  # from chin to hairline, roughly


def _direction(right_degrees: float, up_degrees: float) -> tuple[float, float, float]:
    right, up = math.radians(right_degrees), math.radians(up_degrees)
    return math.sin(right) * math.cos(up), math.sin(up), math.cos(right) * math.cos(up)


def background(stage: Stage) -> Floats:
    """[H, W, 3] linear: an unsharp room."""
    random = np.random.default_rng((stage.seed, 3))
    width, height = stage.size_px
    room = np.zeros((height, width, 3))
    for cells, strength in ((3, 0.5), (9, 0.35), (24, 0.15)):
        coarse = random.uniform(0, 1, (cells, cells + 1, 3)) * 0.4 + random.uniform(0, 1, (cells, cells + 1, 1)) * 0.6
        room += strength * cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.asarray(np.clip(room, 0, 1) ** 1.8 * random.uniform(0.25, 0.7))
