"""How long each stage of a frame's way takes: recorded always, kept for the last seconds, told as percentiles."""

import threading
import time
from collections import deque

import numpy as np

from stream.protocol import RTP_HZ, Percentiles

KEPT = 150  # values per stage: five seconds at 30 frames a second


class StageTimes:
    """Written by worker and event loop, read once a second."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values_ms: dict[str, deque[float]] = {}

    def record(self, stage: str, milliseconds: float) -> None:
        with self._lock:
            self._values_ms.setdefault(stage, deque(maxlen=KEPT)).append(milliseconds)

    def percentiles(self) -> dict[str, Percentiles]:
        with self._lock:
            copies = {stage: list(values) for stage, values in self._values_ms.items()}
        return {stage: _percentiles(values) for stage, values in copies.items()}


def _percentiles(values_ms: list[float]) -> Percentiles:
    median, p95 = np.percentile(values_ms, (50, 95))
    return Percentiles(round(float(median), 2), round(float(p95), 2))


class Rate:
    """Events per second, over the time since it was last asked."""

    def __init__(self) -> None:
        self.count = 0
        self._since_s = time.monotonic()
        self._counted = 0

    def event(self) -> None:
        self.count += 1

    def per_second(self) -> float:
        now_s = time.monotonic()
        elapsed_s, events = now_s - self._since_s, self.count - self._counted
        self._since_s, self._counted = now_s, self.count
        return round(events / elapsed_s, 1) if elapsed_s > 0 else 0.0


class Bucket:
    """Lets through `burst` events at once and `per_second` in the long run."""

    def __init__(self, burst: int, per_second: float) -> None:
        self._burst, self._per_second = float(burst), per_second
        self._left, self._at_s = float(burst), time.monotonic()

    def take(self) -> bool:
        now_s = time.monotonic()
        self._left = min(self._burst, self._left + (now_s - self._at_s) * self._per_second)
        self._at_s = now_s
        if self._left < 1:
            return False
        self._left -= 1
        return True


class MediaClock:
    """The session's own time, which goes on where a new connection's timestamps begin again."""

    def __init__(self) -> None:
        self._origin: tuple[int, float] | None = None  # pts, session time of a connection's first frame
        self._last_s = 0.0
        self._last_at_s: float | None = None  # by time.monotonic

    def restart(self) -> None:
        self._origin = None

    def time_s(self, pts: int) -> float:
        now_s = time.monotonic()
        if self._origin is None:
            gap_s = now_s - self._last_at_s if self._last_at_s is not None else 0.0
            self._origin = pts, self._last_s + gap_s
        self._last_s = self._origin[1] + (pts - self._origin[0]) / RTP_HZ
        self._last_at_s = now_s
        return self._last_s
