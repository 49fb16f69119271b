"""Motion that is known at the landmarks, carried over the whole head: the smoothest skin that agrees with it.

The skin keeps least bending between the landmarks. Away from the face it is drawn to a motion that makes sense for a
skull: who someone is stretches the whole head, an expression leaves scalp, ears and neck alone. What is hard (eyeballs,
teeth, tongue) moves as one piece or not at all.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import splu
from scipy.spatial import cKDTree

from tracker.jobs.builtin_head.anatomy import smoothstep
from tracker.jobs.builtin_head.assemble import RawHead
from tracker.jobs.builtin_head.surface import MEMBRANE, Floats, Ids, Surface
from tracker.jobs.builtin_head.topology import LIPS_INNER, LIPS_OUTER, OVAL_LEFT, SURFACE_LANDMARKS, edges_of, mirrored

SIDES = ("left", "right")
IRIS_CENTRES = (473, 468)  # left, right
# How far what is known reaches before a part follows its own wish, in metres.
SKULL_REACH, SOCKET_REACH, MOUTH_REACH, STILL_REACH = 0.035, 0.003, 0.004, 0.012
RAMP_M = 0.06  # beyond the outline of the face, until the wish has its whole say
# Skin before the teeth: the lips, what is around them and the chin.
MOUTH = [*LIPS_OUTER, *LIPS_INNER, 164, 18, 200, 199, 92, 322, 165, 391, 204, 424, 106, 335, 202, 422, 57, 287, 43, 273]
# Lining this near behind the skin goes with it; beyond the second it does not.
LINING_NEAR_M, LINING_FAR_M, LINING_BLUR_M = 0.008, 0.018, 0.004
BALL_NEAR_M, BALL_FAR_M = 0.002, 0.006  # skin this near to an eyeball lies on it; beyond the second it is free


@dataclass(frozen=True)
class Carrier:
    """What carrying needs of a head, factorised once."""

    head: RawHead

    def identity(self, moves: Floats) -> Floats:
        """How people differ at the landmarks [478, 3, K] -> everywhere [V, 3, K]."""
        known = sealed(moves[:SURFACE_LANDMARKS])
        eyes = np.stack([self._ball_motion(known, moves[IRIS_CENTRES[side]], side) for side in (0, 1)])  # [2, 3, K]
        known = self.on_eyeballs(known, eyes)
        points = self.head.vertices
        wish = stretch(points[:SURFACE_LANDMARKS], known, points)
        mouth = shear(points[MOUTH], known[MOUTH], points)
        pocket = self.head.regions["mouth_bag"]
        wish[pocket] = mouth[pocket] + self._behind_skin(known - mouth[:SURFACE_LANDMARKS])
        for side, name in enumerate(SIDES):
            wish[self.head.regions[f"socket_{name}"]] = eyes[side]
        out = self._solve(known, wish, self._identity_pull)
        out[self._hard] = mouth[self._hard]
        for side, name in enumerate(SIDES):
            out[self.head.regions[f"eyeball_{name}"]] = eyes[side]
        return out

    def expression(self, moves: Floats) -> Floats:
        """Motion of the surface landmarks [468, 3, K] -> everywhere [V, 3, K]; what is hard stays."""
        wish = np.zeros((len(self.head.vertices), *moves.shape[1:]))
        wish[self.head.regions["mouth_bag"]] = self._behind_skin(moves)
        out = self._solve(moves, wish, self._expression_pull)
        out[np.setdiff1d(np.arange(len(out)), self._skin)] = 0.0
        return out

    def on_eyeballs(self, known: Floats, eyes: Floats) -> Floats:
        """The motion [468, 3, K] with depths at which lids keep their distance from balls that move by [2, 3, K]."""
        out = known.copy()
        for side in (0, 1):
            normal, share = self._lids(side)
            off = np.einsum("lc,lck->lk", normal, out - eyes[side])  # away from the ball
            out[:, 2] -= (share / np.maximum(normal[:, 2], 0.3))[:, None] * off
        return out

    def _ball_motion(self, known: Floats, iris: Floats, side: int) -> Floats:
        """[3, K]: with its iris across, and in depth as the lids around it."""
        normal, share = self._lids(side)
        across = known - np.stack([iris[0], iris[1], 0 * iris[2]])
        off = np.einsum("lc,lck->lk", normal, across)
        depth = (share * normal[:, 2]) @ off / (share * normal[:, 2] ** 2).sum()
        return np.stack([iris[0], iris[1], depth])

    def _lids(self, side: int) -> tuple[Floats, Floats]:
        """For each landmark [468] the direction from the eyeball's centre, and how much it lies on it (0 to 1)."""
        arm = self.head.vertices[:SURFACE_LANDMARKS] - self.head.eye_centres[side]
        distance = np.linalg.norm(arm, axis=1)
        ball = self.head.vertices[self.head.regions[f"eyeball_{SIDES[side]}"]] - self.head.eye_centres[side]
        gap = distance - np.median(np.linalg.norm(ball, axis=1))
        normal = arm / distance[:, None]
        share = 1 - smoothstep((gap - BALL_NEAR_M) / (BALL_FAR_M - BALL_NEAR_M))
        return normal, share * smoothstep((normal[:, 2] - 0.4) / 0.4)

    def _behind_skin(self, known: Floats) -> Floats:
        """What the mouth's lining does when it goes with the skin before it [468, 3, K], less and less further in."""
        lining = self.head.vertices[self.head.regions["mouth_bag"]]
        found = cKDTree(self.head.vertices[:SURFACE_LANDMARKS]).query(lining, 6)
        distance, nearest = np.asarray(found[0]), np.asarray(found[1])  # [n, 6]
        share = np.exp(-(((distance - distance[:, :1]) / LINING_BLUR_M) ** 2))
        share /= share.sum(1, keepdims=True)
        share *= 1 - smoothstep((distance[:, :1] - LINING_NEAR_M) / (LINING_FAR_M - LINING_NEAR_M))
        return np.asarray(np.einsum("vn,vnck->vck", share, known[nearest]))

    @cached_property
    def _surface(self) -> Surface:
        return Surface(self.head.vertices, self.head.triangles)

    @cached_property
    def _skin(self) -> Ids:
        """Whatever hangs together with the face."""
        count = len(self.head.vertices)
        rows, columns = edges_of(self.head.triangles).T
        parts = connected_components(sparse.coo_array((np.ones(len(rows)), (rows, columns)), (count, count)))[1]
        return np.flatnonzero(parts == parts[0]).astype(np.int64)

    @cached_property
    def _hard(self) -> Ids:
        """Teeth, gums and tongue."""
        soft = [self._skin, *(self.head.regions[f"eyeball_{side}"] for side in SIDES)]
        return np.setdiff1d(np.arange(len(self.head.vertices)), np.concatenate(soft))

    @cached_property
    def _beyond(self) -> Floats:
        """[V] 0 on the face, rising to 1 at `RAMP_M` from it."""
        oval = list(OVAL_LEFT + mirrored(OVAL_LEFT))
        distance = np.asarray(cKDTree(self.head.vertices[oval]).query(self.head.vertices)[0])
        ramp = smoothstep(distance / RAMP_M)
        ramp[self.head.regions["face"]] = 0.0
        return ramp

    def _pull(self, outside: float, mouth: float) -> Floats:
        """[V] how hard each vertex follows its wish."""
        pull = self._beyond / outside**4
        pull[self.head.regions["mouth_bag"]] = mouth**-4
        for side in SIDES:
            pull[self.head.regions[f"socket_{side}"]] = SOCKET_REACH**-4
            pull[self.head.regions[f"nostril_passage_{side}"]] = 0.0
        pull[:SURFACE_LANDMARKS] = 0.0
        return np.asarray(pull * self._surface.areas)

    @cached_property
    def _identity_pull(self) -> Floats:
        return self._pull(SKULL_REACH, MOUTH_REACH)

    @cached_property
    def _expression_pull(self) -> Floats:
        return self._pull(STILL_REACH, MOUTH_REACH)

    def _solve(self, known: Floats, wish: Floats, pull: Floats) -> Floats:
        """[V, 3, K]: equal to `known` at the landmarks, near `wish` by `pull`, and elsewhere bent least against it."""
        shape = wish.shape
        flat = wish.reshape(len(wish), -1)
        off = np.zeros_like(flat)
        off[:SURFACE_LANDMARKS] = known.reshape(SURFACE_LANDMARKS, -1) - flat[:SURFACE_LANDMARKS]
        free = self._skin[self._skin >= SURFACE_LANDMARKS]
        held = np.arange(SURFACE_LANDMARKS)
        surface = self._surface
        bending = surface.stiffness @ sparse.diags_array(1 / surface.areas) @ surface.stiffness
        # Bent least against a wish that itself has kinks would keep them; so the wish only enters where it pulls.
        matrix = sparse.csc_array(bending + surface.stiffness * MEMBRANE + sparse.diags_array(pull))
        right = pull[free, None] * flat[free]
        right -= matrix[free][:, held] @ (flat + off)[held]
        out = flat.copy()
        out[held] += off[held]
        out[free] = splu(sparse.csc_array(matrix[free][:, free])).solve(right)
        return out.reshape(shape)


