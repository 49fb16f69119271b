"""What a person is painted with: linear RGB a vertex of the refined mesh, by where the resting landmarks lie."""

import itertools
import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from models.embedding.mesh import vertex_normals
from models.head import Head, ShapedHead, embed
from render.cpu import rasterize
from render.studio import landmark_lines as lines
from render.studio.fine_surface import FineSurface
from render.studio.people import Person

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

INSIDE = ("mouth_bag", "teeth", "gums", "tongue", "socket", "nostril_passage")  # regions not of the outer skin
SCLERA = np.array((0.50, 0.47, 0.45))
PUPIL = np.array((0.006, 0.006, 0.006))
FLUSH = np.array((1.06, 0.80, 0.78))
LIP_TINT = np.array((0.80, 0.42, 0.42))
VIEWS, VIEW_PX = 40, 160  # from how many sides the sky is looked for, and how finely
SKY_FLOOR = 0.12


@dataclass(frozen=True)
class Painted:
    albedo: Floats  # [N, 3]
    gloss: Floats  # [N]
    hair: Floats  # [V] metres that hair stands off the skin, of the head's own vertices: halved edges stay whole


def paint(head: Head, shaped: ShapedHead, surface: FineSurface, person: Person) -> Painted:
    """All of the person at rest; moving does not repaint."""
    rest = surface.lift(shaped.template.double().numpy())
    landmarks = embed(head.embedding, shaped.template).double().numpy()
    inside, eyes = _inside(head, surface), [_eyeball(head, surface, side) for side in ("left", "right")]
    skin = ~(inside | eyes[0] | eyes[1])
    canvas = _Canvas(rest, landmarks, skin.copy(), np.random.default_rng((person.seed, 4)))
    albedo = surface.lift(head.colours.double().numpy())
    albedo[skin] = person.skin
    _paint_skin(canvas, albedo, person)
    _paint_lips(canvas, albedo, person)
    ears = [region.numpy() for name, region in head.regions.items() if name.startswith("ear")]
    canvas.skin[np.concatenate([*ears, np.zeros(0, np.int64)])] = False
    hair = _paint_hair(canvas, albedo, person)[: head.vertex_count]
    canvas.skin[:] = skin
    _paint_brows(canvas, albedo, person)
    _paint_lashes(canvas, albedo, person)
    gloss = np.where(skin, 0.10, 0.35)
    for eye, iris in zip(eyes, lines.IRISES, strict=True):
        _paint_eye(canvas, albedo, eye, iris, person)
        gloss[eye] = 1.0
    sky = sky_seen(rest, surface.triangles)
    for eye in eyes:
        sky[eye] = 0.8  # lids hide other parts of it with every look
    albedo *= np.where(inside, np.maximum(sky, 0.3), sky)[:, None]
    return Painted(albedo, gloss, hair)


@dataclass(frozen=True)
class _Canvas:
    rest: Floats  # [N, 3]
    landmarks: Floats  # [L, 3]
    skin: Mask  # [N]
    random: np.random.Generator

    def distance(self, *line: int) -> Floats:
        """[N] metres to a line through landmarks."""
        return np.asarray(cKDTree(_polyline(self.landmarks[list(line)])).query(self.rest)[0])

    def noise(self, cell_m: float) -> Floats:
        """[N] smooth in space over about `cell_m`, standard deviation about 1."""
        low = self.rest.min(0)
        at = (self.rest - low) / cell_m
        size = np.ceil(at.max(0)).astype(int) + 2
        lattice = self.random.standard_normal(tuple(size))
        cell, part = at.astype(int), at % 1
        total = np.zeros(len(at))
        for corner in np.ndindex(2, 2, 2):
            share = np.prod(np.where(corner, part, 1 - part), axis=1)
            total += share * lattice[tuple((cell + corner).T)]
        return total * 1.6

    def lay(self, albedo: Floats, colour: Floats, strength: Floats) -> None:
        """Mix a colour in, on skin alone."""
        share = (strength * self.skin)[:, None]
        albedo += share * (colour - albedo)


def _polyline(corners: Floats, steps: int = 12) -> Floats:
    along = np.linspace(0, 1, steps, endpoint=False)[:, None]
    pieces = [a + along * (b - a) for a, b in itertools.pairwise(corners)]
    return np.concatenate([*pieces, corners[-1:]])


def smoothstep(low: float, high: float, x: Floats) -> Floats:
    t = np.clip((x - low) / (high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t))


def _inside(head: Head, surface: FineSurface) -> Mask:
    ids = [region.numpy() for name, region in head.regions.items() if name.startswith(INSIDE)]
    found = surface.lift_set(np.concatenate(ids) if ids else np.zeros(0, np.int64), head.vertex_count)
    return found


def _eyeball(head: Head, surface: FineSurface, side: str) -> Mask:
    return surface.lift_set(head.regions[f"eyeball_{side}"].numpy(), head.vertex_count)


