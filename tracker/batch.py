"""The fit of one frame for many heads at once, in torch: the twin of `tracker.live.FrameFitter` for a GPU.

Every head has its own identity, camera and time. The steps are the same for all, accepted or refused without a branch,
so that on CUDA they run as one captured graph: for 1, 4, 16 or 64 heads, the places that stand empty masked.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from models.head import Head
from models.landmark_rows import LandmarkRows, fix_identity, landmark_rows, view_landmarks
from models.rotations import axis_angle_from_matrix
from tracker.config import LiveConfig
from tracker.residuals import Observed, Priors, energy
from tracker.solver import Normal
from tracker.unknowns import Layout

SIZES = (1, 4, 16, 64)  # heads a captured graph


@dataclass(frozen=True)
class BatchInput:
    """A frame of N heads. Heads that are not there hold anything finite: their answers are not looked at."""

    observed: Observed
    start: Tensor  # [N, D] where to begin
    before: Tensor  # [N, D] the last posterior's state, anything where `known` is false
    variance: Tensor  # [N, C] and how sure it was
    known: Tensor  # [N] bool: false after a cut or a loss
    miss_iod: Tensor  # [N] the last posterior's, anything where `known` is false
    elapsed: Tensor  # [N] since then, in thirtieths of a second


@dataclass(frozen=True)
class BatchFit:
    state: Tensor  # [N, D]
    variance: Tensor  # [N, C]
    points_px: Tensor  # [N, L, 2]
    camera_m: Tensor  # [N, L, 3]


class BatchFitter:
    """Fits N heads of one model. Identities are set place by place and stay until set again."""

    def __init__(self, head: Head, size: int, config: LiveConfig | None = None) -> None:
        self._config = config or LiveConfig()
        self._open = landmark_rows(head)
        fixed = fix_identity(self._open, head.zero_identity())
        self._rows: LandmarkRows = replace(fixed, base=fixed.base.repeat(size, 1, 1))
        self.layout = Layout(fixed.columns)
        self._priors = Priors.of(head, fixed.columns, self._config)

    def set_identity(self, place: int, shape: Tensor) -> None:
        self._rows.base[place] = fix_identity(self._open, shape.to(self._rows.base)).base

    def fit(self, given: BatchInput, cold: bool = False) -> BatchFit:
        """As many steps for every head: few from a frame before; more from nothing, with what is believed widened."""
        config, state = self._config, given.start
        if cold:
            for widening in config.cold_widening:
                width = torch.full_like(given.elapsed, widening * config.robust_iod)
                state, hessian = self._descend(state, given.observed, width, config.cold_iterations)
        else:
            misses = torch.where(given.known, config.robust_misses * given.miss_iod, 0.0)
            width = misses.clamp_min(config.robust_iod)
            state, hessian = self._descend(state, given.observed, width, config.warm_iterations)
        state, variance = self._blend(state, hessian, given)
        unpacked = self.layout.unpack(state, given.observed.principal_px)
        view = view_landmarks(self._rows, unpacked.params, unpacked.camera, jacobian=False)
        return BatchFit(state, variance, view.points_px, view.camera_m)

    def _descend(self, state: Tensor, observed: Observed, width: Tensor, count: int) -> tuple[Tensor, Tensor]:
        """The states after so many steps, and the hessians there."""
        linearise = energy(self._rows, self.layout, self._priors, self._config, observed, robust_iod=width)
        normal, origin = _without_focal(linearise(state)), state
        damping = torch.full_like(normal.error, self._config.damping)
        for index in range(count):
            candidate = self._retract(state, _step(normal.hessian, normal.gradient, damping))
            reached = _without_focal(linearise(candidate))
            better = reached.error < normal.error  # false for a NaN
            state = torch.where(better[:, None], candidate, state)
            if index == count - 1:
                break  # the equations of the last step are as good as new ones
            origin = state
            normal = Normal(
                torch.where(better[:, None, None], reached.hessian, normal.hessian),
                torch.where(better[:, None], reached.gradient, normal.gradient),
                {"all": torch.where(better, reached.error, normal.error)},
            )
            damping = torch.where(better, 0.1 * damping, (10 * damping).clamp_min(1e-3))
        met = self._on_limits(state) - self._on_limits(origin)
        return state, normal.hessian + torch.diag_embed(torch.nn.functional.pad(met, (0, 6)))

    def _on_limits(self, state: Tensor) -> Tensor:
        """How stiffly the limits hold [N, Q] what stands beyond them."""
        priors, value = self._priors, state[:, : self.layout.columns.rotation.start]
        stiff = (priors.std * self._config.limit_std) ** -2
        return torch.where(value == value.clamp(priors.low, priors.high), 0.0, stiff)

    def _retract(self, state: Tensor, step: Tensor) -> Tensor:
        return self.layout.retract(state, torch.nn.functional.pad(step, (0, 1)))

    def _blend(self, state: Tensor, hessian: Tensor, given: BatchInput) -> tuple[Tensor, Tensor]:
        """This frame's own answer, and the last frame's as a prior on it: see `FrameFitter`."""
        config = self._config
        information = self._without_common_shift(hessian, state, given.observed)
        own = _inverse_diagonal(information)
        move = self._difference(state, given.before)
        stirred = (move[:, None] @ information @ move[..., None])[:, 0, 0]
        drift = config.process_noise * given.elapsed + config.stirred_noise * stirred
        spread = given.variance + drift[:, None] * own
        spread = spread + (move * move - config.gate * (spread + own)).clamp_min(0)
        held = self._held(hessian, move, given.elapsed)
        prior = hessian * held[:, :, None] * held[:, None, :] + torch.diag_embed(1 / spread)
        prior = torch.where(given.known[:, None, None], prior, 0.0)
        blended = information + prior
        back = _solve(torch.linalg.cholesky_ex(blended)[0], (prior @ move[..., None])[..., 0])
        sound = back.isfinite().all(1, keepdim=True)
        state = torch.where(sound, self._retract(state, -back), state)
        return state, torch.where(sound & given.known[:, None], _inverse_diagonal(blended), own)

    def _held(self, hessian: Tensor, move: Tensor, elapsed: Tensor) -> Tensor:
        """As `FrameFitter._held`: [N, C]."""
        config, at = self._config, self.layout.columns.rotation.start
        shapes = move[:, :at] ** 2 * hessian.diagonal(dim1=1, dim2=2)[:, :at] / config.still_shape
        turn = move[:, None, at:] @ hessian[:, at:, at:] @ move[:, at:, None] / config.still_camera
        shift = torch.cat((shapes, turn[:, 0].expand(-1, move.shape[1] - at)), 1)
        return (config.hold / elapsed).sqrt()[:, None] / shift.clamp_min(1)

    def _difference(self, state: Tensor, other: Tensor) -> Tensor:
        """The step [N, C] from other to state, the focal length left out."""
        at = self.layout.columns.rotation.start
        one, two = (s[:, at : at + 9].reshape(-1, 3, 3) for s in (state, other))
        turn = axis_angle_from_matrix(one @ two.transpose(1, 2))
        return torch.cat((state[:, :at] - other[:, :at], turn, state[:, at + 9 : -1] - other[:, at + 9 : -1]), 1)

    def _without_common_shift(self, hessian: Tensor, state: Tensor, observed: Observed) -> Tensor:
        """As `tracker.live._without_common_shift`."""
        at = self.layout.columns.translation.start
        depth, focal = state[:, -2], state[:, -1].exp()
        std = self._config.common_shift_iod * observed.iod_px * depth / focal  # metres
        columns = hessian[:, :, at : at + 2]
        inner = hessian[:, at : at + 2, at : at + 2] + torch.diag_embed((1 / std**2)[:, None].expand(-1, 2))
        a, b, d = inner[:, 0, 0], inner[:, 0, 1], inner[:, 1, 1]
        inverse = torch.stack((torch.stack((d, -b), 1), torch.stack((-b, a), 1)), 1) / (a * d - b * b)[:, None, None]
        return hessian - columns @ inverse @ columns.transpose(1, 2)


class CapturedFit:
    """A `BatchFitter.fit` captured as a CUDA graph: one launch, no operator's overhead. One thread owns it."""

    def __init__(self, fitter: BatchFitter, example: BatchInput, cold: bool = False) -> None:
        self._given = _map_tensors(example, torch.Tensor.clone)
        side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        side.wait_stream(torch.cuda.current_stream())
        with torch.inference_mode(), torch.cuda.stream(side):
            for _ in range(3):  # libraries pick their kernels and take their work space before the capture
                fitter.fit(self._given, cold)
        torch.cuda.current_stream().wait_stream(side)
        self._graph = torch.cuda.CUDAGraph()
        with torch.inference_mode(), torch.cuda.graph(self._graph):
            self._result = fitter.fit(self._given, cold)

    def fit(self, given: BatchInput) -> BatchFit:
        """The result's tensors are overwritten by the next call."""
        _copy_tensors(self._given, given)
        self._graph.replay()
        return self._result


