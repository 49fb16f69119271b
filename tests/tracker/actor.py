"""A synthetic person: landmarks of the built-in head in motion, as a detector would report them."""

from dataclasses import dataclass, replace

import numpy as np
import torch

from models.arkit import arkit_params
from models.arkit_names import ARKIT_NAMES
from models.builtin import load_builtin
from models.camera import default_focal_px, facing_camera
from models.landmark_rows import landmark_rows, view_landmarks
from models.rotations import matrix_from_axis_angle
from models.types import Camera, Frame, Landmarks

SIZE = (640, 480)
DEGREE = np.pi / 180


@dataclass(frozen=True)
class Pose:
    yaw: float = 0.0  # degrees, to the subject's left
    pitch: float = 0.0  # down
    roll: float = 0.0
    x_m: float = 0.0
    z_m: float = 0.6


class Actor:
    """One person before one camera; detector noise from a seed."""

    def __init__(self, seed: int, noise_px: float = 0.3, size: tuple[int, int] = SIZE) -> None:
        self._random = np.random.default_rng(seed)
        self._head = load_builtin()
        generator = torch.Generator().manual_seed(seed)
        shape = 0.8 * torch.randn(self._head.identity_size, generator=generator)
        self.shape = shape
        self._rows = landmark_rows(self._head, shape)
        self._noise = noise_px
        self.size = size

    def weights(self, **named: float) -> torch.Tensor:
        out = torch.zeros(len(ARKIT_NAMES))
        for name, value in named.items():
            out[ARKIT_NAMES.index(name)] = value
        return out

    def camera(self, pose: Pose) -> Camera:
        turn = torch.tensor((pose.pitch, pose.yaw, 0.0), dtype=torch.float32) * DEGREE
        roll = torch.tensor((0.0, 0.0, pose.roll), dtype=torch.float32) * DEGREE
        front = facing_camera(*self.size, pose.z_m)
        return Camera(
            matrix_from_axis_angle(roll) @ front.rotation @ matrix_from_axis_angle(turn),
            front.translation + torch.tensor((pose.x_m, 0.0, 0.0), dtype=torch.float32),
            front.focal_px,
            front.principal_px,
        )

    def seen(self, pose: Pose, **named: float) -> Landmarks:
        params = arkit_params(self._head, self.weights(**named))
        one = self.camera(pose)
        camera = Camera(one.rotation[None], one.translation[None], one.focal_px[None], one.principal_px[None])
        batch = replace(params, **{k: getattr(params, k)[None] for k in ("expression", "jaw", "eyes", "neck")})
        view = view_landmarks(self._rows, batch, camera, jacobian=False)
        points = view.points_px[0].numpy() + self._random.normal(0, self._noise, (478, 2))
        depth = (view.camera_m[0, :, 2].numpy() - pose.z_m) * default_focal_px(*self.size) / pose.z_m
        return Landmarks(points.astype(np.float32), depth.astype(np.float32), self.size, 1.0)


def frame(index: int, size: tuple[int, int] = SIZE, fps: float = 30.0) -> Frame:
    return Frame(np.zeros((size[1], size[0], 3), np.uint8), index / fps, index)
