"""Each convention against its own definition, or the program that owns it, and there and back."""

import json

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from models.camera import FACING, project
from models.rotations import matrix_from_axis_angle
from models.types import Camera
from render import camera_export as export

SIZES = [(640, 480), (480, 640), (1001, 777)]


def some_camera(size: tuple[int, int]) -> Camera:
    """Turned, to the side, and with its principal point off the middle."""
    turn = matrix_from_axis_angle(torch.tensor((0.2, -0.5, 0.3), dtype=torch.float64))
    return Camera(
        torch.tensor(FACING, dtype=torch.float64) @ turn,
        torch.tensor((0.05, -0.03, 0.7), dtype=torch.float64),
        torch.tensor(731.0, dtype=torch.float64),
        torch.tensor((size[0] / 2 + 13.0, size[1] / 2 - 7.0), dtype=torch.float64),
    )


@pytest.fixture
def points() -> Tensor:
    return 0.1 * torch.randn(20, 3, dtype=torch.float64)


def same(one: Camera, other: Camera) -> bool:
    keys = ("rotation", "translation", "focal_px", "principal_px")
    return all(torch.allclose(getattr(one, key), getattr(other, key), atol=1e-9) for key in keys)


@pytest.mark.parametrize("size", SIZES)
def test_there_and_back_through_json(size: tuple[int, int]) -> None:
    camera = some_camera(size)
    values = json.loads(json.dumps(export.camera_json(camera, size)))
    assert same(export.from_opencv(values["opencv"]), camera)
    assert same(export.from_opengl(values["opengl"], size), camera)
    assert same(export.from_pytorch3d(values["pytorch3d"]), camera)


@pytest.mark.parametrize("size", SIZES)
def test_opencv_projects_to_our_pixels_less_half_of_one(size: tuple[int, int], points: Tensor) -> None:
    camera = some_camera(size)
    values = export.opencv_camera(camera)
    rotation = cv2.Rodrigues(np.array(values["R"]))[0]
    seen, _ = cv2.projectPoints(points.numpy(), rotation, np.array(values["t"]), np.array(values["K"]), np.zeros(0))
    assert np.abs(seen[:, 0] + 0.5 - project(camera, points).numpy()).max() < 1e-6


@pytest.mark.parametrize("size", SIZES)
def test_opengl_s_clip_space_spans_the_picture(size: tuple[int, int], points: Tensor) -> None:
    camera = some_camera(size)
    values = export.opengl_camera(camera, size)
    eye = torch.cat((points, torch.ones(20, 1, dtype=torch.float64)), 1) @ torch.tensor(values["view"]).double().T
    assert (eye[:, 2] < 0).all()  # OpenGL looks along -z
    clip = eye @ torch.tensor(values["projection"]).double().T
    ndc = clip[:, :3] / clip[:, 3:]
    pixels = torch.stack(((ndc[:, 0] + 1) * size[0] / 2, (1 - ndc[:, 1]) * size[1] / 2), 1)
    assert (ndc[:, 2].abs() < 1).all()
    assert (pixels - project(camera, points)).abs().max() < 1e-3


@pytest.mark.parametrize("size", SIZES)
def test_pytorch3d_s_ndc_spans_the_shorter_side(size: tuple[int, int], points: Tensor) -> None:
    camera = some_camera(size)
    values = export.pytorch3d_camera(camera, size)
    view = points @ torch.tensor(values["R"]).double() + torch.tensor(values["T"]).double()
    assert (view[:, 2] > 0).all()
    ndc = values["focal_length"] * view[:, :2] / view[:, 2:] + torch.tensor(values["principal_point"]).double()
    # +x is left and +y is up, from the picture's middle.
    pixels = torch.tensor(size).double() / 2 - ndc * min(size) / 2
    assert (pixels - project(camera, points)).abs().max() < 1e-3


@pytest.mark.parametrize("size", SIZES)
def test_pytorch3d_itself_agrees(size: tuple[int, int], points: Tensor) -> None:
    cameras = pytest.importorskip("pytorch3d.renderer.cameras", reason="needs pytorch3d (docs/backends.md)")
    camera = some_camera(size)
    values = export.pytorch3d_camera(camera, size)
    height_width = torch.tensor(values["image_size"])[None]
    theirs = cameras.PerspectiveCameras(
        R=torch.tensor(values["R"])[None],
        T=torch.tensor(values["T"])[None],
        focal_length=values["focal_length"],
        principal_point=torch.tensor(values["principal_point"])[None],
        in_ndc=values["in_ndc"],
        image_size=height_width,
    )
    seen = theirs.transform_points_screen(points[None].float(), image_size=height_width, with_xyflip=True)
    assert (seen[0, :, :2] - project(camera, points)).abs().max() < 1e-3