def sealed(moves: Floats) -> Floats:
    """The same motion [468, 3, K], lips going together where they meet: a mouth at rest is shut in everybody."""
    upper, lower = list(LIPS_INNER[1:10]), list(LIPS_INNER[19:10:-1])
    out = moves.copy()
    out[upper] = out[lower] = (moves[upper] + moves[lower]) / 2
    return out


def shear(landmarks: Floats, moves: Floats, points: Floats) -> Floats:
    """The affine motion across the face that is nearest to the moves [L, 3, K], at points [V, 3]: [V, 3, K]."""
    middle = landmarks.mean(0)

    def system(where: Floats) -> Floats:
        return np.column_stack([np.ones(len(where)), (where - middle)[:, :2]])

    solution = np.linalg.lstsq(system(landmarks), moves.reshape(len(moves), -1), rcond=None)[0]
    return np.asarray(system(points) @ solution).reshape(len(points), *moves.shape[1:])


def stretch(landmarks: Floats, moves: Floats, points: Floats) -> Floats:
    """The shift and stretch along the axes that is nearest to the moves [L, 3, K], at points [V, 3]: [V, 3, K]."""
    out = np.empty((len(points), 3, moves.shape[2]))
    for axis in range(3):
        system = np.stack([np.ones(len(landmarks)), landmarks[:, axis]], 1)
        solution = np.linalg.lstsq(system, moves[:, axis], rcond=None)[0]  # [2, K]
        out[:, axis] = np.stack([np.ones(len(points)), points[:, axis]], 1) @ solution
    return out
