"""Any head's motion as Apple's 52 weights.

Two ways lead there. A head whose expressions bear Apple's names says them itself (`named_weights`): shapes are taken as
they are, jawOpen, jawLeft and jawRight are shares of the jaw's limits, the eyeLook of `FULL_LOOK`. For every other head
`ArkitSolver` looks for the weights, each in 0..1, whose *responses* best explain how the landmarks moved from that
person's neutral face. `unseen` names those that the responses cannot tell.

The responses are the built-in head's geometry unless others are given. A mouthClose is Apple's: lips closing over an
open jaw, so its response is taken at jawOpen 1.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.arkit_names import ALWAYS_ZERO, ARKIT_NAMES, EXPRESSION_SHAPES, EYE_ROTATIONS, JAW_ROTATIONS, mirror_name
from models.box_solve import solve_box
from models.head import Head, embed, pose_head, shape_head
from models.npz import read_npz
from models.types import LANDMARK_COUNT, HeadParams, MienError

Floats = NDArray[np.float64]

FULL_LOOK = np.radians(30.0)  # an eye turned this far has an eyeLook of 1, in every direction
OUTER_CORNERS = (33, 263)
SKIN = slice(0, 468)  # irises show where the eyes look, which is known already

NOISE_IOD = 0.003  # of one landmark, in shares of the distance between the outer eye corners
INDEPENDENT = 60.0  # of the landmarks: their noise is shared between neighbours
WEIGHT_STD = 0.5  # how far weights usually are from 0
SPARSITY = 0.2  # a constant pull towards 0, in units of 1 / WEIGHT_STD
OUTLIER_IOD = 0.02  # a landmark that misses by more is believed no further
ROUNDS = 3  # of finding outliers and solving again
SETTLED = 0.002
HIDDEN = 0.5  # share of its prior variance a weight must keep, after all landmarks are seen, to count as unseen


# Heads that speak Apple's language.


def speaks_arkit(head: Head) -> bool:
    """Whether the head's own expressions are Apple's."""
    return set(EXPRESSION_SHAPES) <= set(head.expression_names)


def named_weights(head: Head, params: HeadParams) -> Tensor:
    """The 52 weights [..., 52] of a head that speaks Apple's language, in the order of `ARKIT_NAMES`."""
    motion = torch.cat((params.expression, params.jaw, params.eyes.flatten(-2)), -1)
    return (motion @ named_map(head).to(motion).T).clamp(0, 1)


def named_map(head: Head) -> Tensor:
    """[52, E + 9] what one unit of each expression, of the jaw's and of the eyes' axis-angles (left, right) adds."""
    if not speaks_arkit(head):
        missing = sorted(set(EXPRESSION_SHAPES) - set(head.expression_names))
        raise MienError(f"expected a head with Apple's shapes, but '{head.name}' lacks {', '.join(missing)}")
    out = torch.zeros(len(ARKIT_NAMES), head.expression_size + 9)
    jaw = head.expression_size
    out[:, jaw + 3 :] = look_map()
    for column, name in enumerate(head.expression_names):
        if name in ARKIT_NAMES:
            out[ARKIT_NAMES.index(name), column] = 1
    limits = head.jaw_prior
    for name, axis, full in zip(JAW_ROTATIONS, (1, 1, 0), (limits.high[1], limits.low[1], limits.high[0]), strict=True):
        out[ARKIT_NAMES.index(name), jaw + axis] = 1 / full
    return out


def look_map() -> Tensor:
    """[52, 6] what one radian of the eyes' axis-angles (left, right) adds to the eight eyeLook."""
    out = torch.zeros(len(ARKIT_NAMES), 6)
    for eye, side, inward in ((0, "Left", -1.0), (3, "Right", 1.0)):
        for direction, axis, sign in (("Down", 0, 1.0), ("Up", 0, -1.0), ("In", 1, inward), ("Out", 1, -inward)):
            out[ARKIT_NAMES.index(f"eyeLook{direction}{side}"), eye + axis] = sign / FULL_LOOK
    return out


def arkit_params(head: Head, weights: Tensor) -> HeadParams:
    """The inverse of `named_weights`: 52 weights [..., 52] to the parameters of a head that speaks Apple's language."""
    params = HeadParams.zeros(head.expression_size, tuple(weights.shape[:-1]), weights.dtype, weights.device)

    def weight(name: str) -> Tensor:
        return weights[..., ARKIT_NAMES.index(name)]

    for column, name in enumerate(head.expression_names):
        if name in ARKIT_NAMES:
            params.expression[..., column] = weight(name)
    named = set(head.expression_names)
    high, low = head.jaw_prior.high, head.jaw_prior.low
    if "jawOpen" not in named:
        params.jaw[..., 0] = weight("jawOpen") * high[0]
    if "jawLeft" not in named:
        params.jaw[..., 1] = weight("jawLeft") * high[1] + weight("jawRight") * low[1]
    for eye, side, inward in ((0, "Left", -1.0), (1, "Right", 1.0)):
        params.eyes[..., eye, 0] = (weight(f"eyeLookDown{side}") - weight(f"eyeLookUp{side}")) * FULL_LOOK
        params.eyes[..., eye, 1] = (weight(f"eyeLookIn{side}") - weight(f"eyeLookOut{side}")) * FULL_LOOK * inward
    return params


