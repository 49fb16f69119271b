"""`mien track`: a video in; the parameters of every frame, the person, a report and an overlay out."""

import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.head import Head
from models.library import load_head
from models.npz import write_npz
from models.types import Identity, MienError, State, TrackResult
from render.modes import OverlayMode
from render.overlay import OverlayRenderer
from tracker.fit import PersonFitter
from tracker.jobs.head_files import write_glb
from tracker.jobs.modes import FitMode
from tracker.jobs.overlay_video import OverlayVideo
from tracker.jobs.photometric import Gain, VideoByPixels, gain_report
from tracker.jobs.progress import progress_bar
from tracker.jobs.reading import Video, open_video
from tracker.jobs.results import Source, output_folder, read_identity, track_arrays, write_identity, write_report
from tracker.jobs.texture_files import write_texture
from tracker.landmarks import open_detector
from tracker.metrics import Series, measure
from tracker.photometric.skin import SkinLearner
from tracker.photometric.texture import TextureSolver
from tracker.pose import iod_px
from tracker.tracker import HeadTracker, OpenFitter

SCALE = (
    "Assumed, not measured: 62 mm between the pupils. Grown people differ by about 6 % from that, and every length, "
    "depth included, is off by as much."
)
LENS = (
    "Estimated under a prior of 60 degrees across the diagonal: a guess of some 10 to 20 % where the head neither "
    "turned nor changed its distance much."
)
LIMITS = (
    "Landmarks alone do not show everything: pitch is told to a few degrees only, and small motions (squint, cheek "
    "puff, sneer, brows drawn down) reach the landmarks weakly or not at all."
)


@dataclass(frozen=True)
class TrackOptions:
    head: str
    identity: Path | None
    face: str
    detector: str
    device: str
    overlay: OverlayMode  # off: none is written
    texture: bool = True
    mode: FitMode = "landmark"


@dataclass
class Tracked:
    """What has been tracked so far."""

    results: list[TrackResult] = field(default_factory=list)
    scores: list[NDArray[np.float32] | None] = field(default_factory=list)
    identity: Identity | None = None
    seconds: float = 0.0  # of wall clock
    skin: SkinLearner | None = None
    gains: list[Gain] = field(default_factory=list)  # by pixels


def track(path: Path, output: Path, options: TrackOptions) -> None:
    """Ctrl-C keeps what was done until then."""
    check_device(options.device)
    video = open_video(path)
    head = load_head(options.head)
    identity = read_identity(options.identity, head) if options.identity else None
    folder = output_folder(output)
    detector = open_detector(options.detector, face=options.face)
    tracker = HeadTracker(head, detector, identity, open_fitter=fitters_of(options.device, head))
    by_pixels = options.mode == "photometric"
    tracked = Tracked(skin=SkinLearner(head, background=False) if options.texture or by_pixels else None)
    if by_pixels:  # it is drawn last, and an earlier run's never stays beside another track
        (folder / "overlay.mp4").unlink(missing_ok=True)
    try:
        follow(video, tracker, folder, "off" if by_pixels else options.overlay, tracked)
        if by_pixels:
            follow_pixels(video, tracker, folder, options.overlay, tracked)
    except KeyboardInterrupt:
        video.lost.append(f"stopped by the user after {len(tracked.results)} frames")
        raise
    finally:
        tracker.close()
        if tracked.results:
            write_results(folder, video, tracked, Source(head, options.detector), options)


def follow(video: Video, tracker: HeadTracker, folder: Path, mode: OverlayMode, tracked: Tracked) -> None:
    """Every frame of the video, in order."""
    started = time.perf_counter()
    with ExitStack() as stack:
        tell = stack.enter_context(progress_bar(f"tracking {video.path.name}", "frames"))
        overlay = None
        if mode != "off":
            overlay = stack.enter_context(OverlayVideo(folder / "overlay.mp4", video.path, video.fps))
            renderer = OverlayRenderer(tracker.head)
        for frame in video:
            result = tracker.step(frame)
            tracked.results.append(result)
            tracked.scores.append(tracker.detector.scores)
            tracked.identity = tracker.identity or tracked.identity
            tracked.seconds = time.perf_counter() - started
            if tracked.skin:
                tracked.skin.observe(frame, result, tracker.identity, make=mode == "textured")
            if overlay:
                texture = tracked.skin.texture if tracked.skin else None
                overlay.add(renderer.draw(frame.image, result, tracker.identity, mode, texture=texture), frame.time_s)
            tell(len(tracked.results), max(video.frames_promised, len(tracked.results)))
    if overlay and overlay.error:
        video.lost.append(f"overlay.mp4 could not be written: {overlay.error}")


