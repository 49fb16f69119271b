"""A clip: a person on a stage moving as told, frame by frame, with the truth beside each picture."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.arkit import arkit_params
from models.arkit_names import ARKIT_NAMES, EYE_ROTATIONS, JAW_ROTATIONS
from models.camera import FACING, camera_points, project
from models.head import Head, ShapedHead, embed, pose_head, shape_head
from models.rotations import matrix_from_axis_angle
from models.types import Camera, HeadParams
from render.studio.fine_surface import FineSurface
from render.studio.motion import Motion
from render.studio.paint import paint
from render.studio.people import Person
from render.studio.picture import PictureMaker
from render.studio.stage import Stage

NECK_M = (0.0, -0.09, -0.02)  # what heads turn about, in the head frame
FPS = 30.0


@dataclass(frozen=True)
class Shot:
    """A picture, and what is true of it."""

    image: NDArray[np.uint8]  # [H, W, 3] RGB
    time_s: float
    index: int
    weights: NDArray[np.float64]  # [52] ARKit
    params: HeadParams
    camera: Camera
    landmarks_m: NDArray[np.float64]  # [L, 3] in the camera frame
    landmarks_px: NDArray[np.float64]  # [L, 2]
    gaze: NDArray[np.float64]  # [2, 3] unit directions in the camera frame, left eye, right eye


class Maker(Protocol):
    """Draws one person on one stage."""

    def draw(self, vertices: NDArray[np.float64], camera: Camera, frame: int) -> NDArray[np.uint8]:
        """vertices [V, 3] of the head's own mesh, in the head frame -> [H, W, 3] RGB."""


def film(
    head: Head, person: Person, stage: Stage, motion: Motion, first: int = 0, maker: Maker | None = None
) -> Iterator[Shot]:
    """`first` is the index of the first picture, should several films make one clip; `maker` of this person there."""
    shaped = shape_head(head, person.identity)
    maker = maker or plain_maker(head, shaped, person, stage)
    motion = replace(motion, weights=motion.weights * playable(head))
    params = arkit_params(head, torch.from_numpy(motion.with_lids_following()).float())
    with torch.inference_mode():
        for k in range(len(motion)):
            camera = camera_of(stage, motion, k)
            vertices = pose_head(shaped, params[k]).vertices
            landmarks = embed(head.embedding, vertices).double()
            image = maker.draw(vertices.double().numpy(), camera, first + k)
            yield Shot(
                image=image,
                time_s=(first + k) / FPS,
                index=first + k,
                weights=motion.weights[k],
                params=params[k],
                camera=camera,
                landmarks_m=camera_points(camera, landmarks).numpy(),
                landmarks_px=project(camera, landmarks).numpy(),
                gaze=gaze_directions(params[k].eyes.double(), camera).numpy(),
            )


def plain_maker(head: Head, shaped: ShapedHead, person: Person, stage: Stage) -> PictureMaker:
    surface = FineSurface.of(head)
    clothes = np.random.default_rng((person.seed, 7)).uniform(0.02, 0.4, 3)
    return PictureMaker(surface, head.triangles.numpy(), paint(head, shaped, surface, person), stage, clothes)


def playable(head: Head) -> NDArray[np.bool_]:
    """[52] which of ARKit's motions the head can show: its own shapes, and those of jaw and eyes, which are joints."""
    return np.array([name in (*head.expression_names, *JAW_ROTATIONS, *EYE_ROTATIONS) for name in ARKIT_NAMES])


def camera_of(stage: Stage, motion: Motion, frame: int) -> Camera:
    """The head turned about its neck, before the stage's lens."""
    turn = torch.tensor(FACING, dtype=torch.float64) @ head_turn(torch.from_numpy(motion.turn_degrees[frame]))
    neck = torch.tensor(NECK_M, dtype=torch.float64)
    origin = torch.tensor(stage.position_m, dtype=torch.float64) + torch.from_numpy(motion.shift_m[frame])
    width, height = stage.size_px
    return Camera(
        rotation=turn,
        translation=origin + torch.tensor(FACING, dtype=torch.float64) @ neck - turn @ neck,
        focal_px=torch.tensor(stage.focal_px, dtype=torch.float64),
        principal_px=torch.tensor((width / 2, height / 2), dtype=torch.float64),
    )


def head_turn(degrees: Tensor) -> Tensor:
    """(pitch, yaw, roll) [..., 3] to a rotation of the head frame: roll first, then pitch, then yaw."""
    pitch, yaw, roll = (torch.deg2rad(degrees[..., k]) for k in range(3))
    zero = torch.zeros_like(pitch)
    about_x, about_y, about_z = (
        matrix_from_axis_angle(torch.stack(axis, -1))
        for axis in ((pitch, zero, zero), (zero, yaw, zero), (zero, zero, roll))
    )
    return about_y @ about_x @ about_z


def gaze_directions(eyes: Tensor, camera: Camera) -> Tensor:
    """Eyes [..., 2, 3] axis-angle -> unit directions [..., 2, 3] in the camera frame."""
    forward = matrix_from_axis_angle(eyes)[..., 2]  # of the head frame's z
    return forward @ camera.rotation.to(forward).transpose(-1, -2)


def frozen(shot: Shot, stage: Stage, frames: int, noise_levels: float) -> Iterator[Shot]:
    """The same picture again and again, with fresh noise."""
    for k in range(frames):
        noise = np.random.default_rng((stage.seed, 8, k)).standard_normal(shot.image.shape, np.float32)
        image = np.clip(shot.image + noise_levels * noise + 0.5, 0, 255).astype(np.uint8)
        yield replace(shot, image=image, time_s=shot.time_s + (k + 1) / FPS, index=shot.index + k + 1)