# What each weight does to the landmarks.


def geometric_responses(head: Head, identity: Tensor | None = None) -> tuple[Floats, Floats]:
    """How each weight going to 1 moves the landmarks [52, L, 3], and where they rest [L, 3], in units of IOD.

    From the geometry of a head that speaks Apple's language. Zero for what is always zero.
    """
    head = head.to(dtype=torch.float64)
    shaped = shape_head(head, head.zero_identity() if identity is None else identity.double().cpu())

    def landmarks(weights: Tensor) -> Tensor:
        return embed(head.embedding, pose_head(shaped, arkit_params(head, weights)).vertices)

    one_each = torch.eye(len(ARKIT_NAMES), dtype=torch.float64)
    close, opened = ARKIT_NAMES.index("mouthClose"), ARKIT_NAMES.index("jawOpen")
    one_each[close, opened] = 1.0
    rest = landmarks(one_each.new_zeros(len(ARKIT_NAMES)))
    # One at a time: a batch of 52 whole heads would take hundreds of megabytes.
    motion = torch.stack([landmarks(weights) for weights in one_each]) - rest
    motion[close] -= motion[opened]
    motion[[ARKIT_NAMES.index(name) for name in ALWAYS_ZERO]] = 0.0
    iod = (rest[OUTER_CORNERS[0]] - rest[OUTER_CORNERS[1]]).norm()
    return (motion / iod).numpy(), (rest / iod).numpy()


@dataclass(frozen=True)
class ArkitSolver:
    """Landmarks' motion to weights, for one person. Everything that does not change is computed once."""

    rest: Floats  # [L, 3] that person's neutral landmarks in the head frame, metres
    unit: float  # metres: their distance between the outer eye corners
    rigid: Floats  # [7, 3 * 468] turning, shifting and growing the head, orthonormal under the landmarks' weights
    responses: Floats  # [52, 3 * 468] without what the rigid directions can do
    precision: Floats  # [3 * 468] 1 / variance of each coordinate, in IOD
    solved: NDArray[np.int64]  # which of the 52 are looked for; the rest are known or always zero
    normal: Floats  # [K, K] of those, with their prior
    unseen: tuple[str, ...]  # what landmarks cannot tell: too small, or too much like others

    @staticmethod
    def of(
        rest: Floats, responses: Floats, response_rest: Floats | None = None, landmark_weights: Floats | None = None
    ) -> "ArkitSolver":
        """rest [L, 3] metres; responses [52, L, 3] in IOD, as of `geometric_responses`, taken where the landmarks rest
        at `response_rest` [L, 3] (turned like `rest`; only its symmetry matters); weights [L] of the landmarks, 1 each.
        """
        if responses.shape != (len(ARKIT_NAMES), LANDMARK_COUNT, 3) or rest.shape != (LANDMARK_COUNT, 3):
            raise MienError(
                f"expected responses of shape [52, {LANDMARK_COUNT}, 3] and a neutral face [{LANDMARK_COUNT}, 3], "
                f"got {list(responses.shape)} and {list(rest.shape)}"
            )
        unit = float(np.linalg.norm(rest[OUTER_CORNERS[0]] - rest[OUTER_CORNERS[1]]))
        weights = np.ones(LANDMARK_COUNT) if landmark_weights is None else landmark_weights
        mirror = mirror_landmarks()
        weights = (weights[SKIN] + weights[SKIN][mirror]) / 2
        precision = np.repeat(weights * (INDEPENDENT / weights.sum()), 3) / NOISE_IOD**2
        rigid = rigid_directions(_symmetric(rest / unit if response_rest is None else response_rest, mirror), precision)
        flat = _symmetric_responses(responses, mirror).reshape(len(ARKIT_NAMES), -1)
        flat = flat - (flat * precision) @ rigid.T @ rigid
        solved = np.array([ARKIT_NAMES.index(n) for n in ARKIT_NAMES if n not in (*EYE_ROTATIONS, *ALWAYS_ZERO)])
        normal = (flat[solved] * precision) @ flat[solved].T + np.eye(len(solved)) / WEIGHT_STD**2
        kept = np.diag(np.linalg.inv(normal)) / WEIGHT_STD**2
        unseen = tuple(ARKIT_NAMES[k] for k, share in zip(solved, kept, strict=True) if share > HIDDEN)
        return ArkitSolver(rest, unit, rigid, flat, precision, solved, normal, (*unseen, *ALWAYS_ZERO))

    def solve(self, landmarks: Floats, looks: Floats | None = None, start: Floats | None = None) -> Floats:
        """The 52 weights. `landmarks` [L, 3] in the head frame, metres; `looks` [52] holds the eyeLook, which are
        known; `start` [52] is the frame before. Leading axes are frames of their own."""
        if landmarks.ndim > 2:
            starts = [None] * len(landmarks) if start is None else list(start)
            known = [None] * len(landmarks) if looks is None else list(looks)
            return np.stack([self.solve(*frame) for frame in zip(landmarks, known, starts, strict=True)])
        return self.solve_one(landmarks, looks, start)[0]

    def solve_one(self, landmarks: Floats, looks: Floats | None, start: Floats | None) -> tuple[Floats, int]:
        """One frame's weights [52], and how many sweeps they took."""
        out = np.zeros(len(ARKIT_NAMES)) if looks is None else np.array(looks, np.float64)
        motion = ((landmarks - self.rest)[SKIN] / self.unit).ravel()
        motion = motion - ((motion * self.precision) @ self.rigid.T) @ self.rigid - out @ self.responses
        responses = self.responses[self.solved]
        weights = np.zeros(len(self.solved)) if start is None else np.clip(start[self.solved], 0, 1)
        believed = motion if start is None else motion - _excess(motion - weights @ responses)
        sweeps = 0
        for _ in range(ROUNDS):
            right = responses @ (self.precision * believed) - SPARSITY / WEIGHT_STD
            before = weights
            weights, count = solve_box(self.normal, right, before)
            sweeps += count
            if np.abs(weights - before).max() < SETTLED:
                break
            believed = motion - _excess(motion - weights @ responses)
        out[self.solved] = weights
        return out, sweeps


