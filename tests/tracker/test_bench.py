"""`mien bench`: what it measures is there, named once, and printed both ways."""

import json
import time

import pytest
import torch

from models.head import pose_head, shape_head
from models.landmark_rows import landmark_rows, view_landmarks
from tests.models.toy_head import toy_head
from tracker.jobs import bench
from tracker.jobs.benchmarks.heads import flame_sized, some_camera, some_params


def test_the_middle_time_is_told_in_milliseconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "MEASURED_S", 0.02)
    assert 2 <= bench.median_ms(lambda: time.sleep(0.002)) < 1000  # in seconds or microseconds it is far from here


def test_a_head_as_large_as_flame_has_its_numbers() -> None:
    head = flame_sized(toy_head().to(dtype=torch.float32))
    assert (head.vertex_count, head.identity_size, head.expression_size) == (5023, 300, 100)
    params = some_params(head, 2)
    mesh = pose_head(shape_head(head, head.zero_identity()), params)
    view = view_landmarks(landmark_rows(head, head.zero_identity()), params, some_camera(2))
    assert view.jacobian is not None
    assert mesh.vertices.isfinite().all()
    assert view.jacobian.isfinite().all()
    assert view.jacobian[..., view.jacobian.shape[-1] // 4].abs().max() > 0


def test_every_row_is_printed_once(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(bench, "MEASURED_S", 0.0)
    bench.bench(as_json=True, only=["heads"])
    report = json.loads(capsys.readouterr().out)
    assert report["machine"]
    rows = report["rows"]
    assert rows["head.builtin.landmarks_compiled"]["must"] == "<= 0.35"
    assert all(row["value"] > 0 for row in rows.values())
    bench.bench(as_json=False, only=["heads"])
    table = capsys.readouterr().out
    assert all(key in table for key in rows)
