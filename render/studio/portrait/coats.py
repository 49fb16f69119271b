"""The portrait's texture: what a person is painted with, texel by texel, by where the resting landmarks lie."""

import itertools
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt
from scipy.spatial import cKDTree

from models.head import Head, ShapedHead, embed
from render.cpu import rasterize
from render.studio import landmark_lines as lines
from render.studio.paint import FLUSH, PUPIL, smoothstep
from render.studio.people import Person
from render.studio.portrait.strands import hair_grown

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

SCLERA = np.array((0.42, 0.40, 0.385))
TEETH = np.array((0.52, 0.48, 0.41))
LIPS = np.array((0.80, 0.46, 0.50))  # of the skin's colour
TIRED = np.array((0.90, 0.84, 0.87))  # skin below the eyes, of the other skin
INSIDE = ("mouth_bag", "teeth", "gums", "tongue", "socket", "nostril_passage")
GROOVES = (0.0007, 0.02, 0.02)  # cells of the lips' fine lines, metres across, up and deep


def paint_texture(head: Head, shaped: ShapedHead, person: Person, side: int) -> NDArray[np.float32]:
    """[side, side, 4]: linear colour, and gloss."""
    atlas = Atlas.of(head, shaped, person, side)
    atlas.colour[:] = head.colours.double().numpy()[atlas.corners].mean(1)
    atlas.gloss[:] = 0.8
    skin = ~atlas.member(head, INSIDE) & ~atlas.member(head, ("eyeball",))
    atlas.only = skin
    atlas.colour[skin], atlas.gloss[skin] = person.skin, 0.42
    _skin(atlas, person)
    _lips(atlas, person)
    _around_the_eyes(atlas, person)
    _brows(atlas, person)
    _scalp(atlas, head, person)
    atlas.only = np.ones(len(skin), bool)
    atlas.colour[atlas.member(head, ("nostril_passage", "socket"))] = np.array(person.skin) * (0.22, 0.10, 0.09)
    teeth = atlas.member(head, ("teeth",))
    atlas.colour[teeth] = TEETH
    for name, iris in zip(("left", "right"), lines.IRISES, strict=True):
        _eye(atlas, atlas.member(head, (f"eyeball_{name}",)), iris, person)
    return atlas.picture()


@dataclass
class Atlas:
    """N painted texels of the texture."""

    hit: Mask  # [side, side]
    corners: NDArray[np.int64]  # [N, 3] vertices of the triangle a texel lies on
    rest: Floats  # [N, 3]
    landmarks: Floats  # [L, 3]
    random: np.random.Generator
    colour: Floats = field(init=False)  # [N, 3]
    gloss: Floats = field(init=False)  # [N]
    only: Mask = field(init=False)  # [N] where `lay` lays

    def __post_init__(self) -> None:
        self.colour, self.gloss = np.zeros((len(self.rest), 3)), np.zeros(len(self.rest))
        self.only = np.ones(len(self.rest), bool)

    @staticmethod
    def of(head: Head, shaped: ShapedHead, person: Person, side: int) -> "Atlas":
        uv = head.uvs.double().numpy()
        flat = np.concatenate([2 * uv - 1, np.zeros((len(uv), 1)), np.ones((len(uv), 1))], 1).astype(np.float32)
        fragments = rasterize(flat, head.uv_triangles.numpy(), (side, side))
        hit = fragments[..., 3] > 0
        u, v = fragments[hit][:, :2].astype(np.float64).T
        corners = head.triangles.numpy()[fragments[hit][:, 3].astype(np.int64) - 1]
        template = shaped.template.double().numpy()
        rest = u[:, None] * template[corners[:, 0]] + v[:, None] * template[corners[:, 1]]
        rest += (1 - u - v)[:, None] * template[corners[:, 2]]
        landmarks = embed(head.embedding, shaped.template).double().numpy()
        return Atlas(hit, corners, rest, landmarks, np.random.default_rng((person.seed, 11)))

    def member(self, head: Head, names: tuple[str, ...]) -> Mask:
        """[N] which texels lie wholly within regions whose names begin so."""
        of = np.zeros(head.vertex_count, bool)
        for name, ids in head.regions.items():
            if name.startswith(names):
                of[ids.numpy()] = True
        return np.asarray(of[self.corners].all(1))

    def lay(self, colour: Floats, strength: Floats) -> None:
        """Mix a colour in."""
        share = (strength * self.only)[:, None]
        self.colour += share * (colour - self.colour)

    def distance(self, reach_m: float, *line: int) -> Floats:
        """[N] metres to a line through landmarks, or `reach_m` beyond that."""
        corners = self.landmarks[list(line)]
        steps = np.linspace(0, 1, 12, endpoint=False)[:, None]
        path = np.concatenate([a + steps * (b - a) for a, b in itertools.pairwise(corners)])
        near = ((self.rest > path.min(0) - reach_m) & (self.rest < path.max(0) + reach_m)).all(1)
        distance = np.full(len(self.rest), reach_m)
        distance[near] = cKDTree(path).query(self.rest[near], distance_upper_bound=reach_m)[0]
        return np.minimum(distance, reach_m)

    def around(self, spot: Floats, radius_m: float) -> Floats:
        """[N] 1 at a place, falling off around it."""
        return np.asarray(np.exp(-((self.rest - spot) ** 2).sum(1) / radius_m**2))

    def noise(self, cell_m: float | tuple[float, float, float]) -> Floats:
        """[N] smooth over about a cell, standard deviation about 1."""
        at = (self.rest - self.rest.min(0)) / cell_m
        cell = at.astype(np.int64)
        part = at - cell
        part *= part * (3 - 2 * part)
        lattice = self.random.standard_normal(tuple(cell.max(0) + 2))
        total = np.zeros(len(at))
        for x in (0, 1):
            for y in (0, 1):
                z0, z1 = (lattice[cell[:, 0] + x, cell[:, 1] + y, cell[:, 2] + z] for z in (0, 1))
                share = np.abs(1 - x - part[:, 0]) * np.abs(1 - y - part[:, 1])
                total += share * (z0 + part[:, 2] * (z1 - z0))
        return total * 1.7

    def picture(self) -> NDArray[np.float32]:
        """With the gaps between its islands filled from their edges."""
        picture = np.zeros((*self.hit.shape, 4), np.float32)
        picture[self.hit] = np.concatenate([np.clip(self.colour, 0, 1), np.clip(self.gloss, 0, 2)[:, None]], 1)
        _, (rows, columns) = distance_transform_edt(~self.hit, return_indices=True)
        return np.ascontiguousarray(picture[rows, columns])


