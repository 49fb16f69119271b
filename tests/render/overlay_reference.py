"""The overlay's surface by the slow road: `pose_head`, the rasteriser, then plain numpy on whole pictures."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from models.camera import camera_points, clip_points, project
from models.head import Head, pose_head, shape_head
from models.skinning import vertex_normals
from models.types import Camera, Identity, TrackResult
from render.diff import find_hits, interpolate, mip_levels, sample, to_picture
from render.diff.light import lit_irradiance
from render.drawing import light
from render.overlay import Picture, Style, Window
from render.overlay_surface import Surface
from render.rasterizer import rasterize
from render.texture import GAMMA, Texture

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Reference:
    picture: Floats  # [H, W, 3]
    covered: NDArray[np.bool_]  # [H, W]
    unsure: NDArray[np.bool_]  # [H, W] where an edge runs: who wins a pixel there is a matter of rounding


def draw_reference(
    head: Head, image: Picture, result: TrackResult, identity: Identity, style: Style, window: Window, shift: int = 0
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
    front = triangles.numpy()[clockwise(screen[triangles.numpy()])]
    hits = rasterize(clip_points(camera, vertices, width, height), torch.from_numpy(front), (height, width)).numpy()
    inside = np.zeros((height, width), bool)
    inside[window[1] : window[3], window[0] : window[2]] = True
    covered = (hits[..., 3] > 0) & inside

    corners = front[hits[covered][:, 3].astype(int) - 1]
    u, v = hits[covered][:, 0].astype(float), hits[covered][:, 1].astype(float)
    weights = np.stack([u, v, 1 - u - v], 1)[..., None]
    paint = (surface.line_paint if style.lines else surface.paint).astype(float)
    colour, opacity = shade(seen.double().numpy(), normals, paint, style)
    of_surface, of_line = ((weights * opacity[corners][..., k, None]).sum(1)[:, 0] for k in (0, 1))
    if style.lines:
        rows, columns = np.nonzero(covered)
        away = edge_distance(screen[corners], np.stack([columns, rows], 1) + 0.5)
        of_surface += (1 - of_surface) * of_line * np.clip(style.line_px / 2 + 0.5 - away, 0, 1)
    of_surface *= softened(covered, window)[covered]
    picture = image.astype(float)
    picture[covered] += of_surface[:, None] * ((weights * colour[corners]).sum(1) - picture[covered])
    return Reference(picture, covered, edges(covered, hits[..., 2].astype(float)))


def draw_skin_reference(
    head: Head, image: Picture, result: TrackResult, identity: Identity, texture: Texture, halvings: int
) -> Reference:
    """In the head's own skin, by the differentiable layer: interpolation, texture lookup and light a pixel.

    The texture is read at the size that so many halvings leave of it.
    """
    assert result.camera is not None
    assert result.params is not None
    surface, camera = Surface.of(head), result.camera
    height, width = image.shape[:2]
    vertices = pose_head(shape_head(head, identity.shape), result.params).vertices[surface.vertices]
    seen = camera_points(camera, vertices)
    triangles = torch.from_numpy(surface.triangles).long()
    normals = vertex_normals(seen, triangles)
    facing = clockwise(project(camera, vertices).double().numpy()[triangles.numpy()])
    front, corners = triangles[torch.from_numpy(facing)], torch.from_numpy(surface.corners[facing])
    hits = find_hits(clip_points(camera, vertices, width, height), front, (height, width))
    to_viewer = -torch.nn.functional.normalize(seen, dim=-1)
    fade = smooth(np.clip((normals * to_viewer).sum(1).numpy() / light.FADE, 0, 1))
    skin = torch.from_numpy(surface.skin_paint)
    lit = torch.cat(
        (
            lit_irradiance(normals, torch.from_numpy(texture.light)) ** (1 / GAMMA),
            (skin[:, 3] * torch.from_numpy(fade))[:, None],
            (120 * skin[:, 4] * (normals @ torch.tensor(light.GLINT)).clamp_min(0) ** 64)[:, None],
        ),
        1,
    )
    at = interpolate(lit, front, hits)
    places = (corners[hits.triangles] * hits.weights[..., None]).sum(1)
    albedo = sample(mip_levels(torch.from_numpy(texture.albedo).float())[halvings:][:1], places)
    colour = (albedo * at[:, :3] + at[:, 4:]).clamp(0, 255)
    covered = to_picture(torch.ones(len(hits.pixels), 1), hits)[..., 0].bool().numpy()
    depth = to_picture(hits.depth[:, None], hits)[..., 0].double().numpy()
    share = to_picture(at[:, 3:4], hits)[..., 0].double().numpy() * softened(covered, (0, 0, width, height))
    drawn = image + share[..., None] * (to_picture(colour, hits).double().numpy() - image)
    return Reference(np.asarray(drawn), covered, edges(covered, depth))


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