def follow_pixels(video: Video, tracker: HeadTracker, folder: Path, mode: OverlayMode, tracked: Tracked) -> None:
    """The video once more, with shape, skin and light known from all of it: what moves, by the pixels of each frame."""
    started, before_s = time.perf_counter(), tracked.seconds
    identity = tracked.identity
    assert tracked.skin is not None
    solved = tracked.skin.learn(identity)
    person = PersonFitter(tracker.head)
    pixels = None
    if identity is not None and solved is not None:
        skin = TextureSolver(tracker.head)
        pixels = VideoByPixels(person, skin, identity, solved, tracker.detector.name)
        tracked.gains = pixels.gains
    with ExitStack() as stack:
        tell = stack.enter_context(progress_bar(f"fitting pixels of {video.path.name}", "frames"))
        overlay = None
        if mode != "off":
            overlay = stack.enter_context(OverlayVideo(folder / "overlay.mp4", video.path, video.fps))
            renderer = OverlayRenderer(tracker.head)
        for place, frame in enumerate(open_video(video.path)):
            if place >= len(tracked.results):
                break
            if pixels:
                tracked.results[place] = pixels.refine(frame, tracked.results[place])
            if overlay:
                texture = solved.texture if solved else None
                drawn = renderer.draw(frame.image, tracked.results[place], identity, mode, texture=texture)
                overlay.add(drawn, frame.time_s)
            tracked.seconds = before_s + time.perf_counter() - started
            tell(place + 1, len(tracked.results))
    if overlay and overlay.error:
        video.lost.append(f"overlay.mp4 could not be written: {overlay.error}")


def write_results(folder: Path, video: Video, tracked: Tracked, source: Source, options: TrackOptions) -> None:
    arrays = track_arrays(tracked.results, source, tracked.identity, tracked.scores)
    write_npz(folder / "track.npz", arrays)  # before the skin, which takes a while and may be broken off
    if tracked.identity is not None:
        write_identity(folder / "identity.npz", tracked.identity)
    else:
        (folder / "identity.npz").unlink(missing_ok=True)
    if options.overlay == "off":
        (folder / "overlay.mp4").unlink(missing_ok=True)
    solved = tracked.skin.learn(tracked.identity) if tracked.skin and options.texture else None
    if solved:
        arrays["light"] = solved.texture.light[None]
        write_npz(folder / "track.npz", arrays)
    texture = write_texture(folder, solved.texture if solved else None)
    exported = write_glb(folder, source.head, tracked.identity, tracked.results, arrays, texture)
    photometric = gain_report(tracked.gains)
    report = {**video_report(video, tracked, source), "photometric": photometric, "head_glb": exported}
    write_report(folder / "report.json", report)
    say(folder, report)


def video_report(video: Video, tracked: Tracked, source: Source) -> dict[str, Any]:
    return {
        "schema": 1,
        "video": {"file": video.path.name, "fps": video.fps, "lost": video.lost},
        "head": source.head_label,
        "detector": source.detector,
        "frames": frame_counts(tracked.results),
        "identity": identity_facts(tracked.identity),
        "metrics": measure(series(tracked.results)),
        "speed": speed(tracked),
        "limits": LIMITS,
    }


def frame_counts(results: list[TrackResult]) -> dict[str, Any]:
    """How many frames, in which states, and how soon the first parameters and the settled identity came."""
    with_face = [result.params is not None for result in results]
    states = Counter(result.state.value for result in results)
    settled = next((i for i, result in enumerate(results) if result.state is State.TRACKING), None)
    return {
        "count": len(results),
        "with_face": sum(with_face),
        "states": dict(states),
        "first_parameters": with_face.index(True) if any(with_face) else None,
        "settled": settled,
        "losses": sum(was and not now for was, now in pairwise(with_face)),
    }


def identity_facts(identity: Identity | None) -> dict[str, Any] | None:
    if identity is None:
        return None
    return {
        "focal_px": identity.focal_px,
        "size_px": list(identity.size_px),
        "head": identity.head,
        "neutral_learned": identity.neutral is not None,
        "lens": LENS,
        "scale": SCALE,
    }


def speed(tracked: Tracked) -> dict[str, float]:
    detect, fit = (np.array([getattr(r, key) for r in tracked.results]) for key in ("detect_ms", "fit_ms"))
    return {
        "detect_ms_median": float(np.median(detect)),
        "fit_ms_median": float(np.median(fit)),
        "fit_ms_p95": float(np.percentile(fit, 95)),
        "frames_per_s": len(tracked.results) / max(tracked.seconds, 1e-9),
    }


def series(results: list[TrackResult]) -> Series:
    """The landmarks of a track as the metrics want them, NaN where no face was."""
    missing = np.full((478, 2), np.nan)

    def rows(points: list[NDArray[np.float32] | None]) -> NDArray[np.float64]:
        return np.array([missing if p is None else p for p in points], np.float64).reshape(-1, 478, 2)

    seen = [r.landmarks.points_px if r.params is not None and r.landmarks is not None else None for r in results]
    iods = [iod_px(r.landmarks) if r.params is not None and r.landmarks is not None else np.nan for r in results]
    return Series(rows(seen), rows([r.fitted_px for r in results]), np.array(iods, np.float64))


def say(folder: Path, report: dict[str, Any]) -> None:
    frames, metrics = report["frames"], report["metrics"]
    print(
        f"{folder / 'track.npz'}: {frames['with_face']} of {frames['count']} frames with a face, "
        f"{report['speed']['frames_per_s']:.0f} frames/s"
    )
    if frames["with_face"]:
        print(f"landmark error {metrics['error_median']:.2f} % of the IOD (95 %: {metrics['error_p95']:.2f} %)")
    for line in report["video"]["lost"]:
        print(f"lost: {line}")


def fitters_of(device: str, head: Head) -> OpenFitter | None:
    """None for the CPU, where one face is followed unless a GPU is asked for by name."""
    if device != "cuda":
        return None
    from tracker.device import fitters_on

    return fitters_on(device, head)


def check_device(device: str) -> None:
    if device == "cuda":
        import torch

        if not torch.cuda.is_available():
            raise MienError("expected a CUDA device for --device cuda, but torch finds none; leave the option out")
