"""A head's file gives back the head, to a micrometre, and a file that is none ends in one clear error."""

from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.head import Head, embed, pose_head, shape_head
from models.head_file import file_sha256, quantise, read_head, save_head
from models.npz import Array, read_npz, write_npz
from models.types import MienError
from tests.models.toy_head import toy_head


@pytest.fixture(scope="module")
def head() -> Head:
    return toy_head()


@pytest.fixture(scope="module")
def saved(head: Head, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("heads") / "toy.npz"
    save_head(head, path)
    return path


def test_round_trip(head: Head, saved: Path) -> None:
    read = read_head(saved)
    for field in fields(Head):
        wanted, got = getattr(head, field.name), getattr(read, field.name)
        if isinstance(wanted, torch.Tensor):
            assert got.shape == wanted.shape
            assert got.is_contiguous()  # a basis by columns is copied at every use
            torch.testing.assert_close(got.to(wanted.dtype), wanted, atol=1e-6, rtol=1e-6)
    assert read.name == head.name
    assert read.expression_names == head.expression_names
    assert read.regions.keys() == head.regions.keys()
    assert torch.equal(read.embedding.vertices, head.embedding.vertices)
    assert torch.equal(read.triangles, head.triangles)
    assert torch.equal(read.jaw_prior.low, head.jaw_prior.low.float())


def test_landmarks_stay_within_a_few_micrometres(head: Head, saved: Path) -> None:
    def landmarks(which: Head) -> torch.Tensor:
        shaped = shape_head(which, torch.ones(which.identity_size, dtype=which.template.dtype))
        params = which.zero_params().with_(jaw=torch.tensor((0.3, 0.1, 0.0), dtype=which.template.dtype))
        return embed(which.embedding, pose_head(shaped, params).vertices)

    off = landmarks(read_head(saved).to(dtype=torch.float64)) - landmarks(head)
    assert off.abs().max() < 5e-6


def test_saving_what_was_read_changes_nothing(saved: Path, tmp_path: Path) -> None:
    save_head(read_head(saved), tmp_path / "again.npz")
    first, again = read_npz(saved), read_npz(tmp_path / "again.npz")
    for key, array in first.items():
        if key != "sha256":  # the toy has none, and a file without an origin is its own
            np.testing.assert_array_equal(again[key], array, err_msg=key)


def test_origin_is_kept_or_is_the_file(head: Head, saved: Path, tmp_path: Path) -> None:
    assert read_head(saved).sha256 == file_sha256(saved)
    save_head(replace(head, sha256="ab" * 32), tmp_path / "a.npz")
    assert read_head(tmp_path / "a.npz").sha256 == "ab" * 32


def test_empty_bases(head: Head, tmp_path: Path) -> None:
    bare = replace(head, pose_basis=head.pose_basis[..., :0], identity_basis=head.identity_basis[..., :0], regions={})
    save_head(bare, tmp_path / "bare.npz")
    read = read_head(tmp_path / "bare.npz")
    assert read.pose_basis.shape == (200, 3, 0)
    assert read.identity_size == 0


@given(st.integers(0, 5), st.floats(1e-9, 1.0))
def test_a_step_is_a_sixty_five_thousandth(columns: int, size: float) -> None:
    basis = size * np.random.default_rng(columns).standard_normal((20, 3, columns))
    steps, scale = quantise(basis)
    assert (np.abs(steps * scale.astype(np.float64) - basis) <= 0.51 * scale.astype(np.float64) + 1e-12).all()


def cut(key: str, *where: Any) -> Callable[[dict[str, Array]], None]:
    def change(arrays: dict[str, Array]) -> None:
        arrays[key] = arrays[key][where]

    return change


def put(key: str, value: Any) -> Callable[[dict[str, Array]], None]:
    def change(arrays: dict[str, Array]) -> None:
        array = arrays[key].copy()
        array.flat[0] = value
        arrays[key] = array

    return change


def be(key: str, value: Any) -> Callable[[dict[str, Array]], None]:
    return lambda arrays: arrays.update({key: np.array(value)})


def lack(key: str) -> Callable[[dict[str, Array]], None]:
    def change(arrays: dict[str, Array]) -> None:
        del arrays[key]

    return change


CHANGES = {
    "another schema": be("schema", 2),
    "schema of text": be("schema", "one"),
    "no schema": lack("schema"),
    "empty schema": be("schema", np.zeros(0)),
    "no template": lack("template"),
    "template of one number": be("template", 1.0),
    "template of text": be("template", [["a", "b", "c"]]),
    "template cut": cut("template", slice(5)),
    "template of NaN": put("template", np.nan),
    "template beyond float32": lambda arrays: arrays.update(template=np.full(arrays["template"].shape, 1e300)),
    "triangle beyond the vertices": put("triangles", 200),
    "triangle before the vertices": put("triangles", -1),
    "triangles of fractions": lambda arrays: arrays.update(triangles=arrays["triangles"].astype(float)),
    "triangles of one number": be("triangles", 3),
    "uv triangle beyond": put("uv_triangles", 10**6),
    "uvs flat": be("uvs", [1.0, 2.0]),
    "uvs of one number": be("uvs", 1.0),
    "landmark beyond": put("embedding_vertices", 200),
    "468 landmarks": cut("embedding_vertices", slice(468)),
    "weights infinite": put("skinning_weights", np.inf),
    "four joints": cut("joint_regressor", slice(4)),
    "names cut": cut("expression_names", slice(3)),
    "basis without scale": lack("expression_basis_scale"),
    "basis of text": be("identity_basis", np.full((200, 3, 7), "x")),
    "scale infinite": put("identity_basis_scale", np.inf),
    "scale that overflows": put("identity_basis_scale", 3e38),
    "scales cut": cut("identity_basis_scale", slice(2)),
    "pose of 35": lambda arrays: [cut(k, ..., slice(35))(arrays) for k in ("pose_basis", "pose_basis_scale")],
    "no prior": lack("jaw_prior"),
    "prior without spread": lambda arrays: arrays["jaw_prior"].__setitem__((0, 1), 0.0),
    "limits the wrong way round": lambda arrays: arrays["eyes_prior"].__setitem__((1, 0), 9.0),
    "shares of two heads": lambda arrays: arrays.update(skinning_weights=2 * arrays["skinning_weights"]),
    "joints beside the head": lambda arrays: arrays.update(joint_regressor=3 * arrays["joint_regressor"]),
    "prior flat": be("jaw_prior", [1.0, 2.0, 3.0]),
    "region beyond": put("region_face", 10**9),
    "region of truth": be("region_face", [True, False]),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_files_that_are_no_head(saved: Path, tmp_path: Path, change: Callable[[dict[str, Array]], object]) -> None:
    arrays = read_npz(saved)
    change(arrays)
    write_npz(tmp_path / "bad.npz", arrays)
    with pytest.raises(MienError, match=r"bad\.npz"):
        read_head(tmp_path / "bad.npz")


@settings(max_examples=60)
@given(st.data())
def test_damaged_files_give_a_head_or_one_kind_of_error(saved: Path, data: Any) -> None:
    whole = bytearray(saved.read_bytes())
    for place, value in data.draw(st.lists(st.tuples(st.integers(0, len(whole) - 1), st.integers(0, 255)), max_size=5)):
        whole[place] = value
    path = saved.parent / "damaged.npz"
    path.write_bytes(bytes(whole[: data.draw(st.one_of(st.just(len(whole)), st.integers(0, len(whole))))]))
    try:
        read_head(path)
    except MienError:
        return
