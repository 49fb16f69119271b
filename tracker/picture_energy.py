"""The energy of one picture for one head on the CPU: the compiled twin of `tracker.residuals.energy`."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import blas

from models.head import Head
from models.landmark_rows import LandmarkRows
from tracker.blend_kernel import Memory, alone, blend
from tracker.config import LiveConfig
from tracker.descent_kernel import Equations, Steps, descend, move_head
from tracker.jacobian_kernel import linearise
from tracker.prior_kernel import KernelPriors, usual_energy
from tracker.residuals import Priors
from tracker.solver_kernel import KernelRows, KernelSeen, evaluate

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Seen:
    """One picture's landmarks, as the fit wants them."""

    points_px: Floats  # [L, 2]
    iod_px: float
    weights: Floats  # [L]
    centre_px: Floats  # [2]
    time_s: float


class PictureEnergy:
    """Holds work space: one a session, never shared by threads. The focal length is fixed."""

    def __init__(self, head: Head, rows: LandmarkRows, config: LiveConfig) -> None:
        priors = Priors.of(head, rows.columns, config)
        self._config = config
        self._rows = KernelRows.of(rows, priors.pairs.numpy().astype(np.int32))
        self._priors = KernelPriors.of(priors, config)
        self._equations = Equations.of(len(self._rows.gradient), self._priors)
        self._steps = Steps(config.damping, config.small_gain, config.limit_rounds)
        self._memory = Memory(
            config.process_noise,
            config.stirred_noise,
            config.gate,
            config.hold,
            config.still_shape,
            config.still_camera,
        )
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

    def linearise(self, state: Floats) -> tuple[float, Equations, Floats]:
        """The energy at a state, the equations there, and the slope [C] of half of what the landmarks say of it.

        The latter two live until the next call.
        """
        energy = linearise(self._rows, self._seen, state)
        # Into the memory of the hessian: BLAS fills the upper half of what it takes for columns.
        blas.ssyrk(1.0, self._rows.jacobian.T, c=self._equations.hessian.T, overwrite_c=True)
        return energy + usual_energy(self._priors, state), self._equations, self._rows.gradient

    def move_head(self, state: Floats) -> Floats:
        """The state after one step of the camera alone: where a head has turned, its face is soon found."""
        return move_head(self._rows, self._seen, state)

    def descend(self, state: Floats, limit: int) -> tuple[Floats, int]:
        """The state after at most `limit` steps, and their number; the equations are made nearby."""
        state, damping, taken, there = self.move_head(state), self._steps.damping, 0, False
        while not there:
            energy, _, _ = self.linearise(state)
            state, damping, taken, there = descend(
                self._rows, self._seen, self._priors, self._equations, self._steps, state, energy, damping, taken, limit
            )
        return state, taken

    def alone(self, state: Floats, shift_m: float) -> Floats:
        """The variance [C] after `descend`, where nothing came before."""
        return alone(self._priors, self._equations, state, shift_m**-2)

    def blend(
        self, state: Floats, shift_m: float, before: Floats, variance: Floats, elapsed: float
    ) -> tuple[Floats, Floats]:
        """State and variance after `descend`, with the last frame's, `elapsed` thirtieths of a second ago."""
        return blend(self._priors, self._equations, self._memory, state, shift_m**-2, before, variance, elapsed)

    def place(self, state: Floats) -> tuple[Floats, Floats]:
        """The landmarks in the picture [L, 2], pixels, and in the camera frame [L, 3]."""
        evaluate(self._rows, self._seen, state)
        return self._rows.points_px.copy(), self._rows.camera_m.copy()
