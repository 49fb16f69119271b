"""What is written can be read again, by anybody: keys, shapes, types, no pickles, nothing half."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from models.arkit_names import ARKIT_NAMES
from models.head import Head
from models.library import load_head
from models.npz import Array, read_npz, write_npz
from models.types import Identity, Known, MienError
from tracker.jobs.outputs import output_file, output_folder
from tracker.jobs.reports import observability, read_report, write_report
from tracker.jobs.results import read_identity, write_identity


@pytest.fixture(scope="module")
def head() -> Head:
    return load_head()


@pytest.fixture
def identity(head: Head) -> Identity:
    return Identity(torch.randn(head.identity_size), 512.5, (640, 480), head.name, head.sha256)


@pytest.mark.parametrize("with_neutral", [False, True])
def test_an_identity_comes_back_as_it_was(head: Head, identity: Identity, tmp_path: Path, with_neutral: bool) -> None:
    neutral = torch.rand(len(ARKIT_NAMES)) if with_neutral else None
    saved = replace(identity, neutral=neutral)
    write_identity(tmp_path / "identity.npz", saved)
    read = read_identity(tmp_path / "identity.npz", head)
    assert torch.equal(read.shape, saved.shape)
    assert (read.focal_px, read.size_px, read.head) == (512.5, (640, 480), head.name)
    if neutral is None:
        assert read.neutral is None
    else:
        assert read.neutral is not None
        assert torch.equal(read.neutral, neutral)


def test_how_well_a_person_was_seen_comes_back_too(head: Head, identity: Identity, tmp_path: Path) -> None:
    file = tmp_path / "identity.npz"
    write_identity(file, identity)
    assert not any(known["observed"] for known in observability(read_identity(file, head)).values())
    saved = replace(identity, focal_known=Known(3.5, observed=True), neutral_known=Known(0.25, observed=True))
    write_identity(file, saved)
    assert observability(read_identity(file, head)) == {
        "focal": {"std_percent": 3.5, "observed": True},
        "scale": {"std_percent": 6.0, "observed": False},
        "neutral": {"std": 0.25, "observed": True},
    }
    older = {key: array for key, array in read_npz(file).items() if "std" not in key and "observed" not in key}
    write_npz(file, older)
    assert observability(read_identity(file, head)) == observability(identity)


def test_an_identity_of_another_head_is_refused(head: Head, identity: Identity, tmp_path: Path) -> None:
    write_identity(tmp_path / "identity.npz", replace(identity, head="FLAME 2020", head_sha256="0" * 64))
    with pytest.raises(MienError, match="identity of the head FLAME 2020"):
        read_identity(tmp_path / "identity.npz", head)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("schema", np.array(7)),
        ("shape", np.zeros(3, np.float32)),
        ("shape", np.full(0, np.nan)),
        ("shape", np.full(60, 1e30)),
        ("shape", np.full(60, "a")),
        ("focal_px", np.array(-1.0)),
        ("focal_px", np.array([1.0, 2.0])),
        ("focal_px", np.array("long")),
        ("focal_px", np.array(np.nan)),
        ("size_px", np.array([640])),
        ("size_px", np.array([640, -480])),
        ("size_px", np.array([6.4, 4.8])),
        ("head", np.array(5)),
        ("head_sha256", np.array(["a", "b"])),
        ("neutral", np.zeros((2, 2))),
        ("neutral", np.full(52, "a")),
        ("neutral", np.full(52, np.nan)),
        ("focal_std_percent", np.array(-1.0)),
        ("scale_observed", np.array(2)),
        ("neutral_observed", None),
        ("shape", None),
        ("head", None),
    ],
)
def test_a_wrong_identity_file_is_refused(
    head: Head, identity: Identity, tmp_path: Path, key: str, value: Array | None
) -> None:
    file = tmp_path / "identity.npz"
    write_identity(file, identity)
    arrays = read_npz(file)
    if value is None:
        del arrays[key]
    else:
        arrays[key] = value
    write_npz(file, arrays)
    with pytest.raises(MienError, match=r"identity\.npz"):
        read_identity(file, head)


def test_a_report_is_plain_json(tmp_path: Path) -> None:
    report = {"a": np.float32(1.5), "b": float("nan"), "c": [np.int64(3), {"d": np.bool_(True)}], "e": None, "f": "x"}
    write_report(tmp_path / "report.json", report)
    expected = {"a": 1.5, "b": None, "c": [3, {"d": True}], "e": None, "f": "x"}
    assert json.loads((tmp_path / "report.json").read_text()) == expected
    assert read_report(tmp_path / "report.json") == expected


@pytest.mark.parametrize("content", [None, "", "{", "[1]"])
def test_a_report_that_is_none_is_no_report(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "report.json").write_text(content)
    assert read_report(tmp_path / "report.json") is None


def test_output_goes_to_a_file_of_the_right_name_in_a_folder(tmp_path: Path) -> None:
    assert output_file(tmp_path / "a.NPZ", ".npz", ".csv") == tmp_path / "a.NPZ"
    with pytest.raises(MienError, match=r"expected a name that ends in \.npz, \.csv"):
        output_file(tmp_path / "a.txt", ".npz", ".csv")
    with pytest.raises(MienError, match="expected an existing folder"):
        output_file(tmp_path / "none" / "a.npz", ".npz")
    (tmp_path / "dir.npz").mkdir()
    with pytest.raises(MienError, match="but a folder stands there"):
        output_file(tmp_path / "dir.npz", ".npz")
    with pytest.raises(MienError, match="File name too long"):
        output_file(tmp_path / f"{'a' * 250}.npz", ".npz")
    assert [path.name for path in tmp_path.iterdir()] == ["dir.npz"]


def test_output_to_a_folder_that_cannot_be_written_to_is_refused() -> None:
    with pytest.raises(MienError, match="expected a place to write to"):
        output_file(Path("/proc/a.npz"), ".npz")  # not even by root


def test_output_goes_to_a_folder(tmp_path: Path) -> None:
    assert output_folder(tmp_path / "a" / "b").is_dir()
    (tmp_path / "file").touch()
    with pytest.raises(MienError, match="expected a folder to write to"):
        output_folder(tmp_path / "file")
