"""The energy of whole pictures, identity and lens among the unknowns, compiled for the CPU.

The twin of `tracker.residuals.energy`, of the same signature but for the rows, which bring their own work space; the
tests hold it to that. Enrolment and the question whether it is still the same person run inside live frames.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import blas
from torch import Tensor

from models.landmark_rows import LandmarkRows
from tracker.config import FitConfig
from tracker.contacts import LOWER, UPPER
from tracker.jacobian_kernel import linearise as linearise_landmarks
from tracker.residuals import Observed, Priors
from tracker.solver import Linearise, Normal
from tracker.solver_kernel import KernelRows, KernelSeen
from tracker.unknowns import Layout

Floats = NDArray[np.float32]
TERMS = ("landmarks", "gaps", "prior", "gaze", "focal")


def work_space(rows: LandmarkRows) -> KernelRows:
    """One a session, never shared by threads."""
    return KernelRows.of(rows, np.array((UPPER, LOWER), np.int32), lens=True)


def compiled_energy(
    rows: KernelRows,
    layout: Layout,
    priors: Priors,
    config: FitConfig,
    observed: Observed,
    shared_by: int = 1,
    one_lens: bool = True,
) -> Linearise:
    """The whole energy of each picture. Where `shared_by` of them share identity, each bears its part of the prior."""
    columns, linear = layout.columns, layout.columns.rotation.start
    std, low, high = (values.numpy() for values in (priors.std, priors.low, priors.high))
    precision: Floats = 1 / (std * std)
    precision[columns.identity] /= shared_by
    lens_precision = 1 / (config.focal_log_std**2 * (shared_by if one_lens else 1))
    gaze, lens = priors.gaze.numpy(), columns.focal.start
    diagonal = np.arange(linear)
    pictures, lenses = _pictures(observed, config), observed.focal_px.tolist()

    def linearise_one(state: Floats, seen: KernelSeen, focal_px: float) -> tuple[Floats, Floats, tuple[float, ...]]:
        both = linearise_landmarks(rows, seen, state)
        between = rows.residual[2 * len(rows.roots) :]
        gaps = float(between @ between)
        upper = blas.ssyrk(1.0, rows.jacobian.T)
        hessian: Floats = upper + upper.T
        hessian[np.diag_indices_from(hessian)] *= 0.5
        gradient = rows.gradient.copy()
        value = state[:linear]
        beyond = value - np.clip(value, low, high)
        stiff = precision / np.float32(config.limit_std**2)
        hessian[diagonal, diagonal] += precision + stiff * (beyond != 0)
        gradient[:linear] += precision * value + stiff * beyond
        eyes = value[columns.eyes]
        hessian[columns.eyes, columns.eyes] += gaze
        gradient[columns.eyes] += gaze @ eyes
        offset = float(state[-1]) - float(np.log(focal_px))
        hessian[lens, lens] += lens_precision
        gradient[lens] += lens_precision * offset
        prior = float((precision * value) @ value + (stiff * beyond) @ beyond)
        errors = both - gaps, gaps, prior, float(eyes @ gaze @ eyes), lens_precision * offset * offset
        return hessian, gradient, errors

    def linearise(state: Tensor) -> Normal:
        found = [linearise_one(*one) for one in zip(state.numpy(), pictures, lenses, strict=True)]
        hessian, gradient = (torch.from_numpy(np.stack([one[k] for one in found])) for k in (0, 1))
        errors = torch.tensor([one[2] for one in found])
        return Normal(hessian, gradient, dict(zip(TERMS, errors.unbind(1), strict=True)))

    return linearise


def _pictures(observed: Observed, config: FitConfig) -> list[KernelSeen]:
    points, weights, centres = (t.numpy() for t in (observed.points_px, observed.weights, observed.principal_px))
    usual = config.independent_points / weights.shape[1]
    share, gap_trust = (
        weights * np.float32(usual),
        np.float32(config.landmark_std_iod / config.gap_std_iod / usual**0.5),
    )
    robust = np.float32((config.robust_iod / config.landmark_std_iod) ** 2)
    units = np.float32(config.landmark_std_iod) * observed.iod_px.numpy()
    each = zip(points, share, centres, units, strict=True)
    return [KernelSeen(seen, trust, centre, unit, robust, gap_trust) for seen, trust, centre, unit in each]
