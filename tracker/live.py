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
from scipy.linalg import blas, lapack

from models.head import Head
from models.landmark_rows import LandmarkRows
from tracker.config import LiveConfig
from tracker.contacts import LOWER, PAIRS, UPPER
from tracker.residuals import Priors
from tracker.solver_kernel import KernelRows, KernelSeen, evaluate_landmarks, linearise_landmarks

Floats = NDArray[np.float32]
_UPPER, _LOWER = np.array(UPPER), np.array(LOWER)


@dataclass(frozen=True)
class Seen:
    """One picture's landmarks, as the fit wants them."""

    points_px: Floats  # [L, 2]
    iod_px: float
    weights: Floats  # [L]
    centre_px: Floats  # [2]
    time_s: float


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
    iterations: int


class FrameFitter:
    """Fits frames of one person with one camera. Holds work space: one a session, never shared by threads."""

    def __init__(self, head: Head, rows: LandmarkRows, config: LiveConfig) -> None:
        self._rows = KernelRows.of(rows, gaps=len(PAIRS))
        self._config = config
        self._expressions = head.expression_size
        self._joints_end = rows.columns.rotation.start
        priors = Priors.of(head, rows.columns, config)
        self._precision = (1 / priors.std.numpy() ** 2).astype(np.float32)
        self._low, self._high = priors.low.numpy(), priors.high.numpy()
        self._eyes, self._gaze = rows.columns.eyes, priors.gaze.numpy()

    def fit(self, seen: Seen, start: Floats, before: Posterior | None) -> LiveFit:
        """`start` is the state to begin from; `before` the last posterior, None after a cut or a loss."""
        config, state, iterations = self._config, start, 0
        if before is None:
            for widening in config.cold_widening:
                weighed = self._weigh(seen, widening * config.robust_iod)
                state, hessian, count = self._descend(state, weighed, config.cold_iterations)
                iterations += count
        else:
            weighed = self._weigh(seen, max(config.robust_iod, config.robust_misses * before.miss_iod))
            state, hessian, iterations = self._descend(state, weighed, config.warm_iterations)
        state, variance = self._blend(state, hessian, seen, before)
        evaluate_landmarks(self._rows, state, weighed)
        fitted_px, fitted_m = self._rows.points_px.copy(), self._rows.camera_m.copy()
        miss = float(np.median(np.linalg.norm(fitted_px - seen.points_px, axis=1))) / seen.iod_px
        return LiveFit(Posterior(state, variance, seen.time_s, miss), fitted_px, fitted_m, iterations)

    def _descend(self, state: Floats, seen: KernelSeen, limit: int) -> tuple[Floats, Floats, int]:
        """The state after at most `limit` steps, the hessian of the last of them, and their number."""
        damping, iterations = self._config.damping, 0
        hessian, gradient, energy = self._linearise(state, seen)
        while True:
            iterations += 1
            candidate = self._retract(state, _solve(hessian, gradient, damping))
            gain = energy - self._energy(candidate, seen)
            if gain > 0:
                state, damping = candidate, 0.1 * damping
            else:
                damping = max(10 * damping, 1e-3)
            if iterations == limit or 0 < gain < self._config.small_gain * energy:
                return state, hessian, iterations  # the equations of the last step are as good as new ones
            if gain > 0:
                hessian, gradient, energy = self._linearise(state, seen)

    def _weigh(self, seen: Seen, robust_iod: float) -> KernelSeen:
        config = self._config
        share = seen.weights * np.float32(config.independent_points / self._rows.landmarks)
        unit = np.float32(config.landmark_std_iod * seen.iod_px)
        robust = np.float32((robust_iod / config.landmark_std_iod) ** 2)
        return KernelSeen(seen.points_px, share, seen.centre_px, unit, robust)

    def _energy(self, state: Floats, seen: KernelSeen) -> float:
        energy = evaluate_landmarks(self._rows, state, seen)
        gaps = self._gaps()[0]
        prior, _, _ = self._prior(state)
        return energy + float(gaps @ gaps) + prior

    def _linearise(self, state: Floats, seen: KernelSeen) -> tuple[Floats, Floats, float]:
        """Normal equations [C, C] (their upper half), [C] without the focal length, which is fixed, and the energy."""
        rows, count = self._rows, 2 * self._rows.landmarks
        energy = linearise_landmarks(rows, state, seen)
        rows.residual[count:], up, down = self._gaps()
        by_point = rows.jacobian[:count].reshape(-1, 2, rows.jacobian.shape[1])
        rows.jacobian[count:] = (by_point[_UPPER] * up - by_point[_LOWER] * down).reshape(-1, rows.jacobian.shape[1])
        hessian: Floats = blas.ssyrk(1.0, rows.jacobian.T)[:-1, :-1]
        gradient = rows.residual @ rows.jacobian[:, :-1]  # all but the focal length
        prior, pull, stiffness = self._prior(state)
        linear, eyes = np.arange(self._joints_end), self._eyes
        hessian[linear, linear] += stiffness
        hessian[eyes, eyes] += self._gaze
        gradient[: self._joints_end] += pull
        return hessian, gradient, energy + float(rows.residual[count:] @ rows.residual[count:]) + prior

    def _gaps(self) -> tuple[Floats, Floats, Floats]:
        """Lids and lips, as `residuals._gap_term`: residuals [2 G], and what makes them of the points' own rows."""
        rows, config = self._rows, self._config
        unit = np.float32(config.landmark_std_iod / config.gap_std_iod)
        usual = np.float32(np.sqrt(config.independent_points / rows.landmarks))
        upper, lower = rows.roots[_UPPER], rows.roots[_LOWER]
        # A point that is hidden or not believed has no gap either.
        trust = np.sqrt(upper * lower) / usual * unit
        up, down = (trust / upper)[:, None, None], (trust / lower)[:, None, None]
        by_point = rows.residual[: 2 * rows.landmarks].reshape(-1, 2)
        return (by_point[_UPPER] * up[..., 0] - by_point[_LOWER] * down[..., 0]).ravel(), up, down

    def _prior(self, state: Floats) -> tuple[float, Floats, Floats]:
        """Energy, gradient and diagonal of what is usual, of the limits and of the gaze."""
        value = state[: self._joints_end]
        beyond: Floats = value - np.clip(value, self._low, self._high)
        stiff = self._precision * (beyond != 0) * np.float32(self._config.limit_std**-2)
        pull = self._precision * value + stiff * beyond
        energy = float(value @ (self._precision * value) + beyond @ (stiff * beyond))
        eyes = value[self._eyes]
        turn = self._gaze @ eyes
        pull[self._eyes] += turn
        return energy + float(eyes @ turn), pull, self._precision + stiff

    def _retract(self, state: Floats, step: Floats) -> Floats:
        joints, out = self._joints_end, state.copy()
        out[:joints] += step[:joints]
        turned = _rotation(step[joints : joints + 3]) @ state[joints : joints + 9].reshape(3, 3)
        out[joints : joints + 9] = (1.5 * turned - 0.5 * turned @ turned.T @ turned).ravel()
        out[joints + 9 : joints + 12] += step[joints + 3 : joints + 6]
        return out

    def _difference(self, state: Floats, other: Floats) -> Floats:
        """The step from other to state."""
        joints = self._joints_end
        turn = state[joints : joints + 9].reshape(3, 3) @ other[joints : joints + 9].reshape(3, 3).T
        parts = state[:joints] - other[:joints], _axis_angle(turn), state[joints + 9 : -1] - other[joints + 9 : -1]
        return np.concatenate(parts).astype(np.float32)

    def _blend(self, state: Floats, hessian: Floats, seen: Seen, before: Posterior | None) -> tuple[Floats, Floats]:
        """This frame's own answer, and the last frame's as a prior on it."""
        config = self._config
        upper: Floats = np.triu(hessian)
        whole = upper + upper.T - np.diag(np.diag(upper))
        information = _without_common_shift(whole, self._joints_end, config, seen.iod_px, state)
        own = _inverse_diagonal(information)
        if before is None:
            return state, own
        elapsed = max(seen.time_s - before.time_s, 1e-3) * 30
        move = self._difference(state, before.state)
        spread = before.variance + elapsed * config.process_noise * own
        unexplained = move * move - config.gate * (spread + own)
        spread = spread + np.maximum(unexplained, 0)
        held = self._held(whole, move, elapsed)
        prior = whole * np.outer(held, held)
        prior.ravel()[:: len(prior) + 1] += 1 / spread
        factor, failed = lapack.spotrf(information + prior)
        if failed:
            return state, own
        back, _ = lapack.spotrs(factor, prior @ move)
        inverse, _ = lapack.spotri(factor)
        return self._retract(state, -back.astype(np.float32)), np.diag(inverse).copy()

    def _held(self, hessian: Floats, move: Floats, elapsed: float) -> Floats:
        """How far each unknown is held [C]: fully while its move shifts the landmarks by no more than their noise.

        The camera's six are judged together, because a turn and a shift may stand for each other.
        """
        config, camera = self._config, slice(self._joints_end, None)
        shift = move * move * np.diag(hessian) / config.still_shape
        shift[camera] = move[camera] @ hessian[camera, camera] @ move[camera] / config.still_camera
        held: Floats = np.sqrt(np.float32(config.hold / elapsed)) / np.maximum(shift, 1)
        return held


