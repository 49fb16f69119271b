"""What is written can be read again, by anybody: keys, shapes, types, no pickles, nothing half."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from models.arkit_names import ARKIT_NAMES
from models.head import Head
from models.library import load_head
from models.npz import Array, read_npz, write_npz
from models.types import Camera, HeadParams, Identity, Landmarks, MienError, State, TrackResult
from tracker.jobs.results import (
    Source,
    output_folder,
    read_identity,
    read_report,
    track_arrays,
    write_identity,
    write_report,
)

Floats = NDArray[np.float32]


@pytest.fixture(scope="module")
def head() -> Head:
    return load_head()


@pytest.fixture
def identity(head: Head) -> Identity:
    return Identity(torch.randn(head.identity_size), 512.5, (640, 480), head.name, head.sha256)


def tracked(head: Head, index: int) -> TrackResult:
    """A frame as a tracker gives it, with numbers of no meaning."""
    points: Floats = torch.randn(478, 2).numpy()
    fitted: Floats = torch.randn(478, 3).numpy()
    weights: Floats = torch.rand(52).numpy()
    return TrackResult(
        index=index,
        time_s=index / 25,
        size_px=(640, 480),
        state=State.TRACKING,
        params=HeadParams(torch.randn(head.expression_size), torch.randn(3), torch.randn(2, 3), torch.zeros(3)),
        camera=Camera(torch.eye(3), torch.randn(3), torch.tensor(500.0), torch.tensor((320.0, 240.0))),
        landmarks=Landmarks(points, points[:, 0], (640, 480), 1.0),
        fitted_px=points + 1,
        fitted_m=fitted,
        blendshapes=weights,
        error_iod=0.01,
        detect_ms=2.5,
        fit_ms=0.8,
    )


def lost(index: int) -> TrackResult:
    return TrackResult.without_face(index, index / 25, (640, 480), State.LOST, detect_ms=2.0)


def test_a_track_has_the_documented_arrays(head: Head, identity: Identity, tmp_path: Path) -> None:
    results = [tracked(head, 0), lost(1), tracked(head, 2)]
    write_npz(tmp_path / "track.npz", track_arrays(results, Source(head, "mesh"), identity))
    with np.load(tmp_path / "track.npz", allow_pickle=False) as track:
        expressions = head.expression_size
        shapes = {
            "frame": (3,), "time_s": (3,), "state": (3,), "expression": (3, expressions), "jaw": (3, 3),
            "eyes": (3, 2, 3), "neck": (3, 3), "rotation": (3, 3, 3), "translation": (3, 3), "focal_px": (3,),
            "principal_px": (3, 2), "size_px": (3, 2), "identity": (head.identity_size,), "head": (), "detector": (),
            "landmarks_px": (3, 478, 2), "fitted_px": (3, 478, 2), "fitted_m": (3, 478, 3), "blendshapes": (3, 52),
            "blendshape_names": (52,), "error_iod": (3,), "detect_ms": (3,), "fit_ms": (3,), "schema": (),
            "expression_names": (expressions,), "seen_rotation": (3, 3, 3), "seen_translation": (3, 3),
            "seen_focal_px": (3,),
        }  # fmt: skip
        assert {key: track[key].shape for key in track.files} == shapes
        for key in ("expression", "rotation", "landmarks_px", "fitted_m", "blendshapes", "error_iod"):
            assert track[key].dtype == np.float32
            assert np.isnan(track[key][1]).all()
            assert np.isfinite(track[key][[0, 2]]).all()
        assert track["frame"].dtype.kind == "i"
        assert list(track["state"]) == ["TRACKING", "LOST", "TRACKING"]
        assert track["schema"] == 1
        assert head.sha256 in str(track["head"])
        assert results[2].params is not None
        assert np.array_equal(track["expression"][2], results[2].params.expression.numpy())
        assert track["detect_ms"][1] == 2.0


def test_a_track_of_nothing(head: Head) -> None:
    arrays = track_arrays([], Source(head, "mesh"), None)
    assert arrays["landmarks_px"].shape == (0, 478, 2)
    assert arrays["size_px"].shape == (0, 2)
    assert np.isnan(arrays["identity"]).all()


def test_the_detectors_scores_are_kept_where_it_has_any(head: Head) -> None:
    results = [tracked(head, 0), lost(1)]
    source = Source(head, "task")
    assert "detector_scores" not in track_arrays(results, source, None, [None, None])
    scores = track_arrays(results, source, None, [np.ones(52, np.float32), None])["detector_scores"]
    assert scores.shape == (2, 52)
    assert (scores[0] == 1).all()
    assert np.isnan(scores[1]).all()


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


def test_output_goes_to_a_folder(tmp_path: Path) -> None:
    assert output_folder(tmp_path / "a" / "b").is_dir()
    (tmp_path / "file").touch()
    with pytest.raises(MienError, match="expected a folder to write to"):
        output_folder(tmp_path / "file")
