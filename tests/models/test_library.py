"""Heads by name and by file, of every kind; slow ones through the cache."""

import os
import pickle
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from models import library
from models.head import embed
from models.head_file import save_head
from models.library import Kind, find_source, find_texture_space, home, list_sources, load_head, models_folder
from models.types import MienError
from tests.models.flame_writer import flame_like, old_pickle, write_companions, write_npz
from tests.models.toy_head import toy_head


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty library."""
    monkeypatch.setenv("MIEN_HOME", str(tmp_path / "home"))
    models_folder().mkdir(parents=True)
    return models_folder()


@pytest.fixture(scope="module")
def values() -> dict[str, Any]:
    return flame_like()


def put_flame(folder: Path, values: dict[str, Any]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "generic_model.pkl").write_bytes(old_pickle(values))
    write_companions(folder, values, landmarks=478)
    return folder / "generic_model.pkl"


def test_where_models_live(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MIEN_HOME", str(tmp_path / "mine"))
    assert home() == tmp_path / "mine"
    monkeypatch.delenv("MIEN_HOME")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert home() == tmp_path / "data" / "mien"
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert home() == tmp_path / ".local" / "share" / "mien"


def test_a_home_of_nobody_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "~nobody-of-that-name/x.npz"
    for find in (find_source, find_texture_space):
        with pytest.raises(MienError, match=f"{name}: expected ~ to stand for a home"):
            find(name)
    monkeypatch.setenv("MIEN_HOME", name)
    with pytest.raises(MienError, match="expected ~ to stand for a home"):
        home()


def test_the_built_in_head_is_the_default(folder: Path) -> None:
    head = load_head()
    assert torch.equal(head.template, load_head("builtin").template)
    assert head.embedding.vertices.shape == (478, 3)
    assert list_sources() == [find_source("builtin")]


def test_a_saved_head_by_name_and_by_file(folder: Path, tmp_path: Path) -> None:
    save_head(toy_head(), folder / "toy.npz")
    assert find_source("toy").kind is Kind.SAVED
    for name in ("toy", "toy.npz", str(folder / "toy.npz"), folder / "toy.npz"):
        assert load_head(name).vertex_count == 200
    assert [source.name for source in list_sources()] == ["builtin", "toy"]


def test_a_file_beats_a_name(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_head(toy_head(), folder / "toy.npz")
    monkeypatch.chdir(tmp_path)
    save_head(toy_head(vertices=60), tmp_path / "toy.npz")
    assert load_head("toy.npz").vertex_count == 60
    assert load_head("toy").vertex_count == 200
    (tmp_path / "toy").mkdir()  # a folder of that name which is no model
    assert load_head("toy").vertex_count == 200


def test_flame_is_listed_without_its_companions(folder: Path, values: dict[str, Any]) -> None:
    put_flame(folder / "flame2020", values)
    write_npz(folder / "converted.npz", values)
    (folder / "face_landmarker.task").write_bytes(b"x")
    (folder / "notes.pkl").write_bytes(pickle.dumps([1]))
    np.savez(folder / "other.npz", a=np.zeros(2))
    (folder / "broken.npz").write_bytes(b"x")
    assert [(source.name, source.kind) for source in list_sources()] == [
        ("builtin", Kind.BUILTIN),
        ("converted", Kind.FLAME),
        ("flame2020/generic_model", Kind.FLAME),
    ]
    assert load_head("flame2020/generic_model").name == "FLAME 2020"


def test_a_slow_model_is_kept_and_read_fast(folder: Path, values: dict[str, Any]) -> None:
    put_flame(folder, values)
    first = load_head("generic_model")
    cache = list((home() / "cache").iterdir())
    assert len(cache) == 1
    start = time.process_time()
    again = load_head("generic_model")
    assert time.process_time() - start < 1
    assert torch.equal(first.identity_basis, again.identity_basis)  # the same numbers from the first use on
    assert torch.equal(first.template, again.template)
    assert first.sha256 == again.sha256
    cached = cache[0]
    shutil.copyfile(
        cached, cached.with_name(f"{cached.stem}.4711.npz.part")
    )  # another program was killed while writing
    cached.write_bytes(cached.read_bytes()[:1000])
    assert torch.equal(load_head("generic_model").template, first.template)  # made anew
    assert cached.stat().st_size > 1000
    assert np.abs(first.identity_basis.numpy() - values["shapedirs"][:, :, :300]).max() < 1.1e-6


def test_a_change_of_any_file_is_noticed(folder: Path, values: dict[str, Any]) -> None:
    model = put_flame(folder, values)
    assert load_head("generic_model").expression_size == 102
    (folder / "l_eyelid.npy").unlink()
    assert load_head("generic_model").expression_size == 100
    changed = {**values, "v_template": values["v_template"] + 0.001}
    model.write_bytes(old_pickle(changed))
    os.utime(model, ns=(0, 10**18))
    moved = load_head("generic_model").template - torch.from_numpy(values["v_template"]).float()
    assert moved.median() == pytest.approx(0.001, abs=1e-6)
    assert len(list((home() / "cache").iterdir())) == 1  # what is out of date is not kept


def test_without_room_for_a_cache_the_head_still_loads(folder: Path, values: dict[str, Any]) -> None:
    put_flame(folder, values)
    (home() / "cache").write_text("a file where a folder must be")
    assert load_head("generic_model").name == "FLAME 2020"


def test_ict_by_folder_and_from_the_cache(
    folder: Path, shared_dir: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    sample = shared_dir / "ict_facekit_sample"
    if not sample.is_dir():
        pytest.skip("needs the sample of ICT-FaceKit beside the checkout")
    (folder / "ict").symlink_to(sample)
    assert [(source.name, source.kind) for source in list_sources()][1:] == [("ict", Kind.ICT)]
    first = load_head("ict")
    assert "139 of the kit's files are missing" in caplog.text
    monkeypatch.setattr(library, "read_ict", None)  # the cache is asked, not the folder
    start = time.process_time()
    again = load_head("ict")
    assert time.process_time() - start < 1
    points = embed(first.embedding, first.template)
    assert torch.equal(points, embed(again.embedding, again.template))


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("nothing", r"expected a head's file or one of builtin, toy; got 'nothing'"),
        ("../nothing", r"got '\.\./nothing', which is neither \(`mien heads list`\)"),
        ("flame2020", r"which is neither \(`mien heads get flame`\)"),
        ("", "expected a head's file or one of builtin, toy; got 'no name'"),
        ("mesh.obj", "is a mesh; make a head of it with `mien heads import"),
        ("text.npz", "expected a head's file"),
        ("text.txt", "expected a head"),
        ("other.npz", "expected a head"),
        ("folder", "expected ICT-FaceKit's folder or a head's file, got another folder"),
    ],
)
def test_what_is_no_head_is_told(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, says: str
) -> None:
    save_head(toy_head(), folder / "toy.npz")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mesh.obj").write_text("v 0 0 0\n")
    (tmp_path / "text.npz").write_text("hello")
    (tmp_path / "text.txt").write_text("hello")
    np.savez(tmp_path / "other.npz", a=np.zeros(2))
    (tmp_path / "folder").mkdir()
    with pytest.raises(MienError, match=says):
        load_head(name)
