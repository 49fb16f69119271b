"""The statistics the built-in head is made from, and their file: small integers with one scale for each mode."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

VERSION = 1


@dataclass(frozen=True)
class Statistics:
    """Of the 478 landmarks, metres, head frame with its origin between the ear canals."""

    mean: Floats  # [L, 3] a face at rest, symmetric
    identity_modes: Floats  # [L, 3, S] each times its standard deviation; irises go with the corners of their eye
    expression_modes: Floats  # [L, 3, E] from neutral, each times its RMS; zero at the irises
    score_responses: Floats  # [L, 3, 52] to a score of 1, `ARKIT_NAMES` order
    score_reliability: Floats  # [52] 0 to 1: how far halves of the clips agree on the response
    score_range: Floats  # [52] the 99th percentile of the score above rest, in clips
    pose_responses: Floats  # [L, 3, 5] the detector's sliding with yaw, pitch, yaw^2, pitch^2, yaw*pitch (radians)
    weights: Floats  # [L] of landmarks in the alignment; steady ones 1, irises 0; modes are orthogonal under them
    mirror: NDArray[np.int64]  # [L] the landmark on the other side
    counts: NDArray[np.int64]  # clips, pictures, frames


_PACKED = ("identity_modes", "expression_modes", "score_responses", "pose_responses")


def save_statistics(file: Path, statistics: Statistics) -> None:
    """Modes as int16 times a scale for each, the rest as float32; the same statistics give the same bytes."""
    arrays: dict[str, NDArray[np.generic]] = {"version": np.array(VERSION)}
    for name, value in vars(statistics).items():
        if name in _PACKED:
            scale = np.maximum(np.abs(value).max((0, 1)), 1e-12) / 32767
            arrays[name] = np.round(value / scale).astype(np.int16)
            arrays[f"{name}_scale"] = scale.astype(np.float32)
        else:
            arrays[name] = value.astype(np.int16) if name == "mirror" else value.astype(np.float32)
    np.savez_compressed(file, **arrays)


def load_statistics(file: Path) -> Statistics:
    with np.load(file, allow_pickle=False) as arrays:
        fields = {}
        for name in Statistics.__dataclass_fields__:
            value = arrays[name]
            if name in _PACKED:
                value = value * arrays[f"{name}_scale"].astype(np.float64)
            fields[name] = value.astype(np.int64 if name in ("mirror", "counts") else np.float64)
    return Statistics(**fields)
