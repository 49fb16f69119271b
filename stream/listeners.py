"""Who hears of a session: the socket that it belongs to, if it has one now, and those that watch."""

from stream.outbox import Outbox, Update
from stream.protocol import CLOSE_REPLACED, ByeReason, Farewell, ServerMessage


class Listeners:
    def __init__(self) -> None:
        self.own: Outbox | None = None
        self.watchers: set[Outbox] = set()

    def take_over(self, own: Outbox) -> None:
        """A socket in place of the last one."""
        if self.own is not None:
            self.own.post(Farewell("replaced"))
            self.own.end(CLOSE_REPLACED)
        self.own = own

    def tell(self, message: ServerMessage) -> None:
        for listener in self._all():
            listener.post(message)

    def tell_own(self, message: ServerMessage) -> None:
        if self.own is not None:
            self.own.post(message)

    def tell_params(self, update: Update) -> None:
        for listener in self._all():
            listener.post_params(update)

    def part(self, reason: ByeReason, retry_s: float | None, code: int) -> None:
        """From everybody. To those who watch, a session has ended whatever it was, but with the server."""
        if self.own is not None:
            self.own.post(Farewell(reason, retry_s))
            self.own.end(code)
        for watcher in self.watchers:
            watcher.post(Farewell("ended" if reason != "shutdown" else reason, retry_s))
            watcher.end(1000 if reason != "shutdown" else code)

    def _all(self) -> list[Outbox]:
        return [*([self.own] if self.own is not None else []), *self.watchers]
