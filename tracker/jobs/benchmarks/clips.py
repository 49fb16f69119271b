"""Everything `mien bench` measures on real clips: each clip is decoded and detected once, then tracked in several ways.

exact, openings, steady, prompt   the ordinary track against the detector
hidden                            the person learned as usual, then followed with the lips, or one eye's lids, unseen
life                              first parameters, settling, recovery after a loss, somebody else taking the seat
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.head import Head
from models.library import load_head
from models.types import Frame, Identity, Landmarks, MienError, State, TrackResult
from tracker.config import LiveConfig
from tracker.jobs.reading import open_video
from tracker.landmarks import LandmarkDetector, open_detector
from tracker.metrics import EYELIDS, LIPS, Series, measure
from tracker.tracker import HeadTracker, TrackerConfig

SUFFIXES = (".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v")
RIGHT_LIDS, LEFT_LIDS = EYELIDS[:16], EYELIDS[16:]
BLANK_FRAMES = 15  # of a made loss
QUICK_FRAMES = 150
SPLICE_FRAMES = 120  # of either person at most,
SPLICE_LEAST = 75  # and at least
NOTICED_S = 2.0


@dataclass(frozen=True)
class Detected:
    """A clip as the detector saw it; pictures are not kept."""

    name: str
    landmarks: tuple[Landmarks | None, ...]
    times_s: tuple[float, ...]
    size_px: tuple[int, int]

    def frames(self) -> Iterator[Frame]:
        """Frames whose pictures are empty: for `HeadTracker.follow`, which looks at their size alone."""
        width, height = self.size_px
        nothing = np.broadcast_to(np.uint8(0), (height, width, 3))
        for index, time_s in enumerate(self.times_s):
            yield Frame(nothing, time_s, index)


def find_clips(folder: Path) -> list[Path]:
    clips = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES) if folder.is_dir() else []
    if not clips:
        raise MienError(f"{folder}: expected a folder with clips ({', '.join(SUFFIXES)}), found none; name another")
    return clips


def detect_clip(path: Path, most_frames: int | None = None) -> Detected:
    detector = open_detector("mesh")
    seen: list[Landmarks | None] = []
    times: list[float] = []
    size = (1, 1)
    try:
        for frame in open_video(path):
            if most_frames is not None and len(seen) >= most_frames:
                break
            seen.append(detector.detect(frame.image))
            times.append(frame.time_s)
            size = frame.image.shape[1], frame.image.shape[0]
    finally:
        detector.close()
    return Detected(path.stem, tuple(seen), tuple(times), size)


class NoDetector:
    """Stands where a tracker wants a detector, when landmarks come from elsewhere."""

    name = "mesh"
    scores: NDArray[np.float32] | None = None

    def detect(self, image: NDArray[np.uint8]) -> Landmarks | None:
        raise AssertionError("landmarks are given, not detected")

    def close(self) -> None:
        pass


def new_tracker(head: Head, identity: Identity | None = None, config: TrackerConfig | None = None) -> HeadTracker:
    detector: LandmarkDetector = NoDetector()
    return HeadTracker(head, detector, identity, config)


def follow_all(tracker: HeadTracker, clip: Detected) -> list[TrackResult]:
    pairs = zip(clip.landmarks, clip.frames(), strict=True)
    return [tracker.follow(landmarks, frame) for landmarks, frame in pairs]


# One clip.


@dataclass(frozen=True)
class ClipReport:
    name: str
    metrics: dict[str, float]  # of `tracker.metrics.measure`
    hidden_lips: float  # % IOD, over the hidden points alone
    hidden_lids: float
    first_parameters: float  # frames after the first landmarks
    settled: float  # frames after the first parameters; NaN where the clip ends before
    recovery_ms: float  # NaN where nothing was lost
    faces_kept: float  # % of the frames with landmarks that got parameters
    changes: int  # times that the tracker took the one person for another


def measure_clip(path: Path, quick: bool) -> ClipReport:
    head = load_head()
    return report_clip(head, detect_clip(path, QUICK_FRAMES if quick else None))


def report_clip(head: Head, clip: Detected) -> ClipReport:
    tracker = new_tracker(head)
    results = follow_all(tracker, clip)
    identity = tracker.identity
    with_face = [result.params is not None for result in results]
    seen = [landmarks is not None for landmarks in clip.landmarks]
    return ClipReport(
        name=clip.name,
        metrics=measure(Series.of(results)),
        hidden_lips=_hidden_error(head, identity, clip, (LIPS,)),
        hidden_lids=_hidden_error(head, identity, clip, (RIGHT_LIDS, LEFT_LIDS)),
        first_parameters=_gap(seen, with_face),
        settled=_settled(results),
        recovery_ms=recovery_ms(head, clip),
        faces_kept=100 * sum(a and b for a, b in zip(seen, with_face, strict=True)) / max(sum(seen), 1),
        changes=person_changes(results),
    )


def _hidden_error(head: Head, identity: Identity | None, clip: Detected, groups: Sequence[tuple[int, ...]]) -> float:
    """Median over frames of the hidden points' mean error, % IOD; the mean over the groups, hidden in turn."""
    if identity is None:
        return float("nan")
    errors = []
    for group in groups:
        tracker = new_tracker(head, identity, TrackerConfig(live=LiveConfig(unseen=group)))
        error = 100 * Series.of(follow_all(tracker, clip)).error()[:, list(group)].mean(1)
        errors.append(float(np.nanmedian(error)) if np.isfinite(error).any() else float("nan"))
    return float(np.mean(errors))


