"""Levenberg-Marquardt over a batch of independent least-squares problems. Knows nothing of faces.

A problem is two functions on flat states [N, D]: `linearise` gives the normal equations of its energy, `retract` moves
a state along a step [N, C] (C < D where a state holds a rotation as a matrix). Each problem of the batch keeps its own
damping and accepts or refuses its own steps, without branches, so that a batch costs no more than its slowest member.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum

import torch
from torch import Tensor


class Status(Enum):
    CONVERGED = 0
    MAX_ITERATIONS = 1
    FAILED = 2  # no step lowered the energy, or a number was not finite: the state is the start


@dataclass(frozen=True)
class Normal:
    """A sum of squares near a state: its value is `error`, its Gauss-Newton step solves hessian @ step = -gradient."""

    hessian: Tensor  # [N, C, C]
    gradient: Tensor  # [N, C]
    error_by_term: Mapping[str, Tensor]  # name -> [N]

    @property
    def error(self) -> Tensor:
        return torch.stack(tuple(self.error_by_term.values())).sum(0)  # [N]


@dataclass(frozen=True)
class SolveInfo:
    """How a solve ended, for each problem of the batch."""

    status: tuple[Status, ...]
    iterations: int
    normal: Normal  # at the returned state


@dataclass(frozen=True)
class SolverConfig:
    iterations: int = 10
    damping: float = 1e-4
    # Relative to the diagonal; a warm start needs next to none, a cold one is caught by the rise below.
    damping_rise: float = 10.0
    damping_fall: float = 0.2
    damping_floor: float = 1e-7
    tolerance: float = 1e-5
    # A step that lowers the energy by less than this part of it is the last.


Linearise = Callable[[Tensor], Normal]
Retract = Callable[[Tensor, Tensor], Tensor]
Step = Callable[[Normal, Tensor], Tensor]


def damped_step(normal: Normal, damping: Tensor) -> Tensor:
    """The step [N, C] for damping [N]; zero where the equations cannot be solved."""
    diagonal = normal.hessian.diagonal(dim1=-2, dim2=-1)
    scale = diagonal.clamp_min(1e-12).rsqrt()  # Jacobi: unknowns of metres, radians and weights meet on equal terms
    scaled = normal.hessian * scale[:, :, None] * scale[:, None, :]
    scaled.diagonal(dim1=-2, dim2=-1).add_(damping[:, None])
    factor, failed = torch.linalg.cholesky_ex(scaled)
    step = torch.cholesky_solve(-(normal.gradient * scale)[..., None], factor)[..., 0] * scale
    return torch.where((failed == 0)[:, None] & step.isfinite(), step, 0.0)


def solve(
    linearise: Linearise, retract: Retract, start: Tensor, config: SolverConfig, step: Step = damped_step
) -> tuple[Tensor, SolveInfo]:
    """The state that lowers each problem's energy, and how it ended."""
    state, normal = start, linearise(start)
    damping = torch.full_like(normal.error, config.damping)
    done = ~normal.error.isfinite()
    improved = torch.zeros_like(done)
    count = 0
    while count < config.iterations and not bool(done.all()):
        count += 1
        candidate = retract(state, step(normal, damping))
        reached = linearise(candidate)
        gain = normal.error - reached.error
        better = (gain > 0) & ~done  # false for a NaN
        small = gain.abs() <= config.tolerance * normal.error
        state = torch.where(better[:, None], candidate, state)
        normal = _choose(better, reached, normal)
        factor = torch.where(better, config.damping_fall, config.damping_rise)
        damping = (damping * factor).clamp(config.damping_floor, 1e6)
        improved |= better
        done = done | small
    return state, SolveInfo(_status(done, improved, normal.error), count, normal)


