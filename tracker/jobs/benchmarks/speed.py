"""How fast: the fit alone, and detection with it, one thread, warm, on a person of the studio who talks."""

import statistics
import time
from collections.abc import Iterator
from dataclasses import replace

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.head import Head
from models.landmark_rows import LandmarkRows
from models.library import load_head
from models.types import Frame, Landmarks, Prior
from render.studio import film, random_person, random_stage
from render.studio.motion import talking
from tracker.config import LiveConfig
from tracker.fit import PersonFitter
from tracker.jobs.bench import Row, Settings, Tell, median_ms
from tracker.jobs.benchmarks.clips import NoDetector
from tracker.jobs.benchmarks.heads import FLAME_EXPRESSIONS, FLAME_IDENTITIES
from tracker.landmarks import open_detector
from tracker.live import FrameFitter, LiveFit, Posterior, Seen
from tracker.tracker import HeadTracker

FRAMES, WARM_UP = 240, 110  # enrolled by then
FAINT_M = 1e-4  # of a mode that is there for its number alone


def measure_speed(settings: Settings, tell: Tell) -> Iterator[Row]:
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    head = load_head()
    shots = film(head, random_person(head, 1), random_stage(1), talking(FRAMES, 12.0, 1))
    frames = [Frame(shot.image, shot.time_s, shot.index) for shot in shots]
    tell(1, 5)
    tracker = HeadTracker(head)
    landmarks, detect_and_fit_s = _step_all(tracker, frames)
    tracker.close()
    tell(2, 5)
    yield Row("fast.detect_and_fit", 1 / detect_and_fit_s)
    sizes = ("builtin", head), ("flame_sized", with_modes_of_flame(head))
    for done, (name, one) in enumerate(sizes, 3):
        fit, follow = fit_and_follow_ms(one, frames, landmarks)
        yield Row(f"fast.fit.{name}", fit)
        yield Row(f"fast.follow.{name}", follow)
        tell(done, 5)
    yield Row("fast.photo", photo_ms(head, frames[0]))
    tell(5, 5)


def _step_all(tracker: HeadTracker, frames: list[Frame]) -> tuple[list[Landmarks | None], float]:
    """What was detected, and the middle one of the seconds a frame took once warm."""
    seen, seconds = [], []
    for frame in frames:
        start = time.perf_counter()
        result = tracker.step(frame)
        seconds.append(time.perf_counter() - start)
        seen.append(result.landmarks)
    return seen, statistics.median(seconds[WARM_UP:])


class TimedFitter(FrameFitter):
    """Counts its seconds: one a frame, as long as no frame is tried twice."""

    def __init__(self, head: Head, rows: LandmarkRows, seconds: list[float]) -> None:
        super().__init__(head, rows, LiveConfig())
        self._seconds = seconds

    def fit(self, seen: Seen, start: NDArray[np.float32], before: Posterior | None) -> LiveFit:
        begun = time.perf_counter()
        found = super().fit(seen, start, before)
        self._seconds.append(time.perf_counter() - begun)
        return found


def fit_and_follow_ms(head: Head, frames: list[Frame], landmarks: list[Landmarks | None]) -> tuple[float, float]:
    """The fit alone; and all that `step` does but detect: gaze, ARKit weights, whose head it is. Both in the middle."""
    fits: list[float] = []
    tracker = HeadTracker(head, NoDetector(), open_fitter=lambda rows, shape: TimedFitter(head, rows, fits))
    follows = []
    for seen, frame in zip(landmarks, frames, strict=True):
        start = time.perf_counter()
        tracker.follow(seen, frame)
        follows.append(time.perf_counter() - start)
    return 1e3 * statistics.median(fits[WARM_UP:]), 1e3 * statistics.median(follows[WARM_UP:])


def with_modes_of_flame(head: Head) -> Head:
    """The head with as many unknowns as FLAME's (300 + 100), and no name of Apple's: still one that fits faces."""
    random = torch.Generator().manual_seed(0)

    def padded(basis: Tensor, columns: int) -> Tensor:
        more = FAINT_M * torch.randn(*basis.shape[:2], columns - basis.shape[2], generator=random)
        return torch.cat((basis, more), 2)

    missing = FLAME_EXPRESSIONS - head.expression_size
    prior = head.expression_prior
    return replace(
        head,
        name="as many modes as FLAME",
        identity_basis=padded(head.identity_basis, FLAME_IDENTITIES),
        expression_basis=padded(head.expression_basis, FLAME_EXPRESSIONS),
        expression_names=tuple(f"shape{k}" for k in range(FLAME_EXPRESSIONS)),
        pose_basis=padded(head.pose_basis[:, :, :0], 36),
        expression_prior=Prior(
            torch.cat((prior.std, torch.ones(missing))),
            torch.cat((prior.low, torch.full((missing,), -3.0))),
            torch.cat((prior.high, torch.full((missing,), 3.0))),
        ),
    )


def photo_ms(head: Head, frame: Frame) -> float:
    """One picture: detected afresh, and fitted with its identity."""
    detector = open_detector("mesh", still=True)
    fitter = PersonFitter(head)

    def photo() -> None:
        seen = detector.detect(frame.image)
        assert seen is not None
        fitter.fit([seen], depth_tells_turn=True)

    took = median_ms(photo)
    detector.close()
    return took
