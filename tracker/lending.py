"""What many need for a moment each, and nobody for long: opened when first wanted, lent, and kept for the next."""

import atexit
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, Protocol, TypeVar


class _Closable(Protocol):
    def close(self) -> None: ...


T = TypeVar("T", bound=_Closable)


class Lending(Generic[T]):
    """At most `most` of a kind; who comes when all are out waits for one to come back."""

    def __init__(self, open_one: Callable[[], T], most: int) -> None:
        self._open_one = open_one
        self._places = threading.Semaphore(most)
        self._free: list[T] = []  # appending and popping are atomic
        atexit.register(self.close)

    @contextmanager
    def one(self) -> Iterator[T]:
        """For the borrower alone. One that fails is not lent again."""
        with self._places:
            try:
                lent = self._free.pop()
            except IndexError:
                lent = self._open_one()
            try:
                yield lent
            except BaseException:
                lent.close()
                raise
            self._free.append(lent)

    def close(self) -> None:
        """What is not lent now."""
        while self._free:
            self._free.pop().close()