def _solve(hessian: Floats, gradient: Floats, damping: float) -> Floats:
    """`hessian` needs only its upper half."""
    damped = hessian.copy()
    diagonal = np.arange(len(hessian))
    damped[diagonal, diagonal] *= 1 + damping
    _, step, failed = lapack.sposv(damped, -gradient)
    return np.zeros_like(gradient) if failed else step


def _inverse_diagonal(matrix: Floats) -> Floats:
    factor, failed = lapack.spotrf(matrix)
    inverse, _ = lapack.spotri(factor)
    diagonal: Floats = np.diag(inverse).copy()
    return np.full_like(diagonal, 1e6) if failed else diagonal


def _without_common_shift(hessian: Floats, joints: int, config: LiveConfig, iod_px: float, state: Floats) -> Floats:
    """The same information, had the detector moved all its points together by a small unknown amount in this picture.

    A common shift looks like a translation across the view, so it is marginalised there (Schur complement).
    """
    across = slice(joints + 3, joints + 5)
    depth, focal = float(state[joints + 11]), float(np.exp(state[-1]))
    std = config.common_shift_iod * iod_px * depth / focal  # metres
    columns = hessian[:, across]
    inner = hessian[across, across] + np.eye(2, dtype=np.float32) / std**2
    out: Floats = hessian - columns @ np.linalg.solve(inner, columns.T)
    return out


def _rotation(axis_angle: Floats) -> NDArray[np.float64]:
    x, y, z = axis_angle.astype(np.float64)
    angle = float(np.sqrt(x * x + y * y + z * z))
    k = np.array(((0, -z, y), (z, 0, -x), (-y, x, 0)))
    if angle < 1e-6:
        return np.asarray(np.eye(3) + k + k @ k / 2)
    return np.asarray(np.eye(3) + np.sin(angle) / angle * k + (1 - np.cos(angle)) / angle**2 * k @ k)


def _axis_angle(turn: Floats) -> NDArray[np.float64]:
    """Of a turn well below a half."""
    axis = np.array((turn[2, 1] - turn[1, 2], turn[0, 2] - turn[2, 0], turn[1, 0] - turn[0, 1]), np.float64) / 2
    sine, cosine = float(np.linalg.norm(axis)), (float(np.trace(turn)) - 1) / 2
    return axis * (np.arctan2(sine, cosine) / sine if sine > 1e-6 else 1.0)
