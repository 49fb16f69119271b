"""The overlay is timed in pictures that have a head in them, and every number of it has a promise or a unit."""

from pathlib import Path

import numpy as np
import pytest
import torch

from models.library import load_head
from models.types import Identity
from render.overlay import OverlayRenderer
from render.rasterizer import CHOICE
from render.studio import film, random_person, random_stage
from render.studio.motion import talking
from tracker.jobs.bench import Settings
from tracker.jobs.benchmarks.overlay import checked_skin, gpu_draws, measure_overlay, shown
from tracker.jobs.benchmarks.promises import PROMISES


def test_every_row_is_promised_and_measured() -> None:
    rows = list(measure_overlay(Settings(quick=True), lambda done, of: None))
    assert {"draw.mesh", "draw.textured", "draw.mesh_720", "draw.textured_720"} <= {row.key for row in rows}
    assert all(row.key in PROMISES and 0 < row.value < np.inf for row in rows)


@pytest.mark.parametrize(("choice", "drawn"), [("cpu", False), ("auto", True)])
def test_a_gpu_is_timed_where_it_would_draw(
    choice: str, drawn: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "nvdiffrast").mkdir()
    (tmp_path / "nvdiffrast" / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setenv(CHOICE, choice)
    assert gpu_draws() == drawn


def test_what_is_timed_is_seen() -> None:
    head = load_head()
    person, stage = random_person(head, 1), random_stage(1, (320, 240), face_px=100)
    identity = Identity(person.identity, stage.focal_px, stage.size_px, head.name, head.sha256)
    shot = next(film(head, person, stage, talking(1, 12.0, 1)))
    for mode in ("mesh", "textured"):
        drawn = OverlayRenderer(head).draw(shot.image, shown(shot), identity, mode, False, checked_skin())
        assert (drawn != shot.image).any(2).mean() > 0.05
