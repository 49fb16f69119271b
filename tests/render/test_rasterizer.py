"""Every rasteriser that is here against a plain float64 account of what `render/rasterizer.py` promises.

Where an edge passes a pixel's centre within a band, programs may differ about who owns the pixel (nvdiffrast rounds
corners to sixteenths of a pixel): such pixels are left out, instead of a loose tolerance everywhere.
"""

import os
import subprocess
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from models.builtin import load_builtin
from models.camera import clip_points
from models.types import MienError
from render import cpu
from render.diff.hits import find_hits
from render.diff.silhouette import antialias
from render.rasterizer import BACKENDS, CHOICE, missing, rasterize
from render.shading import View

Floats = NDArray[np.float64]
Ids = NDArray[np.int64]

SIZE = (24, 32)
BAND_PX = 0.1
DEPTH_BAND = 1e-4  # surfaces nearer to each other than this may win either way


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    name = str(request.param)
    if why := missing(name):
        pytest.skip(why)
    return name


def draw(clip: Floats, triangles: object, backend: str = "auto", size: tuple[int, int] = SIZE) -> NDArray[np.float32]:
    image: NDArray[np.float32] = rasterize(
        torch.tensor(np.asarray(clip), dtype=torch.float32), torch.tensor(np.asarray(triangles)), size, backend
    ).numpy()
    return image


# The plain account.


@dataclass(frozen=True)
class Account:
    image: Floats  # [H, W, 4] as the door promises
    sure: NDArray[np.bool_]  # [H, W] no edge within the band, no two surfaces at one depth


def account(clip: Floats, triangles: Ids, size: tuple[int, int]) -> Account:
    height, width = size
    y, x = np.mgrid[:height, :width] + 0.5
    image, sure = np.zeros((height, width, 4)), np.ones((height, width), bool)
    depth = np.full((height, width), np.inf)
    for number, corners in enumerate(clip[triangles], 1):
        if not (np.isfinite(corners).all() and (corners[:, 3] > 0).all()):
            continue
        px = (corners[:, :2] / corners[:, 3:] * (0.5, -0.5) + 0.5) * (width, height)
        away = np.min([distance_to_edge(x, y, px[k], px[(k + 1) % 3]) for k in range(3)], 0)
        weights = np.stack([cross(px[(k + 1) % 3], px[(k + 2) % 3], x, y) for k in range(3)], -1)
        area = weights.sum(-1, keepdims=True)
        if abs(area[0, 0, 0]) < 1e-9:
            continue
        weights /= area
        z = weights @ (corners[:, 2] / corners[:, 3])
        inside = (weights >= 0).all(-1) & (np.abs(z) <= 1)
        sure &= ~((away < BAND_PX) & (z < depth + DEPTH_BAND)) & ~(inside & (np.abs(z - depth) < DEPTH_BAND))
        nearer = inside & (z < depth)
        share = weights / corners[:, 3]
        share /= share.sum(-1, keepdims=True)
        here = np.stack([share[..., 0], share[..., 1], z, np.full_like(z, number)], -1)
        image[nearer], depth[nearer] = here[nearer], z[nearer]
    return Account(image, sure)


def cross(a: Floats, b: Floats, x: Floats, y: Floats) -> Floats:
    return np.asarray((a[0] - x) * (b[1] - y) - (b[0] - x) * (a[1] - y))


def distance_to_edge(x: Floats, y: Floats, a: Floats, b: Floats) -> Floats:
    along = b - a
    share = ((x - a[0]) * along[0] + (y - a[1]) * along[1]) / max(along @ along, 1e-30)
    share = share.clip(0, 1)
    return np.asarray(np.hypot(x - a[0] - share * along[0], y - a[1] - share * along[1]))


def check(clip: Floats, triangles: Ids, size: tuple[int, int], backend: str, at_least: float) -> None:
    clip = clip.astype(np.float32).astype(np.float64)
    told, true = draw(clip, triangles, backend, size), account(clip, triangles, size)
    assert true.sure.mean() > at_least, "the band leaves too little to compare"
    wrong = true.sure & (told[..., 3] != true.image[..., 3])
    assert not wrong.any(), f"{wrong.sum()} of {true.sure.sum()} pixels show another triangle"
    assert np.abs(told - true.image)[true.sure].max() < 1e-4


