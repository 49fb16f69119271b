"""`mien track`: a video in; the parameters of every frame, the person, a report and an overlay out."""

import time
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from models.head import Head
from models.library import load_head
from models.npz import Rows, write_npz
from models.texture_space import TextureSpace
from models.types import Identity, MienError, State
from render.modes import OverlayMode
from render.overlay import OverlayRenderer
from render.painter import open_painter
from render.texture import Texture
from tracker.fit import PersonFitter
from tracker.jobs.head_files import write_glb
from tracker.jobs.interrupts import plain_interrupts
from tracker.jobs.known_skin import KnownSkin, read_known_skin
from tracker.jobs.options import TrackOptions, check
from tracker.jobs.outputs import output_folder
from tracker.jobs.overlay_video import OverlayVideo
from tracker.jobs.photometric import Gain, VideoByPixels, gain_report
from tracker.jobs.progress import progress_bar
from tracker.jobs.reading import Video, open_video
from tracker.jobs.reports import LIMITS, identity_facts, write_report
from tracker.jobs.results import Source, read_identity, write_identity
from tracker.jobs.texture_files import open_texture_space, skin_arrays, texture_space_facts, write_texture
from tracker.jobs.track_rows import TrackRows
from tracker.landmarks import open_detector
from tracker.metrics import Series, measure
from tracker.photometric.skin import SkinLearner
from tracker.tracker import HeadTracker, OpenFitter

MADE_FROM_TRACK = ("identity.npz", "texture.png", "head.glb", "report.json")


@dataclass
class Tracked:
    """What has been tracked so far."""

    rows: TrackRows
    identity: Identity | None = None
    seconds: float = 0.0  # of wall clock
    skin: SkinLearner | None = None
    known_skin: KnownSkin | None = None  # saved with the identity
    textures: TextureSpace | None = None
    gone_through: int | None = None  # frames whose pixels were fitted, too; None where that was not begun
    pixel_seconds: float = 0.0  # of wall clock, for these
    gains: list[Gain] = field(default_factory=list)  # by pixels

    def saved_texture(self) -> Texture | None:
        """Where the person is still who it was saved of."""
        return self.known_skin.on(self.identity) if self.known_skin else None


def track(path: Path, options: TrackOptions) -> None:
    """Ctrl-C keeps what was done until then."""
    check(options)
    video = open_video(path)
    head = load_head(options.head)
    identity = read_identity(options.identity, head) if options.identity else None
    folder = output_folder(options.output)
    detector = open_detector(options.detector, face=options.face)
    tracker = HeadTracker(head, detector, identity, open_fitter=fitters_of(options.device, head))
    by_pixels = options.mode == "photometric"
    source = Source(head, options.detector)
    textures = open_texture_space(options.texture_space, head)
    skin = SkinLearner(head, background=False, textures=textures) if options.wants_skin else None
    known_skin = None
    if identity is not None and options.identity and not options.no_texture and not by_pixels and textures is None:
        known_skin = read_known_skin(options.identity, identity)  # else it is solved for this very video
    if by_pixels:  # it is drawn last, and an earlier run's never stays beside another track
        (folder / "overlay.mp4").unlink(missing_ok=True)
    with TrackRows(folder, source) as rows:
        tracked = Tracked(rows, skin=skin, known_skin=known_skin, textures=textures)
        try:
            with plain_interrupts():
                follow(video, tracker, folder, "off" if by_pixels else options.drawn, options.device, tracked)
                if by_pixels:
                    follow_pixels(video, tracker, folder, options.drawn, options.device, tracked)
        except KeyboardInterrupt:
            video.lost.append(stopped(tracked))
            raise
        except MienError as error:  # a full disk: what was done before is still written
            video.lost.append(f"broken off after {len(rows)} frames: {error}")
            raise
        finally:
            tracker.close()
            if len(rows):
                write_results(folder, video, tracked, source, options)


def follow(video: Video, tracker: HeadTracker, folder: Path, mode: OverlayMode, device: str, tracked: Tracked) -> None:
    """Every frame of the video, in order."""
    started = time.perf_counter()
    with ExitStack() as stack:
        tell = stack.enter_context(progress_bar(f"tracking {video.path.name}", "frames"))
        overlay = None
        if mode != "off":
            overlay = stack.enter_context(OverlayVideo(folder / "overlay.mp4", video.path, video.fps))
            renderer = OverlayRenderer(tracker.head, open_painter(tracker.head, device))
        tell(0, video.frames_promised)  # the first frame may take a minute: what it needs is compiled once
        for frame in video:
            result = tracker.step(frame)
            tracked.rows.add(result, tracker.detector.scores)
            tracked.identity = tracker.identity or tracked.identity
            tracked.seconds = time.perf_counter() - started
            saved = tracked.saved_texture()
            if tracked.skin:
                make = mode == "textured" and saved is None
                tracked.skin.observe(frame, result, tracker.identity, make=make)
            if overlay:
                texture = saved or (tracked.skin.texture if tracked.skin else None)
                drawing = partial(renderer.draw, frame.image, result, tracker.identity, mode, texture=texture)
                overlay.add_drawing(drawing, frame.time_s)
            tell(len(tracked.rows), max(video.frames_promised, len(tracked.rows)))
    if overlay and overlay.error:
        video.lost.append(f"overlay.mp4 could not be written: {overlay.error}")