# The coats.


def _paint_skin(canvas: _Canvas, albedo: Floats, person: Person) -> None:
    mottled = 1 + 0.035 * canvas.noise(0.012) + 0.03 * canvas.noise(0.003)
    albedo[canvas.skin] *= mottled[canvas.skin, None]
    at = canvas.landmarks
    for spot, radius, strength in (
        (at[lines.CHEEKS[0]], 0.024, 0.5),
        (at[lines.CHEEKS[1]], 0.024, 0.5),
        (at[lines.NOSE_TIP], 0.014, 0.5),
        (at[lines.CHIN], 0.016, 0.25),
    ):
        near = strength * np.exp(-((canvas.rest - spot) ** 2).sum(1) / radius**2)
        canvas.lay(albedo, albedo * FLUSH, near)
    if person.beard:
        canvas.lay(albedo, np.array(person.hair) * 1.4 + 0.25 * np.array(person.skin), person.beard * _bearded(canvas))


def _bearded(canvas: _Canvas) -> Floats:
    """[N] where beards grow: the moustache, and from below the mouth down over the jaw."""
    at, rest = canvas.landmarks, canvas.rest
    moustache = 1 - smoothstep(0.006, 0.012, canvas.distance(92, 165, 167, 164, 393, 391, 322))
    jaw = 1 - smoothstep(0.012, 0.030, canvas.distance(*lines.JAWLINE))
    below = smoothstep(0.0, 0.010, at[lines.LIP_MIDDLE, 1] - 0.012 - rest[:, 1])
    chin = below * (1 - smoothstep(0.030, 0.050, np.linalg.norm(rest - at[lines.CHIN], axis=1)))
    low_enough = smoothstep(-0.004, 0.010, at[lines.NOSE_TIP, 1] - rest[:, 1])
    grain = np.clip(0.85 + 0.3 * canvas.noise(0.0018), 0, 1)
    return np.asarray(np.maximum.reduce([moustache, 0.9 * jaw, chin]) * low_enough * grain)


def _paint_lips(canvas: _Canvas, albedo: Floats, person: Person) -> None:
    contour = canvas.landmarks[list(lines.LIPS_OUTER)]
    outline = _polyline(np.concatenate([contour, contour[:1]]), 6)[:, :2].astype(np.float32)
    middle = contour.mean(0)
    near = np.flatnonzero(canvas.skin & (np.linalg.norm(canvas.rest - middle, axis=1) < 0.05))
    inwards = np.zeros(len(canvas.rest))
    millimetres = 1e3 * outline
    for i in near:
        x, y = 1e3 * canvas.rest[i, :2]
        inwards[i] = cv2.pointPolygonTest(millimetres, (float(x), float(y)), True)
    ahead = smoothstep(-0.022, -0.014, canvas.rest[:, 2] - contour[:, 2].mean())
    strength = smoothstep(-0.5, 0.9, inwards) * ahead * (inwards != 0)
    canvas.lay(
        albedo, np.array(person.skin) * LIP_TINT + (0.02, 0.0, 0.0), (0.35 + 0.6 * person.lip_redness) * strength
    )


def _paint_hair(canvas: _Canvas, albedo: Floats, person: Person) -> Floats:
    """Colours the scalp; the height [N] that hair stands off it comes back."""
    at, rest = canvas.landmarks, canvas.rest
    line = _polyline(at[list(lines.HAIRLINE)], 8)
    centre = at[:468].mean(0) - (0, 0, 0.05)
    outwards = line - centre
    outwards /= np.linalg.norm(outwards, axis=1, keepdims=True)
    nearest = cKDTree(line).query(rest)[1]
    beyond = np.einsum("nk,nk->n", rest - line[nearest], outwards[nearest])
    back = at[list(lines.SIDES), 2].mean() - rest[:, 2]
    over_sides = rest[:, 1] - at[list(lines.SIDES), 1].mean()
    above_ears = smoothstep(0.012, 0.030, over_sides + 0.4 * (back - 0.02))
    top = smoothstep(person.hairline_m, person.hairline_m + 0.006, beyond) * above_ears
    behind = smoothstep(0.055, 0.070, back) * smoothstep(-0.060, -0.040, over_sides)
    grown = np.maximum(top, behind)
    if person.hair_volume_m > 0:
        streaks = np.clip(1 + 0.25 * canvas.noise(0.004) + 0.2 * canvas.noise(0.012), 0.3, 1.8)
        canvas.lay(albedo, np.array(person.hair) * streaks[:, None], grown * 0.96)
    return np.asarray(grown * canvas.skin * person.hair_volume_m * np.clip(1 + 0.25 * canvas.noise(0.015), 0.3, 2))