# The coats.


def _skin(atlas: Atlas, person: Person) -> None:
    at, only = atlas.landmarks, atlas.only
    fine = atlas.random.standard_normal(len(only))
    brightness = 1 + 0.03 * atlas.noise(0.022) + 0.015 * atlas.noise(0.0025) + 0.03 * fine
    red = np.clip(0.018 * atlas.noise(0.010) + 0.012 * atlas.noise(0.004), -0.05, 0.06)
    mottled = brightness[:, None] * np.stack([1 + 0.4 * red, 1 - red, 1 - red], 1)
    atlas.colour[only] *= mottled[only]
    ears = (at[lines.SIDES[0]], at[lines.SIDES[1]])
    for spot, radius, strength in (
        *((at[cheek], 0.026, 0.30) for cheek in lines.CHEEKS),
        (at[lines.NOSE_TIP], 0.013, 0.35),
        (at[lines.CHIN], 0.018, 0.2),
        *((ear - (0, 0, 0.02), 0.03, 0.3) for ear in ears),
    ):
        atlas.lay(atlas.colour * FLUSH, strength * atlas.around(spot, radius))
    for spot in atlas.rest[only][atlas.random.integers(0, np.count_nonzero(only), 10)]:
        mole = smoothstep(1.0, 0.4, np.linalg.norm(atlas.rest - spot, axis=1) / atlas.random.uniform(0.0006, 0.0012))
        atlas.lay(atlas.colour * (0.5, 0.38, 0.32), atlas.random.uniform(0.3, 0.8) * mole)
    oily = (
        atlas.around(at[lines.NOSE_TIP], 0.016)
        + 0.8 * atlas.around(at[9], 0.030)
        + 0.5 * atlas.around(at[lines.CHIN], 0.014)
    )
    atlas.gloss += np.where(only, 0.35 * oily + 0.10 * fine * 0.5 + 0.08 * atlas.noise(0.0015), 0)


def _lips(atlas: Atlas, person: Person) -> None:
    inwards = _inside_lips(atlas)
    strength = smoothstep(-0.0007, 0.0016, inwards)
    grooves = 1 + 0.05 * atlas.noise(GROOVES) * smoothstep(0.0, 0.002, inwards)
    colour = np.array(person.skin) * LIPS + (0.02 * person.lip_redness, 0.0, 0.004)
    atlas.lay(colour * grooves[:, None], (0.55 + 0.4 * person.lip_redness) * strength)
    atlas.gloss += 0.75 * strength * atlas.only
    seam = 1 - smoothstep(0.0, 0.0016, atlas.distance(0.002, 78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308))
    atlas.lay(atlas.colour * (0.75, 0.62, 0.62), 0.6 * seam * strength)


