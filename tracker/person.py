"""Is it still the person whose head was learned? Asked of the pixels' geometry alone, a few times a second.

Each check asks how much of the frame's misfit another identity would take away, with expression and pose free to
answer as well (their say is eliminated first). One frame proves little; the same answer for a second and a half does.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from models.types import Identity, Landmarks
from tracker.fit import PersonFitter
from tracker.solver import eliminate


@dataclass(frozen=True)
class PersonConfig:
    every_s: float = 0.2
    memory: float = 0.8
    # Of what is known, how much a check keeps: about five checks, a second of 30 frames.
    checks_before_verdict: int = 5
    threshold: float = 150.0
    # The gain in energy a frame, above which it is somebody else.
    threshold_after_break: float = 45.0
    surprise_after_break: float = 2.3
    # The same while a face is new, after a cut or as it returns, and by how much it must then exceed what was usual.
    # People seldom change places in plain view.
    break_s: float = 2.5


class PersonCheck:
    """Gathers evidence that the enrolled identity is another's."""

    def __init__(self, fitter: PersonFitter, identity: Identity, config: PersonConfig | None = None) -> None:
        self._fitter = fitter
        self._identity = identity
        self._config = config or PersonConfig()
        self._break_s = -math.inf
        self._usual_gain = 0.0
        self.reset()

    def reset(self) -> None:
        size = self._fitter.head.identity_size
        self._hessian, self._gradient = torch.zeros(size, size), torch.zeros(size)
        self._weight, self._checks, self._checked_s = 0.0, 0, -math.inf
        self.gain = 0.0

    def break_at(self, time_s: float) -> None:
        """The face was gone, or has jumped: forget the evidence, and look more closely for a while."""
        self.reset()
        self._break_s = time_s

    @torch.inference_mode()
    def somebody_else(self, landmarks: Landmarks, state: Tensor, time_s: float) -> bool:
        """Call with every frame and its fit [1, D]."""
        if time_s - self._checked_s < self._config.every_s - 1e-6:
            return False
        self._checked_s = time_s
        self._gather(landmarks, state)
        if self._checks < self._config.checks_before_verdict:
            return False
        if time_s - self._break_s < self._config.break_s:
            surprising = self._config.surprise_after_break * self._usual_gain
            return self.gain > max(self._config.threshold_after_break, surprising)
        self._usual_gain += 0.2 * (self.gain - self._usual_gain) if self._usual_gain else self.gain
        return self.gain > self._config.threshold

    def _gather(self, landmarks: Landmarks, state: Tensor) -> None:
        fitter, keep = self._fitter, self._config.memory
        observed = fitter.observe([landmarks], state, float(state[0, -1].exp()))
        normal = fitter.energy(observed)(state)
        part = eliminate(normal, fitter.layout.shared()[:-1], normal.gradient.new_full((1,), 1e-3))
        self._hessian = keep * self._hessian + part.hessian
        self._gradient = keep * self._gradient + part.gradient
        self._weight = keep * self._weight + 1
        self._checks += 1
        step = part.shared_step(self._hessian, self._gradient)
        self.gain = float(-(self._gradient @ step)) / self._weight
