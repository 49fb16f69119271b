"""The overlay's surface by the slow road: `pose_head`, the rasteriser, then plain float64 numpy on whole pictures."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from models.camera import camera_points, clip_points, project
from models.head import Head, pose_head, shape_head
from models.skinning import vertex_normals
from models.types import Camera, Identity, TrackResult
from render.drawing import light
from render.overlay_surface import Surface
from render.painter import Picture, Style, Window
from render.rasterizer import rasterize
from render.texture import DIMMEST, GAMMA, SH_FACTORS, Texture

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Reference:
    picture: Floats  # [H, W, 3]
    covered: NDArray[np.bool_]  # [H, W]
    unsure: NDArray[np.bool_]  # [H, W] where an edge runs: who wins a pixel there is a matter of rounding


@dataclass(frozen=True)
class Worn:
    """A texture as it is read: at the size that so many halvings leave of it."""

    texture: Texture
    halvings: int


def draw_reference(
    head: Head,
    image: Picture,
    result: TrackResult,
    identity: Identity,
    style: Style,
    window: Window,
    shift: int = 0,
    worn: Worn | None = None,
) -> Reference:
    assert result.camera is not None
    assert result.params is not None
    surface = Surface.of(head)
    camera = shifted(result.camera, shift)
    height, width = image.shape[:2]
    vertices = pose_head(shape_head(head, identity.shape), result.params).vertices[surface.vertices]
    seen = camera_points(camera, vertices)
    screen = project(camera, vertices).double().numpy()
    triangles = torch.from_numpy(surface.triangles).long()
    normals = vertex_normals(seen, triangles).double().numpy()
    facing = clockwise(screen[triangles.numpy()])
    front, places = triangles.numpy()[facing], surface.corners[facing].astype(float)
    hits = rasterize(clip_points(camera, vertices, width, height), torch.from_numpy(front), (height, width)).numpy()
    inside = np.zeros((height, width), bool)
    inside[window[1] : window[3], window[0] : window[2]] = True
    covered = (hits[..., 3] > 0) & inside

    triangle = hits[covered][:, 3].astype(int) - 1
    corners = front[triangle]
    u, v = hits[covered][:, 0].astype(float), hits[covered][:, 1].astype(float)
    weights = np.stack([u, v, 1 - u - v], 1)[..., None]
    paint = (surface.line_paint if style.lines else surface.paint).astype(float)
    if worn is None:
        lit, opacity = shade(seen.double().numpy(), normals, paint, style)
        colour = (weights * lit[corners]).sum(1)
    else:
        lit, opacity = shade_skin(seen.double().numpy(), normals, surface.skin_paint.astype(float), worn.texture)
        at = (weights * lit[corners]).sum(1)
        colour = (texels(worn, (weights * places[triangle]).sum(1)) * at[:, :3] + at[:, 3:]).clip(0, 255)
    of_surface, of_line = ((weights * opacity[corners][..., k, None]).sum(1)[:, 0] for k in (0, 1))
    if style.lines:
        rows, columns = np.nonzero(covered)
        away = edge_distance(screen[corners], np.stack([columns, rows], 1) + 0.5)
        of_surface += (1 - of_surface) * of_line * np.clip(style.line_px / 2 + 0.5 - away, 0, 1)
    of_surface *= softened(covered, window)[covered]
    picture = image.astype(float)
    picture[covered] += of_surface[:, None] * (colour - picture[covered])
    return Reference(picture, covered, edges(covered, hits[..., 2].astype(float)))


def shifted(camera: Camera, shift: int) -> Camera:
    return replace(camera, principal_px=camera.principal_px + torch.tensor((float(shift), 0.0)))


def clockwise(corners: Floats) -> NDArray[np.bool_]:
    """Of triangles [M, 3, 2] in pixels, as seen where y points down."""
    ab, ac = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    return np.asarray(ab[:, 0] * ac[:, 1] - ab[:, 1] * ac[:, 0] < -1e-9)


def shade(points: Floats, normals: Floats, paint: Floats, style: Style) -> tuple[Floats, Floats]:
    """Colours [N, 3] of 0 to 255, and opacities [N, 2] of the surface and of lines."""
    to_viewer = -points / np.linalg.norm(points, axis=1, keepdims=True)
    facing = np.clip((normals * to_viewer).sum(1), 0, 1)
    fade = smooth(np.clip(facing / light.FADE, 0, 1))
    fade = style.edge_on + (1 - style.edge_on) * fade
    key = light.KEY_STRENGTH * np.clip((normals @ light.KEY + light.WRAP) / (1 + light.WRAP), 0, None)
    rest = light.AMBIENT + light.SKY * (1 - normals[:, 1]) / 2 + light.RIM_STRENGTH * (1 - facing) ** 3
    rest = rest + light.FILL_STRENGTH * np.clip(normals @ light.FILL, 0, None)
    arriving = key[:, None] * light.WARM + rest[:, None] * light.COOL
    glint = paint[:, 4] * np.clip(normals @ light.GLINT, 0, None) ** 64
    colour = 255 * np.sqrt(np.clip(paint[:, :3] * arriving + glint[:, None], 0, 1))
    opacity = np.minimum(paint[:, 3, None] * (style.fill, style.lines), 1)
    return colour, fade[:, None] * opacity


def shade_skin(points: Floats, normals: Floats, paint: Floats, texture: Texture) -> tuple[Floats, Floats]:
    """What albedo is multiplied by and what is added to it [N, 4], opacities [N, 2]; light as
    `render/diff/light.py` tells it."""
    to_viewer = -points / np.linalg.norm(points, axis=1, keepdims=True)
    fade = smooth(np.clip((normals * to_viewer).sum(1) / light.FADE, 0, 1))
    x, y, z = normals.T
    basis = np.stack([np.ones_like(x), x, y, z, x * y, x * z, y * z, x * x - y * y, 3 * z * z - 1], 1)
    factors = np.repeat(SH_FACTORS, (1, 3, 3, 1, 1))
    harmonics = texture.light.astype(float) * factors[:, None]
    arriving = np.maximum(basis @ harmonics, DIMMEST * np.maximum(harmonics[0], 0)) ** (1 / GAMMA)
    shine = light.SKIN_SHINE * paint[:, 4] * np.clip(normals @ light.GLINT, 0, None) ** 64
    return np.c_[arriving, shine], np.repeat((paint[:, 3] * fade)[:, None], 2, 1)


def texels(worn: Worn, places: Floats) -> Floats:
    """[n, 3] bilinearly at [n, 2]; a texture goes on beyond its border with its outermost texels."""
    side = 1 << worn.halvings
    full = worn.texture.albedo.astype(float)
    height, width = full.shape[0] // side, full.shape[1] // side
    albedo = full.reshape(height, side, width, side, 3).mean((1, 3))
    x, y = (np.clip(places[:, k] * count - 0.5, 0, count - 1) for k, count in enumerate((width, height)))
    column, row = np.minimum(x.astype(int), width - 2), np.minimum(y.astype(int), height - 2)
    along, down = (x - column)[:, None], (y - row)[:, None]
    upper = albedo[row, column] * (1 - along) + albedo[row, column + 1] * along
    lower = albedo[row + 1, column] * (1 - along) + albedo[row + 1, column + 1] * along
    return np.asarray(upper * (1 - down) + lower * down)


def smooth(t: Floats) -> Floats:
    return t * t * (3 - 2 * t)


def edge_distance(corners: Floats, points: Floats) -> Floats:
    """Pixels from each point [n, 2] to the nearest side of its triangle [n, 3, 2]."""
    nearest = np.full(len(points), np.inf)
    for k in range(3):
        a, b = corners[:, k], corners[:, (k + 1) % 3]
        side, away = b - a, points - a
        nearest = np.minimum(nearest, np.abs(side[:, 0] * away[:, 1] - side[:, 1] * away[:, 0]) / np.hypot(*side.T))
    return nearest


def softened(covered: NDArray[np.bool_], window: Window) -> Floats:
    """A fifth for each of a pixel and its neighbours that the surface covers; beyond the window it goes on."""
    left, top, right, bottom = window
    padded = np.pad(covered[top:bottom, left:right].astype(float), 1, constant_values=1)
    share = np.zeros(covered.shape)
    share[top:bottom, left:right] = (
        padded[1:-1, 1:-1] + padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:]
    ) / 5
    return share


def edges(covered: NDArray[np.bool_], depth: Floats) -> NDArray[np.bool_]:
    """Where the surface ends or jumps within two pixels."""
    depth = np.where(covered, depth, 2.0)
    unsure = np.zeros(covered.shape, bool)
    for axis in (0, 1):
        for step in (-2, -1, 1, 2):
            unsure |= np.abs(np.roll(depth, step, axis) - depth) > 2.5e-3
    return unsure
