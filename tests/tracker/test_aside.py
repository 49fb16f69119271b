"""Work aside: in slices, one after another, dropped at any time without waiting."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tracker.photometric.aside import Aside, Work

ROOT = Path(__file__).parents[2]
PATIENCE_S = 90.0


class Slices:
    """Work whose slices end when they are told to."""

    def __init__(self, count: int, failing: bool = False) -> None:
        self.begun, self.closed = threading.Semaphore(0), threading.Event()
        self.go_on = threading.Semaphore(0)
        self.done = 0
        self.work = self._slices(count, failing)

    def _slices(self, count: int, failing: bool) -> Work:
        try:
            for _ in range(count):
                self.begun.release()
                assert self.go_on.acquire(timeout=PATIENCE_S)
                if failing:
                    raise ZeroDivisionError
                self.done += 1
                yield
        finally:
            self.closed.set()


def ended(aside: Aside) -> Callable[[], None]:
    thread = aside._thread
    assert thread is not None

    def wait() -> None:
        thread.join(PATIENCE_S)
        assert not thread.is_alive()
        assert aside._thread is None

    return wait


def test_works_are_done_one_after_another_and_the_thread_ends() -> None:
    aside, first, second = Aside("aside"), Slices(2), Slices(1)
    aside.begin(first.work)
    aside.begin(second.work)
    wait = ended(aside)
    second.go_on.release()
    for _ in range(2):
        assert first.begun.acquire(timeout=PATIENCE_S)
        assert not second.begun.acquire(blocking=False)
        assert aside.is_at(second.work)
        first.go_on.release()
    wait()
    assert (first.done, second.done) == (2, 1)
    assert not aside.is_at(first.work)


def test_dropping_waits_for_nothing_and_frees_what_was_held() -> None:
    aside, work, next_one = Aside("aside"), Slices(5), Slices(1)
    aside.begin(work.work)
    wait = ended(aside)
    assert work.begun.acquire(timeout=PATIENCE_S)
    aside.drop(work.work)  # in the midst of a slice
    assert not aside.is_at(work.work)
    assert not work.closed.is_set()
    aside.begin(next_one.work)
    next_one.go_on.release()
    work.go_on.release()
    wait()
    assert work.closed.is_set()
    assert (work.done, next_one.done) == (1, 1)


def test_what_was_dropped_before_its_turn_is_never_begun() -> None:
    aside, first, second = Aside("aside"), Slices(1), Slices(1)
    aside.begin(first.work)
    aside.begin(second.work)
    wait = ended(aside)
    aside.drop(second.work)
    first.go_on.release()
    wait()
    assert not second.begun.acquire(blocking=False)


def test_a_failure_is_logged_and_harms_no_other_work(caplog: pytest.LogCaptureFixture) -> None:
    aside, broken, whole = Aside("aside"), Slices(1, failing=True), Slices(1)
    aside.begin(broken.work)
    aside.begin(whole.work)
    wait = ended(aside)
    broken.go_on.release()
    whole.go_on.release()
    wait()
    assert whole.done == 1
    assert "work aside failed" in caplog.text


PROGRAM = """
import threading
from tracker.photometric.aside import Aside

def endless():
    while True:
        begun.set()
        yield

begun = threading.Event()
threading.Thread(target=lambda: Aside("aside").begin(endless()), daemon=True).start()  # as a session's thread is
begun.wait()
thread, = (thread for thread in threading.enumerate() if thread.name == "aside")
print(thread.daemon)
"""


def test_a_program_may_end_while_there_is_work() -> None:
    ended = subprocess.run([sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, timeout=90, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, b"False\n", b"")


def test_without_a_thread_the_work_is_refused_and_the_next_one_done(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_more(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    aside, refused, work = Aside("aside"), Slices(1), Slices(1)
    with monkeypatch.context() as system:
        system.setattr(threading.Thread, "start", no_more)
        assert not aside.begin(refused.work)
    assert not aside.is_at(refused.work)
    assert aside.begin(work.work)
    wait = ended(aside)
    work.go_on.release()
    wait()
    assert (refused.done, work.done) == (0, 1)


def test_work_is_done_where_no_priority_may_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*of: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "setpriority", forbidden)
    aside, work = Aside("aside"), Slices(1)
    assert aside.begin(work.work)
    wait = ended(aside)
    work.go_on.release()
    wait()
    assert work.done == 1
