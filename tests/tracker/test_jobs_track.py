"""`mien track` from the words on the command line to the files in the folder."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pygltflib
import pytest

import mien
from models.npz import read_npz
from models.types import MienError
from tests.tracker.people import Picture, scene, swaying, write_video

ROOT = Path(__file__).parents[2]
FRAMES = 40


def track(*words: object, texture: bool = False) -> None:
    mien.parse(["track", *map(str, words), *([] if texture else ["--no-texture"])])()


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("clips") / "clip.mp4", swaying(FRAMES), sound=True)


@pytest.fixture(scope="module")
def tracked(clip: Path) -> Path:
    track(clip, "-o", clip.parent / "out", texture=True)
    return clip.parent / "out"


def test_every_frame_has_its_row(tracked: Path) -> None:
    arrays = read_npz(tracked / "track.npz")
    assert list(arrays["frame"]) == list(range(FRAMES))
    assert arrays["time_s"] == pytest.approx([i / 25 for i in range(FRAMES)])
    assert set(arrays["state"]) <= {"ENROLLING", "TRACKING"}
    assert np.isfinite(arrays["expression"]).all()
    assert str(arrays["detector"]) == "mesh"
    missed = np.linalg.norm(arrays["fitted_px"] - arrays["landmarks_px"], axis=-1).mean(1)
    iod = np.linalg.norm(arrays["landmarks_px"][:, 33] - arrays["landmarks_px"][:, 263], axis=-1)
    assert np.median(missed / iod) < 0.02
    assert np.allclose(missed / iod, arrays["error_iod"], rtol=0.25)


def test_rotation_and_camera_give_the_fitted_points(tracked: Path) -> None:
    arrays = read_npz(tracked / "track.npz")
    points, focal = arrays["fitted_m"], arrays["focal_px"][:, None, None]
    projected = focal * points[..., :2] / points[..., 2:] + arrays["principal_px"][:, None]
    assert np.abs(projected - arrays["fitted_px"]).max() < 0.05
    assert np.abs(arrays["rotation"] @ arrays["rotation"].transpose(0, 2, 1) - np.eye(3)).max() < 1e-4


def test_the_report_tells_what_was_found(tracked: Path) -> None:
    report = json.loads((tracked / "report.json").read_text())
    assert report["frames"]["count"] == report["frames"]["with_face"] == FRAMES
    assert report["frames"]["first_parameters"] == 0
    assert report["video"]["lost"] == []
    assert 0 < report["metrics"]["error_median"] < 2
    assert report["metrics"]["blinks"] == 0
    assert report["speed"]["frames_per_s"] > 1
    assert "pitch" in report["limits"]


def test_the_overlay_shows_the_points_and_keeps_the_sound(tracked: Path, clip: Path) -> None:
    with av.open(str(clip)) as source, av.open(str(tracked / "overlay.mp4")) as overlay:
        before = [frame.to_ndarray(format="rgb24").astype(int) for frame in source.decode(video=0)]
        after = [frame.to_ndarray(format="rgb24").astype(int) for frame in overlay.decode(video=0)]
        assert len(after) == FRAMES
        changed = np.abs(after[20] - before[20]).max(2) > 60
        assert 300 < changed.sum() < 0.3 * changed.size
        points = read_npz(tracked / "track.npz")["landmarks_px"][20]
        assert (points.min(0) - 8 < np.argwhere(changed).mean(0)[::-1]).all()
        assert (points.max(0) + 8 > np.argwhere(changed).mean(0)[::-1]).all()
    with av.open(str(clip)) as source, av.open(str(tracked / "overlay.mp4")) as overlay:
        sounds = [sum(packet.size for packet in video.demux(audio=0)) for video in (source, overlay)]
    assert sounds[0] == sounds[1] > 0


def test_nothing_half_is_left(tracked: Path) -> None:
    written = ["head.glb", "identity.npz", "overlay.mp4", "report.json", "texture.png", "track.npz"]
    assert sorted(p.name for p in tracked.iterdir()) == written


def test_the_head_leaves_with_its_performance(tracked: Path) -> None:
    document = pygltflib.GLTF2.load_from_bytes((tracked / "head.glb").read_bytes())
    times = document.accessors[document.animations[0].samplers[0].input]
    assert times.count == FRAMES
    assert times.max == pytest.approx([(FRAMES - 1) / 25], abs=1e-4)
    loss = json.loads((tracked / "report.json").read_text())["head_glb"]["morph_loss_mm"]
    assert 0 < loss["median"] <= loss["largest"] < 5


def test_the_same_video_twice_gives_equal_numbers(tracked: Path, clip: Path, tmp_path: Path) -> None:
    track(clip, "-o", tmp_path, "--no-overlay", texture=True)
    first, second = read_npz(tracked / "track.npz"), read_npz(tmp_path / "track.npz")
    for key in first.keys() - {"detect_ms", "fit_ms"}:
        assert np.array_equal(first[key], second[key], equal_nan=first[key].dtype.kind == "f"), key
    assert not (tmp_path / "overlay.mp4").exists()


def test_a_known_person_is_not_learned_again(tracked: Path, clip: Path, tmp_path: Path) -> None:
    track(clip, "-o", tmp_path, "--identity", tracked / "identity.npz", "--no-overlay")
    arrays = read_npz(tmp_path / "track.npz")
    assert set(arrays["state"]) == {"TRACKING"}
    assert np.array_equal(arrays["identity"], read_npz(tracked / "identity.npz")["shape"])


def test_an_identity_of_another_head_is_refused(tracked: Path, clip: Path, tmp_path: Path) -> None:
    from models.npz import write_npz

    arrays = read_npz(tracked / "identity.npz") | {"head_sha256": np.array("0" * 64)}
    write_npz(tmp_path / "other.npz", arrays)
    with pytest.raises(MienError, match="is an identity of the head"):
        track(clip, "-o", tmp_path / "out", "--identity", tmp_path / "other.npz")
    assert not (tmp_path / "out").exists()


# Faces that come, go, or never were.


def test_a_video_of_nobody_is_a_result(tmp_path: Path) -> None:
    track(write_video(tmp_path / "a.mp4", [scene(320, 240)] * 5), "-o", tmp_path)
    arrays = read_npz(tmp_path / "track.npz")
    assert list(arrays["state"]) == ["SEARCHING"] * 5
    for key in ("expression", "rotation", "landmarks_px", "error_iod", "focal_px", "identity"):
        assert np.isnan(arrays[key]).all()
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["frames"] == {
        "count": 5, "with_face": 0, "states": {"SEARCHING": 5}, "first_parameters": None, "settled": None, "losses": 0,
    }  # fmt: skip
    assert report["metrics"]["error_median"] is None
    assert not (tmp_path / "identity.npz").exists()


def test_a_face_that_leaves_and_returns(tmp_path: Path) -> None:
    pictures: list[Picture] = swaying(15)
    pictures[5:9] = [scene(320, 240)] * 4
    track(write_video(tmp_path / "a.mp4", pictures), "-o", tmp_path, "--no-overlay")
    states = list(read_npz(tmp_path / "track.npz")["state"])
    assert states[5:9] == ["LOST"] * 4
    assert "LOST" not in states[:5] + states[9:]


@pytest.mark.parametrize(("face", "x"), [("1", 160), ("2", 480), ("largest", 480), ("centre", 160)])
def test_the_chosen_face_is_tracked(tmp_path: Path, face: str, x: float) -> None:
    two = scene(640, 480, (160, 240, 60), (480, 180, 70))
    two[:, :60] = 90
    track(write_video(tmp_path / "a.mp4", [two] * 2), "-o", tmp_path, "--face", face, "--no-overlay")
    points = read_npz(tmp_path / "track.npz")["fitted_px"]
    assert points[-1, :, 0].mean() == pytest.approx(x, abs=30)


# Odd and broken input.


def test_odd_sizes_and_changing_times(tmp_path: Path) -> None:
    times = [0.0, 0.04, 0.3, 0.34, 0.9]
    video = write_video(tmp_path / "a.mkv", swaying(5, 321, 241), times)
    track(video, "-o", tmp_path)
    arrays = read_npz(tmp_path / "track.npz")
    assert arrays["time_s"] == pytest.approx(times, abs=2e-3)
    assert (arrays["size_px"] == (321, 241)).all()
    with av.open(str(tmp_path / "overlay.mp4")) as overlay:
        shown = [frame.time for frame in overlay.decode(video=0)]
    assert shown == pytest.approx(times, abs=2e-3)


def test_a_broken_tail_costs_the_tail_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = write_video(tmp_path / "a.mkv", swaying(60)).read_bytes()
    (tmp_path / "a.mkv").write_bytes(whole[: len(whole) * 2 // 3])
    track(tmp_path / "a.mkv", "-o", tmp_path, "--no-overlay")
    assert 20 < len(read_npz(tmp_path / "track.npz")["frame"]) < 55
    assert json.loads((tmp_path / "report.json").read_text())["video"]["lost"]
    assert "lost: " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nothing.mp4"], "no such file"),
        (["{text}"], "expected a video that FFmpeg reads"),
        (["{clip}", "--face", "0"], "expected a face as largest, centre or a number"),
        (["{clip}", "--head", "nobody"], "nobody"),
        (["{clip}", "--identity", "{text}"], "expected a whole .npz file"),
        (["{clip}", "-o", "{text}"], "expected a folder to write to"),
    ],
)
def test_bad_words_are_refused(clip: Path, tmp_path: Path, words: list[str], said: str) -> None:
    text = tmp_path / "text"
    text.write_text("hello")
    given = [word.format(clip=clip, text=text) for word in words]
    with pytest.raises(MienError, match=said):
        track(*given, *([] if "-o" in given else ["-o", tmp_path / "out"]))


def test_a_disk_that_fills_up_leaves_what_was_done(clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=100_000))
    with pytest.raises(MienError, match="the disk is nearly full"):
        track(clip, "-o", tmp_path, "--no-overlay")
    frames = len(read_npz(tmp_path / "track.npz")["frame"])
    assert 5 <= frames <= 8
    lost = json.loads((tmp_path / "report.json").read_text())["video"]["lost"]
    assert lost[0].startswith(f"broken off after {frames} frames: {tmp_path}: the disk is nearly full")


INTERRUPTED = """
import io, os, signal, sys
import mien

