"""Skin and light from pictures: what is known must come back, and what is broken must break nothing."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache

import cv2
import numpy as np
import pytest
import torch

from models.types import Frame, Landmarks, MienError, State, TrackResult
from render.diff.light import lit_irradiance
from render.texture import GAMMA
from tests.tracker import painted
from tracker.jobs.outputs import png
from tracker.photometric import skin
from tracker.photometric.albedo import AlbedoSpace
from tracker.photometric.aside import Work
from tracker.photometric.atlas import Atlas
from tracker.photometric.colours import LUMINANCE, linear, shown
from tracker.photometric.keyframes import Keyframes, face_sharpness
from tracker.photometric.light import Samples, solve_light
from tracker.photometric.skin import SkinLearner
from tracker.photometric.texture import GUTTER, Solved, TextureSolver, fill_gutters
from tracker.photometric.view import View


@lru_cache(maxsize=1)
def solver() -> TextureSolver:
    return TextureSolver(painted.head(), side=256)


@lru_cache(maxsize=1)
def solved_from_three_sides() -> Solved:
    views = [painted.view(painted.paint(), painted.camera(yaw)) for yaw in (0.0, 28.0, -28.0)]
    return solver().solve(painted.identity(), views)


def seen_face() -> np.ndarray:  # type: ignore[type-arg]
    """[side, side] of the face's texels, away from its border, lids and lips."""
    atlas = Atlas.of(painted.head(), 256)
    inner = torch.zeros(painted.head().vertex_count)
    inner[solver().space.skin] = 1
    laid = atlas.picture(atlas.interpolate(inner[:, None]))[..., 0] > 0.99
    return np.asarray(cv2.erode(laid.astype(np.uint8), np.ones((5, 5), np.uint8)), bool)


def test_shown_and_linear_undo_each_other() -> None:
    every = np.arange(256, dtype=np.uint8)
    assert (shown(linear(every)) == every).all()
    assert (shown(np.array([np.nan, -1, 7], np.float32)) == (0, 0, 255)).all()


def test_light_and_albedo_come_back_though_highlights_and_shadows_lie_on_the_skin() -> None:
    space = AlbedoSpace.of(painted.head())
    random = torch.Generator().manual_seed(0)
    weights = torch.randn(space.basis.shape[1], 3, generator=random)
    albedo = space.at(0.7 * weights).clamp(0.05, 0.9)
    albedo = albedo * space.luminance / (albedo[space.skin].mean(0) @ torch.tensor(LUMINANCE))
    normals = torch.nn.functional.normalize(
        torch.randn(len(space.skin), 3, generator=random) + torch.tensor([0, 0, -1.0]), dim=1
    )
    colours = (albedo[space.skin] * lit_irradiance(normals, painted.LIGHT)).clamp(0, 1)
    disturbed = colours.clone()
    disturbed[::13] = (1.8 * disturbed[::13] + 0.2).clamp(0, 1)
    disturbed[5::17] *= 0.25
    one = torch.ones(len(space.skin))
    found = solve_light(space, Samples(space.skin, torch.zeros_like(space.skin), normals, disturbed, one, 1))
    predicted = space.at(found.weights)[space.skin] * lit_irradiance(normals, found.light)
    away = (predicted ** (1 / GAMMA) - colours ** (1 / GAMMA)).abs()
    assert away.median() < 0.01
    luminance = space.at(found.weights)[space.skin].mean(0) @ torch.tensor(LUMINANCE)
    assert float(luminance) == pytest.approx(space.luminance, rel=1e-3)
    assert found.light[0].max() / found.light[0].min() < 1.01
    assert torch.nn.functional.cosine_similarity(found.light[1:4].mean(1), painted.LIGHT[1:4].mean(1), dim=0) > 0.98
    assert found.trust[::13].mean() < 0.5 * found.trust[1::13].mean()


def test_a_known_skin_comes_back_from_three_sides() -> None:
    solved, face = solved_from_three_sides(), seen_face()
    found = linear(solved.texture.albedo)[face]
    true = painted.paint().numpy()[face]
    true = true * (found.mean(0) / true.mean(0))  # brightness and colour of the light are a matter of the gauge
    assert np.median(np.abs(found ** (1 / GAMMA) - true ** (1 / GAMMA))) < 0.02
    tone, patch = painted.paint().numpy()[123, 161], painted.paint().numpy()[123, 95]
    ratio = (
        linear(solved.texture.albedo)[122:125, 94:97].mean() / linear(solved.texture.albedo)[122:125, 160:163].mean()
    )
    assert ratio == pytest.approx(patch.mean() / tone.mean(), rel=0.2)


def test_the_room_keeps_its_light_while_the_head_turns() -> None:
    solved = solved_from_three_sides()
    even = solved.lighting.lights[:, 0].mean(1)
    assert (even / even[0] - 1).abs().max() < 0.08
    direction = solved.texture.light[1:4].mean(1)
    true = painted.LIGHT[1:4].mean(1).numpy()
    assert direction @ true / np.linalg.norm(direction) / np.linalg.norm(true) > 0.95


