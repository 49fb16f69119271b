"""The overlay's frames, times and sound, and that its failure costs nothing else."""

from pathlib import Path

import av
import numpy as np
import pytest

from tests.tracker.people import swaying, write_video
from tracker.jobs.overlay_video import OverlayVideo, _even_size
from tracker.jobs.reading import open_video


def test_frames_keep_their_times_and_even_sizes(tmp_path: Path) -> None:
    pictures, times = swaying(6, 321, 241), [0.0, 0.04, 0.5, 0.5, 0.54, 2.0]
    source = write_video(tmp_path / "a.mkv", pictures, [0.0, 0.04, 0.5, 0.51, 0.54, 2.0])
    with OverlayVideo(tmp_path / "overlay.mp4", source, 25) as overlay:
        for picture, time_s in zip(pictures, times, strict=True):
            overlay.add(picture, time_s)
    assert overlay.error is None
    with av.open(str(tmp_path / "overlay.mp4")) as video:
        frames = list(video.decode(video=0))
    assert [frame.time for frame in frames] == pytest.approx(times, abs=1e-3)
    assert {(frame.width, frame.height) for frame in frames} == {(320, 240)}


@pytest.mark.parametrize(("begin_s", "kind"), [(5000, "mkv"), (-0.5, "ts")])
def test_any_beginning_is_at_zero_with_its_sound(tmp_path: Path, begin_s: float, kind: str) -> None:
    times = [begin_s + 0.04 * k for k in range(10)]
    source = write_video(tmp_path / f"a.{kind}", swaying(10), times, sound=True)
    with OverlayVideo(tmp_path / "overlay.mp4", source, 25) as overlay:
        for frame in open_video(source):
            overlay.add(frame.image, frame.time_s)
    assert overlay.error is None
    with av.open(str(tmp_path / "overlay.mp4")) as video:
        assert [frame.time for frame in video.decode(video=0)] == pytest.approx(np.arange(10) / 25, abs=0.07)
    with av.open(str(tmp_path / "overlay.mp4")) as video:
        heard = [frame.time or 0 for frame in video.decode(audio=0)]
        assert heard[0] == pytest.approx(0, abs=0.07)
        assert heard[-1] > 0.2


def test_a_change_of_size_is_scaled(tmp_path: Path) -> None:
    source = write_video(tmp_path / "a.mkv", swaying(2))
    with OverlayVideo(tmp_path / "overlay.mp4", source, 25) as overlay:
        for i, side in enumerate((64, 100, 32)):
            overlay.add(np.full((side, side, 3), 60, np.uint8), i / 25)
    with av.open(str(tmp_path / "overlay.mp4")) as video:
        assert [frame.width for frame in video.decode(video=0)] == [64] * 3


def test_no_frame_makes_no_video(tmp_path: Path) -> None:
    source = write_video(tmp_path / "a.mkv", swaying(2))
    with OverlayVideo(tmp_path / "overlay.mp4", source, 25) as overlay:
        pass
    assert overlay.error is None
    assert not (tmp_path / "overlay.mp4").exists()


def test_a_failure_blocks_nobody_and_leaves_nothing(tmp_path: Path) -> None:
    source = write_video(tmp_path / "a.mkv", swaying(2))
    with OverlayVideo(tmp_path / "missing" / "overlay.mp4", source, 25) as overlay:
        for i in range(30):  # more than may wait
            overlay.add(swaying(1)[0], i / 25)
    assert isinstance(overlay.error, OSError)
    assert [path.name for path in tmp_path.iterdir()] == ["a.mkv"]


@pytest.mark.parametrize(
    ("size", "shown"),
    [((640, 480), (640, 480)), ((641, 481), (640, 480)), ((3840, 2160), (1920, 1080)), ((1, 1), (2, 2))],
)
def test_sizes_are_even_and_not_too_large(size: tuple[int, int], shown: tuple[int, int]) -> None:
    assert _even_size(*size) == shown
