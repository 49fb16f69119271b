"""The CPU rasteriser against a plain numpy account of the same meaning."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from models.types import MienError
from render.rasterizer import rasterize

SIZE = (24, 32)


def draw(clip: NDArray[np.float64], triangles: list[list[int]], size: tuple[int, int] = SIZE) -> NDArray[np.float32]:
    image: NDArray[np.float32] = rasterize(
        torch.tensor(np.asarray(clip), dtype=torch.float32), torch.tensor(triangles), size
    ).numpy()
    return image


def recovered_clip_xy(
    clip: NDArray[np.float64], image: NDArray[np.float32], triangles: list[list[int]]
) -> NDArray[np.float64]:
    """Interpolated clip position divided by w at each hit pixel: it must be the pixel's own centre."""
    hit = image[..., 3] > 0
    corners = clip[np.asarray(triangles)[image[hit][:, 3].astype(int) - 1]]  # [n, 3, 4]
    u, v = image[hit][:, 0:1].astype(float), image[hit][:, 1:2].astype(float)
    point = corners[:, 0] * u + corners[:, 1] * v + corners[:, 2] * (1 - u - v)
    return np.concatenate([point[:, :3] / point[:, 3:], np.argwhere(hit)], 1)


def test_weights_are_perspective_correct_and_row_zero_is_the_top() -> None:
    w = np.array([1.0, 3.0, 2.0])
    clip = np.c_[np.array([[-0.9, -0.8, -0.5], [0.8, -0.6, 0.3], [0.1, 0.9, 0.6]]) * w[:, None], w]
    image = draw(clip, [[0, 1, 2]])
    rows = recovered_clip_xy(clip, image, [[0, 1, 2]])
    assert len(rows) > 200
    x_ndc, y_ndc = (rows[:, 4] + 0.5) / SIZE[1] * 2 - 1, 1 - (rows[:, 3] + 0.5) / SIZE[0] * 2
    np.testing.assert_allclose(rows[:, 0], x_ndc, atol=1e-5)
    np.testing.assert_allclose(rows[:, 1], y_ndc, atol=1e-5)
    np.testing.assert_allclose(rows[:, 2], image[image[..., 3] > 0][:, 2], atol=1e-5)


def test_a_full_screen_quad_covers_every_pixel() -> None:
    clip = np.array([[-1, -1, 0, 1], [1, -1, 0, 1], [1, 1, 0, 1], [-1, 1, 0, 1]], float)
    image = draw(clip, [[0, 1, 2], [0, 2, 3]])
    assert (image[..., 3] > 0).all()
    assert set(np.unique(image[..., 3])) == {1.0, 2.0}


def test_the_nearer_triangle_wins_in_either_order() -> None:
    square = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], float)
    near, far = np.c_[square, np.full(4, -0.5), np.ones(4)], np.c_[square, np.full(4, 0.5), np.ones(4)]
    quad = np.array([[0, 1, 2], [0, 2, 3]])
    for first, second, winners in ((near, far, {1.0, 2.0}), (far, near, {3.0, 4.0})):
        image = draw(np.r_[first, second], np.r_[quad, quad + 4].tolist())
        assert set(np.unique(image[..., 3])) == winners


def test_triangles_behind_the_camera_or_broken_draw_nothing() -> None:
    behind = np.array([[-1, -1, 0, 1], [1, -1, 0, 1], [0, 1, 0, -0.1]], float)
    assert not draw(behind, [[0, 1, 2]]).any()
    broken = np.array([[-1, -1, 0, 1], [1, -1, 0, 1], [0, np.nan, 0, 1]], float)
    assert not draw(broken, [[0, 1, 2]]).any()
    beyond = np.array([[-1, -1, 2, 1], [1, -1, 2, 1], [0, 1, 2, 1]], float)
    assert not draw(beyond, [[0, 1, 2]]).any()


def test_a_triangle_far_outside_the_picture_is_clipped_to_it() -> None:
    huge = np.array([[-1e6, -1e6, 0, 1], [1e6, -1e6, 0, 1], [0, 1e6, 0, 1]], float)
    assert (draw(huge, [[0, 1, 2]])[..., 3] == 1).all()


def test_a_fan_has_no_gaps() -> None:
    rng = np.random.default_rng(3)
    angles = np.sort(rng.uniform(0, 2 * np.pi, 40))
    rim = np.c_[0.9 * np.cos(angles), 0.9 * np.sin(angles), np.zeros(40), np.ones(40)]
    triangles = [[0, 1 + i, 1 + (i + 1) % 40] for i in range(40)]
    image = draw(np.r_[[[0.01, 0.02, 0, 1]], rim], triangles, (200, 200))
    y, x = np.mgrid[:200, :200]
    inside = np.hypot((x + 0.5) / 100 - 1, (y + 0.5) / 100 - 1) < 0.8
    assert (image[inside][:, 3] > 0).all()


def test_wrong_input_says_what_was_expected() -> None:
    good = torch.zeros(3, 4)
    with pytest.raises(MienError, match=r"shape \[V, 4\], got \[3, 3\]"):
        rasterize(torch.zeros(3, 3), torch.zeros(1, 3, dtype=torch.long), SIZE)
    with pytest.raises(MienError, match="there are 3"):
        rasterize(good, torch.tensor([[0, 1, 3]]), SIZE)
    with pytest.raises(MienError, match="pixels a side"):
        rasterize(good, torch.tensor([[0, 1, 2]]), (0, 10))
