"""One slot that keeps the newest: the hand-over used wherever frames or parameters change hands.

Fresh beats complete: putting never waits, and what was not taken in time is replaced and counted.
`Latest` is between threads, `AsyncLatest` on the event loop.
"""

import asyncio
import threading
from typing import Generic, TypeVar

T = TypeVar("T")


class Latest(Generic[T]):
    """Put from any thread, taken by one."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._item: T | None = None
        self._closed = False
        self.replaced = 0  # items that were never taken

    def put(self, item: T) -> None:
        with self._changed:
            self.replaced += self._item is not None
            self._item = item
            self._changed.notify()

    def take(self) -> T | None:
        """Wait for an item; None once closed."""
        with self._changed:
            while self._item is None and not self._closed:
                self._changed.wait()
            item, self._item = self._item, None
            return None if self._closed else item

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._item = None
            self._changed.notify_all()


class AsyncLatest(Generic[T]):
    """Put and taken on the event loop, taken by one task."""

    def __init__(self) -> None:
        self._changed = asyncio.Event()
        self._item: T | None = None
        self._closed = False
        self.replaced = 0

    def put(self, item: T) -> None:
        self.replaced += self._item is not None
        self._item = item
        self._changed.set()

    async def take(self) -> T | None:
        """Wait for an item; None once closed."""
        while self._item is None and not self._closed:
            await self._changed.wait()
            self._changed.clear()
        item, self._item = self._item, None
        return None if self._closed else item

    def close(self) -> None:
        self._closed = True
        self._item = None
        self._changed.set()
