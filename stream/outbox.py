"""What waits to be sent to one socket: messages in order, and of everything that ages the newest only.

A slow listener misses parameters and delays nobody; one that does not take even the rest is cut off.
"""

import asyncio
import contextlib
import itertools
from functools import cached_property

from starlette.websockets import WebSocket, WebSocketDisconnect

from stream.binary import pack_params
from stream.protocol import Params, ServerMessage, encode

MAX_WAITING = 256  # messages: far more than a client that reads ever has
REPLACEABLE = ("state", "identity", "stats", "queued", "params")  # a newer one makes an older one worthless
END_WITHIN_S = 1.0


class Update:
    """One frame's parameters, put into words at most once for each kind of listener."""

    def __init__(self, params: Params, size_px: tuple[int, int], expressions: int) -> None:
        self._params, self._size_px, self._expressions = params, size_px, expressions

    @cached_property
    def text(self) -> str:
        return encode(self._params)

    @cached_property
    def binary(self) -> bytes:
        return pack_params(self._params, self._size_px, self._expressions)


class Outbox:
    """Filled from the event loop, emptied by `run`."""

    def __init__(self, binary_params: bool) -> None:
        self._binary_params = binary_params
        self._waiting: dict[object, str | Update] = {}
        self._numbers = itertools.count()
        self._wake = asyncio.Event()
        self._close_code: int | None = None
        self.replaced_params = 0
        self.sent_params = 0

    @property
    def ending(self) -> bool:
        return self._close_code is not None

    def post(self, message: ServerMessage) -> None:
        kind = str(message.__struct_config__.tag)
        self._put(kind if kind in REPLACEABLE else next(self._numbers), encode(message))

    def post_params(self, update: Update) -> None:
        self.replaced_params += "params" in self._waiting
        self._put("params", update)

    def end(self, code: int = 1000) -> None:
        """Send what waits, then close; later messages are dropped."""
        if self._close_code is None:
            self._close_code = code
            self._wake.set()

    def _put(self, key: object, content: str | Update) -> None:
        if self.ending:
            return
        if len(self._waiting) >= MAX_WAITING and key not in self._waiting:
            self._waiting.clear()
            self.end(1013)
            return
        self._waiting.pop(key, None)  # it is told in its turn, after what has been answered before it
        self._waiting[key] = content
        self._wake.set()

    async def run(self, socket: WebSocket) -> None:
        """Until `end`, or until the socket breaks."""
        with contextlib.suppress(WebSocketDisconnect, RuntimeError, OSError):
            while self._waiting or not self.ending:
                await self._wake.wait()
                self._wake.clear()
                await self._send_waiting(socket)
            await socket.close(self._close_code or 1000)

    async def _send_waiting(self, socket: WebSocket) -> None:
        while self._waiting:
            content = self._waiting.pop(next(iter(self._waiting)))
            if isinstance(content, str):
                await socket.send_text(content)
            else:
                self.sent_params += 1
                await (socket.send_bytes(content.binary) if self._binary_params else socket.send_text(content.text))


@contextlib.asynccontextmanager
async def emptied(outbox: Outbox, socket: WebSocket):  # type: ignore[no-untyped-def]
    """While inside, what is posted is sent; on leaving, what waits still goes, for a moment."""
    sending = asyncio.create_task(outbox.run(socket))
    try:
        yield
    finally:
        outbox.end()
        await asyncio.wait([sending], timeout=END_WITHIN_S)
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
