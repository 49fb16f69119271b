"""What many need for a moment each, and nobody for long: opened when first wanted, lent, and kept for the next."""

import atexit
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, Protocol, TypeVar


class _Closable(Protocol):
    def close(self) -> None: ...


T = TypeVar("T", bound=_Closable)


def cores() -> int:
    """That this process may use."""
    return len(os.sched_getaffinity(0))


class Lending(Generic[T]):
    """At most `most` of a kind; who comes when all are out waits for one to come back."""

    def __init__(self, open_one: Callable[[], T], most: int) -> None:
        self._open_one, self._most = open_one, most
        self._places = threading.Semaphore(most)
        self._lock = threading.Lock()
        self._open = self._members = 0
        self._free: list[T] = []  # appending and popping are atomic
        atexit.register(self.close)

    @contextmanager
    def one(self) -> Iterator[T]:
        """For the borrower alone. One that fails is not lent again."""
        with self._places:
            try:
                lent = self._free.pop()
            except IndexError:
                lent = self._opened()
            try:
                yield lent
            except BaseException:
                self._count(-1)
                lent.close()
                raise
            self._free.append(lent)

    def join(self) -> None:
        """For who will borrow again and again: from now on there is one for each member, or `most`, and none of them
        waits for another to be opened."""
        with self._lock:
            self._members += 1
        try:
            with self._places:
                if self._open < min(self._members, self._most):
                    self._free.append(self._opened())
        except BaseException:
            self.leave()
            raise

    def leave(self) -> None:
        """What is open stays so, for who joins next."""
        with self._lock:
            self._members -= 1

    def _opened(self) -> T:
        self._count(1)
        try:
            return self._open_one()
        except BaseException:
            self._count(-1)
            raise

    def _count(self, change: int) -> None:
        with self._lock:
            self._open += change

    def close(self) -> None:
        """What is not lent now."""
        while self._free:
            self._count(-1)
            self._free.pop().close()
