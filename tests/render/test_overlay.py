"""Both painters of the overlay against the slow road in every mode, and that nothing strange breaks them."""

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from models.arkit import arkit_params
from models.arkit_names import ARKIT_NAMES
from models.builtin import load_builtin
from models.camera import facing_camera, project
from models.head import embed, pose_head, shape_head
from models.rotations import matrix_from_axis_angle
from models.types import Camera, Identity, Landmarks, MienError, State, TrackResult
from render.legend import draw_legend, legend_text
from render.modes import OVERLAY_MODES
from render.overlay import FITTED_RGB, MESH, SOLID, STAGE_RGB, WIREFRAME, OverlayRenderer
from render.overlay_surface import Surface
from render.painter import Picture, open_painter
from render.rasterizer import missing
from render.texture import Texture
from render.torch_painter import TorchPainter
from tests.render.overlay_reference import Worn, draw_reference

SIZE = (320, 240)
HEAD = load_builtin()
IDENTITY = Identity(
    0.7 * torch.randn(HEAD.identity_size, generator=torch.Generator().manual_seed(4)),
    300.0, SIZE, HEAD.name, HEAD.sha256,
)  # fmt: skip

_RANDOM = np.random.default_rng(3)
_LIGHT = np.concatenate(
    [np.full((1, 3), 2.0), 0.8 * _RANDOM.standard_normal((3, 3)), 0.3 * _RANDOM.standard_normal((5, 3))]
).astype(np.float32)


def skin_of(side: int) -> Texture:
    place = np.linspace(0, 24, side)
    waves = np.stack([np.sin(k + place[:, None] + k * place) for k in range(3)], 2)
    return Texture(np.asarray(140 + 80 * waves, np.uint8), _LIGHT)


SKIN = skin_of(256)


@lru_cache(maxsize=1)
def surface() -> Surface:
    return Surface.of(HEAD)


def new_renderer(painter: str) -> OverlayRenderer:
    if painter == "torch":
        return OverlayRenderer(HEAD, TorchPainter(HEAD, surface(), "cpu", backend="cpu"))
    return OverlayRenderer(HEAD, open_painter(HEAD, "cuda" if painter == "cuda" else "cpu", surface()))


@lru_cache
def renderer(painter: str = "compiled") -> OverlayRenderer:
    return new_renderer(painter)


@pytest.fixture(
    params=[
        "compiled",
        "torch",
        pytest.param("cuda", marks=pytest.mark.skipif(bool(missing("cuda")), reason=str(missing("cuda")))),
    ]
)
def drawing(request: pytest.FixtureRequest) -> OverlayRenderer:
    """By every painter that is here."""
    return renderer(str(request.param))