def graph_size(heads: int) -> int:
    """The smallest captured size that holds so many heads."""
    return next((size for size in SIZES if size >= heads), SIZES[-1])


def _without_focal(normal: Normal) -> Normal:
    return Normal(normal.hessian[:, :-1, :-1], normal.gradient[:, :-1], normal.error_by_term)


def _step(hessian: Tensor, gradient: Tensor, damping: Tensor) -> Tensor:
    damped = hessian + torch.diag_embed(hessian.diagonal(dim1=1, dim2=2) * damping[:, None])
    step = _solve(torch.linalg.cholesky_ex(damped)[0], -gradient)
    return torch.where(step.isfinite(), step, 0.0)


def _solve(factor: Tensor, right: Tensor) -> Tensor:
    """Two triangular solves [N, C]: unlike cholesky_solve, they can be captured for any batch."""
    half = torch.linalg.solve_triangular(factor, right[..., None], upper=False)
    solution: Tensor = torch.linalg.solve_triangular(factor.transpose(1, 2), half, upper=True)
    return solution[..., 0]


def _inverse_diagonal(matrix: Tensor) -> Tensor:
    """Of a positive definite matrix [N, C, C]: [N, C]. With L its factor, the column sums of squares of 1/L."""
    factor, failed = torch.linalg.cholesky_ex(matrix)
    identity = torch.eye(matrix.shape[-1], dtype=matrix.dtype, device=matrix.device)
    inverse = torch.linalg.solve_triangular(factor, identity.expand_as(factor), upper=False)
    return torch.where((failed == 0)[:, None], (inverse * inverse).sum(1), 1e6)


def _map_tensors(given: BatchInput, change: Callable[[Tensor], Tensor]) -> BatchInput:
    observed = Observed(**{f.name: change(getattr(given.observed, f.name)) for f in fields(Observed)})
    others = {f.name: change(getattr(given, f.name)) for f in fields(BatchInput) if f.name != "observed"}
    return BatchInput(observed=observed, **others)


def _copy_tensors(target: BatchInput, source: BatchInput) -> None:
    for name in (f.name for f in fields(Observed)):
        getattr(target.observed, name).copy_(getattr(source.observed, name))
    for name in (f.name for f in fields(BatchInput) if f.name != "observed"):
        getattr(target, name).copy_(getattr(source, name))