def follow_pixels(
    video: Video, tracker: HeadTracker, folder: Path, mode: OverlayMode, device: str, tracked: Tracked
) -> None:
    """The video once more, with shape, skin and light known from all of it: what moves, by the pixels of each frame."""
    started, tracked.gone_through = time.perf_counter(), 0
    identity = tracked.identity
    assert tracked.skin is not None
    solved = tracked.skin.learn(identity)
    pixels = None
    if identity is not None and solved is not None:
        person = PersonFitter(tracker.head)
        pixels = VideoByPixels(person, tracked.skin.solver(), identity, solved, tracker.detector.name)
        tracked.gains = pixels.gains
    with ExitStack() as stack:
        tell = stack.enter_context(progress_bar(f"fitting pixels of {video.path.name}", "frames"))
        overlay = None
        if mode != "off":
            overlay = stack.enter_context(OverlayVideo(folder / "overlay.mp4", video.path, video.fps))
            renderer = OverlayRenderer(tracker.head, open_painter(tracker.head, device))
        for place, frame in enumerate(open_video(video.path)):
            if place >= len(tracked.rows):
                break
            result = tracked.rows[place]
            if pixels:
                result = tracked.rows[place] = pixels.refine(frame, result)
            if overlay:
                texture = solved.texture if solved else None
                drawing = partial(renderer.draw, frame.image, result, identity, mode, texture=texture)
                overlay.add_drawing(drawing, frame.time_s)
            tracked.gone_through, tracked.pixel_seconds = place + 1, time.perf_counter() - started
            tell(place + 1, len(tracked.rows))
    if overlay and overlay.error:
        video.lost.append(f"overlay.mp4 could not be written: {overlay.error}")


def stopped(tracked: Tracked) -> str:
    """What there is when the user stops it."""
    frames = len(tracked.rows)
    if tracked.gone_through is None:
        return f"stopped by the user after {frames} frames"
    return (
        f"stopped by the user when the pixels of {tracked.gone_through} of {frames} frames were fitted: the others "
        "hold the landmarks' answer, and are in no overlay.mp4"
    )


def write_results(folder: Path, video: Video, tracked: Tracked, source: Source, options: TrackOptions) -> None:
    arrays = tracked.rows.arrays(tracked.identity)
    solved, skin = None, tracked.saved_texture()
    for name in MADE_FROM_TRACK:  # of an earlier run: they would lie beside another track, should this be broken off
        (folder / name).unlink(missing_ok=True)
    try:
        solved = tracked.skin.learn(tracked.identity) if tracked.skin and skin is None else None
    finally:  # it takes a while and may be broken off
        if solved:
            skin = solved.texture
            arrays |= skin_arrays(solved.lighting, skin.light[None])
        elif skin:
            arrays["light"] = skin.light[None]
        write_npz(folder / "track.npz", arrays)
    skin = None if options.no_texture else skin
    if tracked.identity is not None:
        write_identity(folder / "identity.npz", tracked.identity, skin)
    if options.drawn == "off":
        (folder / "overlay.mp4").unlink(missing_ok=True)
    texture = write_texture(folder, skin)
    exported = write_glb(folder, source.head, tracked.identity, arrays, texture)
    photometric = gain_report(tracked.gains)
    report = {**video_report(video, tracked, source, arrays), "photometric": photometric, "head_glb": exported}
    write_report(folder / "report.json", report)
    say(folder, report)


def video_report(video: Video, tracked: Tracked, source: Source, arrays: Mapping[str, Rows]) -> dict[str, Any]:
    return {
        "schema": 1,
        "video": {"file": video.path.name, "fps": video.fps, "lost": video.lost},
        "head": source.head_label,
        "detector": source.detector,
        "frames": frame_counts(arrays),
        "identity": identity_facts(tracked.identity),
        "metrics": measure(Series(arrays["landmarks_px"], arrays["fitted_px"], arrays["iod_px"][:].astype(np.float64))),
        "texture_space": texture_space_facts(tracked.textures),
        "speed": speed(arrays, tracked),
        "limits": LIMITS,
    }


def frame_counts(arrays: Mapping[str, Rows]) -> dict[str, Any]:
    """How many frames, in which states, and how soon the first parameters and the settled identity came."""
    with_face = np.isfinite(arrays["error_iod"][:])
    states = arrays["state"][:].tolist()
    return {
        "count": len(states),
        "with_face": int(with_face.sum()),
        "states": dict(Counter(states)),
        "first_parameters": int(with_face.argmax()) if with_face.any() else None,
        "settled": states.index(State.TRACKING.value) if State.TRACKING.value in states else None,
        "losses": int((with_face[:-1] & ~with_face[1:]).sum()),
    }


def speed(arrays: Mapping[str, Rows], tracked: Tracked) -> dict[str, float]:
    detect, fit = arrays["detect_ms"][:], arrays["fit_ms"][:]
    seconds_a_frame = tracked.seconds / len(fit)
    if tracked.gone_through:
        seconds_a_frame += tracked.pixel_seconds / tracked.gone_through
    return {
        "detect_ms_median": float(np.median(detect)),
        "fit_ms_median": float(np.median(fit)),
        "fit_ms_p95": float(np.percentile(fit, 95)),
        "frames_per_s": 1 / max(seconds_a_frame, 1e-9),
    }


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
