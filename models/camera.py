"""The conventions, and the pinhole camera.

    head frame (as FLAME)               camera frame (as OpenCV)          picture

         y up                                z forward, into the scene     (0, 0) ------ x, columns
         |   face looks                     /                                 |  top-left CORNER of
         |   along +z                      o------ x right                    |  the top-left pixel:
         o------ x to the subject's        |                                  |  its centre is
        /        left                      |                                  |  (0.5, 0.5)
       z                                   y down                             y, rows

* Metres everywhere. `T_camera_head` maps head to camera: `p_camera = rotation @ p_head + translation`.
* A head upright before the camera and looking into it has rotation diag(1, -1, -1): the subject's left is the
  picture's right.
* Pixels: `p_px = focal_px * (x, y) / z + principal_px`; the principal point is the picture's centre (W/2, H/2)
  unless given. No lens distortion.
* A small rotation `w` (axis-angle, camera frame) moves the pose as `exp(w) @ rotation`: Jacobians are with
  respect to that `w`.
* Clip space (for rasterisers) is OpenGL's: x right, y up, z towards -1 at the near plane; see `clip_from_camera`.
* Joints are axis-angle. Light is fixed to the room: spherical harmonics on normals in the camera frame.
"""

import math

import torch
from torch import Tensor

from models.types import Camera

FACING = ((1.0, 0.0, 0.0), (0.0, -1.0, 0.0), (0.0, 0.0, -1.0))  # rotation of a head looking into the camera


def camera_points(camera: Camera, points: Tensor) -> Tensor:
    """Points of the head frame in the camera frame: [..., N, 3] -> [..., N, 3]."""
    return points @ camera.rotation.transpose(-1, -2) + camera.translation[..., None, :]


def project(camera: Camera, points: Tensor) -> Tensor:
    """Points of the head frame to pixels: [..., N, 3] -> [..., N, 2]. Points behind the camera give nonsense."""
    p = camera_points(camera, points)
    return camera.focal_px[..., None, None] * p[..., :2] / p[..., 2:] + camera.principal_px[..., None, :]


def default_focal_px(width: int, height: int, diagonal_degrees: float = 60.0) -> float:
    """The focal length of a camera whose picture's diagonal spans the given angle."""
    return 0.5 * math.hypot(width, height) / math.tan(math.radians(diagonal_degrees) / 2)


def facing_camera(
    width: int,
    height: int,
    distance_m: float,
    focal_px: float | None = None,
    dtype: torch.dtype = torch.float32,
) -> Camera:
    """A camera straight before the head frame's origin."""
    focal = default_focal_px(width, height) if focal_px is None else focal_px
    return Camera(
        rotation=torch.tensor(FACING, dtype=dtype),
        translation=torch.tensor((0.0, 0.0, distance_m), dtype=dtype),
        focal_px=torch.tensor(focal, dtype=dtype),
        principal_px=torch.tensor((width / 2, height / 2), dtype=dtype),
    )


def clip_from_camera(camera: Camera, width: int, height: int, near_m: float = 0.05, far_m: float = 20.0) -> Tensor:
    """The 4 x 4 matrix from homogeneous camera coordinates to OpenGL clip space: [..., 4, 4]."""
    focal = camera.focal_px
    cx, cy = camera.principal_px.unbind(-1)
    zero, one = torch.zeros_like(focal), torch.ones_like(focal)
    depth = (far_m + near_m) / (far_m - near_m)
    offset = -2 * far_m * near_m / (far_m - near_m)
    rows = (
        (2 * focal / width, zero, 2 * cx / width - 1, zero),
        (zero, -2 * focal / height, 1 - 2 * cy / height, zero),
        (zero, zero, depth * one, offset * one),
        (zero, zero, one, zero),
    )
    return torch.stack([torch.stack(row, -1) for row in rows], -2)


def clip_points(camera: Camera, points: Tensor, width: int, height: int) -> Tensor:
    """Points of the head frame in clip space: [..., N, 3] -> [..., N, 4]."""
    p = camera_points(camera, points)
    homogeneous = torch.nn.functional.pad(p, (0, 1), value=1.0)
    return homogeneous @ clip_from_camera(camera, width, height).transpose(-1, -2)