def picture(seed: int = 0, size: tuple[int, int] = SIZE) -> Picture:
    coarse = np.random.default_rng(seed).integers(0, 256, (size[1] // 8, size[0] // 8, 3))
    return np.asarray(np.kron(coarse, np.ones((8, 8, 1))), np.uint8)


def tracked(
    turn: tuple[float, float, float] = (0, 0, 0),
    at_m: tuple[float, float, float] = (0, 0, 0.45),
    size: tuple[int, int] = SIZE,
    **weights: float,
) -> TrackResult:
    """The person turned by an axis-angle in the head frame, with ARKit weights."""
    values = torch.zeros(len(ARKIT_NAMES))
    for name, value in weights.items():
        values[ARKIT_NAMES.index(name)] = value
    front = facing_camera(*size, 1.0)
    rotation = front.rotation @ matrix_from_axis_angle(torch.tensor(turn, dtype=torch.float32))
    camera = Camera(rotation, torch.tensor(at_m), front.focal_px, front.principal_px)
    params = arkit_params(HEAD, values)
    landmarks = embed(HEAD.embedding, pose_head(shape_head(HEAD, IDENTITY.shape), params).vertices)
    points: NDArray[np.float32] = project(camera, landmarks).numpy()
    return TrackResult(
        index=0,
        time_s=0.0,
        size_px=size,
        state=State.TRACKING,
        params=params,
        camera=camera,
        landmarks=Landmarks(points + np.float32(1), np.zeros(len(points), np.float32), size, 1.0),
        fitted_px=points,
        fitted_m=None,
        blendshapes=None,
        error_iod=0.0061,
        detect_ms=2.3,
        fit_ms=0.8,
    )


POSES = {
    "ahead": tracked(),
    "speaking": tracked((0.2, 0.5, 0.1), jawOpen=0.8, mouthSmileLeft=0.6, eyeLookOutLeft=0.8, eyeLookInRight=0.8),
    "in profile": tracked((0.0, -1.4, 0.0), (0.02, 0.03, 0.5)),
    "half outside": tracked((-0.3, 0.3, 0.4), (0.1, -0.09, 0.3), eyeBlinkLeft=1.0),
}


@pytest.mark.parametrize("pose", POSES)
@pytest.mark.parametrize("mode", ["mesh", "wireframe", "side_by_side"])
def test_the_surface_is_as_the_slow_road_draws_it(drawing: OverlayRenderer, mode: str, pose: str) -> None:
    image, result = picture(), POSES[pose]
    drawn = drawing.draw(image, result, IDENTITY, mode, legend=False)  # type: ignore[arg-type]
    window, shift, behind = (0, 0, *SIZE), 0, image
    if mode == "side_by_side":
        half = SIZE[0] // 2
        behind = drawn.copy()
        behind[:, half:] = STAGE_RGB
        starts = [s for s in range(SIZE[0] - half + 1) if (image[:, s : s + half] == drawn[:, :half]).all()]
        assert len(starts) == 1
        window, shift = (half, 0, *SIZE), half - starts[0]
    style = {"mesh": MESH, "wireframe": WIREFRAME, "side_by_side": SOLID}[mode]
    expected = draw_reference(HEAD, behind, result, IDENTITY, style, window, shift)
    away = np.abs(drawn - expected.picture).max(2)
    sure = ~expected.unsure
    assert expected.covered.sum() > 5000
    assert (sure & expected.covered).sum() > 0.6 * expected.covered.sum()
    assert (away[sure] > 1.0).mean() < 1e-3
    assert away[sure].max() < 8.0
    assert (away[expected.unsure] > 8.0).mean() < 0.01


@pytest.mark.parametrize(("pose", "halvings"), [("ahead", 2), ("speaking", 2), ("in profile", 2), ("half outside", 1)])
@pytest.mark.parametrize("side", [256, 1024])
def test_the_head_in_its_own_skin_is_as_the_slow_road_draws_it(
    drawing: OverlayRenderer, side: int, pose: str, halvings: int
) -> None:
    """A texture is read at the size at which a pixel has about one texel."""
    image, result, skin = picture(), POSES[pose], skin_of(side)
    drawn = drawing.draw(image, result, IDENTITY, "textured", legend=False, texture=skin)
    worn = Worn(skin, halvings if side == 1024 else 0)
    expected = draw_reference(HEAD, image, result, IDENTITY, MESH, (0, 0, *SIZE), worn=worn)
    away = np.abs(drawn - expected.picture).max(2)
    sure = ~expected.unsure
    assert (drawn != image).any(2).sum() > 4000
    assert (away[sure] > 1.0).mean() < 1e-3
    assert away[sure].max() < 14.0  # the fast road is not perspective-correct within a triangle


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (37, 53)])
def test_a_texture_may_have_any_size(drawing: OverlayRenderer, size: tuple[int, int]) -> None:
    grey = Texture(np.full((*size, 3), 90, np.uint8), SKIN.light)
    usual = replace(grey, albedo=np.full((64, 64, 3), 90, np.uint8))
    drawn, expected = (
        drawing.draw(picture(), POSES["ahead"], IDENTITY, "textured", texture=texture) for texture in (grey, usual)
    )
    assert (drawn == expected).all()


