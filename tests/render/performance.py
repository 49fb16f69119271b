"""A made-up person's performance, as a track.npz would hold it."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from models.arkit_names import ARKIT_NAMES
from models.builtin import load_builtin
from models.camera import FACING
from models.rotations import matrix_from_axis_angle
from models.types import Identity

HEAD = load_builtin()
IDENTITY = Identity(
    0.7 * torch.randn(HEAD.identity_size, generator=torch.Generator().manual_seed(6)),
    900.0, (1280, 720), HEAD.name, HEAD.sha256,
)  # fmt: skip
FRAMES = 12


def a_track() -> dict[str, NDArray[Any]]:
    """Turning once around, frame 3 lost, frame 7 at the time of frame 6."""
    angles = torch.linspace(0, 6, FRAMES)[:, None] * torch.tensor((0.1, 1.0, 0.0))
    weights = np.random.default_rng(1).random((FRAMES, len(ARKIT_NAMES))).astype(np.float32)
    weights[5] = 0
    weights[5, ARKIT_NAMES.index("mouthSmileLeft")] = 1
    track = {
        "time_s": 2.0 + np.arange(FRAMES) / 30,
        "rotation": (torch.tensor(FACING) @ matrix_from_axis_angle(angles)).numpy(),
        "translation": np.tile(np.array((0.02, -0.01, 0.6), np.float32), (FRAMES, 1)),
        "blendshapes": weights,
    }
    for key in ("rotation", "translation", "blendshapes"):
        track[key][3] = np.nan
    track["time_s"][7] = track["time_s"][6]
    return track