said = sys.argv.pop(1)

class Impatient(io.TextIOWrapper):
    def write(self, text):
        if text.startswith(said):
            os.kill(os.getpid(), signal.SIGINT)
        return super().write(text)

sys.stderr = Impatient(sys.stderr.detach(), line_buffering=True)
sys.exit(mien.main())
"""


def interrupted(said: str, *words: object) -> None:
    """`mien track`, with a Ctrl-C when it says so."""
    command = [sys.executable, "-c", INTERRUPTED, said, "track", *map(str, words)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=600)
    assert ended.returncode == 130, ended.stderr


def test_interrupting_leaves_what_was_done(tmp_path: Path) -> None:
    video = write_video(tmp_path / "a.mp4", swaying(60) * 2)
    out = tmp_path / "out"
    interrupted("tracking a.mp4: 20 %", video, "-o", out)
    arrays = read_npz(out / "track.npz")
    done = len(arrays["frame"])
    assert 0 < done < 120
    report = json.loads((out / "report.json").read_text())
    assert f"stopped by the user after {done} frames" in report["video"]["lost"]
    with av.open(str(out / "overlay.mp4")) as overlay:
        assert abs(sum(1 for _ in overlay.decode(video=0)) - done) <= 1


def test_interrupting_the_pixels_keeps_those_that_were_fitted(tmp_path: Path) -> None:
    frames = 24
    video = write_video(tmp_path / "a.mp4", swaying(frames))
    out = tmp_path / "out"
    interrupted("fitting pixels of a.mp4: 20 %", video, "-o", out, "--mode", "photometric", "--no-texture")
    arrays = read_npz(out / "track.npz")
    report = json.loads((out / "report.json").read_text())
    (lost,) = [line for line in report["video"]["lost"] if "stopped by the user" in line]
    done = int(lost.split("the pixels of ")[1].split(" of 24")[0])
    assert 0 < done < frames
    track(video, "-o", tmp_path / "plain", "--no-texture", "--no-overlay")
    by_landmarks = read_npz(tmp_path / "plain" / "track.npz")["fitted_px"]
    same = (arrays["fitted_px"] == by_landmarks).all((1, 2))
    assert same.shape == (frames,)
    assert same[done + 1 :].all()
    assert not same[:done].any()
    assert np.isfinite(arrays["fitted_px"]).all()
    assert abs(report["photometric"]["pictures"] - done) <= 1
    assert arrays["light"].shape == (1, 9, 3)
    with av.open(str(out / "overlay.mp4")) as overlay:
        assert abs(sum(1 for _ in overlay.decode(video=0)) - done) <= 1


def test_the_other_detector(shared_dir: Path, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = shared_dir / "models" / "face_landmarker.task"
    if not model.is_file():
        pytest.skip("needs face_landmarker.task in shared/models")
    monkeypatch.setenv("MIEN_HOME", str(tmp_path / "home"))
    (tmp_path / "home" / "models").mkdir(parents=True)
    (tmp_path / "home" / "models" / model.name).symlink_to(model)
    track(clip, "-o", tmp_path / "out", "--detector", "task", "--no-overlay")
    arrays = read_npz(tmp_path / "out" / "track.npz")
    assert str(arrays["detector"]) == "task"
    assert arrays["detector_scores"].shape == (FRAMES, 52)
    assert 0 <= arrays["detector_scores"].min() <= arrays["detector_scores"].max() <= 1
    assert np.nanmedian(arrays["error_iod"]) < 0.02


def test_pixels_refine_the_motion_of_a_video(tmp_path: Path) -> None:
    clip = write_video(tmp_path / "short.mp4", swaying(4))
    track(clip, "-o", tmp_path / "out", "--mode", "photometric", "--overlay-mode", "textured")
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    told = report["photometric"]
    assert told["textured_error"] <= told["textured_error_before"] * 1.01
    assert told["landmarks_worse_at_most"] <= 0.2 + 1e-6
    assert read_npz(tmp_path / "out" / "track.npz")["frame"].shape == (4,)
    assert (tmp_path / "out" / "overlay.mp4").stat().st_size > 1000
