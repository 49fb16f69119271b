"""The room behind a portrait, as a lens wide open shows it: a wall, a window, a shelf, lamps as discs of light."""

import cv2
import numpy as np
from numpy.typing import NDArray

from render.studio.stage import Stage

Picture = NDArray[np.float32]

COARSE = 2  # drawn at half the picture's size, since it is blurred anyway
WALLS = ((0.20, 0.19, 0.18), (0.13, 0.16, 0.18), (0.22, 0.17, 0.13), (0.12, 0.14, 0.11))
BOOKS = (
    (0.25, 0.06, 0.04),
    (0.05, 0.10, 0.18),
    (0.28, 0.22, 0.12),
    (0.06, 0.12, 0.08),
    (0.03, 0.03, 0.04),
    (0.3, 0.28, 0.25),
)


def room(stage: Stage, large: int) -> Picture:
    """[H, W, 3] linear, `large` times the stage's size."""
    random = np.random.default_rng((stage.seed, 12))
    width, height = (size // COARSE for size in stage.size_px)
    wall = np.array(WALLS[int(random.integers(len(WALLS)))], np.float32)
    across, down = np.meshgrid(np.linspace(-1, 1, width), np.linspace(-1, 1, height))
    side = 1 if stage.lights[0][0] > 0 else -1  # the window is where the light comes from
    glow = 1.0 + 0.75 * side * across - 0.25 * down
    picture = np.ascontiguousarray(glow[..., None] * wall, np.float32)
    left = 0 if side < 0 else round(0.80 * width)
    cv2.rectangle(picture, (left, 0), (left + round(0.20 * width), round(0.62 * height)), (0.85, 0.95, 1.10), -1)
    cv2.rectangle(
        picture, (left, round(0.28 * height)), (left + round(0.20 * width), round(0.31 * height)), (0.1, 0.1, 0.1), -1
    )
    _shelf(picture, random, -side)
    picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), height / 26), np.float32)
    for _ in range(5):  # far lamps
        x, y = random.uniform(0.05, 0.95) * width, random.uniform(0.05, 0.5) * height
        disc = np.zeros((height, width), np.float32)
        cv2.circle(disc, (round(x), round(y)), round(random.uniform(0.02, 0.045) * height), (1.0,), -1, cv2.LINE_AA)
        disc = np.asarray(cv2.GaussianBlur(disc, (0, 0), height / 240), np.float32)
        picture += disc[..., None] * np.array((0.34, 0.24, 0.13), np.float32) * random.uniform(0.3, 1.0)
    size = stage.size_px[0] * large, stage.size_px[1] * large
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_LINEAR), np.float32)


def _shelf(picture: Picture, random: np.random.Generator, side: int) -> None:
    height, width = picture.shape[:2]
    low, high = (0.62, 1.0) if side > 0 else (0.0, 0.38)
    for row in (0.16, 0.46, 0.76):
        bottom = round((row + 0.22) * height)
        at = low
        while at < high - 0.02:
            wide, tall = random.uniform(0.012, 0.035), random.uniform(0.13, 0.2)
            colour = tuple(float(x) * random.uniform(0.5, 1.1) for x in BOOKS[int(random.integers(len(BOOKS)))])
            if random.random() < 0.85:
                corner = (round(at * width), round((row + 0.22 - tall) * height))
                cv2.rectangle(picture, corner, (round((at + wide) * width), bottom), colour, -1)
            at += wide
        cv2.rectangle(picture, (round(low * width), bottom), (round(high * width), bottom + 3), (0.10, 0.06, 0.035), -1)
