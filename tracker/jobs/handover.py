"""Things handed from one thread to another, in order, and only so many waiting."""

from queue import SimpleQueue
from typing import Generic, TypeVar

T = TypeVar("T")


class Handover(Generic[T]):
    """A Ctrl-C at the wrong instant leaves a `queue.Queue` of limited size locked for good; this it leaves whole."""

    def __init__(self, room: int) -> None:
        self._things: SimpleQueue[T] = SimpleQueue()
        self._room: SimpleQueue[None] = SimpleQueue()
        for _ in range(room):
            self.make_room()

    def put(self, thing: T) -> None:
        """Waits until there is room."""
        self._room.get()
        self._things.put(thing)

    def put_at_once(self, thing: T) -> None:
        self._things.put(thing)

    def take(self) -> T:
        """The next one, as soon as there is one."""
        thing = self._things.get()
        self.make_room()
        return thing

    def make_room(self) -> None:
        """For one more, whether or not one was taken."""
        self._room.put(None)