def _inside_lips(atlas: Atlas) -> Floats:
    """[N] metres inside the lips' outline as seen from the front, below 0 outside of it."""
    outline = atlas.landmarks[list(lines.LIPS_OUTER)]
    low, scale = outline[:, :2].min(0) - 0.005, 1e4
    size = np.ceil((outline[:, :2].max(0) + 0.005 - low) * scale).astype(int)
    drawn = np.zeros((size[1], size[0]), np.uint8)
    cv2.fillPoly(drawn, [np.round((outline[:, :2] - low) * scale).astype(np.int32)], (1,))
    signed = (distance_transform_edt(drawn) - distance_transform_edt(1 - drawn)) / scale
    at = ((atlas.rest[:, :2] - low) * scale).astype(int)
    near = ((at >= 0) & (at < size)).all(1) & (atlas.rest[:, 2] > outline[:, 2].mean() - 0.02) & atlas.only
    inwards = np.full(len(at), -1.0)
    inwards[near] = signed[at[near, 1], at[near, 0]]
    return inwards


def _around_the_eyes(atlas: Atlas, person: Person) -> None:
    hair = np.array(person.hair)
    for upper, lower in zip(lines.UPPER_LIDS, lines.LOWER_LIDS, strict=True):
        below = atlas.landmarks[list(lower[2:7])].mean(0) - (0, 0.009, 0)
        atlas.lay(atlas.colour * TIRED, 0.7 * atlas.around(below, 0.012))
        over = atlas.distance(0.006, *upper)
        atlas.lay(atlas.colour * (0.88, 0.80, 0.80), 0.6 * (1 - smoothstep(0.001, 0.006, over)))
        atlas.lay(hair * 0.4, person.lashes * (1 - smoothstep(0.0003, 0.0011, over)))
        rim = atlas.distance(0.002, *lower[1:])
        atlas.lay(atlas.colour * (0.95, 0.70, 0.68), 0.6 * (1 - smoothstep(0.0003, 0.0018, rim)))


def _brows(atlas: Atlas, person: Person) -> None:
    """A shade below the hairs that grow there."""
    for upper, lower in lines.BROWS:
        for line, strength in ((upper, 0.16), (lower, 0.26)):
            near = 1 - smoothstep(0.0005, 0.0042 * person.brow_width, atlas.distance(0.006, *line))
            atlas.lay(np.array(person.hair) * 1.2, strength * person.brow_strength * near)


def _scalp(atlas: Atlas, head: Head, person: Person) -> None:
    ears = atlas.member(head, ("ear",))
    grown = hair_grown(atlas.rest, atlas.landmarks, person) * ~ears
    atlas.lay(np.array(person.hair) * 0.3, 0.95 * grown)
    atlas.gloss *= 1 - 0.9 * grown * atlas.only


def _eye(atlas: Atlas, eye: Mask, iris: tuple[int, tuple[int, ...]], person: Person) -> None:
    """By the angle around and away from the axis that runs from the eyeball's middle through the iris."""
    ids = np.flatnonzero(eye)
    if not len(ids):  # a head without eyeballs
        return
    ball = atlas.rest[ids]
    middle = (ball.max(0) + ball.min(0)) / 2
    centre, rim = atlas.landmarks[iris[0]], atlas.landmarks[list(iris[1])]
    axis = (centre - middle) / np.linalg.norm(centre - middle)
    radius = np.linalg.norm(rim - centre, axis=1).mean()
    across = np.cross((0.0, 1.0, 0.0), axis)
    across /= np.linalg.norm(across)
    arm = ball - middle
    x, y, ahead = arm @ across, arm @ np.cross(axis, across), arm @ axis
    away = (np.hypot(x, y) + 1.0 * (ahead < 0)) / radius
    around = np.arctan2(y, x) / (2 * np.pi) + 0.5
    fibres = np.interp(around * 90 + 2.5 * away, np.arange(96), atlas.random.standard_normal(96))
    white = SCLERA * (1 - 0.10 * smoothstep(1.1, 2.2, away))[:, None] * (1, 0.975, 0.955)
    pink = smoothstep(1.6, 2.1, away) * 0.35
    white = white + pink[:, None] * (SCLERA * (0.95, 0.70, 0.66) - white)
    ring = 1.6 - 0.75 * smoothstep(0.45, 0.62, away) + 0.28 * fibres * smoothstep(0.35, 0.55, away)
    colour = 0.75 * np.array(person.iris) * np.clip(ring, 0.3, 2.4)[:, None]
    colour += (smoothstep(0.55, 0.38, away) * 0.5)[:, None] * (np.array(person.iris) * (1.9, 1.3, 0.7) - colour)
    colour *= (1 - 0.75 * smoothstep(0.78, 0.98, away))[:, None]  # the dark ring around
    colour += smoothstep(0.94, 1.10, away)[:, None] * (white - colour)
    colour += (1 - smoothstep(0.30, 0.40, away))[:, None] * (PUPIL - colour)
    atlas.colour[ids], atlas.gloss[ids] = colour, 1.0
