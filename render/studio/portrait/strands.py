"""Hairs: of the head, the brows and the lashes. Each is a few points in the frame of the triangle it grows from."""

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from models.embedding.mesh import vertex_normals
from render.studio import landmark_lines as lines
from render.studio.paint import smoothstep
from render.studio.people import Person

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Ids = NDArray[np.int64]

HAIRS, HAIR_POINTS, LOCKS = 16000, 9, 420
BROW_HAIRS, LASHES = 420, (70, 34)  # on one side; upper, lower
PART_M = 0.018  # where hair parts, to the subject's left
STRAY = 0.02  # how many hairs go their own way


@dataclass(frozen=True)
class Strands:
    """N hairs of K points."""

    corners: Ids  # [N, 3] vertices of the triangles they grow from
    weights: Floats  # [N, 3] where in them
    offsets: Singles  # [N, K, 3] in the triangles' frames, metres
    colour: Singles  # [N, 3]
    width_m: float

    @staticmethod
    def rooted(
        surface: "Skin", triangle: Ids, weights: Floats, points: Floats, colour: Floats, width_m: float
    ) -> "Strands":
        """points [N, K, 3] of the head at rest."""
        corners = surface.triangles[triangle]
        root, frame = frames(surface.rest, corners, weights)
        offsets = (points - root[:, None]) @ frame.transpose(0, 2, 1)
        return Strands(corners, weights, offsets.astype(np.float32), colour.astype(np.float32), width_m)

    def posed(self, vertices: Floats) -> tuple[Singles, Singles]:
        """Points [N, K, 3] and the skin's normals [N, 3] on the posed head."""
        root, frame = (part.astype(np.float32) for part in frames(vertices, self.corners, self.weights))
        return root[:, None] + self.offsets @ frame, np.ascontiguousarray(frame[:, 2])


def frames(vertices: Floats, corners: Ids, weights: Floats) -> tuple[Floats, Floats]:
    """Roots [N, 3], and axes [N, 3, 3] as rows: along an edge, across it, and out."""
    a, b, c = (vertices[corners[:, k]] for k in range(3))
    root = weights[:, :1] * a + weights[:, 1:2] * b + weights[:, 2:] * c
    out = unit(np.cross(b - a, c - a))
    along = unit(b - a)
    return root, np.stack([along, np.cross(out, along), out], 1)


@dataclass(frozen=True)
class Skin:
    """What hair grows on: the shaped head at rest."""

    rest: Floats  # [V, 3]
    triangles: Ids  # [F, 3]
    landmarks: Floats  # [L, 3]
    normals: Floats  # [V, 3]

    @staticmethod
    def of(rest: Floats, triangles: Ids, landmarks: Floats) -> "Skin":
        return Skin(rest, triangles, landmarks, vertex_normals(rest, triangles))

    def nearest(self, points: Floats, among: Ids) -> tuple[Ids, Floats]:
        """The triangle nearest to each point, of those given, and the weights of the place on it."""
        triangle = among[cKDTree(self.rest[self.triangles[among]].mean(1)).query(points)[1]]
        a, b, c = (self.rest[self.triangles[triangle][:, k]] for k in range(3))
        u, v, p = b - a, c - a, points - a
        uu, uv, vv, pu, pv = ((x * y).sum(1) for x, y in ((u, u), (u, v), (v, v), (p, u), (p, v)))
        scale = np.maximum(uu * vv - uv * uv, 1e-18)
        s, t = (vv * pu - uv * pv) / scale, (uu * pv - uv * pu) / scale
        weights = np.clip(np.stack([1 - s - t, s, t], 1), 0, None)
        return triangle, weights / weights.sum(1, keepdims=True)


# The head's.


def hair_grown(points: Floats, landmarks: Floats, person: Person) -> Floats:
    """[N] 1 where hair grows on the head, 0 where it does not."""
    line = landmarks[list(lines.HAIRLINE)]
    steps = np.linspace(0, 1, 8, endpoint=False)[:, None]
    line = np.concatenate([a + steps * (b - a) for a, b in itertools.pairwise(line)])
    outwards = unit(line - (landmarks[:468].mean(0) - (0, 0, 0.05)))
    nearest = cKDTree(line).query(points)[1]
    beyond = np.einsum("nk,nk->n", points - line[nearest], outwards[nearest])
    side_y, side_z = (landmarks[list(lines.SIDES), axis].mean() for axis in (1, 2))
    back, over = side_z - points[:, 2], points[:, 1] - side_y
    above_ears = smoothstep(0.006, 0.022, over + 0.35 * (back - 0.02))
    front = smoothstep(person.hairline_m - 0.002, person.hairline_m + 0.007, beyond)
    top = np.maximum(front, smoothstep(-0.015, 0.005, back)) * above_ears
    behind = smoothstep(0.050, 0.066, back) * smoothstep(-0.055, -0.040, over)
    half = np.abs(landmarks[list(lines.SIDES), 0]).mean()
    ears = (np.abs(points[:, 0]) > half + 0.005) & (over < 0.035)
    return np.asarray(np.maximum(top, behind) * ~ears)


