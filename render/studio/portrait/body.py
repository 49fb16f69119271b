"""What the head stands on: shoulders in a pullover, as a mesh of rings below the neck."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ids = NDArray[np.int64]

AROUND = 72
# How far down, how much wider and deeper than the neck, and how far behind it the ring's middle lies, metres.
RINGS = (
    (-0.004, 0.002, 0.002, 0.000),
    (0.000, 0.007, 0.007, 0.000),
    (0.006, 0.009, 0.009, 0.001),
    (0.012, 0.008, 0.008, 0.002),
    (0.016, 0.014, 0.012, 0.003),
    (0.026, 0.042, 0.022, 0.006),
    (0.040, 0.080, 0.034, 0.009),
    (0.058, 0.115, 0.043, 0.010),
    (0.082, 0.140, 0.052, 0.008),
    (0.115, 0.156, 0.060, 0.004),
    (0.170, 0.166, 0.068, 0.000),
    (0.260, 0.166, 0.075, -0.004),
    (0.420, 0.158, 0.078, -0.004),
)
COLLAR = 4  # rings that are its ribbed rim


def shoulders(neck: Floats) -> tuple[Floats, Ids]:
    """Around the neck's rim [N, 3] of a resting head: vertices [M, 3] and triangles, in the head frame."""
    middle = (neck.max(0) + neck.min(0)) / 2
    half = (neck.max(0) - neck.min(0)) / 2
    angle = np.linspace(0, 2 * np.pi, AROUND, endpoint=False)
    rings = []
    for down, wider, deeper, behind in RINGS:
        wide, deep = half[0] + wider, half[2] + deeper
        square = 2.0 + 0.9 * min(max(down, 0.0) / 0.1, 1.0)  # rings are round at the neck, boxy at the chest
        x = np.sign(np.cos(angle)) * np.abs(np.cos(angle)) ** (2 / square) * wide
        z = np.sign(np.sin(angle)) * np.abs(np.sin(angle)) ** (2 / square) * deep
        fall = 0.016 * z / deep  # lower in front
        rings.append(middle + np.stack([x, -down - fall, z - behind], 1))
    at = np.arange(AROUND)
    after = (at + 1) % AROUND
    quads = [np.stack([k * AROUND + at, k * AROUND + after, (k + 1) * AROUND + after, (k + 1) * AROUND + at], 1)
             for k in range(len(RINGS) - 1)]  # fmt: skip
    a, b, c, d = np.concatenate(quads).T
    return np.concatenate(rings), np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)])


def cloth_shade(random: np.random.Generator) -> Floats:
    """[M] how light the cloth is by vertex: ribs at the collar, and soft folds."""
    rows = np.repeat(np.arange(len(RINGS)), AROUND)
    around = np.tile(np.arange(AROUND), len(RINGS))
    ribs = np.where(rows < COLLAR, 0.90 + 0.10 * (around % 2), 1.0)
    waves = sum(
        random.uniform(0.01, 0.035) * np.sin(2 * np.pi * (n * around / AROUND + random.uniform() + 0.13 * rows))
        for n in (3, 5, 8, 13)
    )
    return np.asarray(ribs * (1 + np.where(rows < COLLAR, 0, waves)))
