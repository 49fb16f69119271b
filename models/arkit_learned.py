"""Landmarks' motion as ARKit weights, by what the detector shows of each motion rather than by what a head does.

The detector reports only a part of a true motion (a fifth of a squint, half of a sideways jaw) and makes one out of
another. So the responses were learned: people of the studio, each with shapes a little different from the next one's,
moved all weights at random and one by one, were filmed, detected and tracked, and the landmarks' offsets from rest
regressed on the weights, on the head's turning and on the gaze (`tracker/jobs/calibration.py`). What the regression
leaves over is the noise that the weights are looked for in. They are solved together, each in 0 to 1, with a slight
pull towards 0.

The landmarks are the detected ones with their depth, not the fitted ones: a head's shapes cannot take all that the
detector shows, and the depth, which the fit has no use for, tells lips and jaws apart. Offsets are in the head frame
and in inter-ocular distances, so heads of every kind are read alike.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.arkit_names import ARKIT_NAMES
from models.box_solve import solve_box
from models.compiled import quick
from models.npz import read_npz
from models.types import SKIN_COUNT, Camera, Landmarks

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]

FILE = Path(__file__).parent / "builtin" / "responses.npz"
SKIN = slice(0, SKIN_COUNT)
OUTER_CORNERS = (33, 263)


@dataclass(frozen=True)
class LearnedResponses:
    solved: NDArray[np.int64]  # [K] which of the 52 are told
    pull: NDArray[np.float32]  # [3 * 468, K] of the landmarks' offsets on the weights
    background: Floats  # [B, K] the same of `background`, which explains a part of them
    normal: Floats  # [K, K] of the weights among each other, with their prior

    def solve(self, offsets: NDArray[np.float32], beside: Floats, start: Floats | None) -> Floats:
        """Weights [K] from the landmarks' offsets [3 * 468] from rest, in IOD; `start` [K] is the frame before."""
        right = (offsets @ self.pull).astype(np.float64) - beside @ self.background
        before = np.zeros(len(self.solved)) if start is None else start
        return solve_box(self.normal, right, before)[0]


def shown_in_head(seen: Landmarks, camera: Camera, fitted_m: NDArray[np.float32]) -> NDArray[np.float32]:
    """[468, 3] metres in the head frame: the detected landmarks, each across the view as far away as it was fitted,
    and in depth as the detector has it about their middle. Camera and fitted_m [L, 3] are the fit's."""
    return _placed(
        seen.points_px, seen.depth_px, fitted_m, camera.rotation.numpy(), camera.translation.numpy(),
        camera.principal_px.numpy(), float(camera.focal_px),
    )  # fmt: skip


@quick
def _placed(
    points_px: Singles, depth_px: Singles, fitted_m: Singles, rotation: Singles, translation: Singles,
    principal_px: Singles, focal_px: float,
) -> Singles:  # fmt: skip
    middle, middle_px = 0.0, 0.0
    for p in range(SKIN_COUNT):
        middle += fitted_m[p, 2] / SKIN_COUNT
        middle_px += depth_px[p] / SKIN_COUNT
    out = np.empty((SKIN_COUNT, 3), np.float32)
    for p in range(SKIN_COUNT):
        x = (points_px[p, 0] - principal_px[0]) * fitted_m[p, 2] / focal_px - translation[0]
        y = (points_px[p, 1] - principal_px[1]) * fitted_m[p, 2] / focal_px - translation[1]
        z = middle + (depth_px[p] - middle_px) * middle / focal_px - translation[2]
        for axis in range(3):
            out[p, axis] = x * rotation[0, axis] + y * rotation[1, axis] + z * rotation[2, axis]
    return out


def background(rotation: Floats, looks: Floats) -> Floats:
    """[8] what moves the landmarks beside the weights: turning (rotation of T_camera_head) and gaze (pitch, yaw)."""
    side, down = float(rotation[0, 2]), float(rotation[1, 2])
    return np.array((side, down, side * side, down * down, side * down, float(looks[0]), float(looks[1]), 1.0))


@lru_cache(maxsize=1)
def load_learned() -> LearnedResponses:
    table = read_npz(FILE)
    solved = np.array([ARKIT_NAMES.index(name) for name in table["names"].tolist()])
    return LearnedResponses(
        solved,
        table["pull"].astype(np.float32) * table["pull_scale"].astype(np.float32),
        table["background"].astype(np.float64),
        table["normal"].astype(np.float64),
    )