def _gap(seen: list[bool], with_face: list[bool]) -> float:
    return float(with_face.index(True) - seen.index(True)) if True in seen and True in with_face else float("nan")


def _settled(results: list[TrackResult]) -> float:
    first = next((i for i, r in enumerate(results) if r.params is not None), None)
    settled = next((i for i, r in enumerate(results) if r.state is State.TRACKING), None)
    return float("nan") if first is None or settled is None else float(settled - first)


def person_changes(results: list[TrackResult]) -> int:
    """How often a settled person was given up for another."""
    states = [result.state for result in results if result.params is not None]
    return sum(a is State.TRACKING and b is State.ENROLLING for a, b in itertools.pairwise(states))


def recovery_ms(head: Head, clip: Detected) -> float:
    """The face is taken away in the middle of the clip and comes back: how long until parameters do."""
    middle = len(clip.landmarks) // 2
    back = middle + BLANK_FRAMES
    if back >= len(clip.landmarks) or any(seen is None for seen in clip.landmarks[middle - 30 : back + 1]):
        return float("nan")
    tracker = new_tracker(head)
    for index, (landmarks, frame) in enumerate(zip(clip.landmarks, clip.frames(), strict=True)):
        if index < middle - 30:
            continue
        result = tracker.follow(None if middle <= index < back else landmarks, frame)
        if index >= back and result.params is not None:
            return 1e3 * (clip.times_s[index] - clip.times_s[back])
    return float("inf")


# Somebody else.


def change_noticed(head: Head, first: Detected, second: Detected) -> bool:
    """One person's frames, then another's, cut together: noticed within two seconds?"""
    one, other = (_whole(clip) for clip in (first, second))
    if one is None or other is None:
        return False
    tracker = new_tracker(head)
    frame = np.broadcast_to(np.uint8(0), (first.size_px[1], first.size_px[0], 3))
    settled = False
    for index, landmarks in enumerate((*one, *(_resized(seen, first.size_px) for seen in other))):
        result = tracker.follow(landmarks, Frame(frame, index / 30, index))
        settled |= index < len(one) and result.state is State.TRACKING
        after = index - len(one)
        if after >= 0 and settled and result.state is State.ENROLLING:
            return after / 30 <= NOTICED_S
    return False


def _whole(clip: Detected) -> list[Landmarks] | None:
    """The clip's first frames with a face."""
    seen = [landmarks for landmarks in clip.landmarks if landmarks is not None]
    return seen[:SPLICE_FRAMES] if len(seen) >= SPLICE_LEAST else None


def _resized(seen: Landmarks, size_px: tuple[int, int]) -> Landmarks:
    """As in a picture of another size, which shows as much of the scene as it can hold."""
    scale = min(size_px[0] / seen.size_px[0], size_px[1] / seen.size_px[1])
    margin = (np.array(size_px) - scale * np.array(seen.size_px)) / 2
    points = (seen.points_px * scale + margin).astype(np.float32)
    return Landmarks(points, (seen.depth_px * scale).astype(np.float32), size_px, seen.presence)
