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
from tracker.batch import SIZES, graph_size
from tracker.config import LiveConfig
from tracker.device import DeviceBatch, Picture
from tracker.live import LiveFit, Posterior, Seen
from tracker.tracker import HeadTracker

Floats = NDArray[np.float32]
DONE_WITHIN_S = 5.0  # once the device is ready: making it so, with all its graphs, takes longer


@dataclass
class _Request:
    picture: Picture
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
        self._on_device: list[_Request] = []
        self._identities: dict[int, Tensor] = {}  # told since the last batch
        self._changed = threading.Condition()
        self._ready = threading.Event()  # or failed
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
        self._ready.wait()
        if not request.done.wait(DONE_WITHIN_S) or request.fit is None:
            why = self._failed or ("closed" if self._closed else "too slow")
            raise RuntimeError(f"the device did not answer ({why})")
        return request.fit

    # On the thread that owns the device.

    def _run(self) -> None:
        try:
            batches = {size: DeviceBatch(self._head, size, self._config, self._device) for size in SIZES}
            self._ready.set()
            while (taken := self._take()) is not None:
                self._fit(batches, *taken)
        except Exception as error:
            self._failed = repr(error)
            event("device_failed", level="error", error=self._failed)
        finally:
            self._ready.set()
            with self._changed:
                self._closed = True
                for request in (*self._on_device, *self._waiting):
                    request.done.set()

    def _fit(
        self, batches: dict[int, DeviceBatch], requests: list[_Request], identities: dict[int, Tensor], size: int
    ) -> None:
        self._on_device = requests
        for place, shape in identities.items():
            for batch in (batch for batch_size, batch in batches.items() if place < batch_size):
                batch.identify(place, shape)
        for cold in (False, True):
            some = [request for request in requests if (request.picture.before is None) is cold]
            if some:
                fits = batches[size].fit([request.picture for request in some], cold)
                for request, fit in zip(some, fits, strict=True):
                    request.fit = fit
                    request.done.set()
                self.batches, self.fits = self.batches + 1, self.fits + len(some)

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
            return requests, identities, graph_size(max((*taken, *(r.picture.place for r in requests))) + 1)


class Seat:
    """One session's place at the device."""

    def __init__(self, gatherer: Gatherer, place: int) -> None:
        self._gatherer, self._place, self._left = gatherer, place, False

    def with_identity(self, shape: Tensor) -> "Seat":
        self._gatherer.identify(self._place, shape)
        return self

    def fit(self, seen: Seen, start: Floats, before: Posterior | None) -> LiveFit:
        return self._gatherer.fit(_Request(Picture(self._place, seen, start, before)))

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
