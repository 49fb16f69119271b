"""One step of interpolating subdivision: the modified butterfly scheme (Zorin, Schroeder and Sweldens 1996).

Old vertices stay where they are, so landmarks remain vertices; new ones, one an edge, continue the surface smoothly.
"""

from collections import defaultdict

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from tracker.jobs.builtin_head.topology import Ids, edges_of

Stencil = dict[int, float]


def subdivision(triangles: Ids, count: int) -> tuple[sparse.csr_array, Ids, dict[tuple[int, int], int]]:
    """The matrix [count + E, count] from old to new vertices, the new triangles, and each edge's new vertex."""
    edges = edges_of(triangles)
    middle = {(int(a), int(b)): count + k for k, (a, b) in enumerate(edges)}
    around = _Neighbourhood(triangles)
    matrix = sparse.lil_array((count + len(edges), count))
    matrix.setdiag(1.0)
    for (a, b), row in middle.items():
        for vertex, weight in around.stencil(a, b).items():
            matrix[row, vertex] = weight

    def mid(i: int, j: int) -> int:
        return middle[(min(i, j), max(i, j))]

    new: list[tuple[int, int, int]] = []
    for a, b, c in triangles.tolist():
        ab, bc, ca = mid(a, b), mid(b, c), mid(c, a)
        new += [(a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca)]
    return sparse.csr_array(matrix), np.array(new, np.int64), middle


def refine_loop(loop: Ids | tuple[int, ...], middle: dict[tuple[int, int], int], closed: bool = True) -> Ids:
    """A loop (or open chain) of old vertices with the new ones in between."""
    ids = [int(i) for i in loop]
    following = [*ids[1:], ids[0]] if closed else ids[1:]
    refined: list[int] = []
    for a, b in zip(ids, following, strict=False):
        refined += [a, middle[(min(a, b), max(a, b))]]
    return np.array(refined if closed else [*refined, ids[-1]], np.int64)


class _Neighbourhood:
    """Who sits around each vertex, in order."""

    def __init__(self, triangles: Ids) -> None:
        self.following: dict[int, dict[int, int]] = defaultdict(dict)  # vertex -> neighbour -> next one, ccw
        for a, b, c in triangles.tolist():
            self.following[a][b], self.following[b][c], self.following[c][a] = c, a, b

    def ring(self, vertex: int, start: int) -> tuple[list[int], bool]:
        """Neighbours counter-clockwise from `start`; and whether the ring is closed."""
        steps = self.following[vertex]
        ring, here = [start], steps.get(start)
        while here is not None and here != start:
            ring.append(here)
            here = steps.get(here)
        return ring, here == start

    def stencil(self, a: int, b: int) -> Stencil:
        if b not in self.following[a] or a not in self.following[b]:
            return self._border_stencil(a, b)
        ring_a, ring_b = self._regular(a, b), self._regular(b, a)
        if ring_a and ring_b:
            return self._eight_points(a, b)
        parts = [self._extraordinary(v, o) for v, o, ring in ((a, b, ring_a), (b, a, ring_b)) if not ring]
        usable = [part for part in parts if part is not None]
        if not usable:
            return self._eight_points(a, b)
        mixed: Stencil = defaultdict(float)
        for part in usable:
            for vertex, weight in part.items():
                mixed[vertex] += weight / len(usable)
        return mixed

    def _regular(self, vertex: int, other: int) -> bool:
        ring, closed = self.ring(vertex, other)
        return closed and len(ring) == 6

    def _eight_points(self, a: int, b: int) -> Stencil:
        stencil: Stencil = defaultdict(float)
        for v, o in ((a, b), (b, a)):
            stencil[v] += 0.5
            left = self.following[v][o]
            stencil[left] += 0.125
        # The four wing tips; where one is beyond a border, its edge's own middle stands in.
        for v, o in ((a, b), (b, a)):
            wing = self.following[v][o]
            for p, q in ((v, wing), (wing, o)):
                tip = self.following[p].get(q)
                if tip is not None and tip not in (a, b):
                    stencil[tip] -= 0.0625
                else:
                    stencil[p] -= 0.03125
                    stencil[q] -= 0.03125
        return stencil

    def _extraordinary(self, vertex: int, other: int) -> Stencil | None:
        ring, closed = self.ring(vertex, other)
        if not closed:
            return None
        n = len(ring)
        if n == 3:
            weights = [5 / 12, -1 / 12, -1 / 12]
        elif n == 4:
            weights = [3 / 8, 0.0, -1 / 8, 0.0]
        else:
            angles = 2 * np.pi * np.arange(n) / n
            weights = [float(w) for w in (0.25 + np.cos(angles) + 0.5 * np.cos(2 * angles)) / n]
        stencil: Stencil = defaultdict(float)
        stencil[vertex] = 1 - sum(weights)
        for neighbour, weight in zip(ring, weights, strict=True):
            stencil[neighbour] += weight
        return stencil

    def _border_stencil(self, a: int, b: int) -> Stencil:
        """Four points along the border."""
        before = [v for v in self._border_neighbours(a) if v != b]
        after = [v for v in self._border_neighbours(b) if v != a]
        stencil: Stencil = defaultdict(float)
        for vertex, weight in ((a, 0.5625), (b, 0.5625), (before[0], -0.0625), (after[0], -0.0625)):
            stencil[vertex] += weight
        return stencil

    def _border_neighbours(self, vertex: int) -> list[int]:
        steps = self.following[vertex]
        return sorted((set(steps) | set(steps.values())) - (set(steps) & set(steps.values())))


def symmetrised(points: NDArray[np.float64], mirror: Ids) -> NDArray[np.float64]:
    """Points averaged with their mirror images in the plane x = 0."""
    return np.asarray((points + points[mirror] * (-1.0, 1.0, 1.0)) / 2)
