"""A head's mesh, refined where the face is, so that colours a vertex are as sharp as a picture needs."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from models.head import Head, embed

Floats = NDArray[np.float64]
Ids = NDArray[np.int64]

FINE_M = 0.0022  # triangles near landmarks are halved until their edges are about this long, ...
MOST_ROUNDS = 2  # ... but no more often than this
NEAR_M = 0.012  # from a landmark


@dataclass(frozen=True)
class FineSurface:
    """Vertices are the head's own V, then midpoints of edges; each midpoint knows its edge's ends."""

    ends: tuple[Ids, ...]  # one a round: [N, 2]
    triangles: Ids  # [F, 3]

    @staticmethod
    def of(head: Head) -> "FineSurface":
        rest = head.template.double().numpy()
        landmarks = embed(head.embedding, head.template).double().numpy()
        triangles, ends = head.triangles.numpy(), []
        tree = cKDTree(landmarks)
        for _ in range(MOST_ROUNDS):
            near = tree.query(rest[triangles].mean(1), distance_upper_bound=NEAR_M)[0] < NEAR_M
            length = np.linalg.norm(rest[triangles] - rest[np.roll(triangles, 1, 1)], axis=-1).mean(1)
            near &= length > FINE_M
            if not near.any():
                break
            split, pairs = halve(triangles[near], len(rest))
            triangles = np.concatenate([triangles[~near], split])
            ends.append(pairs)
            rest = np.concatenate([rest, rest[pairs].mean(1)])
        return FineSurface(tuple(ends), triangles)

    def lift(self, values: Floats) -> Floats:
        """What is known of the head's vertices [V, K], for the refined ones."""
        for pairs in self.ends:
            values = np.concatenate([values, (values[pairs[:, 0]] + values[pairs[:, 1]]) / 2])
        return values

    def lift_set(self, ids: Ids, count: int) -> NDArray[np.bool_]:
        """Which refined vertices lie wholly among the given ones of the head's `count`."""
        member = np.zeros((count, 1))
        member[ids] = 1
        return np.asarray(self.lift(member)[:, 0] > 0.99)


def halve(triangles: Ids, vertices: int) -> tuple[Ids, Ids]:
    """Each triangle as four, and the ends [N, 2] of the edges whose midpoints are new vertices."""
    corners = triangles[:, [[0, 1], [1, 2], [2, 0]]]  # [F, 3 edges, 2]
    pairs, which = np.unique(np.sort(corners.reshape(-1, 2), axis=1), axis=0, return_inverse=True)
    a, b, c = triangles.T
    ab, bc, ca = (which.reshape(-1, 3) + vertices).T
    four = np.stack([np.stack(t, 1) for t in ((a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca))], 1)
    return four.reshape(-1, 3), pairs
