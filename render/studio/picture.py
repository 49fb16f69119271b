"""One frame drawn: light on the posed mesh, rasterised before the room, through a lens and onto a noisy sensor."""

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from models.camera import clip_points
from models.embedding.mesh import vertex_normals
from models.types import Camera
from render.cpu import rasterize
from render.studio.fine_surface import FineSurface
from render.studio.paint import Painted
from render.studio.stage import Stage, background

Floats = NDArray[np.float64]
Picture = NDArray[np.uint8]

UPRIGHT = np.array((1.0, -1.0, -1.0))  # camera axes to x right, y up, z towards the camera
WRAP = 0.25  # how far light reaches around the terminator, as it does in skin
WET, GLINT = 0.9, np.float32(3.0)  # gloss above which eyes glint, and how brightly
NOISE_POOL = 1 << 22


class PictureMaker:
    """Draws frames of one person on one stage. `triangles` are the head's own; the surface has the refined ones."""

    def __init__(
        self, surface: FineSurface, triangles: NDArray[np.int64], painted: Painted, stage: Stage, clothes: Floats
    ) -> None:
        self._surface, self._triangles, self._painted, self._stage = surface, triangles, painted, stage
        self._albedo = painted.albedo.astype(np.float32)
        self._glossy = np.flatnonzero(painted.gloss > WET)
        self._skin_gloss = np.where(painted.gloss > WET, 0, painted.gloss).astype(np.float32)
        self._room = background(stage).astype(np.float32)
        self._clothes = clothes.astype(np.float32)
        self._noise = np.random.default_rng((stage.seed, 5)).standard_normal(NOISE_POOL, np.float32)

    def draw(self, vertices: Floats, camera: Camera, frame: int) -> Picture:
        """vertices [V, 3] of the head's own mesh, in the head frame -> [H, W, 3] RGB."""
        width, height = self._stage.size_px
        own_normals = vertex_normals(vertices, self._triangles)
        haired = vertices + own_normals * self._painted.hair[:, None]
        clip = self._surface.lift(clip_points(camera, torch.from_numpy(haired), width, height).numpy())
        upright = own_normals @ (camera.rotation.double().numpy().T * UPRIGHT)
        lit = self._light(self._surface.lift(upright).astype(np.float32))
        triangles = self._facing_triangles(clip)
        fragments = rasterize(clip.astype(np.float32), triangles, (height, width))
        image = self._room.copy()
        self._draw_shoulders(image, vertices, camera)
        hit = np.flatnonzero(fragments[..., 3])
        drawn = fragments.reshape(-1, 4)[hit]
        corners = triangles[drawn[:, 3].astype(np.int64) - 1]
        u, v = drawn[:, 0:1], drawn[:, 1:2]
        colours = u * lit[corners[:, 0]] + v * lit[corners[:, 1]] + (1 - u - v) * lit[corners[:, 2]]
        image.reshape(-1, 3)[hit] = colours
        return self._sensor(image, frame)

    def _facing_triangles(self, clip: Floats) -> NDArray[np.int64]:
        """Those turned towards the camera: the rest of a closed surface is hidden anyway."""
        x, y = (clip[:, :2] / clip[:, 3:]).T
        a, b, c = self._surface.triangles.T
        turned = (x[b] - x[a]) * (y[c] - y[a]) - (x[c] - x[a]) * (y[b] - y[a])
        return np.asarray(self._surface.triangles[turned > 0])

    def _light(self, normals: NDArray[np.float32]) -> NDArray[np.float32]:
        """Linear colours [N, 3] that leave the surface; normals [N, 3] upright before the camera."""
        stage = self._stage
        unit = normals / np.maximum(np.sqrt(np.einsum("nk,nk->n", normals, normals)), 1e-9)[:, None]
        ambient = np.float32(stage.ambient) * (np.float32(0.75) + np.float32(0.25) * unit[:, 1])
        light = np.repeat(ambient[:, None], 3, axis=1)
        shine = np.zeros(len(unit), np.float32)
        for place, (direction, strength) in enumerate(zip(stage.lights, stage.strengths, strict=True)):
            towards = np.array(direction, np.float32)
            tint = np.array((1 + stage.warmth, 1, 1 - stage.warmth) if place == 0 else (1, 1, 1), np.float32)
            diffuse = np.clip((unit @ towards + np.float32(WRAP)) / np.float32(1 + WRAP), 0, None)
            light += diffuse[:, None] * (np.float32(strength) * tint)
            half = towards + np.array((0, 0, 1), np.float32)
            facing = np.clip(unit @ (half / np.linalg.norm(half)), 0, None)
            shine += np.float32(strength) * self._skin_gloss * (facing**2) ** 8
            shine[self._glossy] += np.float32(strength) * GLINT * facing[self._glossy] ** 150
        return np.asarray(np.float32(stage.exposure) * (self._albedo * light + np.float32(0.35) * shine[:, None]))

    def _draw_shoulders(self, image: NDArray[np.float32], vertices: Floats, camera: Camera) -> None:
        """A body below the neck, as a flat shape: it moves with the head's place, not with its turning."""
        low = vertices[vertices[:, 1] < vertices[:, 1].min() + 0.01].mean(0)
        neck = camera.rotation.double().numpy() @ low + camera.translation.double().numpy()
        scale = float(camera.focal_px) / neck[2]
        cx, cy = camera.principal_px.double().numpy()
        centre = (round(cx + scale * neck[0]), round(cy + scale * (neck[1] + 0.24)))
        colour = tuple(float(x) for x in self._clothes)
        cv2.ellipse(image, centre, (round(0.23 * scale), round(0.27 * scale)), 0.0, 0.0, 360.0, colour, -1)

    def _sensor(self, linear: NDArray[np.float32], frame: int) -> Picture:
        """Lens blur, gamma, noise, eight bits."""
        blurred = cv2.GaussianBlur(linear, (0, 0), self._stage.blur_px)
        levels = cv2.pow(np.clip(blurred, 0, 1, dtype=np.float32), 1 / 2.2)
        random = np.random.default_rng((self._stage.seed, 6, frame))
        start = int(random.integers(NOISE_POOL - levels.size))
        noise = self._noise[start : start + levels.size].reshape(linear.shape)
        noisy = 255 * levels + np.float32(self._stage.noise_levels) * noise
        return np.asarray(np.clip(noisy + np.float32(0.5), 0, 255), np.uint8)
