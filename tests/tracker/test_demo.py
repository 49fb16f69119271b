"""The demo: its film is tracked and told of as it was, its charts show the numbers they are given."""

import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import av
import numpy as np
import pytest

from models.builtin import load_builtin
from models.types import Landmarks, MienError, State, TrackResult
from render.studio import film, random_person, random_stage
from render.studio.speech import speaking
from tracker.jobs.demo.charts import Chart, Line, nice_step
from tracker.jobs.demo.numbers import Number, numbers
from tracker.jobs.demo.perform import demo, perform, play
from tracker.jobs.demo.report import Story, embedded, page, write_page
from tracker.pose import iod_px

FRAMES = 18


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> tuple[Story, Path]:
    video = tmp_path_factory.mktemp("demo") / "overlay.mp4"
    told: list[tuple[int, int]] = []
    head = load_builtin()
    story = perform(video, head, play(head, 2, FRAMES), FRAMES, lambda done, total: told.append((done, total)))
    assert told == [(k + 1, FRAMES) for k in range(FRAMES)]
    return story, video


def test_a_synthetic_person_is_followed_in_every_frame(story: tuple[Story, Path]) -> None:
    shots, results = story[0].shots, story[0].results
    assert len(shots) == len(results) == FRAMES
    for shot, result in zip(shots, results, strict=True):
        assert result.landmarks is not None
        assert result.fitted_px is not None
        away = np.linalg.norm(result.fitted_px - shot.landmarks_px, axis=1).mean()
        assert away < 0.06 * iod_px(result.landmarks), "what is told as true is what is in the picture"


def test_the_video_shows_camera_and_overlay_side_by_side(story: tuple[Story, Path]) -> None:
    with av.open(str(story[1])) as video:
        frames = [frame.to_ndarray(format="rgb24").astype(int) for frame in video.decode(video=0)]
    assert len(frames) == FRAMES
    assert frames[0].shape == (480, 1280, 3)
    left, right = frames[-1][:, :640], frames[-1][:, 640:]
    drawn_over = np.abs(left - right).max(2) > 25
    inside = np.zeros_like(drawn_over)
    points = story[0].shots[-1].landmarks_px
    (x0, y0), (x1, y1) = points.min(0).astype(int), points.max(0).astype(int)
    inside[y0:y1, x0:x1] = True
    assert drawn_over[inside].mean() > 0.3
    assert drawn_over[:40].mean() < 0.02


def test_the_page_stands_alone(story: tuple[Story, Path], tmp_path: Path) -> None:
    rows = write_page(tmp_path / "report.html", story[0])
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
    assert "<script" not in text
    assert {place for place in re.findall(r'src="([^"]*)"', text) if not place.startswith("data:")} == {"overlay.mp4"}
    assert not re.findall(r"https?:", text)
    assert text.count("data:image/jpeg") == len(story[0].strip) > 3
    for row in rows:
        assert f'<td class="value">{row.text()}</td>' in text
    for drawing in re.findall(r"<svg.*?</svg>", text):
        ElementTree.fromstring(drawing)
    by_name = {row.name: row.value for row in rows}
    assert by_name["tracked"] == 100
    assert 0 < by_name["head rotation"] < 10


def test_a_face_that_was_never_found_is_no_error(story: tuple[Story, Path]) -> None:
    nobody = [
        replace(r, state=State.SEARCHING, params=None, camera=None, landmarks=None, fitted_px=None, fitted_m=None,
                blendshapes=None, error_iod=None)
        for r in story[0].results
    ]  # fmt: skip
    rows = numbers(story[0].shots, nobody)
    by_name = {row.name: row for row in rows}
    assert by_name["tracked"].value == 0
    assert by_name["head rotation"].text() == "not measured"
    assert "not measured" in page(replace(story[0], results=nobody), rows)


def test_bad_wishes_are_refused(story: tuple[Story, Path], tmp_path: Path) -> None:
    with pytest.raises(MienError, match="--seed to be a number from 0 on"):
        demo(tmp_path, seed=-1)
    (tmp_path / "file").write_text("")
    with pytest.raises(MienError, match="expected a folder to write to"):
        demo(tmp_path / "file", seed=1)
    empty = [replace(story[0].shots[0], image=np.zeros((48, 64, 3), np.uint8))]
    with pytest.raises(MienError, match=r"overlay.mp4: could not be written"):
        perform(tmp_path / "missing" / "overlay.mp4", load_builtin(), empty, 1, lambda done, total: None)


def test_a_line_runs_through_its_values_and_breaks_where_there_are_none() -> None:
    times = np.arange(5.0)
    values = np.array([0.0, 10.0, np.nan, 5.0, 99.0])
    drawing = Chart("a < b", times, (Line("x", values, "one"),), low=0.0, high=10.0).svg()
    root = ElementTree.fromstring(drawing)
    assert root[0].text == "a < b"
    path = next(node.get("d") for node in root if node.tag == "path")
    assert path is not None
    points = [tuple(map(float, p)) for p in re.findall(r"[ML]([\d.]+) ([\d.]+)", path)]
    assert re.sub(r"[^ML]", "", path) == "MLML"
    x, y = np.array(points).T
    assert np.diff(x) == pytest.approx([(x[-1] - x[0]) * part / 4 for part in (1, 2, 1)], abs=0.2)
    assert y[2] == pytest.approx((y[0] + y[1]) / 2)
    assert y[3] == y[1], "what is too large runs along the edge"


@pytest.mark.parametrize(("about", "step"), [(0.9, 1), (1.0, 1), (1.1, 2), (0.03, 0.05), (700, 1000)])
def test_ticks_stand_at_round_numbers(about: float, step: float) -> None:
    assert nice_step(about) == pytest.approx(step)


def test_charts_without_anything_known_are_empty() -> None:
    drawing = Chart("t", np.arange(3.0), (Line("x", np.full(3, np.nan), "one"),), shaded_until_s=9.0).svg()
    assert "<path" not in drawing


def test_numbers_are_told_with_their_units() -> None:
    assert Number("a", 3.14159, "mm", "").text() == "3.14 mm"
    assert Number("a", 206.4, "mm", "").text() == "206 mm"
    assert Number("a", 1.0, "", "").text() == "1.00"


def test_perfect_tracking_has_no_error() -> None:
    """Shots played back as if they had been tracked: every row says so."""
    head = load_builtin()
    shots = list(film(head, random_person(head, 2), random_stage(2), speaking(20, 2)))
    results = [
        TrackResult(
            shot.index, shot.time_s, (640, 480), State.TRACKING, shot.params, shot.camera,
            Landmarks(shot.landmarks_px.astype(np.float32), np.zeros(478, np.float32), (640, 480), 1.0),
            shot.landmarks_px.astype(np.float32), shot.landmarks_m.astype(np.float32),
            shot.weights.astype(np.float32), 0.0, 1.0, 1.0,
        )
        for shot in shots
    ]  # fmt: skip
    by_name = {row.name: row.value for row in numbers(shots, results)}
    for name in ("head rotation", "position", "depth", "shape", "size", "gaze", "landmarks"):
        assert by_name[name] == pytest.approx(0, abs=0.05), name
    for name in ("slope of yaw", "mouth", "52 weights"):
        assert by_name[name] == pytest.approx(1, abs=0.01), name


def test_pictures_lie_inside_the_page() -> None:
    assert embedded(np.zeros((48, 128, 3), np.uint8)).startswith("data:image/jpeg;base64,")
