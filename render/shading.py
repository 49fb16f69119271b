"""Plain pictures of a mesh for people to look at: smooth normals, three soft lights, colours per vertex.

Nothing here is differentiable or fast; fitting and the live overlay have their own shading.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from models.camera import FACING, clip_points
from models.embedding.mesh import vertex_normals
from models.types import Camera
from render.rasterizer import rasterize

Array = NDArray[np.float64]

# Direction towards the light in the viewer's frame (x right, y up, z towards the viewer), and its strength.
LIGHTS = (((-0.55, 0.65, 0.75), 0.62), ((0.9, 0.15, 0.55), 0.26), ((0.1, 0.7, -0.9), 0.30))
AMBIENT_TOP, AMBIENT_BOTTOM = 0.34, 0.16
BACKGROUND = (0.055, 0.06, 0.07)  # linear


@dataclass(frozen=True)
class View:
    """Where a picture is taken from. At yaw 0 the head looks at us; yaw 90 shows its left side, pitch 90 its crown."""

    yaw_degrees: float = 0.0
    pitch_degrees: float = 0.0
    target: tuple[float, float, float] = (0.0, 0.0, -0.05)  # the point in the middle, metres
    height_m: float = 0.36  # what the picture's height spans at the target
    distance_m: float = 1.2

    def camera(self, width: int, height: int) -> Camera:
        yaw, pitch = math.radians(self.yaw_degrees), math.radians(self.pitch_degrees)
        turn = np.array([[math.cos(yaw), 0, -math.sin(yaw)], [0, 1, 0], [math.sin(yaw), 0, math.cos(yaw)]])
        tilt = np.array([[1, 0, 0], [0, math.cos(pitch), -math.sin(pitch)], [0, math.sin(pitch), math.cos(pitch)]])
        rotation = np.asarray(FACING) @ tilt @ turn
        translation = np.array([0, 0, self.distance_m]) - rotation @ np.asarray(self.target)
        return Camera(
            rotation=torch.tensor(rotation),
            translation=torch.tensor(translation),
            focal_px=torch.tensor(height * self.distance_m / self.height_m, dtype=torch.float64),
            principal_px=torch.tensor((width / 2, height / 2), dtype=torch.float64),
        )


def draw_mesh(
    vertices: Array,
    triangles: NDArray[np.int64],
    colours: Array,
    view: View,
    size: tuple[int, int] = (480, 400),
    gloss: Array | None = None,
    wireframe: bool = False,
) -> NDArray[np.uint8]:
    """Picture of a mesh: vertices [V, 3] metres, linear colours [V, 3], gloss [V] -> uint8 RGB [height, width, 3]."""
    height, width = size[0] * 2, size[1] * 2
    camera = view.camera(width, height)
    clip = clip_points(camera, torch.tensor(vertices), width, height).float()
    fragments = rasterize(clip, torch.tensor(triangles), (height, width)).numpy()
    hit = fragments[..., 3] > 0
    corners = triangles[fragments[hit][:, 3].astype(np.int64) - 1]
    u, v = fragments[hit][:, 0], fragments[hit][:, 1]
    weights = np.stack([u, v, 1 - u - v], 1).astype(np.float64)
    to_viewer = np.diag([1.0, -1.0, -1.0]) @ camera.rotation.numpy()
    normals = _mix(vertex_normals(vertices, triangles) @ to_viewer.T, corners, weights)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)
    normals[normals[:, 2] < 0] *= -1  # an open mesh shows its inside lit as well
    shine = np.zeros(len(vertices)) if gloss is None else gloss
    light = _light(normals, _mix(shine[:, None], corners, weights)[:, 0])
    image = np.tile(np.asarray(BACKGROUND), (height, width, 1))
    image[hit] = _mix(colours, corners, weights) * light[0][:, None] + light[1][:, None]
    if wireframe:
        image[hit] *= np.where(weights.min(1) < 0.045, 0.35, 1.0)[:, None]
    return _finish(image)


def _mix(values: Array, corners: NDArray[np.int64], weights: Array) -> Array:
    return np.asarray(np.einsum("nk,nkc->nc", weights, values[corners]))


def _light(normals: Array, gloss: Array) -> tuple[Array, Array]:
    """Diffuse and specular light at unit normals of the viewer's frame."""
    diffuse = AMBIENT_BOTTOM + (AMBIENT_TOP - AMBIENT_BOTTOM) * (normals[:, 1] * 0.5 + 0.5)
    specular, sharpness = np.zeros(len(normals)), 30 + 170 * gloss.clip(0, 1)
    for direction, strength in LIGHTS:
        towards = np.asarray(direction) / np.linalg.norm(direction)
        # Wrapped a little around the terminator, as skin does.
        diffuse = diffuse + strength * np.clip((normals @ towards + 0.2) / 1.2, 0, None)
        half = towards + np.array([0.0, 0.0, 1.0])
        half /= np.linalg.norm(half)
        specular = specular + strength * np.clip(normals @ half, 0, None) ** sharpness
    return diffuse, specular * gloss


def _finish(image: Array) -> NDArray[np.uint8]:
    """Halve the supersampled picture and encode linear light as sRGB."""
    small = image.reshape(image.shape[0] // 2, 2, image.shape[1] // 2, 2, 3).mean((1, 3)).clip(0, 1)
    encoded = np.where(small <= 0.0031308, 12.92 * small, 1.055 * small ** (1 / 2.4) - 0.055)
    return np.asarray((encoded * 255).round(), np.uint8)
