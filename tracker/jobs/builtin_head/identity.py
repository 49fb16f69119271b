"""How people differ: the covariance of neutral faces, where each was seen through some expression.

A factor model, fitted by expectation maximisation: seen = mean + identity + leftover, with the leftover's covariance
known from clips. A broad smile in a single picture so counts less where smiles move the face.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

ROUNDS = 12
SUBSPACE = 150  # directions in which neutral faces vary at all; the rest is noise
NOISE_M = 0.0003  # of a landmark's coordinate in one picture


@dataclass(frozen=True)
class Seen:
    """Neutral faces as well as one could tell."""

    faces: Floats  # [N, D] about their mean
    doubt: Floats  # [N] how many times the leftover's covariance is in each: 1 for a picture, little for a clip


def identity_covariance(seen: Seen, leftover: Floats) -> Floats:
    """[D, D] of the true neutral faces; leftover [D, D]."""
    basis = np.linalg.svd(seen.faces, full_matrices=False)[2][:SUBSPACE].T  # [D, K]
    faces = seen.faces @ basis
    spread = basis.T @ leftover @ basis
    noise = NOISE_M**2 * np.eye(basis.shape[1])
    covariance = faces.T @ faces / len(faces)
    for _ in range(ROUNDS):
        covariance = _round(covariance, faces, seen.doubt, spread, noise)
    return np.asarray(basis @ covariance @ basis.T)


def _round(covariance: Floats, faces: Floats, doubt: Floats, spread: Floats, noise: Floats) -> Floats:
    total = np.zeros_like(covariance)
    for level in np.unique(doubt):
        gain = np.linalg.solve(covariance + level * spread + noise, covariance).T  # of the posterior mean
        middle = faces[doubt == level] @ gain.T
        total += middle.T @ middle + len(middle) * (covariance - gain @ covariance)
    return np.asarray((total + total.T) / (2 * len(faces)))
