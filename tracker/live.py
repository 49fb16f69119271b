"""The fit of one frame on the CPU: from landmarks and the frame before to this frame's parameters.

A few Gauss-Newton steps from where the last frame ended find what this frame's landmarks say. Then time has its say,
as a prior: the last posterior, spread by process noise that grows with the innovation. A parameter that moved no more
than its uncertainty explains is held; one that moved more is believed at once. That alone leaves what landmarks tell
sharply, such as where the face is, to follow their noise: so the last frame's landmarks have a say too, as long as the
new ones differ by no more than that noise. So a still face is still, and a fast one is followed.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack

from models.head import Head
from models.landmark_rows import LandmarkRows
from tracker.config import LiveConfig
from tracker.picture_energy import PictureEnergy
from tracker.picture_energy import Seen as Seen
from tracker.solver_kernel import compiled
from tracker.state_kernel import difference, retract

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
        off = fitted_px - seen.points_px
        missed = np.sqrt(np.einsum("lc,lc->l", off, off)) / seen.iod_px
        middle = len(missed) // 2
        posterior = Posterior(state, variance, seen.time_s, float(np.partition(missed, middle)[middle]))
        return LiveFit(posterior, fitted_px, fitted_m, float(missed.mean()), iterations)


class FrameFitter:
    """Fits frames of one person with one camera. Holds work space: one a session, never shared by threads."""

    def __init__(self, head: Head, rows: LandmarkRows, config: LiveConfig) -> None:
        self._energy = PictureEnergy(head, rows, config)
        self._config = config
        self._across = rows.columns.translation.start

    def fit(self, seen: Seen, start: Floats, before: Posterior | None) -> LiveFit:
        """`start` is the state to begin from; `before` the last posterior, None after a cut or a loss."""
        config, state, iterations = self._config, start, 0
        if before is None:
            for widening in config.cold_widening:
                self._energy.look(seen, widening * config.robust_iod)
                state, hessian, count = self._descend(state, config.cold_iterations)
                iterations += count
        else:
            self._energy.look(seen, max(config.robust_iod, config.robust_misses * before.miss_iod))
            state, hessian, iterations = self._descend(state, config.warm_iterations)
        state, variance = self._blend(state, hessian, seen, before)
        return LiveFit.of(state, variance, *self._energy.place(state), seen, iterations)

    def _descend(self, state: Floats, limit: int) -> tuple[Floats, Floats, int]:
        """The state after at most `limit` steps, the hessian there, and their number.

        After a step the equations are made anew only if the old ones still promise something: near the answer they
        hardly change, and the gradient is always exact.
        """
        config, damping, iterations, stale = self._config, self._config.damping, 0, False
        state = self._energy.move_head(state)
        hessian, here = self._energy.linearise(state)
        while True:
            step, promised = self._energy.step(hessian, here.gradient, state, damping, config.limit_rounds)
            little = promised < config.small_gain * here.energy
            if iterations == limit or (little and iterations):
                state = retract(state, step) if little else state
                return state, self._energy.information(hessian, here.gradient, state), iterations
            if stale:
                hessian, here = self._energy.linearise(state)
                stale = False
                continue
            iterations += 1
            candidate = retract(state, step)
            there = self._energy.slope(candidate)
            if there.energy < here.energy:
                state, here, damping, stale = candidate, there, 0.1 * damping, True
            else:
                damping = max(10 * damping, 1e-3)

    def _blend(self, state: Floats, hessian: Floats, seen: Seen, before: Posterior | None) -> tuple[Floats, Floats]:
        """This frame's own answer, and the last frame's as a prior on it."""
        config = self._config
        # The detector moves all its points together by a small unknown amount in every picture.
        metres_a_pixel = float(state[-2]) * float(np.exp(-state[-1]))
        shift_m = config.common_shift_iod * seen.iod_px * metres_a_pixel
        information = hessian.copy("F")
        _marginalise_shift(information, self._across, np.float32(shift_m**-2))
        own = _inverse_diagonal(information)
        if before is None:
            return state, own
        elapsed = max(seen.time_s - before.time_s, 1e-3) * 30
        move = difference(state, before.state)
        spread = before.variance + np.float32(elapsed * config.process_noise) * own
        spread += np.maximum(move * move - config.gate * (spread + own), 0)
        back = _recall(
            information, hessian, move, spread, config.hold / elapsed, config.still_shape, config.still_camera
        )
        factor, failed = lapack.spotrf(information, overwrite_a=True)
        if failed:
            return state, own
        step, _ = lapack.spotrs(factor, back)
        return retract(state, step), _inverse_diagonal_of(factor)


def _inverse_diagonal(matrix: Floats) -> Floats:
    factor, failed = lapack.spotrf(matrix)
    return np.full(len(matrix), 1e6, np.float32) if failed else _inverse_diagonal_of(factor)


def _inverse_diagonal_of(factor: Floats) -> Floats:
    half: Floats = lapack.strtri(factor)[0]
    return np.asarray(np.einsum("ij,ij->i", half, half))


@compiled
def _marginalise_shift(hessian: Floats, across: int, precision: np.float32) -> None:
    """Take from the upper half of `hessian` what would also be explained by a common shift of the landmarks.

    That looks like a translation across the view, known beforehand to `precision`: a Schur complement, axis by axis.
    """
    column = np.empty(len(hessian), np.float32)
    for axis in range(across, across + 2):
        for k in range(len(column)):
            column[k] = hessian[min(k, axis), max(k, axis)]
        scale = 1 / (column[axis] + precision)
        for c in range(len(column)):
            weight = scale * column[c]
            for r in range(c + 1):
                hessian[r, c] -= weight * column[r]


@compiled
def _recall(
    information: Floats, hessian: Floats, move: Floats, spread: Floats, hold: float, still_shape: float,
    still_camera: float,
) -> Floats:  # fmt: skip
    """Add to the upper half of `information` what the last frame says; returns how it pulls the move back [C].

    Each unknown is held fully while its move shifts the landmarks by no more than their noise. The camera's six are
    judged together, because a turn and a shift may stand for each other.
    """
    count, camera, turn = len(move), len(move) - 6, 0.0
    for c in range(camera, count):
        for r in range(camera, c + 1):
            turn += (2 if r < c else 1) * hessian[r, c] * move[r] * move[c]
    held, back = np.empty(count, np.float32), np.zeros(count, np.float32)
    for k in range(count):
        shift = turn / still_camera if k >= camera else move[k] * move[k] * hessian[k, k] / still_shape
        held[k] = np.sqrt(hold) / max(shift, 1.0)
    for c in range(count):
        for r in range(c + 1):
            weight = hessian[r, c] * held[r] * held[c]
            if r == c:
                weight += 1 / spread[c]
            else:
                back[c] -= weight * move[r]
            information[r, c] += weight
            back[r] -= weight * move[c]
    return back
