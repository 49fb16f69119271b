"""The energy of one picture for one head on the CPU: the compiled twin of `tracker.residuals.energy`."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import blas, lapack

from models.head import Head
from models.landmark_rows import LandmarkRows
from tracker.config import FitConfig
from tracker.jacobian_kernel import linearise, linearise_camera
from tracker.prior_kernel import KernelPriors, meets_the_same_limits, usual_energy, with_priors
from tracker.residuals import Priors
from tracker.solver_kernel import KernelRows, KernelSeen, evaluate, slope
from tracker.state_kernel import retract

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Seen:
    """One picture's landmarks, as the fit wants them."""

    points_px: Floats  # [L, 2]
    iod_px: float
    weights: Floats  # [L]
    centre_px: Floats  # [2]
    time_s: float


class Slope(NamedTuple):
    """The energy at a state, and the slope of what the landmarks say of it."""

    energy: float
    gradient: Floats  # [C] of half the energy of landmarks and gaps


class PictureEnergy:
    """Holds work space: one a session, never shared by threads. The focal length is fixed."""

    def __init__(self, head: Head, rows: LandmarkRows, config: FitConfig) -> None:
        priors = Priors.of(head, rows.columns, config)
        self._config = config
        self._rows = KernelRows.of(rows, priors.pairs.numpy().astype(np.int32))
        self._priors = KernelPriors.of(priors, config)
        self._seen: KernelSeen  # set by `look`

    def look(self, seen: Seen, robust_iod: float) -> None:
        """Take this picture from now on, and believe points that miss by up to about `robust_iod`."""
        config, landmarks = self._config, len(seen.weights)
        usual = config.independent_points / landmarks
        self._seen = KernelSeen(
            points_px=seen.points_px,
            share=seen.weights * np.float32(usual),
            centre_px=seen.centre_px,
            unit_px=np.float32(config.landmark_std_iod * seen.iod_px),
            robust=np.float32((robust_iod / config.landmark_std_iod) ** 2),
            gap_trust=np.float32(config.landmark_std_iod / config.gap_std_iod / usual**0.5),
        )

    def move_head(self, state: Floats) -> Floats:
        """The state after one step of the camera alone: where a head has turned, its face is soon found."""
        hessian, start = np.empty((6, 6), np.float32), self._rows.gradient.shape[0] - 6
        linearise_camera(self._rows, self._seen, state, hessian)
        step = np.zeros_like(self._rows.gradient)
        _, step[start:], failed = lapack.sposv(hessian, -self._rows.gradient[start:])
        return state if failed else np.asarray(retract(state, step))

    def linearise(self, state: Floats) -> tuple[Floats, Slope]:
        """Also the hessian [C, C] of the same half: in column order, its upper half counts."""
        energy = linearise(self._rows, self._seen, state)
        hessian: Floats = blas.ssyrk(1.0, self._rows.jacobian.T)
        return hessian, self._slope(energy, state)

    def slope(self, state: Floats) -> Slope:
        """A fifth of the work of `linearise`."""
        return self._slope(slope(self._rows, self._seen, state), state)

    def _slope(self, seen: float, state: Floats) -> Slope:
        return Slope(seen + usual_energy(self._priors, state), self._rows.gradient.copy())

    def step(
        self, hessian: Floats, gradient: Floats, state: Floats, damping: float, rounds: int
    ) -> tuple[Floats, float]:
        """To the lowest point of the parabola, with the limits that are met on the way; and how far down that leads."""
        goal = state
        for _ in range(rounds):
            damped, downhill = with_priors(self._priors, hessian, gradient, state, goal, damping)
            _, step, failed = lapack.sposv(damped, downhill, overwrite_a=True)
            if failed:
                return np.zeros_like(gradient), np.inf
            before, goal = goal, state[: len(step)] + step
            if meets_the_same_limits(self._priors, before, goal):
                break
        return step, float(step @ downhill)

    def information(self, hessian: Floats, gradient: Floats, state: Floats) -> Floats:
        """With what is usual there: [C, C], its upper half."""
        return np.asarray(with_priors(self._priors, hessian, gradient, state, state, 0.0)[0])

    def place(self, state: Floats) -> tuple[Floats, Floats]:
        """The landmarks in the picture [L, 2], pixels, and in the camera frame [L, 3]."""
        evaluate(self._rows, self._seen, state)
        return self._rows.points_px.copy(), self._rows.camera_m.copy()
