"""Rotation, scale and shift between two heads: in closed form from pairs of points, robustly where some are wrong."""

from dataclasses import dataclass

import numpy as np

from models.embedding.mesh import Floats


@dataclass(frozen=True)
class Similarity:
    """`scale * rotation @ p + translation`."""

    scale: float
    rotation: Floats  # [3, 3]
    translation: Floats  # [3]

    def __call__(self, points: Floats) -> Floats:
        return np.asarray(self.scale * points @ self.rotation.T + self.translation)

    def inverse(self) -> "Similarity":
        rotation = self.rotation.T
        return Similarity(1 / self.scale, rotation, -rotation @ self.translation / self.scale)

    def stepped(self, turn: Floats, shift: Floats, growth: float) -> "Similarity":
        """After a small turn about the origin of the moved points, a growth and a shift."""
        return Similarity(
            self.scale * float(np.exp(growth)), rotation_about(turn) @ self.rotation, self.translation + shift
        )


def rotation_about(axis_angle: Floats) -> Floats:
    """Rodrigues' formula: [3] -> [3, 3]."""
    angle = float(np.linalg.norm(axis_angle))
    x, y, z = axis_angle / max(angle, 1e-12)
    k = np.array(((0, -z, y), (z, 0, -x), (-y, x, 0)))
    return np.asarray(np.eye(3) + np.sin(angle) * k + (1 - np.cos(angle)) * (k @ k))


def align(source: Floats, target: Floats, weights: Floats | None = None) -> Similarity:
    """The similarity that carries source [N, 3] nearest to target, least squares (Umeyama 1991, eq. 40 to 42)."""
    w = np.ones(len(source)) if weights is None else weights
    w = w / w.sum()
    a, b = w @ source, w @ target
    u, d, vt = np.linalg.svd((target - b).T @ ((source - a) * w[:, None]))
    sign = np.array((1.0, 1.0, np.linalg.det(u) * np.linalg.det(vt)))
    rotation = u @ (np.sign(sign)[:, None] * vt)
    scale = float((d * np.sign(sign)).sum() / (w @ ((source - a) ** 2).sum(1)))
    return Similarity(scale, rotation, b - scale * rotation @ a)


def align_robustly(source: Floats, target: Floats, rounds: int = 12) -> tuple[Similarity, Floats]:
    """The same where some pairs are far off; and each pair's distance [N] in the end."""
    weights = np.ones(len(source))
    for _ in range(rounds):
        similarity = align(source, target, weights)
        distance = np.linalg.norm(similarity(source) - target, axis=1)
        weights = 1 / (1 + (distance / max(1.5 * float(np.median(distance)), 1e-9)) ** 2) ** 2
    return similarity, distance