def test_the_side_that_was_not_seen_is_its_mirror_image() -> None:
    """From a head turned to its left only: the patch of the cheek that is seen appears on the other."""
    one_sided = (
        solver().solve(painted.identity(), [painted.view(painted.paint(), painted.camera(-50.0))]).texture.albedo
    )
    other_sided = (
        solver().solve(painted.identity(), [painted.view(painted.paint(), painted.camera(50.0))]).texture.albedo
    )
    with_patch, without = (
        (one_sided, other_sided)
        if one_sided[123, 95].mean() < other_sided[123, 95].mean()
        else (other_sided, one_sided)
    )
    assert with_patch[123, 256 - 95].mean() < 0.85 * without[123, 256 - 95].mean()
    for texture in (one_sided, other_sided):
        assert texture[seen_face()].min() > 20  # no hole anywhere


def test_slices_end_with_the_texture_and_give_the_same_as_all_at_once() -> None:
    views = [painted.view(painted.paint(), painted.camera(yaw)) for yaw in (0.0, 28.0, -28.0)]
    *before, last = solver().slices(painted.identity(), views)
    assert all(part is None for part in before)
    assert len(before) >= 2 * len(views)
    assert last is not None
    assert (last.texture.albedo == solved_from_three_sides().texture.albedo).all()


# Keyframes.


def a_result(index: int, yaw: float, **changes: object) -> TrackResult:
    at = painted.camera(yaw)
    view = painted.view(torch.full((8, 8, 3), 0.3), at)
    points = landmarks_px(yaw)
    seen = Landmarks(points, np.zeros(len(points), np.float32), painted.SIZE, 1.0)
    result = TrackResult(index, index / 30, painted.SIZE, State.TRACKING, view.params, at, seen, points, None, None,
                         0.005, 2.0, 1.0)  # fmt: skip
    return replace(result, **changes)  # type: ignore[arg-type]


@lru_cache(maxsize=8)
def landmarks_px(yaw: float) -> np.ndarray:  # type: ignore[type-arg]
    from models.camera import project
    from models.head import embed, pose_head, shape_head

    vertices = pose_head(shape_head(painted.head(), painted.identity().shape), painted.head().zero_params()).vertices
    return project(painted.camera(yaw), embed(painted.head().embedding, vertices)).numpy()


def a_frame(index: int, yaw: float, blur: float = 0.0) -> Frame:
    image = painted.picture(
        painted.paint(), painted.camera(yaw), painted.head().zero_params(), painted.identity().shape
    )
    if blur:
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), blur), np.uint8)
    return Frame(image, index / 30, index)


def test_the_sharper_frame_of_a_side_is_kept_and_every_side_once() -> None:
    frames = Keyframes()
    person = painted.identity()
    assert frames.offer(a_frame(0, 0.0, blur=3), a_result(0, 0.0), person)
    assert frames.offer(a_frame(3, 0.0), a_result(3, 0.0), person)
    assert not frames.offer(a_frame(6, 0.0, blur=2), a_result(6, 0.0), person)
    assert frames.offer(a_frame(7, 30.0), a_result(7, 30.0), person)
    assert len(frames) == 2
    kept = frames.views()
    assert float(kept[0].camera.rotation[0, 2].abs()) < 0.1  # the straight one is the first
    assert face_sharpness(a_frame(0, 0.0).image, landmarks_px(0.0)) > face_sharpness(
        a_frame(0, 0.0, 2).image, landmarks_px(0.0)
    )
    assert not frames.offer(a_frame(8, 30.0), replace(a_result(8, 30.0), params=None), person)
    other = replace(person, shape=-person.shape)
    assert frames.offer(a_frame(9, 0.0), a_result(9, 0.0), other)
    assert len(frames) == 1


@pytest.mark.parametrize("background", [False, True])
def test_skin_is_learned_beside_the_tracking(background: bool) -> None:
    learner = SkinLearner(painted.head(), background)
    learner._solver = solver()
    try:
        for index in (0, 30, 60):
            learner.observe(a_frame(index, 0.0), a_result(index, 0.0), painted.identity())
            if index < 45:
                assert learner.texture is None
        waited_until = time.monotonic() + 400
        while background and learner.texture is None and time.monotonic() < waited_until:
            time.sleep(0.01)
        assert learner.texture is not None
        assert learner.texture.albedo.shape == (256, 256, 3)
        other = replace(painted.identity(), shape=-painted.identity().shape)
        learner.observe(a_frame(63, 0.0), a_result(63, 0.0), other)
        assert learner.texture is None, "nobody wears another's skin"
    finally:
        learner.close()


@contextmanager
def other_sessions_first() -> Iterator[None]:
    """Work of other sessions is in hand as long as this lasts; at its end all work aside is done."""
    go_on = threading.Event()

    def others() -> Work:
        assert go_on.wait(400)
        yield

    assert skin._aside.begin(others())
    thread = skin._aside._thread
    assert thread is not None
    try:
        yield
    finally:
        go_on.set()
        thread.join(400)
        assert not thread.is_alive()


