"""Is it still the person whose head was learned? Asked of the landmarks alone, a few times a second.

Each check says what identity the frame would rather have, with expression and pose free to answer as well (their say is
eliminated first). One frame proves little, and nobody's head is learned without error: so answers are averaged, and
held against what is usual with this person. What is left is compared with how much people differ.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from models.types import Identity, Landmarks
from tracker.fit import PersonFitter
from tracker.solver import Normal, eliminate

_NOBODY = 10**9  # so many share the prior that it says nothing: the question is what the landmarks say


@dataclass(frozen=True)
class PersonConfig:
    every_s: float = 0.2
    checks_before_verdict: int = 8
    ordinary_energy: float = 100.0
    # A frame that fits worse counts for less: a hand before the face, or a face that is half seen.
    another_std: float = 0.5
    # How far somebody else's identity code may be expected from the known one, a mode: people differ by 1.
    usual_std: float = 1.8
    # How far the usual answer may be from the code that was learned.
    usual_memory: float = 0.98
    recent_memory: float = 0.9
    # Of what is known, how much a check keeps: about ten seconds, and two.
    usual_after: float = 3.0
    # So many checks without a doubt are worth as much as the code that was learned.
    surprise: float = 12.0
    surprise_after_break: float = 8.0
    # Somebody else is who would gain more by another identity than this, in energy a frame.
    stray: float = 45.0
    # And more by this over the number of checks since the break: the mean of few strays.
    break_s: float = 2.5
    # So long is a face new, after a cut or as it returns. People seldom change places in plain view.


@dataclass(frozen=True)
class _Evidence:
    """Normal equations of the identity, summed over checks with decaying weights."""

    hessian: Tensor  # [S, S]
    gradient: Tensor  # [S]
    weight: float = 0.0

    @staticmethod
    def none(size: int) -> "_Evidence":
        return _Evidence(torch.zeros(size, size), torch.zeros(size))

    def and_(self, hessian: Tensor, gradient: Tensor, keep: float) -> "_Evidence":
        return _Evidence(keep * self.hessian + hessian, keep * self.gradient + gradient, keep * self.weight + 1)

    def step(self, std: float) -> Tensor:
        """To where identity would rather be [S], if that were so far off by prior."""
        return _solve(self.hessian / self.weight, -self.gradient / self.weight, std)

    def gain(self, usual: Tensor, std: float) -> float:
        """The energy a frame that leaving the usual identity would spare."""
        hessian = self.hessian / self.weight
        gradient = self.gradient / self.weight + hessian @ usual
        return float(gradient @ _solve(hessian, gradient, std))


class PersonCheck:
    """Gathers evidence that the enrolled identity is another's."""

    def __init__(self, fitter: PersonFitter, identity: Identity, config: PersonConfig | None = None) -> None:
        self._fitter = fitter
        self._config = config or PersonConfig()
        self._modes = fitter.layout.shared()[:-1]
        self._break_s = self._checked_s = -math.inf
        self._usual = _Evidence.none(len(self._modes))
        self._usual_step = torch.zeros(len(self._modes))
        self._forget_recent()
        self.gain = 0.0  # of the last check

    def break_at(self, time_s: float, gone: bool) -> None:
        """The face was gone or has jumped, or forms another figure: judge it by what comes, more closely for a while.

        A figure that changes again and again belongs to one who moves fast: only its first change counts.
        """
        if gone or not self._is_new(time_s):
            self._forget_recent()
            self._break_s = time_s

    def _is_new(self, time_s: float) -> bool:
        return time_s - self._break_s < self._config.break_s

    def _forget_recent(self) -> None:
        self._recent = _Evidence.none(len(self._modes))
        self._checks = 0
        self.gain = 0.0

    def is_due(self, time_s: float) -> bool:
        return time_s - self._checked_s >= self._config.every_s - 1e-6

    @torch.inference_mode()
    def somebody_else(self, landmarks: Landmarks, state: Tensor, time_s: float) -> bool:
        """Call with each frame that is due and its fit [1, D]."""
        config = self._config
        self._checked_s = time_s
        hessian, gradient = self._ask(landmarks, state)
        is_new = self._is_new(time_s)
        self._recent = self._recent.and_(hessian, gradient, 1.0 if is_new else config.recent_memory)
        self._checks += 1
        if not is_new:  # who has just come is not yet usual
            self._note_usual(hessian, gradient)
        if self._checks < config.checks_before_verdict:
            return False
        self.gain = self._recent.gain(self._usual_step, config.another_std)
        return self.gain > (config.surprise_after_break + config.stray / self._checks if is_new else config.surprise)

    def _note_usual(self, hessian: Tensor, gradient: Tensor) -> None:
        config = self._config
        self._usual = self._usual.and_(hessian, gradient, config.usual_memory)
        proven = self._usual.weight / (self._usual.weight + config.usual_after)
        self._usual_step = proven * self._usual.step(config.usual_std)

    def _ask(self, landmarks: Landmarks, state: Tensor) -> tuple[Tensor, Tensor]:
        """What one frame says of the identity: normal equations [S, S] and [S]."""
        fitter = self._fitter
        observed = fitter.observe([landmarks], state, float(state[0, -1].exp()))
        normal = fitter.energy(observed, shared_by=_NOBODY)(state)
        known_lens = Normal(normal.hessian[:, :-1, :-1], normal.gradient[:, :-1], normal.error_by_term)
        part = eliminate(known_lens, self._modes, normal.gradient.new_full((1,), 1e-3))
        trust = self._config.ordinary_energy / max(
            self._config.ordinary_energy, float(normal.error_by_term["landmarks"])
        )
        return trust * part.hessian, trust * part.gradient


def _solve(hessian: Tensor, right: Tensor, std: float) -> Tensor:
    """With a prior of one standard deviation a mode; zero where the equations cannot be solved."""
    stiff = hessian.clone()
    stiff.diagonal().add_(std**-2)
    factor, failed = torch.linalg.cholesky_ex(stiff)
    answer = torch.cholesky_solve(right[:, None], factor)[:, 0]
    return torch.where((failed == 0) & answer.isfinite(), answer, 0.0)
