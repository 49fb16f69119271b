"""`mien texture-space`, and `--texture-space` of `fit` and `track`, from words on the command line to files."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import mien
from models.builtin import load_builtin
from models.npz import read_npz
from models.texture_space_files import read_texture_space
from models.types import MienError
from render.diff.light import sh_basis
from tests.models.flame_writer import flame_like, write_npz, write_uv_template
from tests.models.texture_writer import smooth_space, write_flame_texture
from tests.tracker.people import scene

TINTS = ((1.0, 1.0, 1.0), (1.0, 0.85, 0.75), (0.8, 1.0, 0.8))


def run(*words: object) -> None:
    mien.parse([str(word) for word in words])()


def tinted(path: Path, tint: tuple[float, ...], iod: float = 70) -> Path:
    """Her under light of another colour."""
    picture = scene(320, 240, (160, 120, iod)) * np.array(tint)
    Image.fromarray(picture.clip(0, 255).astype(np.uint8)).save(path)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three pictures of her, and a space of skins built of them."""
    folder = tmp_path_factory.mktemp("skins")
    pictures = [tinted(folder / f"{k}.png", tint) for k, tint in enumerate(TINTS)]
    run("texture-space", *pictures, "-o", folder / "skins.npz")
    return folder


def test_a_space_is_built_of_photos_for_the_head_that_fitted_them(folder: Path) -> None:
    space = read_texture_space(folder / "skins.npz", load_builtin())
    assert 1 <= space.size <= 2
    tones = space.mean[110:140, 80:100].mean((0, 1))
    assert tones[0] > tones[1] > tones[2] > 0.1, "skin"
    assert int(read_npz(folder / "skins.npz")["pictures"]) == 3


def test_what_cannot_be_used_is_told_and_the_rest_is_built(folder: Path, tmp_path: Path) -> None:
    Image.fromarray(scene(320, 240)).save(tmp_path / "table.png")
    (tmp_path / "bad.png").write_bytes(b"no picture")
    given = [folder / "0.png", folder / "1.png", tmp_path / "table.png", tmp_path / "bad.png"]
    with pytest.raises(
        MienError, match=r"lacks 2 of 4 pictures: .*table\.png: expected a face.*bad\.png: expected a pic"
    ):
        run("texture-space", *given, "-o", tmp_path / "skins.npz")
    assert read_texture_space(tmp_path / "skins.npz", load_builtin()).size == 1
    with pytest.raises(MienError, match="at least 2 pictures with a face"):
        run("texture-space", folder / "0.png", "-o", tmp_path / "one.npz")
    assert not (tmp_path / "one.npz").exists()
    with pytest.raises(MienError, match=r"a name that ends in \.npz"):
        run("texture-space", folder / "0.png", "-o", tmp_path / "one.txt")


def test_a_photo_is_explained_by_the_space_and_not_fitted_twice(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    tinted(photos / "her.png", (0.9, 0.8, 0.9), 80)
    words = ("fit", photos, "-o", tmp_path / "out", "--no-overlay")
    run(*words, "--texture-space", folder / "skins.npz")
    arrays = read_npz(tmp_path / "out" / "her" / "track.npz")
    space = read_texture_space(folder / "skins.npz", load_builtin())
    assert arrays["texture_code"].shape == (space.size,)
    assert 0 < np.abs(arrays["texture_code"]).max() < 4
    report = json.loads((tmp_path / "out" / "her" / "report.json").read_text())
    assert report["texture_space"]["sha256"] == space.sha256
    capsys.readouterr()
    run(*words, "--texture-space", folder / "skins.npz")
    assert "1 of 1 pictures were done before" in capsys.readouterr().out
    run(*words)
    assert "done before" not in capsys.readouterr().out
    assert "texture_code" not in read_npz(tmp_path / "out" / "her" / "track.npz")


def test_photos_of_one_person_have_a_light_each(folder: Path, tmp_path: Path) -> None:
    Image.fromarray(scene(320, 240)).save(tmp_path / "table.png")
    given = (folder / "0.png", tmp_path / "table.png", folder / "1.png")
    run("fit", *given, "-o", tmp_path / "out", "--same-person", "--mode", "photometric", "--overlay-mode", "textured")
    light = read_npz(tmp_path / "out" / "track.npz")["light"]
    assert light.shape == (3, 9, 3)
    assert np.isnan(light[1]).all()
    straight = sh_basis(torch.tensor((0.0, 0.0, -1.0))).numpy()  # what faces the camera
    ratio = (straight @ light[2]) / (straight @ light[0])
    assert ratio == pytest.approx(np.array(TINTS[1]) ** 2.2, rel=0.1)
    drawn = [np.asarray(Image.open(tmp_path / "out" / f"overlay_{k:03d}.png"), float) for k in (1, 3)]
    face = slice(100, 130), slice(140, 180)
    shown = drawn[1][face].mean((0, 1)) / drawn[0][face].mean((0, 1))
    assert shown == pytest.approx(np.array(TINTS[1]), rel=0.05), "each is worn in its own light"
    run("fit", folder / "0.png", "-o", tmp_path / "out", "--same-person", "--no-texture", "--no-overlay")
    assert not list((tmp_path / "out").glob("overlay*")), "nothing of an earlier run stays"
    assert not (tmp_path / "out" / "texture.png").exists()


def test_flames_space_explains_a_photo_on_flames_head_alone(folder: Path, tmp_path: Path) -> None:
    """A head in FLAME's format, of Mien's own shape, with the files that would stand beside it."""
    values = flame_like(skin=load_builtin())
    write_npz(tmp_path / "flame.npz", values)
    write_uv_template(tmp_path / "head_template.obj", values)
    template, triangles = np.asarray(values["v_template"]), np.asarray(values["f"])
    uvs = 0.5 + 3 * template[:, :2] * (1, -1)
    texture = write_flame_texture(tmp_path / "FLAME_texture.npz", *smooth_space(64, 5), uvs, triangles)
    words = ("fit", folder / "0.png", "-o", tmp_path / "out", "--no-overlay", "--mode", "photometric")
    run(*words, "--head", tmp_path / "flame.npz", "--texture-space", texture)
    arrays = read_npz(tmp_path / "out" / "0" / "track.npz")
    assert arrays["texture_code"].shape == (5,)
    assert np.isfinite(arrays["texture_code"]).all()
    report = json.loads((tmp_path / "out" / "0" / "report.json").read_text())
    assert "NC" in report["texture_space"]["licence"]
    assert report["photometric"]["pictures"] == 1
    with pytest.raises(MienError, match="is laid out for FLAME, but the head in use is"):
        run(*words, "--texture-space", texture)
    with pytest.raises(MienError, match="is a texture space of the head Mien built-in"):
        run(*words, "--head", tmp_path / "flame.npz", "--texture-space", folder / "skins.npz")


def test_a_space_without_a_skin_to_explain_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(MienError, match="none is solved"):
        run("fit", folder / "0.png", "-o", tmp_path, "--no-texture", "--texture-space", folder / "skins.npz")
    with pytest.raises(MienError, match="no such file"):
        run("fit", folder / "0.png", "-o", tmp_path, "--texture-space", tmp_path / "nowhere.npz")