def grow_hair(skin: Skin, bare: Ids, person: Person, random: np.random.Generator) -> Strands | None:
    """Short hair with a parting; `bare` are vertices that grow none, whatever lies around them."""
    if person.hair_volume_m <= 0:
        return None
    grown = hair_grown(skin.rest, skin.landmarks, person)
    grown[bare] = 0
    triangle, weights = _scatter(skin, grown[skin.triangles].mean(1), HAIRS, random)
    corners = skin.triangles[triangle]
    root = np.einsum("nk,nkc->nc", weights, skin.rest[corners])
    tree = cKDTree(skin.rest)
    facing = unit(skin.normals[corners].mean(1))
    high = np.maximum(smoothstep(0.15, 0.75, facing[:, 1]), smoothstep(0.35, 0.75, facing[:, 2]))
    length = (0.018 + (0.014 + 2.2 * person.hair_volume_m) * high) * random.uniform(0.7, 1.15, len(root))
    length *= np.einsum("nk,nk->n", weights, grown[corners]) ** 0.5
    lock = cKDTree(root[:LOCKS]).query(root)[1]
    waves = (0.20 * random.standard_normal((LOCKS, 3)))[lock] + 0.10 * random.standard_normal((len(root), 3))
    waves[random.random(len(root)) < STRAY] *= 2.5
    points = np.empty((len(root), HAIR_POINTS, 3))
    points[:, 0] = root - 0.001 * facing
    heading = np.zeros_like(root)
    step = length[:, None] / (HAIR_POINTS - 1)
    for k in range(1, HAIR_POINTS):
        near = tree.query(points[:, k - 1])[1]
        normal = skin.normals[near]
        flow = _combed(points[:, k - 1], normal, high)
        height = ((points[:, k - 1] - skin.rest[near]) * normal).sum(1)
        wanted = person.hair_volume_m * (0.25 + 0.75 * high) * (1 - 0.35 * k / HAIR_POINTS)
        lift = np.clip((wanted - height) / 0.008, -0.8, 1.0)[:, None] * normal
        goal = unit(flow + (0.8 if k < 3 else 0.4) * lift + waves)
        heading = goal if k == 1 else unit(0.5 * heading + 0.5 * goal)
        points[:, k] = points[:, k - 1] + step * heading
    # Hairs of a lock draw near one another towards their tips.
    together = (np.linspace(0, 1, HAIR_POINTS) ** 1.5 * 0.35)[:, None]
    centre = points[lock] - points[lock][:, :1] + points[:, :1]
    points += together * (centre - points)
    order = random.permutation(len(points))
    return Strands.rooted(
        skin, triangle[order], weights[order], points[order], _dyed(person, len(points), random), 0.00030
    )


def _combed(points: Floats, normal: Floats, high: Floats) -> Floats:
    """[N, 3] which way hair lies: on top away from the parting and back, on the sides down and back."""
    aside = np.tanh((points[:, 0] - PART_M) / 0.012)
    top = np.stack([0.9 * aside, 0.15 * np.ones(len(points)), -0.55 * np.ones(len(points))], 1)
    side = np.tile((0.0, -0.9, -0.45), (len(points), 1))
    flow = side + high[:, None] * (top - side)
    return unit(flow - (flow * normal).sum(1, keepdims=True) * normal)


def _scatter(skin: Skin, density: Floats, count: int, random: np.random.Generator) -> tuple[Ids, Floats]:
    """Places on the surface: triangles [N] and weights [N, 3], as dense as told by triangle."""
    a, b, c = (skin.rest[skin.triangles[:, k]] for k in range(3))
    share = np.linalg.norm(np.cross(b - a, c - a), axis=1) * np.where(density > 0.05, density, 0)
    triangle = random.choice(len(share), count, p=share / share.sum())
    weights = random.dirichlet((1, 1, 1), count)
    return triangle, weights


def _dyed(person: Person, count: int, random: np.random.Generator) -> Floats:
    """[N, 3] no two hairs are quite the same."""
    return np.asarray(np.array(person.hair) * 1.25 * np.exp(0.28 * random.standard_normal((count, 1))))


# Brows and lashes.


