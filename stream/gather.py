"""Fits of all sessions together on one device: a thread that owns it takes what waits, and never waits for more.

A session's tracker has a `Seat`, which fits as `tracker.live.FrameFitter` does: it hands its frame in and sleeps until
the batch it went into is done. While one batch is on the device the next one gathers, so nobody waits for the slowest.
On CUDA each batch is one captured graph, of the smallest size that reaches the last taken seat.
"""

import threading
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.head import Head
from models.types import Identity, MienError
from stream.logs import event
from tracker.batch import SIZES, BatchFitter, BatchInput, CapturedFit, graph_size
from tracker.config import LiveConfig
from tracker.live import LiveFit, Posterior, Seen
from tracker.residuals import Observed
from tracker.tracker import HeadTracker

Floats = NDArray[np.float32]
DONE_WITHIN_S = 5.0


@dataclass
class _Request:
    place: int
    seen: Seen
    start: Floats
    before: Posterior | None
    done: threading.Event = field(default_factory=threading.Event)
    fit: LiveFit | None = None


class Gatherer:
    """Seats for up to 64 sessions on one device. Its thread ends with `close`."""

    def __init__(self, head: Head, device: str, config: LiveConfig | None = None) -> None:
        self._config = config or LiveConfig()
        self._device = torch.device(device)
        self._head = head.to(self._device)
        self._free = list(range(SIZES[-1]))
        self._waiting: list[_Request] = []
        self._identities: dict[int, Tensor] = {}  # told since the last batch
        self._changed = threading.Condition()
        self._closed = False
        self._failed: str | None = None
        self.batches = self.fits = 0
        self._thread = threading.Thread(target=self._run, name="gathered-fits", daemon=True)
        self._thread.start()

    def seat(self) -> "Seat":
        with self._changed:
            if not self._free:
                raise MienError(f"expected at most {SIZES[-1]} sessions on one device, got one more")
            return Seat(self, self._free.pop(0))

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join(DONE_WITHIN_S)

    # For seats, on their sessions' threads.

    def identify(self, place: int, shape: Tensor) -> None:
        with self._changed:
            self._identities[place] = shape.detach().clone()

    def leave(self, place: int) -> None:
        with self._changed:
            self._free = sorted([*self._free, place])

    def fit(self, request: _Request) -> LiveFit:
        with self._changed:
            if self._closed or self._failed:
                raise RuntimeError(f"the device's thread has ended ({self._failed or 'closed'})")
            self._waiting.append(request)
            self._changed.notify()
        if not request.done.wait(DONE_WITHIN_S) or request.fit is None:
            raise RuntimeError(f"the device did not answer ({self._failed or 'too slow'})")
        return request.fit

    # On the thread that owns the device.

    def _run(self) -> None:
        try:
            batches = {size: _Batch(self._head, size, self._config, self._device) for size in SIZES}
            while (taken := self._take()) is not None:
                requests, identities, size = taken
                for place, shape in identities.items():
                    for fits in (batch for batch_size, batch in batches.items() if place < batch_size):
                        fits.identify(place, shape)
                for cold in (False, True):
                    some = [request for request in requests if (request.before is None) is cold]
                    if some:
                        batches[size].fit(some, cold)
                        self.batches, self.fits = self.batches + 1, self.fits + len(some)
        except Exception as error:
            self._failed = repr(error)
            event("device_failed", level="error", error=self._failed)
            with self._changed:
                for request in self._waiting:
                    request.done.set()

    def _take(self) -> tuple[list[_Request], dict[int, Tensor], int] | None:
        """Everything that waits, as soon as anything does."""
        with self._changed:
            while not self._waiting and not self._closed:
                self._changed.wait()
            if self._closed:
                return None
            requests, self._waiting = self._waiting, []
            identities, self._identities = self._identities, {}
            taken = [place for place in range(SIZES[-1]) if place not in self._free]
            return requests, identities, graph_size(max((*taken, *(r.place for r in requests))) + 1)


class Seat:
    """One session's place at the device."""

    def __init__(self, gatherer: Gatherer, place: int) -> None:
        self._gatherer, self._place, self._left = gatherer, place, False

    def with_identity(self, shape: Tensor) -> "Seat":
        self._gatherer.identify(self._place, shape)
        return self

    def fit(self, seen: Seen, start: Floats, before: Posterior | None) -> LiveFit:
        return self._gatherer.fit(_Request(self._place, seen, start, before))

    def leave(self) -> None:
        if not self._left:
            self._left = True
            self._gatherer.leave(self._place)


class SeatedTracker(HeadTracker):
    """A tracker whose frames are fitted at its seat."""

    def __init__(self, seat: Seat, head: Head, detector: str, identity: Identity | None) -> None:
        self._seat = seat
        super().__init__(head, detector, identity, open_fitter=lambda rows, shape: seat.with_identity(shape))

    def close(self) -> None:
        super().close()
        self._seat.leave()


class _Batch:
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
        self._fitter.set_identity(place, shape.to(self._device))

    def fit(self, requests: list[_Request], cold: bool) -> None:
        """Answers all requests."""
        for request in requests:
            self._fill(request)
        with torch.inference_mode():
            graph = self._graphs.get(cold)
            found = graph.fit(self._given()) if graph else self._fitter.fit(self._given(), cold)
            size = len(self._known)
            parts = (found.state, found.variance, found.points_px.reshape(size, -1), found.camera_m.reshape(size, -1))
            widths = np.cumsum([part.shape[1] for part in parts])[:-1]
            answers = torch.cat(parts, 1).cpu().numpy()  # the batch's one wait for the device
        for request in requests:
            state, variance, points, camera = (part.copy() for part in np.split(answers[request.place], widths))
            fitted_px, fitted_m = points.reshape(-1, 2), camera.reshape(-1, 3)
            request.fit = LiveFit.of(state, variance, fitted_px, fitted_m, request.seen, self._steps[cold])
            request.done.set()

    def _fill(self, request: _Request) -> None:
        place, seen, before = request.place, request.seen, request.before
        self._points[place], self._weights[place] = seen.points_px, seen.weights
        elapsed = max(seen.time_s - before.time_s, 1e-3) * 30 if before is not None else 1.0
        miss_iod = before.miss_iod if before is not None else 0.0
        self._others[place] = (seen.iod_px, *seen.centre_px, elapsed, miss_iod)
        self._starts[place] = request.start
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
