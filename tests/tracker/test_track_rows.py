"""Rows of a track wait on the disk, come back as they were, and leave as documented arrays."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from models.head import Head
from models.library import load_head
from models.npz import read_npz, write_npz
from models.types import Camera, HeadParams, Identity, Landmarks, MienError, State, TrackResult
from tracker.jobs import array_file
from tracker.jobs.array_file import ArrayFile
from tracker.jobs.results import Source
from tracker.jobs.track_rows import TrackRows

Floats = NDArray[np.float32]


@pytest.fixture(scope="module")
def head() -> Head:
    return load_head()


@pytest.fixture(scope="module")
def identity(head: Head) -> Identity:
    return Identity(torch.randn(head.identity_size), 512.5, (640, 480), head.name, head.sha256)


def tracked(head: Head, index: int) -> TrackResult:
    """A frame as a tracker gives it, with numbers of no meaning."""
    points: Floats = torch.randn(478, 3).numpy()
    fitted: Floats = torch.randn(478, 3).numpy()
    weights: Floats = torch.rand(52).numpy()
    camera = Camera(torch.eye(3), torch.randn(3), torch.tensor(500.0), torch.tensor((320.0, 240.0)))
    return TrackResult(
        index=index,
        time_s=index / 25,
        size_px=(640, 480),
        state=State.TRACKING,
        params=HeadParams(torch.randn(head.expression_size), torch.randn(3), torch.randn(2, 3), torch.zeros(3)),
        camera=camera,
        landmarks=Landmarks(points[:, :2], points[:, 2], (640, 480), 0.75),
        fitted_px=points[:, :2] + 1,
        fitted_m=fitted,
        blendshapes=weights,
        error_iod=0.25,
        detect_ms=2.5,
        fit_ms=0.75,
        seen_camera=replace(camera, translation=torch.randn(3), focal_px=torch.tensor(700.0)),
    )


def lost(index: int) -> TrackResult:
    return TrackResult.without_face(index, index / 25, (640, 480), State.LOST, detect_ms=2.0)


def numbers(value: object) -> dict[str, object]:
    """A result taken apart to what can be compared."""
    if not hasattr(value, "__dataclass_fields__"):
        return {"": value.tolist() if isinstance(value, torch.Tensor | np.ndarray) else value}
    return {
        f"{name}.{inner}": item
        for name in value.__dataclass_fields__
        for inner, item in numbers(getattr(value, name)).items()
    }


def test_a_track_has_the_documented_arrays(head: Head, identity: Identity, tmp_path: Path) -> None:
    results = [tracked(head, 0), lost(1), tracked(head, 2)]
    with TrackRows(tmp_path, Source(head, "mesh")) as rows:
        for result in results:
            rows.add(result)
        write_npz(tmp_path / "track.npz", rows.arrays(identity))
    with np.load(tmp_path / "track.npz", allow_pickle=False) as track:
        expressions = head.expression_size
        shapes = {
            "frame": (3,), "time_s": (3,), "state": (3,), "expression": (3, expressions), "jaw": (3, 3),
            "eyes": (3, 2, 3), "neck": (3, 3), "rotation": (3, 3, 3), "translation": (3, 3), "focal_px": (3,),
            "principal_px": (3, 2), "size_px": (3, 2), "identity": (head.identity_size,), "head": (), "detector": (),
            "landmarks_px": (3, 478, 2), "fitted_px": (3, 478, 2), "fitted_m": (3, 478, 3), "blendshapes": (3, 52),
            "blendshape_names": (52,), "error_iod": (3,), "detect_ms": (3,), "fit_ms": (3,), "schema": (),
            "expression_names": (expressions,), "seen_rotation": (3, 3, 3), "seen_translation": (3, 3),
            "seen_focal_px": (3,), "depth_px": (3, 478), "presence": (3,), "iod_px": (3,),
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


def test_results_come_back_as_they_were(head: Head, tmp_path: Path) -> None:
    results = [tracked(head, 7), lost(8), tracked(head, 9)]
    with TrackRows(tmp_path, Source(head, "mesh")) as rows:
        for result in results:
            rows.add(result)
        assert [numbers(rows[k]) for k in range(3)] == [numbers(result) for result in results]
        rows[1], rows[2] = tracked(head, 8), lost(9)
        assert (rows[1].params is None, rows[2].params is None) == (False, True)
        assert numbers(rows[0]) == numbers(results[0])
    assert list(tmp_path.iterdir()) == []


def test_a_track_of_nothing(head: Head, tmp_path: Path) -> None:
    with TrackRows(tmp_path, Source(head, "mesh")) as rows:
        arrays = rows.arrays(None)
        write_npz(tmp_path / "track.npz", arrays)
    read = read_npz(tmp_path / "track.npz")
    assert read["landmarks_px"].shape == (0, 478, 2)
    assert read["size_px"].shape == (0, 2)
    assert np.isnan(read["identity"]).all()


def test_the_detectors_scores_are_kept_where_it_has_any(head: Head, tmp_path: Path) -> None:
    with TrackRows(tmp_path, Source(head, "task")) as rows:
        rows.add(tracked(head, 0), None)
        assert "detector_scores" not in rows.arrays(None)
        rows.add(tracked(head, 1), np.ones(52, np.float32))
        scores = rows.arrays(None)["detector_scores"][:]
    assert scores.shape == (2, 52)
    assert (scores[1] == 1).all()
    assert np.isnan(scores[0]).all()


def test_a_row_broken_off_is_left_out(head: Head, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with TrackRows(tmp_path, Source(head, "mesh")) as rows:
        rows.add(tracked(head, 0))
        append = ArrayFile.append

        def stopped(column: ArrayFile, row: object) -> None:
            if column.shape[1:] == (478, 3):
                raise KeyboardInterrupt
            append(column, row)  # type: ignore[arg-type]

        monkeypatch.setattr(ArrayFile, "append", stopped)
        with pytest.raises(KeyboardInterrupt):
            rows.add(tracked(head, 1))
        assert {len(array[:]) for array in rows.arrays(None).values() if len(array.shape) and array.shape[0] < 3} == {1}
        monkeypatch.undo()
        rows.add(tracked(head, 2))
        assert rows[1].index == 2


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """As on a full disk: what fits is written, and then nothing."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_costs_the_row_that_no_longer_fits(head: Head, tmp_path: Path) -> None:
    results = [tracked(head, index) for index in range(3)]
    with TrackRows(tmp_path, Source(head, "mesh")) as rows:
        with files_of_at_most(2 * 478 * 3 * 4 + 100):  # two rows of `fitted_m` and a piece of the third
            for result in results[:2]:
                rows.add(result)
            with pytest.raises(MienError, match=rf"{tmp_path}: no more rows could be written: .* make room"):
                rows.add(results[2])
            assert len(rows) == 2
            assert [numbers(rows[k]) for k in range(2)] == [numbers(result) for result in results[:2]]
        write_npz(tmp_path / "track.npz", rows.arrays(None))
        rows.add(results[2])
        assert numbers(rows[2]) == numbers(results[2])
    read = read_npz(tmp_path / "track.npz")
    assert list(read["frame"]) == [0, 1]
    fitted = results[1].fitted_m
    assert fitted is not None
    assert np.array_equal(read["fitted_m"][1], fitted)


