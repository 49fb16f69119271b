"""What the named shapes leave over: the leading directions of the motion that no mix of them explains.

Expressions are drawn from the statistics. Each is explained by the named shapes within their limits, by the jaw and by
lids that follow the gaze, as a fit would do it; what remains of many such draws gives the modes.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.arkit_names import EXPRESSION_SHAPES, mirror_name
from models.types import JAW
from tracker.jobs.builtin_head.alignment import rigid_directions
from tracker.jobs.builtin_head.assemble import RawHead
from tracker.jobs.builtin_head.carry import Carrier
from tracker.jobs.builtin_head.expressions import JAW_ROW, LEFT_EYE_ROW, RIGHT_EYE_ROW, Expressions
from tracker.jobs.builtin_head.jaw import rotation
from tracker.jobs.builtin_head.modes import DEPTH_IMPORTANCE, second_moment
from tracker.jobs.builtin_head.statistics_file import Statistics
from tracker.jobs.builtin_head.symmetry import mirrored
from tracker.jobs.builtin_head.topology import SURFACE_LANDMARKS

Floats = NDArray[np.float64]

CORRECTIVES = 24
DRAWS = 3000
SEED = 20
NOISE_M = 0.0015  # a landmark's say against the weights' own priors, as in a fit
NAMED_STD, JAW_STD, GAZE_STD = 0.5, 0.25, 0.5
NAMED_LIMITS, SWEEPS = (-0.15, 1.15), 40
GAZE_PITCH = 0.4  # radians, a weight of 1 in the draws


@dataclass(frozen=True)
class Explained:
    """Draws as the named shapes explain them."""

    weights: Floats  # [N, 40] of the named shapes
    jaw: Floats  # [N, 2] shares of the angles at jawOpen 1 and jawLeft 1
    left_over: Floats  # [N, 3 * 468] metres


@dataclass(frozen=True)
class Causes:
    """Columns that explain motion, each with its spread and limits."""

    columns: Floats  # [3 * 468, C] metres at weight 1
    std: Floats  # [C]
    low: Floats  # [C]
    high: Floats  # [C]


def corrective_basis(statistics: Statistics, carrier: Carrier, expressions: Expressions) -> tuple[Floats, Explained]:
    """[V, 3, K] metres at one standard deviation, most important first; and what the named shapes explained."""
    explained = explain(draw(statistics), named_causes(carrier.head, expressions), statistics)
    partner = statistics.mirror[:SURFACE_LANDMARKS]
    rows = explained.left_over.reshape(-1, SURFACE_LANDMARKS, 3)
    both = np.concatenate([rows, mirrored(rows, partner)]).reshape(2 * len(rows), -1)
    face, weights = statistics.mean[:SURFACE_LANDMARKS], statistics.weights[:SURFACE_LANDMARKS]
    modes = _leading(second_moment(both), face).reshape(*face.shape, -1)
    still_eyes = np.zeros((2, *modes.shape[1:]))
    on_lids = carrier.on_eyeballs(modes, still_eyes).reshape(3 * len(face), -1)
    return carrier.expression(without_growing(on_lids.T, face, weights).T.reshape(modes.shape)), explained


def draw(statistics: Statistics) -> Floats:
    """Expressions [N, 3 * 468] with the statistics' own second moment."""
    modes = statistics.expression_modes[:SURFACE_LANDMARKS].reshape(3 * SURFACE_LANDMARKS, -1)
    return np.asarray(np.random.default_rng(SEED).standard_normal((DRAWS, modes.shape[1])) @ modes.T)


def named_causes(head: RawHead, expressions: Expressions) -> Causes:
    """The 40 shapes, the jaw opening and going sideways, both eyes' lids following the gaze, as landmarks see them."""
    shapes = expressions.deltas[:SURFACE_LANDMARKS].reshape(-1, len(EXPRESSION_SHAPES))
    opened = _jaw_moves(head, expressions, 0, expressions.jaw_open_angle / 2) * 2
    aside = _jaw_moves(head, expressions, 1, expressions.jaw_side_angle)
    turn = (rotation(0, GAZE_PITCH) - np.eye(3)).ravel()
    rows = [
        expressions.pose_basis[:SURFACE_LANDMARKS, :, row : row + 9] @ turn for row in (LEFT_EYE_ROW, RIGHT_EYE_ROW)
    ]
    gaze = (rows[0] + rows[1]).ravel()
    count = len(EXPRESSION_SHAPES)
    return Causes(
        columns=np.column_stack([shapes, opened, aside, gaze]),
        std=np.r_[np.full(count, NAMED_STD), JAW_STD, JAW_STD, GAZE_STD],
        low=np.r_[np.full(count, NAMED_LIMITS[0]), 0.0, -1.0, -1.0],
        high=np.r_[np.full(count, NAMED_LIMITS[1]), 1.0, 1.0, 1.0],
    )


