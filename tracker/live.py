"""The fit of one frame on the CPU: from landmarks and the frame before to this frame's parameters.

A few Gauss-Newton steps from where the last frame ended find what this frame's landmarks say. Then time has its say,
as a prior: the last posterior, spread by process noise that grows with the innovation. A parameter that moved no more
than its uncertainty explains is held; one that moved more is believed at once. That alone leaves what landmarks tell
sharply, such as where the face is, to follow their noise: so the last frame's landmarks have a say too, as long as the
new ones differ by no more than that noise. So a still face is still, and a fast one is followed.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.compiled import quick
from models.head import Head
from models.landmark_rows import LandmarkRows
from tracker.config import LiveConfig
from tracker.picture_energy import PictureEnergy
from tracker.picture_energy import Seen as Seen

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Posterior:
    """What is believed after a frame: the state, and how sure of each unknown."""

    state: Floats  # [D] as `tracker.unknowns.Layout` packs it
    variance: Floats  # [C]
    time_s: float
    miss_iod: float  # median distance between fitted and detected landmarks


@dataclass(frozen=True)
class LiveFit:
    posterior: Posterior
    fitted_px: Floats  # [L, 2]
    fitted_m: Floats  # [L, 3] in the camera frame
    error_iod: float  # mean distance between fitted and detected landmarks
    iterations: int

    @staticmethod
    def of(
        state: Floats, variance: Floats, fitted_px: Floats, fitted_m: Floats, seen: Seen, iterations: int
    ) -> "LiveFit":
        mean_px, median_px = _miss(fitted_px, seen.points_px)
        posterior = Posterior(state, variance, seen.time_s, median_px / seen.iod_px)
        return LiveFit(posterior, fitted_px, fitted_m, mean_px / seen.iod_px, iterations)


class FrameFitter:
    """Fits frames of one person with one camera. Holds work space: one a session, never shared by threads."""

    def __init__(self, head: Head, rows: LandmarkRows, config: LiveConfig) -> None:
        self._energy = PictureEnergy(head, rows, config)
        self._config = config

    def fit(self, seen: Seen, start: Floats, before: Posterior | None) -> LiveFit:
        """`start` is the state to begin from; `before` the last posterior, None after a cut or a loss."""
        config, state, iterations = self._config, start, 0
        if before is None:
            for widening in config.cold_widening:
                self._energy.look(seen, widening * config.robust_iod)
                state, count = self._energy.descend(state, config.cold_iterations)
                iterations += count
        else:
            self._energy.look(seen, max(config.robust_iod, config.robust_misses * before.miss_iod))
            state, iterations = self._energy.descend(state, config.warm_iterations)
        # The detector moves all its points together by a small unknown amount in every picture.
        metres_a_pixel = float(state[-2]) * math.exp(-state[-1])
        shift_m = config.common_shift_iod * seen.iod_px * metres_a_pixel
        if before is None:
            variance = self._energy.alone(state, shift_m)
        else:
            elapsed = max(seen.time_s - before.time_s, 1e-3) * 30
            state, variance = self._energy.blend(state, shift_m, before.state, before.variance, elapsed)
        return LiveFit.of(state, variance, *self._energy.place(state), seen, iterations)


@quick
def _miss(fitted_px: Floats, seen_px: Floats) -> tuple[float, float]:
    """How far the points [L, 2] lie apart: mean and median."""
    missed = np.empty(len(fitted_px), np.float32)
    for p in range(len(missed)):
        missed[p] = math.hypot(fitted_px[p, 0] - seen_px[p, 0], fitted_px[p, 1] - seen_px[p, 1])
    return float(missed.mean()), float(np.median(missed))
