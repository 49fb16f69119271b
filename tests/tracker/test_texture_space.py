"""Skins explained by statistics of skins, and pictures that each have their own light: what is known must come back."""

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
import torch

from models.texture_space import TextureSpace
from render.texture import GAMMA
from tests.models.texture_writer import smooth_space
from tests.tracker import painted
from tracker.photometric.atlas import Atlas
from tracker.photometric.colours import linear
from tracker.photometric.texture import Solved, TextureSolver

CODE = np.array((1.2, -1.5, 0.8, 0.3), np.float32)
OTHER_LIGHT = painted.LIGHT * torch.tensor([0.7, -1.6, 0.3, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0])[:, None]


@lru_cache(maxsize=1)
def textures() -> TextureSpace:
    mean, components = (part.astype(np.float32) for part in smooth_space(64, len(CODE), seed=3))
    return TextureSpace("patterns", "none", "", mean, components)


@lru_cache(maxsize=1)
def solver() -> TextureSolver:
    return TextureSolver(painted.head(), side=128, textures=textures())


@lru_cache(maxsize=1)
def plain() -> TextureSolver:
    return TextureSolver(painted.head(), side=128)


def skin() -> torch.Tensor:
    return torch.from_numpy(textures().picture(CODE)) ** GAMMA


@lru_cache(maxsize=1)
def solved() -> Solved:
    views = [painted.view(skin(), painted.camera(yaw)) for yaw in (0.0, 25.0, -25.0)]
    return solver().solve(painted.identity(), views)


def test_the_code_of_a_skin_comes_back() -> None:
    lighting = solved().lighting
    assert lighting.code is not None
    assert np.abs(lighting.code.numpy() - CODE).max() < 0.35
    assert np.corrcoef(lighting.code.numpy(), CODE)[0, 1] > 0.97
    assert plain().solve(painted.identity(), [painted.view(skin(), painted.camera())]).lighting.code is None


def test_statistics_explain_more_than_a_smooth_skin() -> None:
    """Of what one picture shows, without the detail that is taken from it."""
    view = painted.view(skin(), painted.camera())
    truth = skin().numpy() ** (1 / GAMMA)
    away = []
    for one in (solver(), plain()):
        lighting = one.solve(painted.identity(), [view]).lighting
        albedo = one.space.at(lighting.weights, lighting.mean)[one.space.skin].clamp(0, 1).numpy() ** (1 / GAMMA)
        true = solver_colours(truth)
        true = true * np.median(albedo / true, 0)  # brightness and colour of the light are a matter of the gauge
        away.append(float(np.abs(albedo - true).mean()))
    assert away[0] < 0.6 * away[1]


def solver_colours(picture: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
    """Of the face's vertices."""
    head = painted.head()
    uv_of = torch.zeros(head.vertex_count, dtype=torch.int64)
    uv_of[head.triangles.flatten()] = head.uv_triangles.flatten()
    space = TextureSpace("", "", "", picture.astype(np.float32), picture[..., None].astype(np.float32))
    return space.at(head.uvs[uv_of[solver().space.skin]].numpy())[0]


def test_what_no_picture_shows_is_filled_by_statistics() -> None:
    """Seen from straight ahead, the side of the jaw is not: the pattern goes on there."""
    view = painted.view(skin(), painted.camera())
    atlas = Atlas.of(painted.head(), 128)
    near = torch.zeros(painted.head().vertex_count)
    near[solver().space.skin] = 1
    face = atlas.picture(atlas.interpolate(near[:, None]))[..., 0] > 0.99
    truth = np.asarray(torch.nn.functional.interpolate(skin().permute(2, 0, 1)[None], (128, 128), mode="bilinear")[0])
    truth = truth.transpose(1, 2, 0)
    away = []
    for one in (solver(), plain()):
        found = linear(one.solve(painted.identity(), [view]).texture.albedo)
        scaled = truth * np.median(found[face] / truth[face], 0)
        away.append(np.abs(found ** (1 / GAMMA) - scaled ** (1 / GAMMA))[face].mean())
    assert away[0] < 0.8 * away[1]


def test_two_rooms_have_two_lights_and_one_skin() -> None:
    person, albedo = painted.identity(), painted.paint()
    views = [painted.view(albedo, painted.camera(0.0)), painted.view(albedo, painted.camera(8.0), OTHER_LIGHT)]
    apart, together = (plain().solve(person, views, one_room=one) for one in (False, True))
    for found, true in zip(apart.lighting.lights, (painted.LIGHT, OTHER_LIGHT), strict=True):
        assert direction_kept(found, true) > 0.95
    assert direction_kept(together.lighting.lights[1], OTHER_LIGHT) < 0.9
    alone = plain().solve(person, views[:1])
    tones = [linear(one.texture.albedo)[50:75, 40:88].mean((0, 1)) for one in (apart, alone, together)]
    assert np.abs(tones[0] / tones[1] - 1).max() < 0.05


def direction_kept(found: torch.Tensor, true: torch.Tensor) -> float:
    return float(torch.nn.functional.cosine_similarity(found[1:4].mean(1), true[1:4].mean(1), dim=0))


def test_a_further_picture_tells_its_own_light() -> None:
    person, albedo = painted.identity(), painted.paint()
    known = plain().solve(person, [painted.view(albedo, painted.camera(0.0))])
    other = painted.view(albedo, painted.camera(8.0), OTHER_LIGHT)
    light = plain().light_in(other, person, known.lighting)
    assert direction_kept(light, OTHER_LIGHT) > 0.95
    assert float(light[0].mean() / known.lighting.light[0].mean()) == pytest.approx(0.7, rel=0.1)
    darker = replace(other, image=(other.image // 2).astype(np.uint8))
    assert direction_kept(plain().light_in(darker, person, known.lighting), light) > 0.9