@pytest.mark.parametrize("size", [(48, 64), (64, 48), (31, 77)])
@pytest.mark.parametrize("seed", [0, 1])
def test_triangles_anywhere(backend: str, size: tuple[int, int], seed: int) -> None:
    """In and out of the picture, behind the camera, through each other, near and far."""
    random = np.random.default_rng(seed)
    w = random.uniform(-0.3, 3, (90, 1))
    points = np.c_[random.uniform(-1.5, 1.5, (90, 2)), random.uniform(-1.2, 1.2, (90, 1)), np.ones((90, 1))] * w
    check(points, np.arange(90).reshape(30, 3), size, backend, 0.85)


def test_a_head_in_a_small_picture(backend: str) -> None:
    head, (height, width) = load_builtin(), (96, 80)
    camera = View(yaw_degrees=25, pitch_degrees=10).camera(width, height)
    clip = clip_points(camera, head.template.double(), width, height).numpy()
    told = draw(clip, head.triangles.numpy(), backend, (height, width))
    hit = told[..., 3] > 0
    assert 0.25 < hit.mean() < 0.6
    rows = recovered(clip, told, head.triangles.numpy())
    assert np.abs(rows[:, 0] - (rows[:, 4] + 0.5) / width * 2 + 1).max() < 2 * BAND_PX / width
    assert np.abs(rows[:, 1] + (rows[:, 3] + 0.5) / height * 2 - 1).max() < 2 * BAND_PX / height
    plain = draw(clip, head.triangles.numpy(), "cpu", (height, width))
    assert (hit == (plain[..., 3] > 0)).mean() > 0.999
    both = hit & (plain[..., 3] > 0)
    assert (np.abs(told - plain)[both][:, 2] < DEPTH_BAND).mean() > 0.995  # elsewhere edges hide something behind


def recovered(clip: Floats, image: NDArray[np.float32], triangles: Ids) -> Floats:
    """[n, 5] interpolated clip position divided by w at each hit pixel, then the pixel's row and column."""
    hit = image[..., 3] > 0
    corners = clip[triangles[image[hit][:, 3].astype(int) - 1]]  # [n, 3, 4]
    u, v = image[hit][:, 0:1].astype(float), image[hit][:, 1:2].astype(float)
    point = corners[:, 0] * u + corners[:, 1] * v + corners[:, 2] * (1 - u - v)
    return np.concatenate([point[:, :3] / point[:, 3:], np.argwhere(hit)], 1)


# What anybody would check first.


def test_weights_are_perspective_correct_and_row_zero_is_the_top(backend: str) -> None:
    w = np.array([1.0, 3.0, 2.0])
    clip = np.c_[np.array([[-0.9, -0.8, -0.5], [0.8, -0.6, 0.3], [0.1, 0.9, 0.6]]) * w[:, None], w]
    image = draw(clip, [[0, 1, 2]], backend)
    assert image[0, :, 3].any() < image[-3, :, 3].any()  # the broad side is below
    check(clip, np.array([[0, 1, 2]]), SIZE, backend, 0.8)


def test_a_full_screen_quad_covers_every_pixel(backend: str) -> None:
    clip = np.array([[-1, -1, 0, 1], [1, -1, 0, 1], [1, 1, 0, 1], [-1, 1, 0, 1]], float)
    image = draw(clip, [[0, 1, 2], [0, 2, 3]], backend)
    assert (image[..., 3] > 0).all()
    assert set(np.unique(image[..., 3])) == {1.0, 2.0}


def test_the_nearer_triangle_wins_in_either_order(backend: str) -> None:
    square = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], float)
    near, far = np.c_[square, np.full(4, -0.5), np.ones(4)], np.c_[square, np.full(4, 0.5), np.ones(4)]
    quad = np.array([[0, 1, 2], [0, 2, 3]])
    for first, second, winners in ((near, far, {1.0, 2.0}), (far, near, {3.0, 4.0})):
        image = draw(np.r_[first, second], np.r_[quad, quad + 4], backend)
        assert set(np.unique(image[..., 3])) == winners