def grow_brows(skin: Skin, among: Ids, person: Person, random: np.random.Generator) -> Strands:
    """Up at the nose, along the brow further out, thinning towards its tail; `among` are triangles of the skin."""
    roots, tips = [], []
    for upper, lower in lines.BROWS:
        top, low = (skin.landmarks[list(row)] for row in (upper, lower))
        count = round(BROW_HAIRS * (0.6 + 0.6 * person.brow_strength))
        along, over = random.uniform(0, 1, count) ** 0.9, np.clip(0.5 + 0.30 * random.standard_normal(count), 0, 1)
        width = person.brow_width * np.interp(along, (0, 0.15, 0.6, 1), (0.6, 0.9, 0.85, 0.4))
        over = 0.5 + (over - 0.5) * width
        root = _between(top, low, along, over)
        outward = unit(_between(top, low, along + 0.05, over) - root)
        upward = unit(_between(top, low, along, over - 0.1) - root)
        turn = np.interp(along, (0, 0.12, 0.35, 1), (1.6, 1.0, 0.45, -0.05)) + 0.18 * random.standard_normal(count)
        turn -= (
            1.1 * (0.5 - over) * np.interp(along, (0, 0.3, 1), (0.2, 1, 0.6))
        )  # the upper row lies down, the lower up
        heading = np.cos(turn)[:, None] * outward + np.sin(turn)[:, None] * upward
        length = np.interp(along, (0, 0.3, 1), (0.006, 0.009, 0.006)) * random.uniform(0.7, 1.15, count)
        roots.append(root)
        tips.append(length[:, None] * heading)
    root, tip = np.asarray(np.concatenate(roots), np.float64), np.asarray(np.concatenate(tips), np.float64)
    triangle, weights = skin.nearest(root, among)
    normal = unit(np.einsum("nk,nkc->nc", weights, skin.normals[skin.triangles[triangle]]))
    root = np.einsum("nk,nkc->nc", weights, skin.rest[skin.triangles[triangle]])
    tip -= (tip * normal).sum(1, keepdims=True) * normal
    points = _arched(root, tip, 0.0008 * normal, -0.0003 * normal)
    return Strands.rooted(skin, triangle, weights, points, _dyed(person, len(root), random), 0.00016)


def grow_lashes(skin: Skin, among: Ids, person: Person, random: np.random.Generator) -> Strands:
    """Fans along the lids' rims, curling up above and down below."""
    roots, tips, bends = [], [], []
    rows: list[tuple[tuple[int, ...], float, float, int]]
    rows = [(upper, 0.0072, 1.0, LASHES[0]) for upper in lines.UPPER_LIDS]
    rows += [(lower[1:-1], 0.0040, -1.0, LASHES[1]) for lower in lines.LOWER_LIDS]
    for line, long_m, up, most in rows:
        count = round(most * (0.5 + 0.6 * person.lashes))
        along = random.uniform(0.06, 0.97, count)
        path = skin.landmarks[list(line)]
        root = _along(path, along)
        across = unit(path[-1] - path[0])  # from the nose outwards
        fan = (2.0 * along - 0.85 + 0.15 * random.standard_normal(count))[:, None] * across
        heading = unit(0.55 * fan + (0, -0.15 if up > 0 else -0.6, 1.0))
        length = long_m * np.sin(np.pi * np.clip(0.25 + 0.6 * along, 0, 1)) * random.uniform(0.7, 1.1, count)
        roots.append(root)
        tips.append(length[:, None] * heading)
        bends.append(length[:, None] * (0, 0.75 * up if up > 0 else -0.25, -0.1))
    root, tip, bend = (np.concatenate(part) for part in (roots, tips, bends))
    triangle, weights = skin.nearest(root, among)
    points = _arched(root, tip, np.zeros_like(root), bend)
    colour = np.tile(np.array(person.hair) * 0.25, (len(root), 1))
    return Strands.rooted(skin, triangle, weights, points, colour, 0.00013)


def _arched(root: Floats, tip: Floats, lift: Floats, bend: Floats, points: int = 6) -> Floats:
    """[N, K, 3] from the root straight ahead, then ever more bent."""
    along = np.linspace(0, 1, points)[None, :, None]
    lifted = 4 * along * (1 - along) * lift[:, None]
    return np.asarray(root[:, None] + along * tip[:, None] + lifted + along**2 * bend[:, None])


def _between(top: Floats, low: Floats, along: Floats, over: Floats) -> Floats:
    upper, lower = _along(top, along), _along(low, along)
    return np.asarray(upper + over[:, None] * (lower - upper))


def _along(path: Floats, place: Floats) -> Floats:
    """[N, 3] points of a path [M, 3] at shares of its length, beyond its end straight on."""
    at = np.clip(place, 0, None) * (len(path) - 1)
    cell = np.clip(at.astype(int), 0, len(path) - 2)
    return np.asarray(path[cell] + (at - cell)[:, None] * (path[cell + 1] - path[cell]))


def unit(vectors: Floats) -> Floats:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12))
