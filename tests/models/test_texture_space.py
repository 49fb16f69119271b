"""Texture spaces: those of others are read as they are, ours come back, and what is for another head is refused."""

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from models.builtin import load_builtin
from models.cylinder_uvs import cylinder_uvs
from models.head import Head
from models.texture_space import TextureSpace
from models.texture_space_files import MOST_COMPONENTS, read_texture_space, write_texture_space
from models.texture_statistics import principal_components
from models.types import MienError
from tests.models.flame_writer import flame_like
from tests.models.texture_writer import smooth_space, write_bfm_albedo, write_flame_texture

Array = NDArray[Any]
SIDE = 32


@lru_cache(maxsize=1)
def flame_head() -> Head:
    """FLAME's mesh with planar texture coordinates, which files are checked against; else the built-in head."""
    values: Any = flame_like()
    template, triangles = torch.from_numpy(values["v_template"]), torch.from_numpy(values["f"].astype(np.int64))
    uvs = (0.5 + 3 * template[:, :2] * torch.tensor((1.0, -1.0))).float()
    return replace(
        load_builtin(),
        name="FLAME 2020",
        sha256="f" * 64,
        template=template.float(),
        triangles=triangles,
        uvs=uvs,
        uv_triangles=triangles,
    )


def write_flame(path: Path, head: Head | None = None, side: int = SIDE, count: int = 4) -> Path:
    head = head or flame_head()
    return write_flame_texture(path, *smooth_space(side, count), head.uvs.numpy(), head.uv_triangles.numpy())


def test_flames_texture_space_is_read_red_first_and_from_0_to_1(tmp_path: Path) -> None:
    mean, components = smooth_space(SIDE, 4)
    space = read_texture_space(write_flame(tmp_path / "FLAME_texture.npz"), flame_head())
    assert np.allclose(space.mean, mean, atol=1e-6)
    assert np.allclose(space.components, components, atol=1e-6)
    assert "NC" in space.licence
    assert space.mean.dtype == space.components.dtype == np.float32


def test_the_basel_albedo_is_read(tmp_path: Path) -> None:
    mean, components = smooth_space(512, 2)
    space = read_texture_space(write_bfm_albedo(tmp_path / "FLAME_albedo_from_BFM.npz", mean, components), flame_head())
    assert np.allclose(space.mean, mean, atol=1e-6)
    assert np.allclose(space.components, components, atol=1e-6)
    assert "no redistribution" in space.licence


def test_a_scalar_tells_no_places(tmp_path: Path) -> None:
    path = write_flame(tmp_path / "texture.npz")
    change(vt=lambda a: np.array(0.0))(path)
    assert np.allclose(read_texture_space(path, flame_head()).mean, smooth_space(SIDE, 4)[0], atol=1e-6)


def test_only_the_strongest_components_are_kept(tmp_path: Path) -> None:
    space = read_texture_space(write_flame(tmp_path / "texture.npz", count=MOST_COMPONENTS + 9), flame_head())
    assert np.allclose(space.components, smooth_space(SIDE, MOST_COMPONENTS + 9)[1][..., :MOST_COMPONENTS], atol=1e-6)


def test_arrays_in_fortrans_order_are_the_same(tmp_path: Path) -> None:
    path = write_flame(tmp_path / "plain.npz")
    arrays = dict(np.load(path))
    arrays["tex_dir"] = np.asfortranarray(arrays["tex_dir"])
    np.savez(tmp_path / "turned.npz", **arrays)
    plain, turned = (read_texture_space(tmp_path / name, flame_head()) for name in ("plain.npz", "turned.npz"))
    assert np.array_equal(plain.components, turned.components)


def test_a_space_of_our_own_comes_back_for_its_head_alone(tmp_path: Path) -> None:
    mean, components = smooth_space(SIDE, 5)
    head = load_builtin()
    write_texture_space(tmp_path / "skins.npz", mean, components, head, "mine", 12)
    space = read_texture_space(tmp_path / "skins.npz", head)
    assert np.allclose(space.mean, mean, atol=1e-6)
    assert np.abs(space.components - components).max() < 4e-6
    assert space.licence == "mine"
    assert len(space.sha256) == 64
    with pytest.raises(
        MienError, match=r"is a texture space of the head Mien built-in 1 .* but the head in use is FLAME 2020"
    ):
        read_texture_space(tmp_path / "skins.npz", flame_head())


def test_a_place_is_told_by_the_texels_around_it() -> None:
    down, across = np.meshgrid(*2 * [(np.arange(512) + 0.5) / 512], indexing="ij")
    picture = np.stack((across, down, across * 0), 2).astype(np.float32)
    space = TextureSpace("", "", "", picture, picture[..., None])
    places = np.array(((0.25, 0.5), (0.613, 0.307), (0.0, 1.0)), np.float32)
    mean, components = space.at(places)
    assert np.abs(mean[:, :2] - places).max() < 3e-3
    assert np.array_equal(components[..., 0], mean)
    assert np.allclose(space.picture(np.array([0.0], np.float32)), picture)


