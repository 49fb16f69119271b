"""A first camera from nothing: the detector's own 3D points against a neutral head, in closed form, from any pose."""

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.camera import default_focal_px
from models.types import Camera, Landmarks

# Points that expression hardly moves: forehead, temples, nose bridge and the corners of the eyes.
RIGID = (6, 8, 9, 10, 33, 67, 103, 109, 127, 133, 151, 162, 168, 197, 195, 263, 297, 332, 338, 356, 362, 389, 5, 4)

_RIGID = np.array(RIGID)
EYE_CORNERS = (33, 263)


def iod_px(landmarks: Landmarks) -> float:
    """The 3D distance between the outer corners of the eyes as detected: turning neither shrinks nor stretches it."""
    right, left = EYE_CORNERS
    x, y = (landmarks.points_px[left] - landmarks.points_px[right]).tolist()
    return math.hypot(x, y, float(landmarks.depth_px[left] - landmarks.depth_px[right]))


def jump_px(before: NDArray[np.float32], now: NDArray[np.float32]) -> float:
    """How far a face's points [L, 2] have moved in the picture, in the mean."""
    off = now - before
    return float(np.sqrt(np.einsum("lc,lc->l", off, off)).mean())


def figure_change_px(before: NDArray[np.float32], now: NDArray[np.float32]) -> float:
    """How much the figure of a face's firm points has changed, in the mean, wherever and however large it is."""
    one, other = before[_RIGID].view(np.complex64)[:, 0], now[_RIGID].view(np.complex64)[:, 0]
    one, other = one - one.sum() / len(one), other - other.sum() / len(other)
    aligned = np.vdot(one, other) / np.vdot(one, one).real * one
    return float(np.abs(other - aligned).sum()) / len(one)


def detected_3d(landmarks: Landmarks) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """[L, 3] pixels in the camera's axes: x right, y down, z away."""
    return np.column_stack((landmarks.points_px, landmarks.depth_px)).astype(np.float32)


def first_camera(head_points: Tensor, landmarks: Landmarks, focal_px: float | None = None) -> Camera:
    """The camera [1, ...] that puts a neutral head's landmarks [L, 3] where the detector saw them."""
    width, height = landmarks.size_px
    focal = default_focal_px(width, height) if focal_px is None else focal_px
    index = torch.tensor(RIGID, device=head_points.device)
    seen = torch.from_numpy(detected_3d(landmarks)).to(head_points)[index]
    model = head_points[index]
    rotation, scale = _similarity(model, seen)
    principal = head_points.new_tensor((width / 2, height / 2))
    depth = focal / scale
    offset = (seen[:, :2].mean(0) - principal) * depth / focal
    centre = rotation @ model.mean(0)
    translation = torch.stack((offset[0], offset[1], depth)) - centre
    return Camera(rotation[None], translation[None], head_points.new_tensor([focal]), principal[None])


def _similarity(model: Tensor, seen: Tensor) -> tuple[Tensor, Tensor]:
    """Rotation and scale that carry model points onto seen ones best (Umeyama 1991)."""
    a, b = model - model.mean(0), seen - seen.mean(0)
    u, s, vh = torch.linalg.svd(b.T @ a)
    sign = torch.ones_like(s)
    sign[2] = torch.sign(torch.linalg.det(u @ vh))
    return u @ torch.diag(sign) @ vh, (s * sign).sum() / (a * a).sum()
