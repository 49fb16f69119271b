"""A client as a browser is one: a WebSocket and a real RTCPeerConnection that sends the clip and takes the overlay."""

import asyncio
import contextlib
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError
from av import VideoFrame
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.stream.clip import clip, read_barcode, with_barcode

Message = dict[str, Any]
OFFER = (Path(__file__).parent / "offer.sdp").read_text()  # a Chromium's
STEP = 3000  # 90 kHz ticks a frame
PATIENCE_S = 90.0  # for what must come, on a machine that may be slow and busy: no test says how soon


class ClipTrack(MediaStreamTrack):
    kind = "video"

    def __init__(self, fps: float = 30.0, start_pts: int = 0) -> None:
        super().__init__()
        self._fps, self._start_pts = fps, start_pts
        self._begun_s: float | None = None
        self.sent: list[tuple[int, float]] = []  # pts, when

    async def recv(self) -> VideoFrame:
        number = len(self.sent)
        if self._begun_s is None:
            self._begun_s = time.monotonic()
        await asyncio.sleep(max(0.0, self._begun_s + number / self._fps - time.monotonic()))
        if self.readyState != "live":
            raise MediaStreamError
        pictures = clip()
        frame = VideoFrame.from_ndarray(with_barcode(pictures[number % len(pictures)], number), format="rgb24")
        frame = frame.reformat(format="yuv420p")
        frame.pts, frame.time_base = self._start_pts + number * STEP, Fraction(1, 90_000)
        self.sent.append((frame.pts, time.monotonic()))
        return frame


class Visitor:
    """One open socket."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.messages: list[tuple[float, Message | bytes]] = []
        self.overlays: list[tuple[float, int, int]] = []  # when, RTP time, barcode
        self.peer: RTCPeerConnection | None = None
        self.camera: ClipTrack | None = None
        self.close_code: int | None = None
        self._news = asyncio.Condition()
        self._tasks = [asyncio.create_task(self._read())]

    def of(self, kind: str) -> list[Message]:
        return [message for _, message in self.messages if isinstance(message, dict) and message["type"] == kind]

    async def say(self, **message: Any) -> None:
        await self.socket.send(json.dumps(message))

    async def until(self, true: Callable[[], Any]) -> Any:
        """The first true answer, asked after every message and frame."""
        async with self._news:
            try:
                async with asyncio.timeout(PATIENCE_S):
                    while not (answer := true()):
                        assert self.close_code is None, f"closed while waiting; {self.told()}"
                        await self._news.wait()
                    return answer
            except TimeoutError:
                raise AssertionError(f"waited {PATIENCE_S:.0f} s in vain; {self.told()}") from None

    async def hear(self, kind: str, count: int = 1) -> Message:
        """The `count`-th message of a kind."""
        return (await self.until(lambda: self.of(kind)[count - 1 :]))[0]  # type: ignore[no-any-return]

    async def hear_error(self, code: str) -> Message:
        """The first of that code: a busy machine may bring others before it."""
        found = await self.until(lambda: [error for error in self.of("error") if error["code"] == code])
        return found[0]  # type: ignore[no-any-return]

    def told(self) -> str:
        """What has come so far, for a failure's message."""
        kinds = Counter(m["type"] if isinstance(m, dict) else "record" for _, m in self.messages)
        last = [message for kind in ("state", "error", "bye") for message in self.of(kind)[-1:]]
        return f"close code {self.close_code}, {len(self.overlays)} overlays, messages {dict(kinds)}, last {last}"

    async def hello(self, **wishes: Any) -> Message:
        await self.say(type="hello", **wishes)
        return await self.hear("welcome")

    async def show_face(self, camera: ClipTrack | None = None, direction: str = "sendrecv") -> None:
        """Offer the clip and take the answer; returns before media flow."""
        await self.offer_face(camera, direction)
        await self.accept_answer()

    async def offer_face(self, camera: ClipTrack | None = None, direction: str = "sendrecv") -> None:
        """Until the server has answered."""
        await self.hang_up()
        self.camera = camera or ClipTrack()
        self.peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.peer.on("track", lambda track: self._tasks.append(asyncio.create_task(self._look(track))))
        self.peer.addTransceiver(self.camera, direction=direction)
        await self.peer.setLocalDescription()
        answers = len(self.of("answer"))
        await self.say(type="offer", sdp=self.peer.localDescription.sdp)
        await self.hear("answer", answers + 1)

    async def accept_answer(self) -> None:
        assert self.peer is not None
        await self.peer.setRemoteDescription(RTCSessionDescription(self.of("answer")[-1]["sdp"], "answer"))

    async def hang_up(self) -> None:
        if self.peer is not None:
            if self.camera is not None:
                self.camera.stop()
            await self.peer.close()
            self.peer = None

    async def closed(self) -> int | None:
        await self.until(lambda: self.close_code is not None)
        return self.close_code

    async def leave(self) -> None:
        await self.hang_up()
        try:
            async with asyncio.timeout(1):
                await self.socket.close()
        except TimeoutError:  # a test may have stopped it from reading
            self.socket.transport.abort()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _read(self) -> None:
        with contextlib.suppress(ConnectionClosed):
            async for data in self.socket:
                await self._note(json.loads(data) if isinstance(data, str) else data)
        await self.socket.wait_closed()
        self.close_code = self.socket.close_code
        async with self._news:
            self._news.notify_all()

    async def _note(self, message: Message | bytes) -> None:
        async with self._news:
            self.messages.append((time.monotonic(), message))
            self._news.notify_all()

    async def _look(self, track: MediaStreamTrack) -> None:
        assert self.peer is not None
        receiver = self.peer.getReceivers()[0]
        with contextlib.suppress(MediaStreamError):
            while True:
                frame = await track.recv()
                origin = receiver._RTCRtpReceiver__timestamp_mapper._origin  # type: ignore[attr-defined]
                image: np.ndarray = frame.to_ndarray(format="rgb24")  # type: ignore[union-attr,type-arg]
                async with self._news:
                    self.overlays.append((time.monotonic(), (frame.pts + origin) % 2**32, read_barcode(image)))
                    self._news.notify_all()


@contextlib.asynccontextmanager
async def visitor(
    url: str, path: str = "/session", subprotocols: tuple[str, ...] = ("mien.v1",), **options: Any
) -> AsyncIterator[Visitor]:
    clip()  # made now: later its making would hold up the loop, and the server would think this visitor dead
    socket = await connect(
        url + path,
        subprotocols=list(subprotocols),  # type: ignore[arg-type]
        compression=None,
        proxy=None,
        open_timeout=PATIENCE_S,
        ping_interval=None,  # the server asks
        **options,
    )
    guest = Visitor(socket)
    try:
        yield guest
    finally:
        await guest.leave()