def test_until_there_is_a_texture_the_surface_is_drawn() -> None:
    mesh, bare = (renderer().draw(picture(), POSES["ahead"], IDENTITY, mode) for mode in ("mesh", "textured"))
    assert (mesh == bare).all()


def test_a_texture_that_is_none_is_refused() -> None:
    for albedo, light in (
        (np.zeros((4, 4), np.uint8), SKIN.light),
        (np.zeros((0, 4, 3), np.uint8), SKIN.light),
        (np.zeros((4, 4, 3), np.float32), SKIN.light),
        (SKIN.albedo, SKIN.light[:4]),
        (SKIN.albedo, SKIN.light * np.float32("nan")),
    ):
        with pytest.raises(MienError, match="expected a"):
            Texture(albedo, light)  # type: ignore[arg-type]


def test_every_mode_gives_a_new_picture_of_the_same_size_and_leaves_the_old_one() -> None:
    image = picture(1, (321, 243))
    before = image.copy()
    for mode in OVERLAY_MODES:
        drawn = renderer().draw(image, POSES["ahead"], IDENTITY, mode)
        assert drawn is not image
        assert (drawn.shape, drawn.dtype) == (image.shape, image.dtype)
        assert (image == before).all()
        assert (drawn == image).all() == (mode == "off")


@pytest.mark.parametrize("painter", ["compiled", "torch"])
def test_a_frame_does_not_depend_on_those_drawn_before(painter: str) -> None:
    fresh = new_renderer(painter)
    small = picture(2, (160, 120))
    first = fresh.draw(picture(), POSES["speaking"], IDENTITY, "mesh")
    fresh.draw(small, tracked(size=(160, 120)), IDENTITY, "wireframe")
    fresh.draw(picture(), POSES["half outside"], replace(IDENTITY, shape=-IDENTITY.shape), "mesh")
    assert (fresh.draw(picture(), POSES["speaking"], IDENTITY, "mesh") == first).all()


def nothing_to_see() -> dict[str, TrackResult]:
    ahead = POSES["ahead"]
    assert ahead.params is not None
    assert ahead.camera is not None
    nan, camera = float("nan"), ahead.camera
    return {
        "no face": replace(ahead, params=None, camera=None, landmarks=None, fitted_px=None, state=State.LOST),
        "behind the camera": tracked(at_m=(0, 0, -0.5)),
        "around the camera": tracked(at_m=(0, 0, -0.2)),
        "beside the picture": tracked(at_m=(2, 0, 0.5)),
        "far beside the picture": tracked(at_m=(1e30, 0, 0.5)),
        "nowhere": tracked(at_m=(nan, 0, 0.5)),
        "no expression": replace(ahead, params=ahead.params.with_(expression=ahead.params.expression * nan)),
        "endless expression": replace(ahead, params=ahead.params.with_(expression=ahead.params.expression + np.inf)),
        "no jaw": replace(ahead, params=ahead.params.with_(jaw=ahead.params.jaw * nan)),
        "no lens": replace(ahead, camera=replace(camera, focal_px=camera.focal_px * nan)),
    }


@pytest.mark.parametrize("case", nothing_to_see())
@pytest.mark.parametrize("mode", ["mesh", "wireframe", "textured"])
def test_what_cannot_be_seen_draws_nothing(drawing: OverlayRenderer, mode: str, case: str) -> None:
    result = nothing_to_see()[case]
    drawn = drawing.draw(picture(), result, IDENTITY, mode, legend=False, texture=SKIN)  # type: ignore[arg-type]
    if case == "no jaw":  # what it does not carry is there
        assert np.isfinite(drawn.astype(float)).all()
    else:
        assert (drawn == picture()).all()


