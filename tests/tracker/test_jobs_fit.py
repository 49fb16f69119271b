"""`mien fit` from the words on the command line to the files in the folder."""

import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

import mien
from models.npz import read_npz
from models.types import MienError
from tests.tracker.people import Picture, scene


def fit(*words: object, texture: bool = False) -> None:
    mien.parse(["fit", *map(str, words), *([] if texture else ["--no-texture"])])()


def save(path: Path, picture: Picture) -> Path:
    Image.fromarray(picture).save(path)
    return path


def her(iod: float = 70, angle: float = 0, x: float = 320) -> Picture:
    turn = cv2.getRotationMatrix2D((x, 240), angle, 1)
    picture = cv2.warpAffine(scene(640, 480, (x, 240, iod)), turn, (640, 480), borderMode=cv2.BORDER_REFLECT)
    return picture.astype(np.uint8)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    return save(tmp_path / "photo.png", her())


def test_a_photo_gives_its_head(photo: Path, tmp_path: Path) -> None:
    fit(photo, "-o", tmp_path / "out", texture=True)
    folder = tmp_path / "out" / "photo"
    written = ["camera.json", "head.glb", "head.obj", "identity.npz", "overlay.png", "report.json",
               "texture.png", "track.npz"]  # fmt: skip
    assert sorted(p.name for p in folder.iterdir()) == written
    arrays = read_npz(folder / "track.npz")
    assert arrays["frame"].shape == (1,)
    assert arrays["light"].shape == (1, 9, 3)
    assert list(arrays["images"]) == ["photo.png"]
    assert arrays["error_iod"][0] < 0.01
    assert np.isfinite(arrays["identity"]).all()
    assert np.array_equal(arrays["identity"], read_npz(folder / "identity.npz")["shape"])
    assert arrays["blendshapes"][0, list(arrays["blendshape_names"]).index("mouthSmileLeft")] > 0.2
    report = json.loads((folder / "report.json").read_text())
    assert report["with_face"] == 1
    assert 20 < report["sureness"][0] <= 36
    assert report["metrics"]["error_median"] == pytest.approx(100 * arrays["error_iod"][0], rel=0.01)


def test_pixels_refine_a_photo_and_the_report_says_by_how_much(photo: Path, tmp_path: Path) -> None:
    fit(photo, "-o", tmp_path / "seen", "--no-overlay")
    fit(photo, "-o", tmp_path / "refined", "--no-overlay", "--mode", "photometric")
    plain, refined = (
        json.loads((tmp_path / name / "photo" / "report.json").read_text()) for name in ("seen", "refined")
    )
    assert plain["photometric"] is None
    told = refined["photometric"]
    assert told["pixel_error"] < told["pixel_error_before"]
    assert told["landmark_error"] == pytest.approx(refined["metrics"]["error_median"], rel=0.01)
    assert told["landmark_error_before"] == pytest.approx(plain["metrics"]["error_median"], rel=0.01)
    assert told["landmarks_worse_at_most"] <= 0.2 + 1e-6
    shapes = [read_npz(tmp_path / name / "photo" / "identity.npz")["shape"] for name in ("seen", "refined")]
    assert np.abs(shapes[0] - shapes[1]).max() > 0.01


@pytest.mark.parametrize("angle", [-45, -20, 30, 45])
def test_a_tilted_head_is_fitted_with_its_tilt(tmp_path: Path, angle: float) -> None:
    straight, tilted = save(tmp_path / "straight.png", her()), save(tmp_path / "tilted.png", her(angle=angle))
    fit(straight, tilted, "-o", tmp_path)
    rotations = [read_npz(tmp_path / name / "track.npz")["rotation"][0] for name in ("straight", "tilted")]
    rolls = [np.degrees(np.arctan2(rotation[1, 0], rotation[0, 0])) for rotation in rotations]
    assert rolls[0] - rolls[1] == pytest.approx(angle, abs=3)
    assert read_npz(tmp_path / "tilted" / "track.npz")["error_iod"][0] < 0.01