def arkit_solver(head: Head, identity: Tensor, builtin: Head, responses: Floats | None = None) -> ArkitSolver:
    """A solver for one identity [S] of any head; the built-in head's geometric responses, unless others are given."""
    shaped = shape_head(head.to("cpu", torch.float64), identity.double().cpu())
    rest = embed(head.embedding, shaped.template).numpy()
    if responses is None:
        responses = geometric_responses(builtin)[0]
    return ArkitSolver.of(rest, responses)


def rigid_directions(points: Floats, precision: Floats) -> Floats:
    """What turning, shifting and growing a face do to points [N, 3]: [7, 3 N], orthonormal under the precision."""
    centred = points[SKIN] - points[SKIN].mean(0)
    turns = [np.cross(axis, centred).ravel() for axis in np.eye(3)]
    shifts = [np.tile(axis, (len(centred), 1)).ravel() for axis in np.eye(3)]
    directions = np.stack([*turns, *shifts, centred.ravel()])
    scale = np.sqrt(precision)
    return np.asarray(np.linalg.qr((directions * scale).T)[0].T / scale)


def _excess(residual: Floats) -> Floats:
    """The part of each landmark's miss that lies beyond what is believed (Huber, as additive half-quadratic)."""
    by_landmark = residual.reshape(-1, 3)
    length = np.sqrt(np.einsum("nc,nc->n", by_landmark, by_landmark))
    share = np.maximum(1 - OUTLIER_IOD / np.maximum(length, 1e-12), 0)
    return np.asarray((by_landmark * share[:, None]).ravel())


# Left and right.


@lru_cache(maxsize=1)
def mirror_landmarks() -> NDArray[np.int64]:
    """[468] the landmark on the other side of the face."""
    return read_npz(Path(__file__).parent / "builtin" / "landmark_topology.npz")["mirror"].astype(np.int64)


def _symmetric(points: Floats, mirror: NDArray[np.int64]) -> Floats:
    """Points [L, 3] whose skin is made symmetric."""
    centred = points[SKIN] - points[SKIN].mean(0)
    return np.asarray((centred + centred[mirror] * (-1, 1, 1)) / 2)


def _symmetric_responses(responses: Floats, mirror: NDArray[np.int64]) -> Floats:
    """[52, 468, 3] where each weight's response is the mirror image of its partner's."""
    partner = [ARKIT_NAMES.index(mirror_name(name)) for name in ARKIT_NAMES]
    skin = responses[:, SKIN]
    return np.asarray((skin + skin[partner][:, mirror] * (-1, 1, 1)) / 2)
