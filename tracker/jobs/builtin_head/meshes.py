"""Small tools to lay triangles: grids, strips between loops, mirror images. Lengths are millimetres here."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from tracker.jobs.builtin_head.topology import Ids

Points = NDArray[np.float64]


class Clay:
    """A mesh under construction: vertices are only ever added, so their ids hold; triangles carry a part's name."""

    def __init__(self) -> None:
        self._points: list[Points] = []
        self._triangles: list[tuple[str, Ids]] = []
        self.count = 0

    def add(self, points: Points) -> Ids:
        """Ids of newly added vertices [n, 3], in the shape of the points' leading axes."""
        flat = np.asarray(points, np.float64).reshape(-1, 3)
        ids = np.arange(self.count, self.count + len(flat))
        self._points.append(flat)
        self.count += len(flat)
        return ids.reshape(np.shape(points)[:-1])

    def cover(self, part: str, triangles: Ids) -> None:
        self._triangles.append((part, np.asarray(triangles, np.int64).reshape(-1, 3)))

    def points(self) -> Points:
        return np.concatenate(self._points)

    def triangles(self) -> Ids:
        return np.concatenate([triangles for _, triangles in self._triangles])

    def parts(self) -> list[str]:
        """The part's name of every triangle."""
        return [part for part, triangles in self._triangles for _ in range(len(triangles))]


def grid_triangles(ids: Ids, closed: bool = False) -> Ids:
    """Triangles of a grid [rows, columns] of vertices; outside is where rows run down and columns run left to right.

    Each square is cut along the diagonal that makes the left and right halves of a symmetric grid mirror images.
    """
    right = np.roll(ids, -1, 1) if closed else ids[:, 1:]
    left = ids if closed else ids[:, :-1]
    a, b, c, d = left[:-1], right[:-1], right[1:], left[1:]
    columns = a.shape[1]
    first_half = np.arange(columns) < columns / 2
    one = np.stack([np.stack([a, d, c], -1), np.stack([a, c, b], -1)], -2)
    two = np.stack([np.stack([a, d, b], -1), np.stack([b, d, c], -1)], -2)
    return np.asarray(np.where(first_half[None, :, None, None], one, two).reshape(-1, 3))


def fan_triangles(loop: Ids, centre: int) -> Ids:
    """Triangles from a closed loop, counter-clockwise from outside, to one vertex in its middle."""
    return np.stack([loop, np.roll(loop, -1), np.full(len(loop), centre)], 1)


def zip_loops(outer: Ids, inner: Ids, outer_angles: Points, inner_angles: Points) -> Ids:
    """Triangles of the ring between two closed loops, both counter-clockwise from outside.

    The angles, about a point within both, grow along each loop over one turn and say who faces whom.
    """
    o, i, n, m = 0, 0, len(outer), len(inner)
    outer_angles, inner_angles = (
        np.append(outer_angles, outer_angles[0] + 2 * np.pi),
        np.append(inner_angles, inner_angles[0] + 2 * np.pi),
    )
    triangles = []
    while o < n or i < m:
        a, b = outer[o % n], inner[i % m]
        if i == m or (o < n and outer_angles[o : o + 2].mean() <= inner_angles[i : i + 2].mean()):
            triangles.append((a, outer[(o + 1) % n], b))
            o += 1
        else:
            triangles.append((a, inner[(i + 1) % m], b))
            i += 1
    return np.array(triangles, np.int64)


def flipped(triangles: Ids) -> Ids:
    return np.asarray(triangles[:, ::-1])


def mirror_points(points: Points) -> Points:
    return np.asarray(points * (-1.0, 1.0, 1.0))


def smooth_curve(points: Sequence[Sequence[float]], samples: int, closed: bool = False) -> Points:
    """A cubic curve through the points, sampled at equal steps of its length: [samples, dimensions]."""
    knots = np.asarray(points, np.float64)
    if closed:
        knots = np.concatenate([knots, knots[:1]])
    length = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(knots, axis=0), axis=1))])
    spline = CubicSpline(length, knots, bc_type="periodic" if closed else "natural")
    fine = spline(np.linspace(0, length[-1], 800))
    travelled = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(fine, axis=0), axis=1))])
    wanted = np.linspace(0, travelled[-1], samples + 1)[:-1] if closed else np.linspace(0, travelled[-1], samples)
    return np.stack([np.interp(wanted, travelled, fine[:, k]) for k in range(knots.shape[1])], 1)


def unit(vectors: Points) -> Points:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True))


def smoothstep(low: float, high: float, x: Points | float) -> Points:
    t = np.clip((np.asarray(x) - low) / (high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t))