def test_a_picture_of_nobody_is_a_result(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fit(save(tmp_path / "table.png", scene(320, 240)), "-o", tmp_path)
    arrays = read_npz(tmp_path / "table" / "track.npz")
    assert list(arrays["state"]) == ["SEARCHING"]
    assert np.isnan(arrays["expression"]).all()
    assert not (tmp_path / "table" / "identity.npz").exists()
    assert "no face" in capsys.readouterr().out


def test_a_folder_is_fitted_picture_by_picture_and_resumed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pictures, out = tmp_path / "pictures", tmp_path / "out"
    pictures.mkdir()
    for name, iod in (("a", 60), ("b", 80)):
        save(pictures / f"{name}.png", her(iod))
    fit(pictures, "-o", out)
    before = {path: os.stat(path).st_mtime_ns for path in out.rglob("*.npz")}
    assert len(before) == 4
    (out / "b" / "report.json").unlink()  # as if it had been interrupted there
    save(pictures / "c.png", her(70))
    capsys.readouterr()
    fit(pictures, "-o", out)
    assert "1 of 3 pictures were done before" in capsys.readouterr().out
    after = {path: os.stat(path).st_mtime_ns for path in out.rglob("*.npz")}
    changed = {path.parent.name for path in after if after[path] != before.get(path)}
    assert changed == {"b", "c"}


def test_another_picture_of_the_same_name_is_fitted_anew(photo: Path, tmp_path: Path) -> None:
    fit(photo, "-o", tmp_path / "out")
    save(photo, her(90))
    fit(photo, "-o", tmp_path / "out")
    points = read_npz(tmp_path / "out" / "photo" / "track.npz")["landmarks_px"][0]
    assert np.linalg.norm(points[33] - points[263]) == pytest.approx(90, rel=0.05)


def test_another_overlay_is_drawn_and_none_leaves_none(
    photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    overlay = tmp_path / "out" / "photo" / "overlay.png"
    fit(photo, "-o", tmp_path / "out")
    before = overlay.read_bytes()
    fit(photo, "-o", tmp_path / "out", "--overlay-mode", "wireframe")
    assert overlay.read_bytes() != before
    fit(photo, "-o", tmp_path / "out", "--no-overlay")
    assert not overlay.exists()
    assert "done before" not in capsys.readouterr().out


def test_one_bad_picture_does_not_stop_the_others(photo: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"no picture")
    with pytest.raises(MienError, match=r"1 of 2 pictures could not be used: .*bad\.jpg"):
        fit(bad, photo, "-o", tmp_path / "out")
    assert read_npz(tmp_path / "out" / "photo" / "track.npz")["error_iod"][0] < 0.01
    with pytest.raises(MienError, match="expected a picture"):
        fit(bad, "-o", tmp_path / "out")


def test_two_pictures_of_one_name_get_folders_of_their_own(tmp_path: Path) -> None:
    for suffix in ("png", "bmp"):
        save(tmp_path / f"a.{suffix}", her())
    fit(tmp_path / "a.png", tmp_path / "a.bmp", "-o", tmp_path / "out")
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["a.bmp", "a.png"]
    (tmp_path / "b").mkdir()
    with pytest.raises(MienError, match=r"got 'a\.png' twice"):
        fit(tmp_path / "a.png", save(tmp_path / "b" / "a.png", her()), "-o", tmp_path / "out")


def test_one_person_in_many_pictures(tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for i, (iod, angle) in enumerate(((60, 0), (70, 15), (80, -20))):
        save(pictures / f"{i}.png", her(iod, angle))
    save(pictures / "3.png", scene(640, 480))
    out = tmp_path / "out"
    fit(pictures, "-o", out, "--same-person", "--no-overlay")
    assert sorted(p.name for p in out.iterdir()) == [
        "head.glb",
        "identity.npz",
        "report.json",
        "track.npz",
    ]
    arrays = read_npz(out / "track.npz")
    assert list(arrays["images"]) == ["0.png", "1.png", "2.png", "3.png"]
    assert list(arrays["state"]) == ["TRACKING"] * 3 + ["SEARCHING"]
    assert (arrays["error_iod"][:3] < 0.015).all()
    assert np.isnan(arrays["expression"][3]).all()
    assert arrays["identity"].ndim == 1


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA", "P", "CMYK", "I;16"])
def test_every_mode_is_fitted(tmp_path: Path, mode: str) -> None:
    image = Image.fromarray(her())
    if mode == "I;16":
        image = Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)
    file = tmp_path / "a.tif"
    (image if mode == "I;16" else image.convert(mode)).save(file)
    fit(file, "-o", tmp_path)
    assert read_npz(tmp_path / "a" / "track.npz")["error_iod"][0] < 0.015


@pytest.mark.parametrize("size", [(64, 64), (8000, 6000)])
def test_every_size_is_fitted(tmp_path: Path, size: tuple[int, int]) -> None:
    close_up = her(120)[:, 80:560].copy()
    Image.fromarray(close_up).resize(size, Image.Resampling.BICUBIC).save(tmp_path / "a.jpg", quality=60)
    fit(tmp_path / "a.jpg", "-o", tmp_path, "--no-overlay")
    arrays = read_npz(tmp_path / "a" / "track.npz")
    assert arrays["error_iod"][0] < 0.02
    assert tuple(arrays["size_px"][0]) == size


def test_the_chosen_face_is_fitted(tmp_path: Path) -> None:
    file = save(tmp_path / "two.png", scene(640, 480, (160, 240, 60), (480, 180, 70)))
    for face, x in (("largest", 480), ("1", 160)):
        fit(file, "-o", tmp_path, "--face", face, "--no-overlay")
        assert read_npz(tmp_path / "two" / "track.npz")["fitted_px"][0, :, 0].mean() == pytest.approx(x, abs=30)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["none.png"], "no such file"),
        (["{folder}"], "expected a folder with pictures"),
        (["{photo}", "--face", "nose"], "expected a face as largest"),
        (["{photo}", "--head", "nobody"], "nobody"),
    ],
)
def test_bad_words_are_refused(photo: Path, tmp_path: Path, words: list[str], said: str) -> None:
    (tmp_path / "folder").mkdir()
    given = [word.format(photo=photo, folder=tmp_path / "folder") for word in words]
    with pytest.raises(MienError, match=said):
        fit(*given, "-o", tmp_path / "out")