def test_who_comes_while_the_one_before_waits_for_a_skin_gets_their_own() -> None:
    before, after = painted.identity(), replace(painted.identity(), shape=painted.identity().shape.clone())
    learner = SkinLearner(painted.head(), background=True)
    learner._solver = solver()
    with other_sessions_first():
        for index in (0, 60):
            learner.observe(a_frame(index, 0.0), a_result(index, 0.0), before)
        late = learner._work
        assert late is not None
        assert skin._aside.is_at(late)
        learner.observe(a_frame(63, 0.0), a_result(63, 0.0), after)
        assert not skin._aside.is_at(late)
        learner.observe(a_frame(123, 0.0), a_result(123, 0.0), after)
        for _ in late:  # as if it had been in hand all the while
            assert learner.texture is None, "nobody wears another's skin"
        assert learner.texture is None
    assert learner.texture is not None


def test_a_skin_is_begun_as_soon_as_the_one_in_work_is_done() -> None:
    person = painted.identity()
    learner = SkinLearner(painted.head(), background=True)
    learner._solver = solver()
    with other_sessions_first():
        learner.observe(a_frame(0, 0.0), a_result(0, 0.0), person)
        learner.observe(a_frame(60, 0.0), a_result(60, 0.0), person)
        first = learner._work
        learner.observe(a_frame(300, 30.0), a_result(300, 30.0), person)
        assert learner._work is first
    learner.observe(a_frame(301, 30.0), a_result(301, 30.0), person)
    assert learner._work is not first, "the side seen meanwhile is not lost"
    learner.close()


# What is broken.


def test_pictures_that_show_no_face_are_refused_and_break_nothing() -> None:
    good = painted.view(painted.paint(), painted.camera())
    nan = torch.tensor(float("nan"))
    behind = replace(good, camera=replace(good.camera, translation=-good.camera.translation))
    outside = replace(
        good, camera=replace(good.camera, translation=good.camera.translation + torch.tensor((3.0, 0, 0)))
    )
    broken = replace(good, params=good.params.with_(expression=good.params.expression + nan))
    for view in (behind, outside, broken):
        with pytest.raises(MienError, match="expected a face in view"):
            solver().solve(painted.identity(), [view])
    with pytest.raises(MienError, match="got none"):
        solver().solve(painted.identity(), [])
    with pytest.raises(MienError, match="got none"):
        View.cut(good.image, good.params, good.camera, np.full((5, 2), np.nan, np.float32), 80.0)
    learner = SkinLearner(painted.head(), background=False)
    learner._solver = solver()
    far = replace(a_result(0, 0.0), camera=replace(painted.camera(), translation=torch.tensor((3.0, 0, 1.0))))
    learner.observe(a_frame(0, 0.0), far, painted.identity())
    assert learner.learn(painted.identity()) is None


@pytest.mark.parametrize("one_room", [True, False])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_picture_that_shows_nothing_among_others_changes_nothing(place: int, one_room: bool) -> None:
    views = [painted.view(painted.paint(), painted.camera(yaw)) for yaw in (0.0, 28.0)]
    blind = replace(views[0], camera=replace(views[0].camera, translation=-views[0].camera.translation))
    alone = solver().solve(painted.identity(), views, one_room)
    solved = solver().solve(painted.identity(), [*views[:place], blind, *views[place:]], one_room)
    lights = solved.lighting.lights
    assert len(lights) == 3
    rest = [k for k in range(3) if k != place]
    assert torch.allclose(lights[rest], alone.lighting.lights, rtol=1e-4, atol=1e-5)
    assert torch.equal(lights[place], lights[rest[0]])
    assert np.abs(solved.texture.albedo.astype(int) - alone.texture.albedo).mean() < 0.5


def test_a_black_picture_gives_a_dark_face_of_finite_numbers() -> None:
    view = painted.view(painted.paint(), painted.camera())
    solved = solver().solve(painted.identity(), [replace(view, image=np.zeros_like(view.image))])
    assert np.isfinite(solved.texture.light).all()
    assert solved.albedo.isfinite().all()


# As bytes.


def test_gutters_take_the_colour_of_their_coast_and_islands_keep_theirs() -> None:
    atlas = Atlas.of(painted.head(), 128)
    inside = np.zeros(128 * 128, np.uint8)
    inside[atlas.texels.numpy()] = 1
    inside = inside.reshape(128, 128)
    random = np.random.default_rng(3).integers(90, 200, (128, 128, 3)).astype(np.uint8)
    picture = random * inside[..., None]
    filled = fill_gutters(atlas, picture.copy())
    reach = cv2.dilate(inside, np.ones((3, 3), np.uint8), iterations=GUTTER)
    assert reach.sum() > inside.sum()
    assert np.array_equal(filled[inside == 1], picture[inside == 1])
    assert filled[reach == 1].min() >= 90
    assert not filled[reach == 0].any()


def test_a_png_holds_the_very_colours() -> None:
    picture = np.random.default_rng(4).integers(0, 256, (31, 47, 3)).astype(np.uint8)
    read = cv2.imdecode(np.frombuffer(png(picture), np.uint8), cv2.IMREAD_COLOR)
    assert np.array_equal(read[..., ::-1], picture)
