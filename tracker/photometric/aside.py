"""Long work done beside live sessions, on one thread of low priority for all: slice by slice, so that it can be dropped
at any time, and nobody ever waits for it."""

import logging
import os
import threading
import time
from collections.abc import Generator
from contextlib import suppress

log = logging.getLogger(__name__)

PAUSE_S = 0.01  # between slices
NICENESS = 10

Work = Generator[None, None, None]


class Aside:
    """One work after another, for they are large. The thread is there as long as there is work and a program to do it
    for: that one waits at its end for the slice in hand, since a thread cut off in native code would abort it."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._works: list[Work] = []  # the first is being done
        self._thread: threading.Thread | None = None

    def begin(self, work: Work) -> bool:
        """False where the system gives no thread to do it on."""
        with self._lock:
            if self._thread is None:
                thread = threading.Thread(target=self._run, name=self._name, daemon=False)
                try:
                    thread.start()
                except RuntimeError as error:
                    log.warning("no thread for work aside: %s", error)
                    return False
                self._thread = thread
            self._works.append(work)
            return True

    def drop(self, work: Work) -> None:
        """Nothing of it is begun any more. The slice in hand ends by itself, and then what the work held is freed."""
        with self._lock:
            if work in self._works:
                self._works.remove(work)

    def is_at(self, work: Work) -> bool:
        """Whether it is still to be done, or being done."""
        with self._lock:
            return work in self._works

    def _run(self) -> None:
        with suppress(OSError):  # a sandbox may forbid it
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)  # on Linux, of this thread alone
        while (work := self._first()) is not None:
            try:
                while self.is_at(work) and threading.main_thread().is_alive():
                    next(work)
                    time.sleep(PAUSE_S)
            except StopIteration:
                pass
            except Exception:
                log.exception("work aside failed")
            work.close()  # here, where it ran: torch's modes belong to a thread
            self.drop(work)

    def _first(self) -> Work | None:
        with self._lock:
            if not self._works:
                self._thread = None
            return self._works[0] if self._works else None