def test_a_fan_has_no_gaps(backend: str) -> None:
    rng = np.random.default_rng(3)
    angles = np.sort(rng.uniform(0, 2 * np.pi, 40))
    rim = np.c_[0.9 * np.cos(angles), 0.9 * np.sin(angles), np.zeros(40), np.ones(40)]
    triangles = [[0, 1 + i, 1 + (i + 1) % 40] for i in range(40)]
    image = draw(np.r_[[[0.01, 0.02, 0, 1]], rim], triangles, backend, (120, 120))
    y, x = np.mgrid[:120, :120]
    inside = np.hypot((x + 0.5) / 60 - 1, (y + 0.5) / 60 - 1) < 0.8
    assert (image[inside][:, 3] > 0).all()


def test_a_triangle_far_outside_the_picture_is_clipped_to_it(backend: str) -> None:
    huge = np.array([[-1e3, -1e3, 0, 1], [1e3, -1e3, 0, 1], [0, 1e3, 0, 1]], float)
    assert (draw(huge, [[0, 1, 2]], backend)[..., 3] == 1).all()


# What must draw nothing, and harm nothing beside it.

GOOD = ((-1, -1, 0, 1), (1, -1, 0, 1), (0, 1, 0, 1))
BROKEN = {
    "behind the camera": (-1, -1, 0, -1),
    "on the camera's plane": (0, 0, 0, 0),
    "NaN in x": (np.nan, 0, 0, 1),
    "NaN in z": (0, 0, np.nan, 1),
    "NaN in w": (0, 0, 0, np.nan),
    "infinite": (np.inf, 0, 0, 1),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_corner_costs_its_triangles_and_nothing_else(backend: str, what: str) -> None:
    clip = np.array([BROKEN[what], *GOOD, BROKEN[what]], float)
    assert not draw(clip, [[0, 2, 3], [1, 4, 3], [0, 0, 4]], backend).any()
    alone, among = draw(clip, [[1, 2, 3]], backend), draw(clip, [[0, 2, 3], [1, 2, 3], [1, 4, 3]], backend)
    assert alone[..., 3].any()
    assert set(np.unique(among[..., 3])) == {0.0, 2.0}
    assert np.array_equal(alone[..., :3], among[..., :3])


def test_triangles_without_area_draw_nothing(backend: str) -> None:
    clip = np.array([*GOOD, (0, 0, 0, 1)], float)
    assert not draw(clip, [[0, 0, 0], [0, 1, 1], [3, 3, 2]], backend).any()


@pytest.mark.parametrize("z", [-1.01, 1.01])
def test_what_is_too_near_or_too_far_draws_nothing(backend: str, z: float) -> None:
    assert not draw(np.array([(x, y, z, w) for x, y, _, w in GOOD], float), [[0, 1, 2]], backend).any()


def test_a_head_behind_the_camera_or_out_of_the_picture_draws_nothing(backend: str) -> None:
    head = load_builtin()
    camera = View().camera(32, 24)
    for moved in ((0.0, 0.0, 3.0), (5.0, 0.0, 0.0), (0.0, -5.0, 0.0)):
        clip = clip_points(camera, head.template.double() + torch.tensor(moved), 32, 24).numpy()
        assert not draw(clip, head.triangles.numpy(), backend).any()


def test_no_triangles_are_no_picture(backend: str) -> None:
    assert not draw(np.zeros((0, 4)), np.zeros((0, 3), np.int64), backend).any()


@pytest.mark.gpu
def test_nvdiffrast_smooths_silhouettes_as_the_torch_layer_does() -> None:
    """And moves them: the gradients of a square's covered area with its corners agree."""
    if why := missing("cuda"):
        pytest.skip(why)
    from render import cuda  # its import builds nothing, but needs nvdiffrast

    corners = ((-0.52, -0.47, 0, 1), (0.55, -0.51, 0, 1), (0.5, 0.53, 0, 1), (-0.49, 0.5, 0, 1))
    triangles = torch.tensor([[0, 1, 2], [0, 2, 3]], device="cuda")
    pictures, gradients = [], []
    for theirs in (True, False):
        clip = torch.tensor(corners, device="cuda", requires_grad=True)
        fragments = rasterize(clip, triangles, (32, 32), "cuda")
        mask = (fragments[..., 3:] > 0).float()
        hits = find_hits(clip, triangles, (32, 32))
        smooth = cuda.antialias(mask, fragments, clip, triangles) if theirs else antialias(mask, hits, clip, triangles)
        (gradient,) = torch.autograd.grad(smooth.sum(), clip)
        pictures.append(smooth.detach())
        gradients.append(gradient[:, :2])
    assert ((pictures[0] - pictures[1]).abs() > 0.02).float().mean() < 0.01  # corners are told differently
    theirs_flat, ours_flat = (gradient.flatten() for gradient in gradients)
    assert torch.nn.functional.cosine_similarity(theirs_flat, ours_flat, dim=0) > 0.98


# The door.


def test_wrong_input_says_what_was_expected() -> None:
    good = torch.zeros(3, 4)
    with pytest.raises(MienError, match=r"shape \[V, 4\], got \[3, 3\]"):
        rasterize(torch.zeros(3, 3), torch.zeros(1, 3, dtype=torch.long), SIZE)
    with pytest.raises(MienError, match="there are 3"):
        rasterize(good, torch.tensor([[0, 1, 3]]), SIZE)
    with pytest.raises(MienError, match="pixels a side"):
        rasterize(good, torch.tensor([[0, 1, 2]]), (0, 10))


def test_a_backend_is_chosen_by_name_and_told_where_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    clip, triangles = torch.tensor(GOOD, dtype=torch.float32), torch.tensor([[0, 1, 2]])
    with pytest.raises(MienError, match="auto, cpu, cuda, pytorch3d; got 'opengl'"):
        rasterize(clip, triangles, SIZE, "opengl")
    monkeypatch.setenv(CHOICE, "opengl")
    with pytest.raises(MienError, match="got 'opengl'"):
        rasterize(clip, triangles, SIZE)
    assert torch.equal(rasterize(clip, triangles, SIZE, "auto"), rasterize(clip, triangles, SIZE, "cpu"))


@pytest.mark.parametrize("name", ["cuda", "pytorch3d"])
def test_a_backend_that_is_not_built_says_what_to_do(name: str) -> None:
    why = missing(name)
    if why is None:
        pytest.skip(f"{name} is here")
    assert "docs/backends.md" in why or "choose 'cpu'" in why
    with pytest.raises(MienError, match=f"the rasteriser '{name}' needs"):
        rasterize(torch.tensor(GOOD, dtype=torch.float32), torch.tensor([[0, 1, 2]]), SIZE, name)


def test_a_library_that_is_broken_says_what_to_do(tmp_path: Path) -> None:
    """And a folder that only bears its name does not count as one."""
    program = (
        "import torch; from models.types import MienError; from render.rasterizer import missing, rasterize\n"
        "if missing('pytorch3d'): raise SystemExit('not there')\n"
        "try: rasterize(torch.ones(3, 4), torch.tensor([[0, 1, 2]]), (4, 4), 'pytorch3d')\n"
        "except MienError as error: raise SystemExit(str(error))"
    )
    (tmp_path / "pytorch3d").mkdir()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(tmp_path), str(Path(__file__).parents[2])))}
    ask = partial(subprocess.run, (sys.executable, "-c", program), env=environment, capture_output=True, text=True)
    if missing("pytorch3d") is not None:
        assert ask().stderr.strip() == "not there"
    (tmp_path / "pytorch3d" / "__init__.py").write_text("raise ImportError('undefined symbol: _ZN3c10')")
    told = ask().stderr
    assert "'pytorch3d' is there but cannot be loaded (undefined symbol: _ZN3c10)" in told
    assert "MIEN_RASTERIZER=cpu" in told


def test_what_is_drawn_does_not_depend_on_the_number_of_threads() -> None:
    random = np.random.default_rng(2)
    clip = np.c_[random.uniform(-1, 1, (60, 3)), np.ones(60)].astype(np.float32)
    triangles = np.arange(60).reshape(20, 3)
    alone = cpu.rasterize(clip, triangles, (200, 90), bands=1)
    assert alone.any()
    assert np.array_equal(alone, cpu.rasterize(clip, triangles, (200, 90), bands=3))
