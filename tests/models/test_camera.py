"""The conventions of `models/camera.py`, one by one."""

import math

import pytest
import torch

from models.camera import (
    camera_points,
    clip_from_camera,
    clip_points,
    default_focal_px,
    facing_camera,
    project,
)

CAMERA = facing_camera(640, 480, 0.5, focal_px=600.0, dtype=torch.float64)


def head_point(x: float, y: float, z: float) -> torch.Tensor:
    return torch.tensor([[x, y, z]], dtype=torch.float64)


def test_the_head_s_origin_is_in_the_middle_of_the_picture() -> None:
    assert project(CAMERA, head_point(0, 0, 0)).tolist() == [[320, 240]]


def test_the_subject_s_left_is_the_picture_s_right_and_up_is_up() -> None:
    assert project(CAMERA, head_point(0.05, 0, 0))[0, 0] == pytest.approx(320 + 600 * 0.05 / 0.5)
    assert project(CAMERA, head_point(0, 0.05, 0))[0, 1] == pytest.approx(240 - 600 * 0.05 / 0.5)


def test_the_nose_is_nearer_than_the_ears() -> None:
    assert camera_points(CAMERA, head_point(0, 0, 0.1))[0, 2] == pytest.approx(0.4)


def test_the_default_lens_spans_60_degrees_across_the_diagonal() -> None:
    focal = default_focal_px(640, 480)
    assert 2 * math.degrees(math.atan(400 / focal)) == pytest.approx(60)


@pytest.mark.parametrize("point", [(0.0, 0.0, 0.0), (0.1, -0.05, 0.02), (-0.2, 0.1, -0.1)])
def test_clip_space_agrees_with_pixels(point: tuple[float, float, float]) -> None:
    clip = clip_points(CAMERA, head_point(*point), 640, 480)[0]
    ndc = clip[:3] / clip[3]
    pixel = project(CAMERA, head_point(*point))[0]
    assert (ndc[0] + 1) * 320 == pytest.approx(pixel[0].item())
    assert (1 - ndc[1]) * 240 == pytest.approx(pixel[1].item())  # clip space is y up, pixels y down


def test_depth_runs_from_minus_one_at_the_near_plane_to_one_at_the_far() -> None:
    matrix = clip_from_camera(CAMERA, 640, 480, near_m=0.1, far_m=5.0)
    for depth, wanted in ((0.1, -1.0), (5.0, 1.0)):
        clip = matrix @ torch.tensor((0.0, 0.0, depth, 1.0), dtype=torch.float64)
        assert clip[2] / clip[3] == pytest.approx(wanted)


def test_batches_of_cameras() -> None:
    points = torch.randn(7, 3, dtype=torch.float64) * 0.05
    two = CAMERA.__class__(
        *(
            torch.stack((value, value))
            for value in (CAMERA.rotation, CAMERA.translation, CAMERA.focal_px, CAMERA.principal_px)
        )
    )
    assert project(two, points.expand(2, 7, 3)).shape == (2, 7, 2)
    torch.testing.assert_close(project(two, points.expand(2, 7, 3))[1], project(CAMERA, points))
    assert clip_points(two, points.expand(2, 7, 3), 640, 480).shape == (2, 7, 4)
