"""Fits on a device, for numpy's callers: of many heads together, or of one person as `tracker.live.FrameFitter`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.head import Head
from models.landmark_rows import LandmarkRows
from tracker.batch import BatchFitter, BatchInput, CapturedFit
from tracker.config import LiveConfig
from tracker.live import LiveFit, Posterior, Seen
from tracker.residuals import Observed

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Picture:
    """One head's frame."""

    place: int  # in the batch
    seen: Seen
    start: Floats  # [D]
    before: Posterior | None


class DeviceBatch:
    """The fits of `size` places: buffers on this side, a fitter (on CUDA, captured) on the other."""

    def __init__(self, head: Head, size: int, config: LiveConfig, device: torch.device) -> None:
        self._fitter = BatchFitter(head, size, config)
        self._device = device
        self._graphs: dict[bool, CapturedFit] = {}  # by whether they begin from nothing
        self._steps = {True: len(config.cold_widening) * config.cold_iterations, False: config.warm_iterations}
        unknowns = self._fitter.layout.columns.count
        landmarks = len(head.embedding.vertices)
        state = np.zeros((size, unknowns + 6), np.float32)  # a rotation has nine entries and three unknowns
        turn = self._fitter.layout.columns.rotation.start
        state[:, [turn, turn + 4, turn + 8]] = 1
        state[:, -2], state[:, -1] = 0.5, np.log(600)
        self._points = np.zeros((size, landmarks, 2), np.float32)
        self._weights = np.zeros((size, landmarks), np.float32)
        self._others = np.ones((size, 5), np.float32)  # IOD, principal point, time since the last frame, its miss
        self._starts, self._befores = state.copy(), state.copy()
        self._variances = np.ones((size, unknowns - 1), np.float32)
        self._known = np.zeros(size, np.bool_)
        for cold in (False, True):
            if device.type == "cuda":
                self._graphs[cold] = CapturedFit(self._fitter, self._given(), cold)

    def identify(self, place: int, shape: Tensor) -> None:
        """Set a place's identity [S]."""
        self._fitter.set_identity(place, shape.to(self._device))

    def fit(self, pictures: Sequence[Picture], cold: bool) -> list[LiveFit]:
        """All of them together; `cold`: none of them has a frame before."""
        for picture in pictures:
            self._fill(picture)
        with torch.inference_mode():
            graph = self._graphs.get(cold)
            found = graph.fit(self._given()) if graph else self._fitter.fit(self._given(), cold)
            size = len(self._known)
            parts = (found.state, found.variance, found.points_px.reshape(size, -1), found.camera_m.reshape(size, -1))
            widths = np.cumsum([part.shape[1] for part in parts])[:-1]
            answers = torch.cat(parts, 1).cpu().numpy()  # the batch's one wait for the device
        fits = []
        for picture in pictures:
            state, variance, points, camera = (part.copy() for part in np.split(answers[picture.place], widths))
            fitted_px, fitted_m = points.reshape(-1, 2), camera.reshape(-1, 3)
            fits.append(LiveFit.of(state, variance, fitted_px, fitted_m, picture.seen, self._steps[cold]))
        return fits

    def _fill(self, picture: Picture) -> None:
        place, seen, before = picture.place, picture.seen, picture.before
        self._points[place], self._weights[place] = seen.points_px, seen.weights
        elapsed = max(seen.time_s - before.time_s, 1e-3) * 30 if before is not None else 1.0
        miss_iod = before.miss_iod if before is not None else 0.0
        self._others[place] = (seen.iod_px, *seen.centre_px, elapsed, miss_iod)
        self._starts[place] = picture.start
        self._known[place] = before is not None
        if before is not None:
            self._befores[place], self._variances[place] = before.state, before.variance

    def _given(self) -> BatchInput:
        def sent(array: NDArray[np.generic]) -> Tensor:
            return torch.from_numpy(array).to(self._device)

        starts, others = sent(self._starts), sent(self._others)
        observed = Observed(sent(self._points), others[:, 0], sent(self._weights), others[:, 1:3], starts[:, -1].exp())
        befores, variances, known = sent(self._befores), sent(self._variances), sent(self._known)
        return BatchInput(observed, starts, befores, variances, known, others[:, 4], others[:, 3])


class DeviceFitter:
    """A `tracker.tracker.Fitter` of one person."""

    def __init__(self, batch: DeviceBatch) -> None:
        self._batch = batch

    def fit(self, seen: Seen, start: Floats, before: Posterior | None) -> LiveFit:
        return self._batch.fit([Picture(0, seen, start, before)], before is None)[0]


def fitters_on(
    device: str, head: Head, config: LiveConfig | None = None
) -> Callable[[LandmarkRows, Tensor], DeviceFitter]:
    """For `HeadTracker(open_fitter=...)`. The device is made ready once; each identity is handed to it."""
    place = torch.device(device)
    batch = DeviceBatch(head.to(place), 1, config or LiveConfig(), place)

    def open_fitter(rows: LandmarkRows, shape: Tensor) -> DeviceFitter:
        batch.identify(0, shape)
        return DeviceFitter(batch)

    return open_fitter
