"""The overlay is timed in pictures that have a head in them, and every number of it has a promise or a unit."""

import numpy as np

from models.library import load_head
from models.types import Identity
from render.overlay import OverlayRenderer
from render.studio import film, random_person, random_stage
from render.studio.motion import talking
from tracker.jobs.bench import Settings
from tracker.jobs.benchmarks.overlay import checked_skin, measure_overlay, shown
from tracker.jobs.benchmarks.promises import PROMISES


def test_every_row_is_promised_and_measured() -> None:
    rows = list(measure_overlay(Settings(quick=True), lambda done, of: None))
    assert {"draw.mesh", "draw.textured", "draw.mesh_720", "draw.textured_720"} <= {row.key for row in rows}
    assert all(row.key in PROMISES and 0 < row.value < np.inf for row in rows)


def test_what_is_timed_is_seen() -> None:
    head = load_head()
    person, stage = random_person(head, 1), random_stage(1, (320, 240), face_px=100)
    identity = Identity(person.identity, stage.focal_px, stage.size_px, head.name, head.sha256)
    shot = next(film(head, person, stage, talking(1, 12.0, 1)))
    for mode in ("mesh", "textured"):
        drawn = OverlayRenderer(head).draw(shot.image, shown(shot), identity, mode, False, checked_skin())
        assert (drawn != shot.image).any(2).mean() > 0.05