def test_components_are_the_strongest_differences_in_standard_deviations() -> None:
    mean, components = smooth_space(SIDE, 2)
    codes = np.random.default_rng(1).standard_normal((40, 2))
    skins = [np.rint(255 * (mean + components @ code)).astype(np.uint8) for code in codes]
    found_mean, found = principal_components(skins, 10)
    truth = components.reshape(-1, 2)
    basis = found.reshape(-1, found.shape[3])
    assert found.shape[3] <= 4, "two ways to differ, and bytes that are rounded"
    left = truth - basis @ np.linalg.lstsq(basis, truth, rcond=None)[0]
    assert np.abs(left).max() < 0.05 * np.abs(truth).max()
    away = np.stack([skin / 255 for skin in skins]) - found_mean
    assert np.sqrt((away**2).sum() / 39) == pytest.approx(np.sqrt((basis**2).sum()), rel=0.02)


def change(**changes: Callable[[Array], Array]) -> Callable[[Path], None]:
    def apply(path: Path) -> None:
        arrays = dict(np.load(path))
        np.savez(path, **{key: changes[key](value) if key in changes else value for key, value in arrays.items()})

    return apply


def with_nan(array: Array) -> Array:
    array = array.copy()
    array.flat[7] = np.nan
    return array


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "not square": (change(mean=lambda a: a[:20]), "square texture"),
    "enormous": (change(mean=lambda a: np.zeros((4096, 4096, 3), np.uint8)), "16 to 1024 texels"),
    "mean of text": (change(mean=lambda a: a.astype("U4")), "expected numbers in mean"),
    "places of text": (change(vt=lambda a: a.astype("U4")), "expected numbers in vt"),
    "another size": (change(tex_dir=lambda a: a[:16, :16]), "expected tex_dir of shape"),
    "no components": (change(tex_dir=lambda a: a[..., :0]), "expected tex_dir of shape"),
    "NaN": (change(tex_dir=with_nan), "finite numbers in tex_dir"),
    "NaN mean": (change(mean=with_nan), "finite numbers in mean"),
    "huge": (change(tex_dir=lambda a: 1e9 * a), "standard deviations of colours"),
    "dark": (change(mean=lambda a: a / 255), "expected mean to be colours"),
    "text": (change(tex_dir=lambda a: a.astype("U4")), "array of numbers"),
    "pickled": (change(mean=lambda a: a.astype(object)), "expected numbers or text"),
    "other places": (change(vt=lambda a: a / 2), "its texture coordinates are not those"),
    "no zip": (lambda path: path.write_bytes(b"PK no"), "whole .npz"),
    "cut off": (lambda path: path.write_bytes(path.read_bytes()[:9000]), "whole .npz"),
    "other keys": (lambda path: np.savez(path, a=np.ones(3)), "expected FLAME_texture.npz"),
    "AlbedoMM": (lambda path: np.savez(path, MU=np.ones(3), PC=np.ones(3), specMU=np.ones(3)), "AlbedoMM"),
    "another albedo": (lambda path: np.savez(path, MU=np.ones(3), PC=np.ones((3, 1))), "make it again"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_broken_or_something_else_is_told(name: str, tmp_path: Path) -> None:
    path = write_flame(tmp_path / "texture.npz")
    spoil, says = BROKEN[name]
    spoil(path)
    with pytest.raises(MienError, match=says):
        read_texture_space(path, flame_head())


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"components": np.zeros((SIDE * SIDE, 3, 2), np.int16)}, "expected up to 50 components"),
        ({"components": np.zeros((SIDE * SIDE, 3, 4))}, "int16 steps"),
        ({"components_scale": np.array([1, 1, np.inf, 1], np.float32)}, "finite numbers"),
        ({"schema": np.array(2)}, "schema 1"),
        ({"head": np.array([1.0])}, "expected head to be one text"),
        ({"mean": np.full((SIDE, SIDE, 3), "0.5")}, "expected numbers in mean"),
    ],
)
def test_a_broken_space_of_our_own_is_told(changes: dict[str, Array], says: str, tmp_path: Path) -> None:
    head = load_builtin()
    path = tmp_path / "skins.npz"
    write_texture_space(path, *smooth_space(SIDE, 4), head, "mine", 5)
    np.savez(path, **{**np.load(path), **changes})
    with pytest.raises(MienError, match=says):
        read_texture_space(path, head)


def test_flames_files_are_for_flames_texture_coordinates(tmp_path: Path) -> None:
    path = write_flame(tmp_path / "texture.npz")
    with pytest.raises(MienError, match="is laid out for FLAME, but the head in use is Mien built-in"):
        read_texture_space(path, load_builtin())
    head = flame_head()
    uvs, uv_triangles = cylinder_uvs(head.template.double().numpy(), head.triangles.numpy())
    bare = replace(head, uvs=torch.from_numpy(uvs).float(), uv_triangles=torch.from_numpy(uv_triangles))
    with pytest.raises(MienError, match=r"put head_template\.obj beside the model"):
        read_texture_space(path, bare)