@dataclass(frozen=True)
class Eliminated:
    """Normal equations of problems that share S unknowns, with every problem's own O unknowns solved for them."""

    shared: Tensor  # [S] which columns
    own: Tensor  # [O] the others
    hessian: Tensor  # [S, S] of what is shared, summed over the problems
    gradient: Tensor  # [S]
    answers: Tensor  # [N, O, S + 1] own step = -answers @ (shared step, 1)

    def shared_step(self, hessian: Tensor, gradient: Tensor) -> Tensor:
        """The step [S] for equations summed over several eliminations; zero where they cannot be solved."""
        factor, failed = torch.linalg.cholesky_ex(hessian)
        step = torch.cholesky_solve(-gradient[:, None], factor)[:, 0]
        return torch.where((failed == 0) & step.isfinite(), step, 0.0)

    def whole_step(self, shared_step: Tensor) -> Tensor:
        """[N, C] from the shared step [S]."""
        count, own = self.answers.shape[:2]
        step = shared_step.new_empty(count, own + len(shared_step))
        step[:, self.shared] = shared_step
        step[:, self.own] = -self.answers[..., -1] - self.answers[..., :-1] @ shared_step
        return step


def eliminate(normal: Normal, shared: Tensor, damping: Tensor) -> Eliminated:
    """Schur complement: what the problems say of their shared unknowns, at a cost that grows only linearly with N.

    Where a prior on the shared unknowns is meant once, each row must bear its part of it.
    """
    h = normal.hessian + torch.diag_embed(normal.hessian.diagonal(dim1=-2, dim2=-1) * damping[:, None] + 1e-12)
    common = shared.to(h.device)
    is_own = torch.ones(h.shape[-1], dtype=torch.bool, device=h.device)
    is_own[common] = False
    own = is_own.nonzero().flatten()
    mixed = h[:, own[:, None], common[None]]  # [N, O, S]
    factor, _ = torch.linalg.cholesky_ex(h[:, own[:, None], own[None]])
    answers = torch.cholesky_solve(torch.cat((mixed, normal.gradient[:, own, None]), -1), factor)
    taken = (mixed.transpose(1, 2) @ answers).sum(0)  # [S, S + 1]
    hessian = h[:, common[:, None], common[None]].sum(0) - taken[:, :-1]
    return Eliminated(common, own, hessian, normal.gradient[:, common].sum(0) - taken[:, -1], answers)


def joint_step(normal: Normal, shared: Tensor, damping: Tensor) -> Tensor:
    """The step [N, C], equal in every row where the unknowns are shared; zero where it cannot be had."""
    eliminated = eliminate(normal, shared, damping)
    step = eliminated.whole_step(eliminated.shared_step(eliminated.hessian, eliminated.gradient))
    return torch.where(step.isfinite(), step, 0.0)


def solve_jointly(
    linearise: Linearise, retract: Retract, start: Tensor, shared: Tensor, config: SolverConfig
) -> tuple[Tensor, SolveInfo]:
    """As `solve`, for problems that share the unknowns in `shared`: one energy, one damping, one decision."""

    def pooled(state: Tensor) -> Normal:
        normal = linearise(state)
        total = {name: error.sum().expand(len(state)) for name, error in normal.error_by_term.items()}
        return Normal(normal.hessian, normal.gradient, total)

    return solve(pooled, retract, start, config, lambda normal, damping: joint_step(normal, shared, damping))


def _choose(better: Tensor, ours: Normal, theirs: Normal) -> Normal:
    errors = {
        name: torch.where(better, error, theirs.error_by_term[name]) for name, error in ours.error_by_term.items()
    }
    hessian = torch.where(better[:, None, None], ours.hessian, theirs.hessian)
    return Normal(hessian, torch.where(better[:, None], ours.gradient, theirs.gradient), errors)


def _status(done: Tensor, improved: Tensor, error: Tensor) -> tuple[Status, ...]:
    ends = []
    for was_done, was_improved, value in zip(done.tolist(), improved.tolist(), error.isfinite().tolist(), strict=True):
        if not value or not (was_done or was_improved):
            ends.append(Status.FAILED)
        else:
            ends.append(Status.CONVERGED if was_done else Status.MAX_ITERATIONS)
    return tuple(ends)
