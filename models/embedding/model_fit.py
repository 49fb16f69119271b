"""Fitting the built-in head's own shapes to a surface: nearest points, point to plane, Gauss-Newton, robust."""

from dataclasses import dataclass, replace

import numpy as np

from models.embedding.closest import Hits, SurfaceIndex
from models.embedding.mesh import Floats, Ids
from models.embedding.similarity import Similarity
from models.embedding.template import Template

SURFACE_STD_M = 0.0015  # what is left between a well fitted model and a head
SURFACE_COUNT = 400.0  # the surface's thousands of neighbouring points count as this many
POINT_SHARE = 0.05  # of the pull towards the nearest point itself beside the one towards its plane
SLIDE = 0.5  # cosine between a residual and the normal below which the hit is the rim of a hole, not a foot point
SHAPE_SAMPLES, POSE_SAMPLES = 2500, 700  # vertices that are looked at


@dataclass(frozen=True)
class Targets:
    """What the model is drawn to, beside the surface. Each with one standard deviation in metres."""

    points: Floats  # [L, 3] where landmarks are, NaN where not known
    std: Floats  # [L]
    count: float  # how many independent points they count as
    eyes: Floats | None = None  # [2, 3] centres of the eyeballs, left then right


@dataclass(frozen=True)
class ModelFit:
    similarity: Similarity  # built-in head frame to the mesh's
    coefficients: Floats  # [K] of the template's shapes


def fit_model(
    template: Template,
    index: SurfaceIndex,
    targets: Targets,
    start: ModelFit,
    reach_m: tuple[float, ...],
    shapes: bool = True,
) -> ModelFit:
    """One Gauss-Newton step for each robust width in `reach_m`; pose and scale alone without `shapes`."""
    picked = _spread(template, SHAPE_SAMPLES if shapes else POSE_SAMPLES)
    fit = start
    for reach in reach_m:
        fit = _step(template, index, targets, fit, picked, reach, shapes)
    return fit


def hit_weights(points: Floats, normals: Floats, hits: Hits, reach: float) -> Floats:
    """[N] 0 to 1: how far off a hit is, whether normals agree, whether it is a foot point at all."""
    residual = hits.points - points
    length = np.linalg.norm(residual, axis=1)
    upright = np.abs((residual * hits.normals).sum(1)) / np.maximum(length, 1e-9)
    foot = np.where(length < 0.0005, 1.0, np.clip((upright - SLIDE) / 0.3, 0, 1))
    agree = np.clip((normals * hits.normals).sum(1), 0, 1)
    near = np.where(np.isfinite(hits.distance), 1 / (1 + (length / reach) ** 2) ** 2, 0.0)
    return np.asarray(near * foot * agree)


def _spread(template: Template, count: int) -> Ids:
    """Vertices of the skin, thinned out where they are many: the fit needs no more."""
    skin = np.flatnonzero(template.importance > 0)
    random = np.random.default_rng(0)
    return skin if len(skin) <= count else np.sort(random.choice(skin, count, replace=False))


def _step(
    template: Template, index: SurfaceIndex, targets: Targets, fit: ModelFit, picked: Ids, reach: float, shapes: bool
) -> ModelFit:
    free = template.shapes if shapes else template.shapes[:, :, :0]
    placed = fit.similarity(template.shaped(fit.coefficients))
    normals = template.normals(placed)[picked]
    hits = index.closest(placed[picked], normals, k=6)
    weights = hit_weights(placed[picked], normals, hits, reach) * template.importance[picked]
    std = np.hypot(SURFACE_STD_M, reach / 4)
    scale = SURFACE_COUNT / max(float(template.importance[picked].sum()), 1e-9) / std**2
    jacobian = _motion(fit, placed[picked], free[picked])  # [N, 3, D]
    residual = hits.points - placed[picked]
    along = np.einsum("nc,ncd->nd", hits.normals, jacobian)
    normal = (along * (weights * scale)[:, None]).T @ along
    right = along.T @ (weights * scale * (residual * hits.normals).sum(1))
    normal, right = _add(normal, right, jacobian, residual, weights * scale * POINT_SHARE)
    normal, right = _add_points(normal, right, template, free, fit, placed, targets)
    return _solved(template, fit, normal, right)


def _motion(fit: ModelFit, points: Floats, shapes: Floats) -> Floats:
    """How turn, shift, growth (7) and shapes [N, 3, K] move points [N, 3]: [N, 3, 7 + K]."""
    arm = points - fit.similarity.translation
    out = np.zeros((len(points), 3, 7 + shapes.shape[2]))
    out[:, (2, 0, 1), (1, 2, 0)] = -arm[:, (0, 1, 2)]
    out[:, (1, 2, 0), (2, 0, 1)] = arm[:, (0, 1, 2)]
    out[:, :, 3:6] = np.eye(3)
    out[:, :, 6] = arm
    out[:, :, 7:] = fit.similarity.scale * np.einsum("ab,nbk->nak", fit.similarity.rotation, shapes)
    return out


def _add(normal: Floats, right: Floats, jacobian: Floats, residual: Floats, weights: Floats) -> tuple[Floats, Floats]:
    flat = jacobian.reshape(-1, jacobian.shape[2])
    each = np.repeat(weights, 3)
    return normal + (flat * each[:, None]).T @ flat, right + flat.T @ (each * residual.ravel())


def _add_points(
    normal: Floats, right: Floats, template: Template, free: Floats, fit: ModelFit, placed: Floats, targets: Targets
) -> tuple[Floats, Floats]:
    """Known landmarks and eyeballs."""
    corners, shares = template.landmark_corners
    known = np.flatnonzero(np.isfinite(targets.points).all(1))
    if len(known):
        shapes = np.einsum("lk,lkcs->lcs", shares[known], free[corners[known]])
        points = template.landmarks(placed)[known]
        residual = targets.points[known] - points
        length = np.linalg.norm(residual, axis=1)
        robust = 1 / (1 + (length / (3 * targets.std[known])) ** 2)
        weights = robust * targets.count / len(known) / targets.std[known] ** 2
        normal, right = _add(normal, right, _motion(fit, points, shapes), residual, weights)
    if targets.eyes is not None:
        for ids, centre in zip(template.eyeballs, targets.eyes, strict=True):
            middle, shapes = placed[ids].mean(0)[None], free[ids].mean(0)[None]
            weights = np.array([8 / SURFACE_STD_M**2])
            normal, right = _add(normal, right, _motion(fit, middle, shapes), centre - middle, weights)
    return normal, right


def _solved(template: Template, fit: ModelFit, normal: Floats, right: Floats) -> ModelFit:
    free = len(normal)
    held = np.concatenate([np.full(7, 1e-6), 1 / template.shape_std**2])[:free]
    normal[np.diag_indices(free)] += held
    right[7:] -= held[7:] * fit.coefficients[: free - 7]
    step = np.linalg.solve(normal, right)
    coefficients = fit.coefficients.copy()
    coefficients[: free - 7] += step[7:]
    return replace(fit, similarity=fit.similarity.stepped(step[:3], step[3:6], step[6]), coefficients=coefficients)
