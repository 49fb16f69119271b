"""What skin may look like: a smooth albedo for any head, with a prior that says how smooth and how symmetric.

Albedo is one tone, a Gaussian process over the resting surface (patches that both sides share, weaker ones that they
do not), and lips and brows, whose colour is their own. The process's strongest functions make a linear basis in which
every weight has a standard deviation of 1, the same for each colour channel. Places are the landmarks', so no head
needs colours of its own.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from torch import Tensor

from models.head import Head, embed
from render.texture import NEAR_M, face_reach
from tracker.photometric.colours import LUMINANCE

Floats = NDArray[np.float64]

FUNCTIONS = 60  # of the process that are kept
TONE_STD, SHARED_STD, SIDED_STD = 0.25, 0.06, 0.025  # of albedo
PATCH_M = 0.022  # over which it changes
FEATURE_STD = 0.15

# Landmarks between which lie the lips, and the two rows of each brow.
LIPS = ((61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291), (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308),
        (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308),
        (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291))  # fmt: skip
BROWS = (((70, 63, 105, 66, 107), (46, 53, 52, 65, 55)), ((300, 293, 334, 296, 336), (276, 283, 282, 295, 285)))
INSIDE = ("mouth_bag", "gums", "teeth", "tongue", "socket", "nostril_passage", "eyeball", "lip_margin", "lid_margin")


@dataclass(frozen=True)
class AlbedoSpace:
    """albedo [V, 3] = mean + basis @ weights, weights [K, 3]."""

    mean: Tensor  # [V, 3]
    basis: Tensor  # [V, K], the first column everywhere the same
    skin: Tensor  # [S] int64: the vertices of the face whose look this describes
    reach: Tensor  # [V] 1 on the face, falling to 0 where hair, ears and clothes are more likely than skin
    area: Tensor  # [V] square metres at rest
    luminance: float  # what the mean of a face's albedo is taken to be: only its product with light is ever seen

    def at(self, weights: Tensor, mean: Tensor | None = None) -> Tensor:
        """`mean` [V, 3]: a person's own, where statistics told it."""
        return (self.mean if mean is None else mean) + self.basis @ weights

    @staticmethod
    def of(head: Head) -> "AlbedoSpace":
        rest = head.template.double().cpu().numpy()
        landmarks = embed(head.embedding, head.template).double().cpu().numpy()[:468]
        skin = _skin(head, rest, landmarks)
        tones = np.full((len(rest), 1), TONE_STD)
        columns = np.concatenate([tones, _process(rest, landmarks), _features(rest, landmarks)], 1)
        tone = np.median(head.colours.double().cpu().numpy()[skin], 0)
        return AlbedoSpace(
            mean=torch.from_numpy(tone).float().expand(len(rest), 3),
            basis=torch.from_numpy(columns).float(),
            skin=torch.from_numpy(skin),
            reach=torch.from_numpy(face_reach(head)),
            area=torch.from_numpy(_areas(rest, head.triangles.cpu().numpy())).float(),
            luminance=float(tone @ LUMINANCE),
        )


def _skin(head: Head, rest: Floats, landmarks: Floats) -> NDArray[np.int64]:
    near = np.asarray(cKDTree(landmarks).query(rest)[0] < NEAR_M, np.bool_)
    for name, region in head.regions.items():
        if name.startswith(INSIDE):
            near[region.cpu().numpy()] = False
    if not any(name.startswith("eyeball") for name in head.regions):
        near[head.skinning_weights.cpu().numpy()[:, 3:].max(1) > 0.5] = False
    return np.flatnonzero(near)


def _areas(rest: Floats, triangles: NDArray[np.int64]) -> Floats:
    a, b, c = (rest[triangles[:, k]] for k in range(3))
    area: Floats = np.linalg.norm(np.cross(b - a, c - a), axis=1) / 6
    return np.asarray(np.bincount(triangles.ravel(), np.repeat(area, 3), minlength=len(rest)), np.float64)


def _process(rest: Floats, landmarks: Floats) -> Floats:
    """[V, FUNCTIONS], from the process at the landmarks (Nyström)."""
    among = _covariance(landmarks, landmarks)
    values, vectors = np.linalg.eigh(among + 1e-8 * np.eye(len(among)))
    strongest = slice(-FUNCTIONS, None)
    return np.asarray(_covariance(rest, landmarks) @ (vectors[:, strongest] / np.sqrt(values[strongest])))


def _covariance(a: Floats, b: Floats) -> Floats:
    def near(p: Floats, q: Floats) -> Floats:
        squared = (p * p).sum(1)[:, None] + (q * q).sum(1) - 2 * p @ q.T
        return np.asarray(np.exp(-squared / (2 * PATCH_M * PATCH_M)))

    mirrored = b * np.array((-1.0, 1.0, 1.0))
    return np.asarray((SHARED_STD**2 + SIDED_STD**2) * near(a, b) + SHARED_STD**2 * near(a, mirrored))


def _features(rest: Floats, landmarks: Floats) -> Floats:
    """[V, 2]: lips; brows."""
    lips = [_between(rest, landmarks[list(a)], landmarks[list(b)]) for a, b in (LIPS[:2], LIPS[2:])]
    brows = [_between(rest, landmarks[list(a)], landmarks[list(b)]) for a, b in BROWS]
    return np.asarray(FEATURE_STD * np.stack([np.maximum(*lips), np.maximum(*brows)], 1))


def _between(rest: Floats, one: Floats, other: Floats, steps: int = 60) -> Floats:
    """[V] 1 between two lines of landmarks, falling to 0 within two millimetres outside."""
    along = np.linspace(0, len(one) - 1, steps)
    rows = [
        np.stack([np.interp(along, np.arange(len(line)), line[:, k]) for k in range(3)], 1) for line in (one, other)
    ]
    filled = np.concatenate([rows[0] + share * (rows[1] - rows[0]) for share in np.linspace(0, 1, 9)])
    distance = cKDTree(filled).query(rest)[0]
    return np.asarray(np.clip(1.2 - distance / 0.002, 0, 1))
