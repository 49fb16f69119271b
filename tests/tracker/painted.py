"""Pictures of the built-in head with a skin and a light that are known, drawn by the differentiable layer."""

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from models.builtin import load_builtin
from models.camera import clip_points, facing_camera, project
from models.head import Head, embed, pose_head, shape_head
from models.rotations import matrix_from_axis_angle
from models.skinning import vertex_normals
from models.types import Camera, HeadParams, Identity
from render.diff import find_hits, interpolate, sample, to_picture
from render.diff.light import lit_irradiance
from tracker.photometric.colours import shown
from tracker.photometric.view import View

SIZE = (320, 320)
LIGHT = torch.tensor([2.4, 0.9, -0.7, -1.1, 0.1, -0.2, 0.15, 0.1, 0.2])[:, None] * torch.tensor([1.0, 1.0, 1.0])
LIGHT[1:4] *= torch.tensor([1.06, 1.0, 0.93])


@lru_cache(maxsize=1)
def head() -> Head:
    return load_builtin()


@lru_cache(maxsize=1)
def identity() -> Identity:
    code = 0.6 * torch.randn(head().identity_size, generator=torch.Generator().manual_seed(8))
    return Identity(code, 400.0, SIZE, head().name, head().sha256)


def camera(yaw_degrees: float = 0.0, pitch_degrees: float = 0.0, distance_m: float = 0.42) -> Camera:
    front = facing_camera(*SIZE, distance_m, 400.0)
    axis = torch.deg2rad(torch.tensor((pitch_degrees, yaw_degrees, 0.0)))
    return Camera(front.rotation @ matrix_from_axis_angle(axis), front.translation, front.focal_px, front.principal_px)


def paint(side: int = 256) -> Tensor:
    """A skin [side, side, 3], linear: a tone, a dark patch on one cheek, freckles."""
    down, across = torch.meshgrid(*2 * [torch.linspace(0, 1, side)], indexing="ij")
    tone = torch.tensor([0.46, 0.30, 0.22]).expand(side, side, 3)
    patch = torch.exp(-((across - 0.37) ** 2 + (down - 0.48) ** 2) / 0.04**2)[..., None]
    freckles = (torch.sin(across * 150) * torch.sin(down * 150))[..., None]
    return tone * (1 - 0.45 * patch) * (1 + 0.12 * freckles)


def picture(albedo: Tensor, at: Camera, params: HeadParams, shape: Tensor, light: Tensor = LIGHT) -> np.ndarray:  # type: ignore[type-arg]
    """[H, W, 3] uint8."""
    model = head()
    vertices = pose_head(shape_head(model, shape), params).vertices
    hits = find_hits(clip_points(at, vertices, *SIZE), model.triangles, SIZE[::-1])
    normals = vertex_normals(vertices, model.triangles) @ at.rotation.T
    colours = sample((albedo,), interpolate(model.uvs, model.uv_triangles, hits))
    lit = interpolate(lit_irradiance(normals, light), model.triangles, hits)
    return shown(to_picture(colours * lit, hits).numpy())


def view(albedo: Tensor, at: Camera, light: Tensor = LIGHT) -> View:
    params = head().zero_params()
    vertices = pose_head(shape_head(head(), identity().shape), params).vertices
    points = project(at, embed(head().embedding, vertices)).numpy()
    return View.cut(picture(albedo, at, params, identity().shape, light), params, at, points, 80.0)
