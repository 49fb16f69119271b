"""A person learned while being followed: shape and lens from a few diverse keyframes, a slice of work in every frame.

The first frame alone gives a usable identity. Then frames that differ from those at hand, in pose or expression,
become keyframes. One pass of the joint solve linearises them one a frame, eliminates each one's own expression and
pose, and moves all of them in the frame after. Nothing here looks at a clock: the same frames give the same identity.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.camera import default_focal_px
from models.types import Hint, Identity, Landmarks
from tracker.fit import PersonFitter
from tracker.solver import Eliminated, eliminate


@dataclass(frozen=True)
class EnrolConfig:
    keyframes: int = 8
    new_distance: float = 0.6
    # How far, in the units of a keyframe's features, a frame must be from all keyframes to become one.
    passes_to_settle: int = 3
    # Passes over an unchanged set of keyframes before the identity may freeze.
    settled_change: float = 0.05
    # The mean change of the identity code, in standard deviations, below which a pass changed nothing.
    shortest_s: float = 1.0
    longest_s: float = 2.5
    # Frozen not before and not after: in a second most people turn a little or say a word.
    worst_error_iod: float = 0.025
    # A frame that fits no better is no keyframe.
    damping: float = 1e-3
    turn: float = 0.14
    # Sine of the angle that shows a side of the face well enough: about eight degrees.


@dataclass(frozen=True)
class _Keyframe:
    landmarks: Landmarks
    state: Tensor  # [1, D] with identity and lens
    features: NDArray[np.float32]  # 1 apart is about 10 degrees of turning, or a clear change of expression
    turned: float  # sine of how far to the subject's left


class Enrolment:
    """From the first landmarks of a person to a frozen identity."""

    def __init__(
        self, fitter: PersonFitter, first: Landmarks, time_s: float, config: EnrolConfig | None = None
    ) -> None:
        self._fitter = fitter
        self._config = config or EnrolConfig()
        self._started_s = time_s
        fit = fitter.fit([first])
        self._size_px = first.size_px
        state = fitter.layout.pack(fit.params, fit.camera, fit.identity.shape[None])
        self._keyframes = [self._keyframe(first, state)]
        self._pending: list[tuple[Eliminated, float]] = []  # the pass so far, and each part's energy
        self._change = np.inf
        self._same_set = 0  # passes since the set changed
        self._before: list[_Keyframe] | None = None  # the same set before the last move,
        self._energy = np.inf  # and its energy then
        self._damping = self._config.damping

    @property
    def state(self) -> Tensor:
        """The first keyframe's state [1, D]: where to begin following."""
        return self._keyframes[0].state

    @property
    def identity(self) -> Identity:
        state = self._keyframes[0].state
        columns = self._fitter.layout.columns
        return self._fitter.identity(state[0, columns.identity], float(state[0, -1].exp()), self._size_px)

    @property
    def hint(self) -> Hint | None:
        """The side of the face that no keyframe shows."""
        turned = [keyframe.turned for keyframe in self._keyframes]
        if max(turned) < self._config.turn:
            return Hint.TURN_LEFT
        return Hint.TURN_RIGHT if min(turned) > -self._config.turn else None

    def settled(self, time_s: float) -> bool:
        age, config = time_s - self._started_s, self._config
        quiet = self._same_set >= config.passes_to_settle and self._change < config.settled_change
        return age >= config.longest_s or (age >= config.shortest_s and quiet)

    @torch.inference_mode()
    def advance(self, landmarks: Landmarks, live_state: Tensor, error_iod: float) -> bool:
        """One frame's slice of work. True when the identity has moved.

        `live_state` [1, D] is that frame's fit and `error_iod` how well it fits: a hand before the face makes a frame
        that differs from all others, and teaches nothing.
        """
        trusted = error_iod < self._config.worst_error_iod
        if not self._pending and trusted and self._take(self._keyframe(landmarks, live_state)):
            self._same_set, self._before = 0, None
        if len(self._pending) == len(self._keyframes):
            self._move()
            return True
        self._pending.append(self._linearise(self._keyframes[len(self._pending)]))
        return False

    def _take(self, candidate: _Keyframe) -> bool:
        """Keep the frame if it adds to the variety of those at hand."""
        distances = _distances([candidate], self._keyframes)[0]
        if distances.min() < self._config.new_distance or candidate.landmarks.size_px != self._size_px:
            return False
        if len(self._keyframes) < self._config.keyframes:
            self._keyframes.append(candidate)
            return True
        # Full: it takes the place of the one most like another, if it differs more than that one does.
        nearest = (_distances(self._keyframes, self._keyframes) + np.diag(np.full(len(distances), np.inf))).min(1)
        least = int(nearest[1:].argmin()) + 1  # the first stays: it holds the identity
        if nearest[least] >= distances.min():
            return False
        self._keyframes[least] = candidate
        return True

    def _keyframe(self, landmarks: Landmarks, state: Tensor) -> _Keyframe:
        seen = self._fitter.layout.unpack(state, state.new_zeros(1, 2))
        expression = seen.params.expression / self._fitter.head.expression_prior.std
        # Two rotations' matrices differ by sqrt(2) times the angle between them.
        parts = seen.camera.rotation.flatten() / (0.17 * 2**0.5), expression[0] / 3, seen.params.jaw[0] / 0.1
        # The head's z, out of the face, along the camera's x: to the right in the picture, the subject's left.
        return _Keyframe(landmarks, state, torch.cat(parts).numpy(), float(seen.camera.rotation[0, 0, 2]))

    def _linearise(self, keyframe: _Keyframe) -> tuple[Eliminated, float]:
        fitter, count = self._fitter, len(self._keyframes)
        observed = fitter.observe([keyframe.landmarks], keyframe.state, default_focal_px(*self._size_px))
        normal = fitter.energy(observed, shared_by=count)(keyframe.state)
        part = eliminate(normal, fitter.layout.shared(), normal.gradient.new_full((1,), self._damping))
        return part, float(normal.error)

    def _move(self) -> None:
        """End of a pass: move what is shared, then each keyframe's own; or take a step back that led uphill."""
        parts, energy_now = [part for part, _ in self._pending], sum(error for _, error in self._pending)
        self._pending = []
        if self._before is not None and not energy_now <= self._energy:
            self._keyframes, self._before = self._before, None
            self._damping *= 10
            return
        self._before, self._energy = list(self._keyframes), energy_now
        hessian = torch.stack([part.hessian for part in parts]).sum(0)
        gradient = torch.stack([part.gradient for part in parts]).sum(0)
        shared = parts[0].shared_step(hessian, gradient)
        columns, retract = self._fitter.layout.columns, self._fitter.layout.retract
        states = torch.cat([keyframe.state for keyframe in self._keyframes])
        states = retract(states, torch.cat([part.whole_step(shared) for part in parts]))
        # A keyframe joins with the identity of its day: all get the first one's.
        for column in (columns.identity, slice(-1, None)):
            states[1:, column] = states[:1, column]
        self._keyframes = [
            replace(keyframe, state=state[None]) for keyframe, state in zip(self._keyframes, states, strict=True)
        ]
        self._change = float(shared[:-1].abs().mean()) if len(shared) > 1 else 0.0
        self._same_set += 1


def _distances(ones: list[_Keyframe], others: list[_Keyframe]) -> NDArray[np.float32]:
    first, second = (np.stack([keyframe.features for keyframe in frames]) for frames in (ones, others))
    return np.asarray(np.linalg.norm(first[:, None] - second[None], axis=-1))