def _paint_brows(canvas: _Canvas, albedo: Floats, person: Person) -> None:
    grain = np.clip(0.9 + 0.22 * canvas.noise(0.002), 0.3, 1.1)
    for upper, lower in lines.BROWS:
        middle = (canvas.landmarks[list(upper)] + canvas.landmarks[list(lower)]) / 2
        widths = np.linalg.norm(canvas.landmarks[list(upper)] - canvas.landmarks[list(lower)], axis=1) / 2
        widths = person.brow_width * np.clip(widths, 0.002, 0.006) * (0.95, 1.0, 1.0, 0.8, 0.45)
        line = _polyline(middle)
        distance, place = cKDTree(line).query(canvas.rest)
        width = np.interp(place / (len(line) - 1) * 4, np.arange(5), widths)
        strength = person.brow_strength * (1 - smoothstep(0.55, 1.25, distance / width)) * grain
        canvas.lay(albedo, np.array(person.hair) * 0.8, np.clip(strength, 0, 0.95))


def _paint_lashes(canvas: _Canvas, albedo: Floats, person: Person) -> None:
    dark = np.array(person.hair) * 0.3
    for upper, lower in zip(lines.UPPER_LIDS, lines.LOWER_LIDS, strict=True):
        canvas.lay(albedo, dark, person.lashes * (1 - smoothstep(0.0003, 0.0014, canvas.distance(*upper))))
        canvas.lay(albedo, dark, 0.3 * person.lashes * (1 - smoothstep(0.0002, 0.0010, canvas.distance(*lower[1:]))))


def _paint_eye(canvas: _Canvas, albedo: Floats, eye: Mask, iris: tuple[int, tuple[int, ...]], person: Person) -> None:
    """By the angle from the axis that runs from the eyeball's middle through the iris."""
    ids = np.flatnonzero(eye)
    ball = canvas.rest[ids]
    middle = (ball.max(0) + ball.min(0)) / 2
    centre, rim = canvas.landmarks[iris[0]], canvas.landmarks[list(iris[1])]
    axis = (centre - middle) / np.linalg.norm(centre - middle)
    radius = np.linalg.norm(rim - centre, axis=1).mean()
    arm = ball - middle
    from_axis = np.linalg.norm(arm - np.outer(arm @ axis, axis), axis=1) + 1.0 * (arm @ axis < 0)
    white = SCLERA * (1 - 0.12 * smoothstep(radius, 2.2 * radius, from_axis))[:, None] * (1, 0.985, 0.96)
    colour = np.array(person.iris) * (1.25 - 0.6 * smoothstep(0.5 * radius, radius, from_axis))[:, None]
    colour = colour + smoothstep(0.86 * radius, 1.06 * radius, from_axis)[:, None] * (white - colour)
    in_pupil = 1 - smoothstep(0.33 * radius, 0.42 * radius, from_axis)
    albedo[ids] = colour + in_pupil[:, None] * (PUPIL - colour)


# Light that reaches a crease.


def sky_seen(rest: Floats, triangles: NDArray[np.int64], views: int = VIEWS) -> Floats:
    """[N] how much of the sky each vertex sees, cosine-weighted, 0 to 1: from pictures of the mesh from all sides."""
    normals = vertex_normals(rest, triangles)
    middle = (rest.max(0) + rest.min(0)) / 2
    reach = float(np.linalg.norm(rest - middle, axis=1).max()) * 1.01
    seen, possible = np.zeros(len(rest)), np.full(len(rest), 1e-9)
    for turn in range(views):
        up = 1 - 2 * (turn + 0.5) / views
        around = turn * math.pi * (3 - math.sqrt(5))
        towards = np.array((math.sqrt(1 - up * up) * math.cos(around), up, math.sqrt(1 - up * up) * math.sin(around)))
        facing = np.clip(normals @ towards, 0, None)
        possible += facing
        seen += facing * _visible((rest - middle) / reach, triangles, towards)
    return np.asarray(SKY_FLOOR + (1 - SKY_FLOOR) * (seen / possible) ** 0.8)


def _visible(points: Floats, triangles: NDArray[np.int64], towards: Floats) -> Mask:
    """Which points of a mesh within the unit ball are seen from far away."""
    right = np.cross((0.0, 1.0, 0.0) if abs(towards[1]) < 0.9 else (1.0, 0.0, 0.0), towards)
    right /= np.linalg.norm(right)
    x, y, depth = points @ right, points @ np.cross(towards, right), -(points @ towards)
    clip = np.stack([x, y, depth, np.ones(len(x))], 1).astype(np.float32)
    picture = rasterize(clip, triangles, (VIEW_PX, VIEW_PX))
    column = np.clip(((x + 1) / 2 * VIEW_PX).astype(int), 0, VIEW_PX - 1)
    row = np.clip(((1 - y) / 2 * VIEW_PX).astype(int), 0, VIEW_PX - 1)
    return np.asarray(depth <= picture[row, column, 2] + 0.015)
