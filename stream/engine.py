"""The one head of a server, and a tracker for each session: opening one takes a moment, so the next one waits ready."""

import threading
from collections.abc import Callable
from typing import Protocol

import cv2
import numpy as np
import torch

from models.camera import default_focal_px
from models.head import Head, embed
from models.types import Frame, Identity, Landmarks, TrackResult
from render.modes import OVERLAY_MODES
from render.overlay import OverlayRenderer
from render.overlay_surface import Surface
from render.painter import open_painter
from render.texture import Texture
from stream import memory
from stream.logs import event
from stream.protocol import HeadFacts
from stream.results import head_facts
from tracker.photometric.skin import SkinLearner

_BLACK = np.zeros((480, 640, 3), np.uint8)
WARM_UP_FRAMES = 90  # enough to go through enrolment and some frames more, with a head that turns to and fro


class Tracker(Protocol):
    """What a session needs of `tracker.tracker.HeadTracker`."""

    @property
    def identity(self) -> Identity | None: ...

    def step(self, frame: Frame) -> TrackResult: ...

    def follow(self, landmarks: Landmarks | None, frame: Frame) -> TrackResult: ...

    def re_enroll(self) -> None: ...

    def close(self) -> None: ...


class Engine:
    """Shared by all sessions; its methods may be called from any thread."""

    def __init__(
        self,
        head: Head,
        open_tracker: Callable[[Identity | None], Tracker],
        detector: str,
        device: str,
        on_close: Callable[[], None] = lambda: None,
    ) -> None:
        self.head = head
        self.facts: HeadFacts = head_facts(head)
        self._surface = Surface.of(head.to("cpu"))
        self.detector, self.device = detector, device
        self._open_tracker, self._on_close = open_tracker, on_close
        self._lock = threading.Lock()
        self._spare: Tracker | None = None
        self._filling = False
        self._closed = False

    def warm_up(self) -> None:
        """Compile and load whatever the first frame would otherwise wait for."""
        keep_to_one_thread()
        tracker = self._open_tracker(None)
        tracker.step(Frame(_BLACK, 0.0, 0))
        for index in range(1, WARM_UP_FRAMES):
            result = tracker.follow(
                template_landmarks(self.head, 0.6 * np.sin(index / 8)), Frame(_BLACK, index / 30, index)
            )
        renderer = self.new_renderer()
        skin = Texture(np.zeros((8, 8, 3), np.uint8), np.zeros((9, 3), np.float32))
        for mode in OVERLAY_MODES:
            renderer.draw(_BLACK, result, tracker.identity, mode, texture=skin)
        picture = renderer.draw(_BLACK, result, tracker.identity, "mesh", legend=False)
        tracker.step(Frame(picture, WARM_UP_FRAMES / 30, WARM_UP_FRAMES))  # a drawn face is one to the detector, too
        tracker.close()
        self._fill()

    def new_renderer(self) -> OverlayRenderer:
        """One for each thread that draws."""
        return OverlayRenderer(self.head, open_painter(self.head, self.device, self._surface))

    def new_skin_learner(self) -> SkinLearner:
        return SkinLearner(self.head, background=True)

    def new_tracker(self, identity: Identity | None = None) -> Tracker:
        """The spare one if it will do, else a new one, which takes a moment."""
        if identity is not None:
            return self._open_tracker(identity)
        with self._lock:
            tracker, self._spare = self._spare, None
        self._fill_aside()
        return tracker or self._open_tracker(None)

    def close(self) -> None:
        with self._lock:
            spare, self._spare, self._closed = self._spare, None, True
        if spare is not None:
            spare.close()
        self._on_close()

    def _fill_aside(self) -> None:
        with self._lock:
            if self._filling or self._closed:
                return
            self._filling = True
        # No daemon, unlike the session's thread that starts it: a program that ends while a thread is in native code is
        # aborted, and this one is done in a moment.
        threading.Thread(target=self._fill, name="next-tracker", daemon=False).start()

    def _fill(self) -> None:
        tracker: Tracker | None = None
        try:
            tracker = self._open_tracker(None)
            tracker.step(Frame(_BLACK, 0.0, 0))  # a detector loads its models with its first picture
            memory.trim()  # a third of what that took is free again
        except Exception as error:
            event("spare_tracker_failed", level="error", error=repr(error))
        with self._lock:
            self._filling = False
            if tracker is not None and not self._closed and self._spare is None:
                self._spare, tracker = tracker, None
        if tracker is not None:
            tracker.close()


def template_landmarks(head: Head, yaw: float, size_px: tuple[int, int] = (640, 480)) -> Landmarks:
    """What a detector would see of the mean face, half a metre away and a little turned."""
    cos, sin = np.cos(yaw), np.sin(yaw)
    turn = np.array([[cos, 0, sin], [0, -1, 0], [sin, 0, -cos]])  # y up, z out of the face -> y down, z forward
    points = embed(head.embedding, head.template).double().cpu().numpy()
    points = (points - points.mean(0)) @ turn.T + (0, 0, 0.5)
    focal_px = default_focal_px(*size_px)
    pixels = focal_px * points[:, :2] / points[:, 2:] + np.array(size_px) / 2
    depth = focal_px * (points[:, 2] - 0.5) / 0.5
    return Landmarks(pixels.astype(np.float32), depth.astype(np.float32), size_px, 1.0)


def keep_to_one_thread() -> None:
    """Sessions share the cores; threads inside each would only fight over them. Called by every tracking thread."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)


def open_engine(head_name: str, detector: str, device: str) -> Engine:
    """Load the head and say how trackers of it are opened. Slow: seconds of imports and reading."""
    from models.library import load_head
    from tracker.tracker import HeadTracker

    head = load_head(head_name)
    if device == "cpu":
        return Engine(head, lambda identity: HeadTracker(head, detector, identity), detector, device)
    return gathering_engine(head, detector, device)


def gathering_engine(head: Head, detector: str, device: str) -> Engine:
    """All sessions' fits together on one device; detection stays on each session's own thread."""
    from stream.gather import Gatherer, SeatedTracker

    gatherer = Gatherer(head, device)
    return Engine(
        head,
        lambda identity: SeatedTracker(gatherer.seat(), head, detector, identity),
        detector,
        device,
        gatherer.close,
    )
