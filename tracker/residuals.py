"""The energy of a fit as named terms, each with its normal equations: what `solver` lowers.

landmarks   projected against detected, in IOD, robust, weighted a point
gaps        between lids and between lips, as seen in the picture
prior       every weight and angle against what is usual, and against its limits
gaze        the two eyes look at one thing
focal       the lens against an ordinary one
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from models.head import Head
from models.landmark_rows import Columns, LandmarkRows, view_landmarks
from tracker.config import FitConfig
from tracker.contacts import LOWER, UPPER
from tracker.solver import Linearise, Normal
from tracker.unknowns import Layout


@dataclass(frozen=True)
class Observed:
    """What a batch of pictures showed."""

    points_px: Tensor  # [N, L, 2]
    iod_px: Tensor  # [N]
    weights: Tensor  # [N, L] 1 for an ordinary point
    principal_px: Tensor  # [N, 2]
    focal_px: Tensor  # [N] what the lens is taken for beforehand


@dataclass(frozen=True)
class Priors:
    """What is usual of the unknowns that add up (all that stand before the camera's rotation)."""

    mean: Tensor  # [Q]
    std: Tensor  # [Q]
    low: Tensor  # [Q]
    high: Tensor  # [Q]
    gaze: Tensor  # [6, 6] precision that holds the two eyes' angles together
    pairs: Tensor  # [2, G] int64: the landmarks of lids and lips whose gaps count

    @staticmethod
    def of(head: Head, columns: Columns, config: FitConfig) -> "Priors":
        identity = head.template.new_ones(columns.identity.stop - columns.identity.start)
        groups = [
            (head.expression_prior.std, head.expression_prior.low, head.expression_prior.high),
            (identity, -3.5 * identity, 3.5 * identity),
            (head.jaw_prior.std, head.jaw_prior.low, head.jaw_prior.high),
            *2 * [(head.eyes_prior.std, head.eyes_prior.low, head.eyes_prior.high)],
        ]
        std, low, high = (torch.cat(column) for column in zip(*groups, strict=True))
        apart = std.new_tensor((config.gaze_pitch_std, config.vergence_std, config.gaze_pitch_std)) ** -2
        gaze = torch.diag(apart.repeat(2)) - torch.diag(apart, 3) - torch.diag(apart, -3)
        pairs = torch.tensor((UPPER, LOWER), device=std.device)
        return Priors(torch.zeros_like(std), std, low, high, gaze, pairs)


def energy(
    rows: LandmarkRows,
    layout: Layout,
    priors: Priors,
    config: FitConfig,
    observed: Observed,
    shared_by: int = 1,
    one_lens: bool = True,
    robust_iod: Tensor | None = None,
) -> Linearise:
    """The whole energy. Where `shared_by` rows share identity (and lens), each row bears its part of their priors.

    `robust_iod` [N] is used in place of the config's.
    """
    width = observed.iod_px.new_full((1,), config.robust_iod) if robust_iod is None else robust_iod
    columns = layout.columns
    lens_shared_by = shared_by if one_lens else 1

    def linearise(state: Tensor) -> Normal:
        unpacked = layout.unpack(state, observed.principal_px)
        view = view_landmarks(rows, unpacked.params, unpacked.camera, unpacked.identity)
        assert view.jacobian is not None
        view.jacobian[..., columns.focal] *= unpacked.camera.focal_px[:, None, None, None]  # a step moves its logarithm
        hessian, gradient, landmarks, roots = _landmark_term(view.points_px, view.jacobian, config, observed, width)
        errors = {
            "landmarks": landmarks,
            "gaps": _gap_term(hessian, gradient, view.points_px, view.jacobian, roots, priors, config, observed),
            "prior": _prior_term(hessian, gradient, state, columns, priors, config, shared_by),
            "gaze": _gaze_term(hessian, gradient, state, columns, priors),
            "focal": _focal_term(hessian, gradient, state, columns, config, observed, lens_shared_by),
        }
        return Normal(hessian, gradient, errors)

    return linearise


# The terms. Each adds to hessian and gradient in place and returns its energy [N].


def _landmark_term(
    points_px: Tensor, jacobian: Tensor, config: FitConfig, observed: Observed, robust_iod: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Also the roots [N, L] of the weights that the points got."""
    unit = config.landmark_std_iod * observed.iod_px[:, None, None]  # pixels
    residual = (points_px - observed.points_px) / unit  # [N, L, 2] standard deviations
    squared = (residual * residual).sum(-1)  # [N, L]
    # Geman and McClure's: quadratic near zero, bounded far out.
    scale = (robust_iod[:, None] / config.landmark_std_iod) ** 2
    trust = scale / (scale + squared)
    share = observed.weights * (config.independent_points / observed.weights.shape[1])
    root = share.sqrt() * trust  # of the weight in iteratively reweighted least squares
    weighted = jacobian * (root[..., None] / unit)[..., None]
    hessian, gradient = _normal(weighted, residual * root[..., None])
    return hessian, gradient, (share * squared * trust).sum(1), root


def _gap_term(
    hessian: Tensor,
    gradient: Tensor,
    points_px: Tensor,
    jacobian: Tensor,
    roots: Tensor,
    priors: Priors,
    config: FitConfig,
    observed: Observed,
) -> Tensor:
    upper, lower = priors.pairs
    unit = config.gap_std_iod * observed.iod_px[:, None]
    usual = math.sqrt(config.independent_points / observed.weights.shape[1])
    # A point that is hidden or not believed has no gap either.
    trust = (roots[:, upper] * roots[:, lower]).sqrt() / usual / unit  # [N, G]
    seen, fitted = (points[:, upper] - points[:, lower] for points in (observed.points_px, points_px))
    residual = (fitted - seen) * trust[..., None]
    more, slope = _normal((jacobian[:, upper] - jacobian[:, lower]) * trust[..., None, None], residual)
    hessian += more
    gradient += slope
    return (residual * residual).sum((1, 2))


def _normal(jacobian: Tensor, residual: Tensor) -> tuple[Tensor, Tensor]:
    """[N, M, 2, C] and [N, M, 2] -> [N, C, C], [N, C]."""
    flat = jacobian.flatten(1, 2)
    return flat.transpose(1, 2) @ flat, (flat.transpose(1, 2) @ residual.flatten(1)[..., None])[..., 0]


def _prior_term(
    hessian: Tensor,
    gradient: Tensor,
    state: Tensor,
    columns: Columns,
    priors: Priors,
    config: FitConfig,
    shared_by: int,
) -> Tensor:
    linear = slice(0, columns.rotation.start)
    value = state[:, linear]
    precision = 1 / (priors.std * priors.std)
    precision[columns.identity] = precision[columns.identity] / shared_by
    offset = value - priors.mean
    beyond = value - value.clamp(priors.low, priors.high)
    stiff = precision / (config.limit_std * config.limit_std)
    held = torch.where(beyond != 0, stiff, 0.0)
    hessian.diagonal(dim1=1, dim2=2)[:, linear] += precision + held
    gradient[:, linear] += precision * offset + stiff * beyond
    error: Tensor = (precision * offset * offset + stiff * beyond * beyond).sum(1)
    return error


def _gaze_term(hessian: Tensor, gradient: Tensor, state: Tensor, columns: Columns, priors: Priors) -> Tensor:
    eyes = state[:, columns.eyes]
    pull = eyes @ priors.gaze
    hessian[:, columns.eyes, columns.eyes] += priors.gaze
    gradient[:, columns.eyes] += pull
    return (eyes * pull).sum(1)


def _focal_term(
    hessian: Tensor,
    gradient: Tensor,
    state: Tensor,
    columns: Columns,
    config: FitConfig,
    observed: Observed,
    shared_by: int,
) -> Tensor:
    precision = 1 / (config.focal_log_std**2 * shared_by)
    offset = state[:, -1] - observed.focal_px.log()
    hessian[:, columns.focal.start, columns.focal.start] += precision
    gradient[:, columns.focal.start] += precision * offset
    error: Tensor = precision * offset * offset
    return error


def mean_error_iod(points_px: Tensor, observed: Observed) -> Tensor:
    """The landmark error [N] as it is reported: the mean 2D distance as a part of the IOD."""
    error: Tensor = (points_px - observed.points_px).norm(dim=-1).mean(-1) / observed.iod_px
    return error
