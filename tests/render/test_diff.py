"""The differentiable layer: each gradient against numeric differences, each picture against what it must be."""

import math

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck

from models.skinning import vertex_normals
from render.diff import (
    antialias,
    find_hits,
    interpolate,
    irradiance,
    mip_levels,
    pixel_footprint,
    sample,
    sh_basis,
    to_picture,
)
from render.diff.light import even_light

SIZE = (12, 16)


def random_numbers(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def two_triangles() -> tuple[Tensor, Tensor]:
    """A near one over a far one, in perspective, both inside the picture."""
    ndc = torch.tensor(
        [
            [-0.7, -0.63, 0.2],
            [0.65, -0.52, 0.4],
            [-0.1, 0.77, 0.1],
            [-0.9, 0.5, 0.8],
            [0.93, 0.61, 0.9],
            [0.1, -0.9, 0.7],
        ]
    ).double()
    w = torch.tensor([[0.8], [1.3], [1.0], [2.0], [1.6], [2.2]]).double()
    return torch.cat((ndc * w, w), 1), torch.tensor([[0, 1, 2], [3, 5, 4]])


def test_what_is_linear_in_space_comes_back_at_every_pixel() -> None:
    """Attributes that are the clip position itself, divided by w, are the pixel's own place."""
    clip, triangles = two_triangles()
    hits = find_hits(clip, triangles, SIZE)
    assert set(hits.triangles.tolist()) == {0, 1}
    found = interpolate(clip, triangles, hits)
    place = found[:, :2] / found[:, 3:]
    row, column = (hits.pixels // SIZE[1]).double(), (hits.pixels % SIZE[1]).double()
    assert torch.allclose(place[:, 0], (column + 0.5) / SIZE[1] * 2 - 1)
    assert torch.allclose(place[:, 1], 1 - (row + 0.5) / SIZE[0] * 2)
    assert torch.allclose(found[:, 2] / found[:, 3], hits.depth, atol=1e-5)


def test_gradients_of_interpolation() -> None:
    clip, triangles = two_triangles()
    values = random_numbers(6, 3).requires_grad_()

    def picture(clip: Tensor, values: Tensor) -> Tensor:
        hits = find_hits(clip, triangles, SIZE)
        return to_picture(interpolate(values, triangles, hits), hits)

    assert gradcheck(picture, (clip.requires_grad_(), values), eps=1e-7, atol=1e-5)


def test_gradients_of_texture_normals_and_light() -> None:
    texture = random_numbers(8, 8, 2, seed=1).requires_grad_()
    # Bilinear interpolation bends at texel centres: keep away from them.
    uv = ((torch.rand(20, 2, generator=torch.Generator().manual_seed(2)).double() * 7).floor() + 0.8) / 8
    footprint = torch.linspace(0.01, 0.6, 20).double()
    assert gradcheck(lambda t, p: sample(mip_levels(t), p), (texture, uv.requires_grad_()))
    assert gradcheck(lambda t: sample(mip_levels(t), uv.detach(), footprint), (texture,))
    vertices, triangles = random_numbers(5, 3, seed=3).requires_grad_(), torch.tensor([[0, 1, 2], [2, 1, 3], [0, 4, 1]])
    light = random_numbers(9, 3, seed=4).requires_grad_()
    assert gradcheck(lambda v, s: irradiance(vertex_normals(v, triangles), s), (vertices, light))


def test_gradients_of_silhouettes() -> None:
    """The picture of a moving outline changes as its gradient says, in both directions."""
    clip, triangles = two_triangles()
    colours = torch.tensor([[1.0, 0.2], [0.3, 0.8]]).double()

    def picture(clip: Tensor) -> Tensor:
        hits = find_hits(clip, triangles, SIZE)
        return antialias(to_picture(colours[hits.triangles], hits), hits, clip, triangles)

    assert gradcheck(picture, (clip.requires_grad_(),), eps=1e-7, atol=1e-5)
    (gradient,) = torch.autograd.grad(picture(clip)[..., 0].sum(), clip)
    assert gradient[:3, :2].abs().max() > 0.1


@pytest.mark.parametrize("shift", [0.02, 0.1, 0.26, 0.4])
def test_silhouettes_cover_what_they_cover(shift: float) -> None:
    """An upright edge anywhere inside a pixel: the covered area comes out exactly, whatever the pixel centres say."""
    edge = 2 * (7 + shift) / 16 - 1
    ndc = torch.tensor([[-3, -3, 0], [edge, -3, 0], [edge, 3, 0], [-3, 3, 0.0]]).double()
    clip = torch.cat((ndc, torch.ones(4, 1).double()), 1)
    triangles = torch.tensor([[0, 1, 2], [0, 2, 3]])
    hits = find_hits(clip, triangles, SIZE)
    smooth = antialias(to_picture(torch.ones(len(hits.pixels), 1).double(), hits), hits, clip, triangles)
    assert torch.allclose(smooth[..., 0].sum(1), torch.full((12,), 7 + shift).double())
    assert (smooth[..., 0] != to_picture(torch.ones(len(hits.pixels), 1).double(), hits)[..., 0]).any()


def test_the_seam_between_two_triangles_of_a_surface_is_no_silhouette() -> None:
    ndc = torch.tensor([[-0.8, -0.8, 0], [0.8, -0.8, 0], [0.8, 0.8, 0], [-0.8, 0.8, 0.0]]).double()
    clip = torch.cat((ndc, torch.ones(4, 1).double()), 1)
    triangles = torch.tensor([[0, 1, 2], [0, 2, 3]])
    hits = find_hits(clip, triangles, SIZE)
    colours = torch.tensor([[0.0], [1.0]]).double()[hits.triangles]
    picture = to_picture(colours, hits)
    inside = (slice(3, 9), slice(4, 12))
    assert torch.equal(antialias(picture, hits, clip, triangles)[inside], picture[inside])


def test_a_coarse_level_is_the_mean_of_its_texels() -> None:
    texture = random_numbers(8, 8, 1)
    levels = mip_levels(texture)
    assert [level.shape[0] for level in levels] == [8, 4, 2, 1]
    middle = torch.tensor([[0.3, 0.6]]).double()
    assert torch.allclose(sample(levels, middle, torch.tensor([1.0]).double()), texture.mean().reshape(1, 1))
    finest = sample(levels, (torch.tensor([[3.0, 5.0]]).double() + 0.5) / 8, torch.tensor([0.125]).double())
    assert torch.allclose(finest, texture[5, 3][None])


def test_a_footprint_is_the_change_from_pixel_to_pixel() -> None:
    """A plane facing us that spans the picture: texture coordinates run from 0 to 1 over 16 columns and 12 rows."""
    ndc = torch.tensor([[-1, 1, 0], [1, 1, 0], [1, -1, 0], [-1, -1, 0.0]]).double()
    clip, triangles = torch.cat((ndc, torch.ones(4, 1).double()), 1), torch.tensor([[0, 1, 2], [0, 2, 3]])
    uvs = torch.tensor([[0, 0], [1, 0], [1, 1], [0, 1.0]]).double()
    hits = find_hits(clip, triangles, SIZE)
    footprint = pixel_footprint(uvs, triangles, hits, clip, triangles)
    assert torch.allclose(footprint, torch.full_like(footprint, 1 / 12))


def test_light_is_what_the_sky_sends() -> None:
    """An even sky shows white at its own radiance from every side; harmonics are orthogonal over the sphere."""
    normals = torch.nn.functional.normalize(random_numbers(400_000, 3), dim=1)
    assert torch.allclose(irradiance(normals[:9], even_light(0.7).double()), torch.full((9, 3), 0.7).double())
    gram = sh_basis(normals).T @ sh_basis(normals) * (4 * math.pi / len(normals))
    expected = torch.tensor([1.0, *3 * [4 / 9], *5 * [1 / 16]]).double()  # the cosine lobe's squares
    assert torch.allclose(gram, torch.diag(expected), atol=0.01)


def test_what_cannot_be_seen_is_no_hit_and_has_no_gradient() -> None:
    clip, triangles = two_triangles()
    for broken in (torch.nan, -1.0):
        bad = clip.clone()
        bad[:, 3] = broken
        hits = find_hits(bad.requires_grad_(), triangles, SIZE)
        assert len(hits.pixels) == 0
        picture = antialias(to_picture(torch.zeros(0, 2).double(), hits), hits, bad, triangles)
        assert picture.shape == (*SIZE, 2)
        assert (picture == 0).all()
    one_bad = clip.clone()
    one_bad[0] = torch.nan
    hits = find_hits(one_bad, triangles, SIZE)
    assert set(hits.triangles.tolist()) == {1}
    assert hits.weights.isfinite().all()
    flat = find_hits(clip[torch.tensor([0, 0, 0, 3, 4, 5])], triangles, SIZE)
    assert set(flat.triangles.tolist()) == {1}