def test_points_that_are_none_are_left_out() -> None:
    ahead = POSES["ahead"]
    assert ahead.fitted_px is not None
    assert ahead.landmarks is not None
    for broken in (np.nan, np.inf, 1e30, -1e9):
        points = np.full_like(ahead.fitted_px, broken)
        result = replace(ahead, fitted_px=points, landmarks=replace(ahead.landmarks, points_px=points))
        assert (renderer().draw(picture(), result, IDENTITY, "landmarks", legend=False) == picture()).all()
        assert renderer().draw(picture(), result, IDENTITY, "side_by_side").shape == picture().shape


def test_landmarks_show_where_they_were_fitted() -> None:
    black = np.zeros((960, 1280, 3), np.uint8)
    result = tracked(size=(1280, 960))
    drawn = renderer().draw(black, result, IDENTITY, "landmarks", legend=False)
    assert result.fitted_px is not None
    columns, rows = result.fitted_px.astype(int).T
    close = np.abs(drawn[rows, columns].astype(int) - FITTED_RGB).max(1) < 30
    assert close.mean() > 0.95


def test_eyes_show_where_they_look() -> None:
    black = np.zeros((480, 640, 3), np.uint8)

    def iris_column(**weights: float) -> float:
        result = tracked((0, 0, 0), (0, 0, 0.3), (640, 480), **weights)
        drawn = renderer().draw(black, result, IDENTITY, "side_by_side", legend=False).astype(int)
        return float(np.nonzero(blue_only(drawn[:, 320:]))[1].mean())

    def blue_only(pixels: NDArray[np.int64]) -> NDArray[np.bool_]:
        return np.asarray((pixels[..., 0] < 80) & (pixels[..., 2] > pixels[..., 0] + 60))

    ahead = iris_column()
    assert iris_column(eyeLookOutLeft=0.8, eyeLookInRight=0.8) > ahead + 2  # the subject's left is our right
    assert iris_column(eyeLookInLeft=0.8, eyeLookOutRight=0.8) < ahead - 2


def test_a_head_without_named_regions_is_drawn_with_eyes() -> None:
    plain = OverlayRenderer(replace(HEAD, regions={}))
    named, unnamed = (r.draw(picture(), POSES["ahead"], IDENTITY, "mesh", legend=False) for r in (renderer(), plain))
    away = np.abs(named.astype(int) - unnamed).max(2)
    assert (named != picture()).any(2).sum() > 10000
    assert (away[90:200, 100:220] > 60).mean() < 0.02  # the face with its eyes is much the same; the scalp need not be


# The legend.


def test_the_legend_says_state_time_and_error() -> None:
    assert legend_text(POSES["ahead"]) == "tracking   3.1 ms   error 0.61 %"
    lost = replace(POSES["ahead"], state=State.LOST, error_iod=None)
    assert legend_text(lost) == "lost   3.1 ms"
    assert legend_text(replace(lost, error_iod=float("nan"))) == "lost   3.1 ms"


@pytest.mark.parametrize("size", [(1, 1), (40, 300), (200, 161), (640, 480), (3840, 2160)])
def test_the_legend_keeps_to_its_corner_in_any_picture(size: tuple[int, int]) -> None:
    canvas = np.full((size[1], size[0], 3), 200, np.uint8)
    draw_legend(canvas, POSES["ahead"])
    changed = (canvas != 200).any(2)
    assert changed.any() == (min(size) >= 160)
    assert not changed[: size[1] * 2 // 3].any()
    if size[0] >= 640:
        assert not changed[:, size[0] * 2 // 3 :].any()


def test_the_legend_shows_the_state_by_colour() -> None:
    dots = []
    for state in State:
        canvas = np.zeros((480, 640, 3), np.uint8)
        draw_legend(canvas, replace(POSES["ahead"], state=state))
        dots.append(tuple(canvas[:, :36].reshape(-1, 3)[canvas[:, :36].max(2).argmax()].tolist()))
    assert len(set(dots)) == len(State)
