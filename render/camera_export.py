"""A camera with its head's pose in the words of other programs, and back. All in metres; sizes are (width, height).

opencv     x right, y down, z forward. `K`, `R`, `t`: pixels = K (R p + t). OpenCV puts (0, 0) at the CENTRE of the
           top-left pixel, Mien at its corner: so `K`'s principal point is half a pixel less than ours.
opengl     x right, y up, z backwards. `view` and `projection`, rows first, acting on columns: clip = projection view p.
           The picture's corners are the clip space's, so no half pixel comes in.
pytorch3d  x left, y up, z forward. `PerspectiveCameras(R, T, focal_length, principal_point, in_ndc=True)`, acting on
           rows: p R + T. Its NDC spans the picture's shorter side by 2, from edge to edge.
"""

from typing import Any

import torch
from torch import Tensor

from models.camera import clip_from_camera
from models.types import Camera

NEAR_M, FAR_M = 0.05, 20.0
_GL = torch.diag(torch.tensor((1.0, -1.0, -1.0), dtype=torch.float64))  # OpenCV's camera axes to OpenGL's
_P3D = torch.diag(torch.tensor((-1.0, -1.0, 1.0), dtype=torch.float64))  # and to pytorch3d's


def camera_json(camera: Camera, size_px: tuple[int, int]) -> dict[str, Any]:
    """One camera in all three, beside Mien's own, ready for `json.dumps`."""
    return {
        "size_px": list(size_px),
        "mien": {
            "T_camera_head": _pose(camera).tolist(),
            "focal_px": float(camera.focal_px),
            "principal_px": camera.principal_px.tolist(),
        },
        "opencv": opencv_camera(camera),
        "opengl": opengl_camera(camera, size_px),
        "pytorch3d": pytorch3d_camera(camera, size_px),
    }


def opencv_camera(camera: Camera) -> dict[str, Any]:
    f, (cx, cy) = float(camera.focal_px), (camera.principal_px.double() - 0.5).tolist()
    return {
        "K": [[f, 0.0, cx], [0.0, f, cy], [0.0, 0.0, 1.0]],
        "R": camera.rotation.tolist(),
        "t": camera.translation.tolist(),
    }


def from_opencv(values: dict[str, Any]) -> Camera:
    k = _tensor(values["K"])
    return Camera(_tensor(values["R"]), _tensor(values["t"]), k[0, 0], k[:2, 2] + 0.5)


def opengl_camera(camera: Camera, size_px: tuple[int, int]) -> dict[str, Any]:
    flip = torch.eye(4, dtype=torch.float64)
    flip[:3, :3] = _GL
    projection = clip_from_camera(_double(camera), *size_px, NEAR_M, FAR_M) @ flip
    return {"view": (flip @ _pose(camera)).tolist(), "projection": projection.tolist()}


def from_opengl(values: dict[str, Any], size_px: tuple[int, int]) -> Camera:
    view, projection = _tensor(values["view"]), _tensor(values["projection"])
    width, height = size_px
    focal = projection[0, 0] * width / 2
    principal = torch.stack(((1 - projection[0, 2]) * width / 2, (1 + projection[1, 2]) * height / 2))
    return Camera(_GL @ view[:3, :3], _GL @ view[:3, 3], focal, principal)


def pytorch3d_camera(camera: Camera, size_px: tuple[int, int]) -> dict[str, Any]:
    scale, middle = min(size_px) / 2, torch.tensor(size_px, dtype=torch.float64) / 2
    return {
        "R": (_P3D @ camera.rotation.double()).T.tolist(),
        "T": (_P3D @ camera.translation.double()).tolist(),
        "focal_length": float(camera.focal_px) / scale,
        "principal_point": ((middle - camera.principal_px.double()) / scale).tolist(),
        "image_size": [size_px[1], size_px[0]],  # height first, as it wants
        "in_ndc": True,
    }


def from_pytorch3d(values: dict[str, Any]) -> Camera:
    height, width = values["image_size"]
    scale, middle = min(height, width) / 2, torch.tensor((width, height), dtype=torch.float64) / 2
    return Camera(
        rotation=_P3D @ _tensor(values["R"]).T,
        translation=_P3D @ _tensor(values["T"]),
        focal_px=_tensor(values["focal_length"]) * scale,
        principal_px=middle - _tensor(values["principal_point"]) * scale,
    )


def _pose(camera: Camera) -> Tensor:
    """T_camera_head [4, 4]."""
    pose = torch.eye(4, dtype=torch.float64)
    pose[:3, :3], pose[:3, 3] = camera.rotation, camera.translation
    return pose


def _double(camera: Camera) -> Camera:
    return Camera(*(v.double() for v in (camera.rotation, camera.translation, camera.focal_px, camera.principal_px)))


def _tensor(values: Any) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)
