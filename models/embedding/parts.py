"""What the parts of a head mesh are: its skin, its eyeballs, and the rest (teeth, tongue, lashes, hair)."""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from models.embedding.mesh import Floats, Ids, Mask, components, edges, triangle_vectors
from models.embedding.outer import seen_from_outside

ROUND = 0.13  # how far, in radii, a part's vertices may lie off one sphere (the cornea bulges)
LEAST_DEPTH = 0.45  # extent of a ball along one axis beside that along another
PUPILS_APART = (3.5, 8.0)  # distance between two eyeballs' centres in radii; 63 mm to 12 mm is usual
SHELL = (0.97, 1.45)  # distance from an eyeball's centre, in radii, of what wraps it
SKIN_SHARE = 0.08  # of all that is seen from outside: smaller parts are lashes, brows, teeth


@dataclass(frozen=True)
class Eyeball:
    """A part of the mesh that is round, with whatever lies inside it (iris, lens)."""

    centre: Floats  # [3]
    radius: float
    ball: Ids  # vertices of the round part itself
    vertices: Ids
    triangles: Ids


@dataclass(frozen=True)
class Parts:
    part: Ids  # [V] number of the connected part of each vertex
    skin: Mask  # [F] triangles of the outer skin
    skin_parts: Ids  # numbers of the parts that have outer skin
    eyes: tuple[Eyeball, Eyeball] | None  # left, right: of the mesh in head axes


def find_parts(vertices: Floats, triangles: Ids) -> Parts:
    """The mesh stands in head axes (y up, z forward), in any unit, with triangles that face outwards."""
    part = components(vertices, triangles)
    if not len(triangles):
        return Parts(part, np.zeros(0, bool), np.zeros(0, np.int64), None)
    eyes = _eyeballs(vertices, triangles, part)
    seen = seen_from_outside(vertices, triangles)
    if eyes is not None:
        seen[np.concatenate([eye.triangles for eye in eyes])] = False
    area = np.linalg.norm(triangle_vectors(vertices, triangles), axis=1) * seen
    visible = np.bincount(part[triangles[:, 0]], area, int(part.max()) + 1)
    skin_parts = np.flatnonzero(visible > SKIN_SHARE * visible.sum())
    return Parts(part, seen & np.isin(part[triangles[:, 0]], skin_parts), skin_parts, eyes)


def find_eyeballs(vertices: Floats, triangles: Ids) -> tuple[Eyeball, Eyeball] | None:
    """The pair of round parts that stand to each other as two eyes do; None where there is no such pair."""
    return _eyeballs(vertices, triangles, components(vertices, triangles))


def _eyeballs(vertices: Floats, triangles: Ids, part: Ids) -> tuple[Eyeball, Eyeball] | None:
    round_parts = []
    used = np.unique(triangles)
    order = used[np.argsort(part[used], kind="stable")]
    for ids in np.split(order, np.flatnonzero(np.diff(part[order])) + 1):
        sphere = fit_sphere(vertices[ids]) if len(ids) >= 20 else None
        if sphere is not None:
            round_parts.append(_Ball(*sphere, ids))
    best, best_score = None, np.inf
    for one, other in combinations(round_parts, 2):
        score = _strangeness(one, other)
        if score < best_score:
            best, best_score = (one, other), score
    if best is None:
        return None
    left, right = sorted(best, key=lambda ball: -float(ball.centre[0]))
    return _eyeball(vertices, triangles, part, left), _eyeball(vertices, triangles, part, right)


def fit_sphere(points: Floats) -> tuple[Floats, float] | None:
    """Centre and radius of the sphere most of the points [N, 3] lie on, or None where they do not lie on one."""
    extent = np.ptp(points, axis=0)
    middle, size = points.mean(0), float(extent.max())
    if extent.min() <= LEAST_DEPTH * size:  # a cap is a lens or a lash line; half a ball will do
        return None
    scaled = (points - middle) / size
    matrix = np.column_stack([2 * scaled, np.ones(len(scaled))])
    solution = np.linalg.lstsq(matrix, (scaled**2).sum(1), rcond=None)[0]
    centre = solution[:3]
    radius = float(np.sqrt(max(solution[3] + centre @ centre, 0.0)))
    off = np.abs(np.linalg.norm(scaled - centre, axis=1) - radius)
    if not 0.4 < radius < 0.7 or np.percentile(off, 90) > ROUND * radius:
        return None
    return centre * size + middle, radius * size


def shells_over_eyes(vertices: Floats, triangles: Ids, eyes: tuple[Eyeball, Eyeball]) -> Mask:
    """[F] triangles of separate sheets that wrap the front of an eyeball (tear film, shadow): glassy where they come
    from, they would hide the eye here. Sheets count as separate if they share no vertex, even where they touch."""
    pairs = edges(triangles)
    count = len(vertices)
    graph = sparse.coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), (count, count))
    sheet = connected_components(graph, directed=False)[1]
    size, hidden = np.bincount(sheet), np.zeros(len(triangles), bool)
    for eye in eyes:
        distance = np.linalg.norm(vertices - eye.centre, axis=1) / eye.radius
        close = np.bincount(sheet, distance < SHELL[1]) == size
        outside = np.bincount(sheet, distance > SHELL[0]) > 0.6 * size
        close[sheet[eye.ball]] = False
        # What reaches round the back is the eyeball's own, whatever it is called.
        depth = np.full(len(size), np.inf)
        np.minimum.at(depth, sheet, (vertices[:, 2] - eye.centre[2]) / eye.radius)
        hidden |= (close & outside & (depth > -0.2) & (size > 3))[sheet[triangles[:, 0]]]
    return hidden


@dataclass(frozen=True)
class _Ball:
    centre: Floats
    radius: float
    ids: Ids


def _strangeness(one: _Ball, other: _Ball) -> float:
    """How unlike a pair of eyes two balls are; infinite where they cannot be one."""
    radius = max(one.radius, other.radius)
    across = (one.centre - other.centre) / radius
    apart = float(np.linalg.norm(across))
    if not PUPILS_APART[0] < apart < PUPILS_APART[1] or min(one.radius, other.radius) < 0.8 * radius:
        return np.inf
    sideways = abs(float(across[0])) / apart
    if sideways < 0.9:
        return np.inf
    # Of nested pairs (sclera, lens) the larger is the eyeball.
    return abs(apart - 5.3) + 4 * (1 - sideways) - 2 * float(np.log(radius))


def _eyeball(vertices: Floats, triangles: Ids, part: Ids, ball: _Ball) -> Eyeball:
    inside = np.linalg.norm(vertices - ball.centre, axis=1) < 1.25 * ball.radius
    count = int(part.max()) + 1
    whole = np.bincount(part, inside, count) == np.bincount(part, minlength=count)
    belongs = whole[part]
    return Eyeball(
        ball.centre, ball.radius, ball.ids, np.flatnonzero(belongs), np.flatnonzero(belongs[triangles[:, 0]])
    )
