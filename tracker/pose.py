"""A first camera from nothing: the detector's own 3D points against a neutral head, in closed form, from any pose."""

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.camera import default_focal_px
from models.compiled import quick
from models.types import Camera, Landmarks
from tracker.region import EYE_CORNERS

# Points that expression hardly moves: forehead, temples, nose bridge and the corners of the eyes.
RIGID = (6, 8, 9, 10, 33, 67, 103, 109, 127, 133, 151, 162, 168, 197, 195, 263, 297, 332, 338, 356, 362, 389, 5, 4)


def iod_px(landmarks: Landmarks) -> float:
    """The 3D distance between the outer corners of the eyes as detected: turning neither shrinks nor stretches it."""
    right, left = EYE_CORNERS
    x, y = (landmarks.points_px[left] - landmarks.points_px[right]).tolist()
    return math.hypot(x, y, float(landmarks.depth_px[left] - landmarks.depth_px[right]))


@quick
def motion_px(before: NDArray[np.float32], now: NDArray[np.float32]) -> tuple[float, float]:
    """How far a face's points [L, 2] have moved in the picture; and how much the figure of its firm points has changed,
    wherever and however large it is. Both in the mean.
    """
    moved = 0.0
    for p in range(len(now)):
        moved += math.hypot(now[p, 0] - before[p, 0], now[p, 1] - before[p, 1])
    middle, other_middle = 0j, 0j  # a picture's plane is the complex one: turning and scaling are a product
    for p in RIGID:
        middle += complex(before[p, 0], before[p, 1]) / len(RIGID)
        other_middle += complex(now[p, 0], now[p, 1]) / len(RIGID)
    product, squared = 0j, 1e-12
    for p in RIGID:
        one = complex(before[p, 0], before[p, 1]) - middle
        product += one.conjugate() * (complex(now[p, 0], now[p, 1]) - other_middle)
        squared += one.real * one.real + one.imag * one.imag
    changed = 0.0
    for p in RIGID:
        one = complex(before[p, 0], before[p, 1]) - middle
        changed += abs(complex(now[p, 0], now[p, 1]) - other_middle - product / squared * one)
    return moved / len(now), changed / len(RIGID)


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