def test_a_track_ends_while_it_can_still_be_written(
    head: Head, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=40_000))
    with TrackRows(tmp_path, Source(head, "mesh")) as rows:
        for index in range(3):  # of 16 KB each
            rows.add(tracked(head, index))
        with pytest.raises(MienError, match="the disk is nearly full: 0 MB are left"):
            rows.add(tracked(head, 3))
        assert len(rows) == 3
        write_npz(tmp_path / "track.npz", rows.arrays(None))
    assert list(read_npz(tmp_path / "track.npz")["frame"]) == [0, 1, 2]


def test_an_array_longer_than_one_reading_is_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(array_file, "_READ_AT_ONCE", 1000)
    kept = ArrayFile(tmp_path, "f4", (2,))
    for row in range(700):
        kept.append((row, -row))
    assert np.array_equal(kept[100:], [(row, -row) for row in range(100, 700)])
    kept.close()


def test_an_array_on_the_disk_reads_like_one_in_memory(tmp_path: Path) -> None:
    kept = ArrayFile(tmp_path, "f4", (2,))
    whole = np.arange(2000, dtype=np.float32).reshape(-1, 2)
    for row in whole:
        kept.append(row)
    kept[3] = whole[3] = (-1, -2)
    with pytest.raises(ValueError, match="step of at least 1, got -1"):
        kept[::-1]
    for part in (slice(None), slice(5, 8), slice(990, 2000), slice(-3, None), slice(0, 9, 4), slice(8, 2)):
        assert np.array_equal(kept[part], whole[part])
    with pytest.raises(ValueError, match="broadcast"):
        kept.append(np.zeros(3))
    write_npz(tmp_path / "a.npz", {"kept": kept})
    assert np.array_equal(read_npz(tmp_path / "a.npz")["kept"], whole)
    kept.close()
