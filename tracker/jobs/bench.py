"""`mien bench`: run the benchmarks and print their rows. A benchmark is a function of `Settings` that yields rows.

What each row promises stands in `benchmarks/promises.py`. Rows of clips need `--clips`; of the truth, nothing.
"""

import importlib
import json
import math
import multiprocessing
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

from rich.console import Console
from rich.table import Table

from models.types import MienError
from tracker.jobs.benchmarks.promises import PROMISES, Promise, keeps
from tracker.jobs.progress import progress_bar

T = TypeVar("T")

# Every benchmark by name, as module:function, imported when it runs. Those that time come first, while all is quiet.
BENCHMARKS = {
    "heads": "tracker.jobs.benchmarks.heads:measure_heads",
    "fast": "tracker.jobs.benchmarks.speed:measure_speed",
    "draw": "tracker.jobs.benchmarks.overlay:measure_overlay",
    "truth": "tracker.jobs.benchmarks.truth:measure_truth",
    "clips": "tracker.jobs.benchmarks.exactness:measure_clips",
}
MEASURED_S = 0.5  # for how long a thing is repeated
MOST_WORKERS = 8


@dataclass(frozen=True)
class Settings:
    clips: Path | None = None
    quick: bool = False


@dataclass(frozen=True)
class Row:
    """One measured number. What it should be is promised under its key."""

    key: str
    value: float
    unit: str = ""  # where nothing is promised
    detail: bool = False  # in the JSON alone: the table would drown in it

    @property
    def promise(self) -> Promise:
        return PROMISES.get(self.key, Promise(self.unit))

    @property
    def kept(self) -> bool | None:
        """None where nothing is promised."""
        return keeps(self.value, self.promise.must) if self.promise.must else None


def bench(as_json: bool, settings: Settings | None = None, only: Sequence[str] = ()) -> None:
    """`only`: names out of `BENCHMARKS`; all of them where none is named."""
    unknown = sorted(set(only) - set(BENCHMARKS))
    if unknown:
        raise MienError(f"expected benchmarks out of {', '.join(BENCHMARKS)}, got {', '.join(unknown)}")
    if "clips" in only and (settings is None or settings.clips is None):
        raise MienError("expected --clips with a folder of videos for --only clips, got none; name one")
    rows = [row for name in (only or BENCHMARKS) for row in run(name, settings or Settings())]
    if as_json:
        print(json.dumps(report(rows), indent=2))
    else:
        Console().print(table(rows))


def run(name: str, settings: Settings) -> list[Row]:
    with progress_bar(f"measuring {name}") as tell:
        return list(load(BENCHMARKS[name])(settings, tell))


Tell = Callable[[int, int], None]


def load(name: str) -> Callable[[Settings, Tell], Iterable[Row]]:
    module, _, function = name.partition(":")
    found: Callable[[Settings, Tell], Iterable[Row]] = getattr(importlib.import_module(module), function)
    return found


# Help for benchmarks.


def median_ms(function: Callable[[], object]) -> float:
    """The middle one of many calls' times, after a warm-up that compiles and fills caches."""
    for _ in range(5):
        function()
    times: list[float] = []
    end = time.perf_counter() + MEASURED_S
    while time.perf_counter() < end or len(times) < 5:
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return 1e3 * statistics.median(times)


def in_parallel(work: Callable[..., T], tasks: Sequence[tuple[object, ...]], tell: Tell) -> list[T]:
    """`work(*task)` for every task, on all cores, one thread each; answers come in the tasks' order."""
    workers = min(len(tasks), len(os.sched_getaffinity(0)), MOST_WORKERS)
    spawn = multiprocessing.get_context("spawn")  # a fork would copy threads and locks in any state
    with ProcessPoolExecutor(max(1, workers), spawn, initializer=_one_thread) as pool:
        waiting = [pool.submit(work, *task) for task in tasks]
        try:
            for done, _ in enumerate(as_completed(waiting), 1):
                tell(done, len(tasks))
            return [future.result() for future in waiting]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _one_thread() -> None:
    import cv2
    import torch

    torch.set_num_threads(1)
    cv2.setNumThreads(1)


# Printing.


def report(rows: list[Row]) -> dict[str, object]:
    """One key a row, beside what the numbers were measured on. A number that could not be measured is null."""
    measured = {
        row.key: {"value": row.value if math.isfinite(row.value) else None, **asdict(row.promise), "kept": row.kept}
        for row in rows
    }
    return {"machine": machine(), "rows": measured}


def table(rows: list[Row]) -> Table:
    drawn = Table(title=f"on {machine()}", title_justify="left")
    drawn.add_column("what", no_wrap=True)
    for name in ("measured", "must", "aim"):
        drawn.add_column(name, justify="right")
    drawn.add_column("unit")
    for row in (row for row in rows if not row.detail):
        promise = row.promise
        value = f"{row.value:.3g}"
        drawn.add_row(
            row.key,
            f"[red]missed {value}[/red]" if row.kept is False else value,
            promise.must,
            promise.aim,
            promise.unit,
        )
    return drawn


def machine() -> str:
    """The processor's name where Linux tells it."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
