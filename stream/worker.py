"""A session's tracking thread: the newest frame in, parameters out, then the overlay.

THE loop is `_track`. It knows no event loop: what it makes goes to the callbacks of `Outputs`, the next file is
`stream/session.py`, which hands them over to the loop.
"""

import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from av import VideoFrame
from numpy.typing import NDArray

from models.types import Frame, Hint, Identity, TrackResult
from render.modes import OverlayMode
from render.overlay import OverlayRenderer
from render.texture import Texture
from stream.engine import Engine, Tracker, keep_to_one_thread
from stream.latest import Latest
from stream.logs import event
from stream.pictures import rgb_from_video, video_from_rgb
from stream.protocol import Params
from stream.results import params_message
from stream.timing import StageTimes
from tracker.photometric.skin import SkinLearner

RESTARTS = 3  # in a row: a tracker that fails at once every time is given up
WELL_AFTER_FRAMES = 300  # frames after which an earlier failure no longer counts


@dataclass(frozen=True)
class Arrived:
    """A decoded frame on its way to the tracker."""

    video: VideoFrame
    source: object  # the connection it came by
    is_watched: bool  # there is somebody to draw for
    index: int
    rtp_time: int  # 90 kHz, modulo 2^32
    time_s: float  # since the session's first frame, across reconnections
    arrived_s: float  # by time.perf_counter


@dataclass(frozen=True)
class Outputs:
    """Where results go; all called from the tracking thread."""

    tracked: Callable[[Arrived, Params, tuple[int, int], Hint | None], None]
    learned: Callable[[Identity, int], None]  # and how many heads were forgotten before this one
    textured: Callable[[Texture | None], None]  # None: somebody else is there
    drawn: Callable[[Arrived, VideoFrame], None]
    failed: Callable[[str, bool], None]  # what went wrong, whether it is the end
    ended: Callable[[], None]


class Worker:
    """The thread with its tracker. Wishes (`overlay`, `paused`, `texture`) are plain attributes, read once a frame."""

    def __init__(self, engine: Engine, session: str, outputs: Outputs, times: StageTimes) -> None:
        self.inbox: Latest[Arrived] = Latest()
        self.overlay: OverlayMode = "off"
        self.paused = False
        self.texture = False  # learn the skin whatever is drawn; the overlay `textured` has it learned anyway
        self.tracked = 0
        self.busy_since_s: float | None = None  # by time.monotonic, while a frame is being tracked
        self._engine, self._session, self._outputs, self._times = engine, session, outputs, times
        self._identity: Identity | None = None  # the last one told
        self._given: Identity | None = None  # of a returning person
        self._renderer: OverlayRenderer | None = None
        self._skin: SkinLearner | None = None
        self._texture: Texture | None = None  # the last one told
        self.forgotten = 0  # heads
        self._begun = 0  # the thread's own count of them
        self._thread = threading.Thread(target=self._run, name=f"track-{session[:8]}", daemon=True)

    def start(self, identity: Identity | None = None) -> None:
        self._given = identity
        self._thread.start()

    def re_enroll(self) -> None:
        """The frame in hand may still tell of the head before."""
        self.forgotten += 1

    def stop(self) -> None:
        """Ends after the frame in hand; `Outputs.ended` says when."""
        self.inbox.close()

    # On the thread.

    def _run(self) -> None:
        keep_to_one_thread()
        failures = 0
        try:
            while True:
                well_from = self.tracked + WELL_AFTER_FRAMES
                try:
                    self._track_with_one_tracker()
                    return
                except Exception as error:
                    failures = 1 if self.tracked >= well_from else failures + 1
                    event("tracking_failed", session=self._session, level="error", error=repr(error), failures=failures)
                    self._outputs.failed(type(error).__name__, failures > RESTARTS)
                    if failures > RESTARTS:
                        return
        finally:
            self.busy_since_s = None
            self._outputs.ended()

    def _track_with_one_tracker(self) -> None:
        with contextlib.closing(self._engine.new_tracker(self._given)) as tracker:
            try:
                self._track(tracker)
            finally:
                self._forget_skin()

    def _track(self, tracker: Tracker) -> None:
        while (arrived := self.inbox.take()) is not None:
            if self.paused:
                continue
            if self._begun != self.forgotten:
                self._begun = self.forgotten
                self._given = None
                tracker.re_enroll()
                self._forget_skin()
            self.busy_since_s = time.monotonic()
            taken_s = time.perf_counter()
            image = rgb_from_video(arrived.video)
            converted_s = time.perf_counter()
            frame = Frame(image, arrived.time_s, arrived.index)
            result = tracker.step(frame)
            queue_ms = 1e3 * (taken_s - arrived.arrived_s)
            params = params_message(result, arrived.rtp_time, queue_ms)
            self._outputs.tracked(arrived, params, result.size_px, result.hint)
            tracked_s = time.perf_counter()
            self._tell_identity(tracker.identity)
            self._learn_skin(frame, result, tracker.identity)
            overlay = self._draw(image, result, arrived.video) if arrived.is_watched else None
            if overlay is not None:
                self._outputs.drawn(arrived, overlay)
                self._times.record("draw", 1e3 * (time.perf_counter() - tracked_s))
            self.tracked += 1
            self.busy_since_s = None
            self._record(result, queue_ms, converted_s - taken_s, tracked_s - converted_s)

    def _draw(self, image: NDArray[np.uint8], result: TrackResult, timing: VideoFrame) -> VideoFrame | None:
        """The picture to send back, or None where none is wished. Its legend is the page's own."""
        mode = self.overlay
        if mode == "off":
            return None
        if self._renderer is None:
            self._renderer = self._engine.new_renderer()
        picture = self._renderer.draw(image, result, self._identity, mode, legend=False, texture=self._texture)
        return video_from_rgb(picture, timing)

    def _learn_skin(self, frame: Frame, result: TrackResult, identity: Identity | None) -> None:
        """Made on a thread of its own, which lets this one go first."""
        if self._skin is None and not self.texture and self.overlay != "textured":
            return
        if self._skin is None:
            self._skin = self._engine.new_skin_learner()
        self._skin.observe(frame, result, identity)
        if self._skin.texture is not self._texture:
            self._texture = self._skin.texture
            self._outputs.textured(self._texture)

    def _forget_skin(self) -> None:
        skin, self._skin, self._texture = self._skin, None, None
        if skin is not None:
            skin.close()

    def _tell_identity(self, identity: Identity | None) -> None:
        if identity is not None and identity is not self._identity:
            self._identity = identity
            self._outputs.learned(identity, self._begun)

    def _record(self, result: TrackResult, queue_ms: float, convert_s: float, track_s: float) -> None:
        self._times.record("queue", queue_ms)
        self._times.record("convert", 1e3 * convert_s)
        self._times.record("detect", result.detect_ms)
        self._times.record("fit", result.fit_ms)
        self._times.record("track", 1e3 * track_s)