def explain(moves: Floats, causes: Causes, statistics: Statistics) -> Explained:
    """Each motion [N, 3 * 468] by the causes within their limits, after whatever rigid motion and growing helps."""
    face, weights = statistics.mean[:SURFACE_LANDMARKS], statistics.weights[:SURFACE_LANDMARKS]
    importance = np.tile((1.0, 1.0, DEPTH_IMPORTANCE), len(face))
    free = _orthonormal(rigid_directions(face) * importance[:, None])

    def seen(rows: Floats) -> Floats:
        scaled = rows * importance / NOISE_M / np.sqrt(len(face) / 60)
        return np.asarray(scaled - scaled @ free @ free.T)

    columns = seen(causes.columns.T)
    # Motion has two signs in the statistics, shapes have one: each draw stands for itself or for its opposite,
    # whichever is an expression.
    ways = [_bounded(seen(sign * moves) @ columns.T, columns @ columns.T, causes) for sign in (1.0, -1.0)]
    misses = [((seen(sign * moves) - way @ columns) ** 2).sum(1) for sign, way in zip((1.0, -1.0), ways, strict=True)]
    flip = misses[1] < misses[0]
    found = np.where(flip[:, None], ways[1], ways[0])
    left = np.where(flip, -1.0, 1.0)[:, None] * moves - found @ causes.columns.T
    count = len(EXPRESSION_SHAPES)
    return Explained(found[:, :count], found[:, count : count + 2], without_growing(left, face, weights))


def without_growing(rows: Floats, face: Floats, weights: Floats) -> Floats:
    """Rows [N, 3 L] orthogonal to rigid motion and growing under weights [L], by moving as little as can be."""
    directions = rigid_directions(face)
    weighted = directions * np.repeat(weights, 3)[:, None]
    return np.asarray(rows - (rows @ weighted) @ np.linalg.solve(weighted.T @ directions, directions.T))


def weight_spread(explained: Explained) -> Floats:
    """[40] RMS of each named weight over the draws, the same for both sides."""
    spread = np.sqrt((explained.weights**2).mean(0))
    partner = [EXPRESSION_SHAPES.index(mirror_name(name)) for name in EXPRESSION_SHAPES]
    return np.asarray((spread + spread[partner]) / 2)


def _jaw_moves(head: RawHead, expressions: Expressions, axis: int, angle: float) -> Floats:
    """[3 * 468] of the jaw turned about x (0) or y (1), with what the pose adds."""
    points, turn = head.vertices[:SURFACE_LANDMARKS], rotation(axis, angle)
    share = head.skinning_weights[:SURFACE_LANDMARKS, JAW, None]
    joint = head.joint_regressor[JAW] @ head.vertices
    corrective = expressions.pose_basis[:SURFACE_LANDMARKS, :, JAW_ROW : JAW_ROW + 9] @ (turn - np.eye(3)).ravel()
    arm = points + corrective - joint
    return np.asarray(corrective + share * (arm @ turn.T - arm)).ravel()


def _bounded(products: Floats, gram: Floats, causes: Causes) -> Floats:
    """Weights [N, C] of least squares with priors and limits, by descent along one coordinate after the other."""
    gram = gram + np.diag(1 / causes.std**2)
    found = np.zeros_like(products)
    for _ in range(SWEEPS):
        for k in range(len(gram)):
            rest = products[:, k] - found @ gram[k] + found[:, k] * gram[k, k]
            found[:, k] = np.clip(rest / gram[k, k], causes.low[k], causes.high[k])
    return found


def _leading(covariance: Floats, face: Floats) -> Floats:
    """The leading modes [3 L, K], signed by the left half alone: a lopsided mode's two halves would disagree."""
    importance = np.tile((1.0, 1.0, DEPTH_IMPORTANCE), len(face))
    variance, direction = np.linalg.eigh(importance[:, None] * covariance * importance)
    variance, direction = variance[::-1][:CORRECTIVES], direction[:, ::-1][:, :CORRECTIVES]
    modes = covariance @ (importance[:, None] * direction) / np.sqrt(np.maximum(variance, 1e-18))
    left = modes * np.repeat(face[:, 0] > 0.001, 3)[:, None]
    largest = left[np.abs(left).argmax(0), np.arange(modes.shape[1])]
    return np.asarray(modes * np.sign(largest))


def _orthonormal(columns: Floats) -> Floats:
    return np.asarray(np.linalg.qr(columns)[0])
