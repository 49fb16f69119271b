"""How many sessions a core of the server carries: more and more clients join, until frames fall behind.

The clients are programs, not browsers: each a WebSocket and a WebRTC connection of its own, but the clip is encoded
once for all, and what the server sends back is not decoded. They run on other cores than the server.
"""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Any

import aiortc.codecs
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.codecs.base import Decoder
from aiortc.codecs.vpx import vp8_depayload
from aiortc.jitterbuffer import JitterFrame
from av import Packet, VideoFrame
from av.frame import Frame
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from stream.vp8 import QuickVp8Encoder
from tests.stream.clip import clip

FPS, STEP, HZ = 30, 3000, 90_000
PATIENCE_S = 30.0
ENOUGH_FPS = 29.0
MOST = 16  # sessions
SETTLE_S, MEASURE_S = 6.0, 4.0  # a head is learned by then; of frames


@cache
def encoded_clip() -> tuple[bytes, ...]:
    """VP8 at 1 Mb/s; begins with a keyframe, so that it can begin again and again."""
    encoder = QuickVp8Encoder()
    encoder.target_bitrate = 1_000_000
    frames = []
    for number, image in enumerate(clip()):
        picture = VideoFrame.from_ndarray(image, format="rgb24").reformat(format="yuv420p")
        picture.pts, picture.time_base = number * STEP, Fraction(1, HZ)
        frames.append(b"".join(map(vp8_depayload, encoder.encode(picture)[0])))
    return tuple(frames)


class EncodedCamera(MediaStreamTrack):
    kind = "video"

    def __init__(self) -> None:
        super().__init__()
        self._begun_s: float | None = None
        self._sent = 0

    async def recv(self) -> "Packet[Any]":
        frames = encoded_clip()
        if self._begun_s is None:
            self._begun_s = time.monotonic()
        await asyncio.sleep(max(0.0, self._begun_s + self._sent / FPS - time.monotonic()))
        packet = Packet(frames[self._sent % len(frames)])
        packet.pts, packet.time_base = self._sent * STEP, Fraction(1, HZ)
        self._sent += 1
        return packet


class Uncurious(Decoder):
    """Looks at nothing."""

    def decode(self, encoded_frame: JitterFrame) -> list[Frame]:
        return []


class Client:
    """One session: the last message of each kind, and how many parameters came."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._news = asyncio.Event()
        self.told: dict[str, Any] = {}
        self.params = 0

    async def join(self, overlay: str | None) -> None:
        await self._say(type="hello", overlay=overlay)
        await self._hear("welcome")
        self._peer.addTrack(EncodedCamera())
        await self._peer.setLocalDescription()
        await self._say(type="offer", sdp=self._peer.localDescription.sdp)
        answer = await self._hear("answer")
        await self._peer.setRemoteDescription(RTCSessionDescription(answer["sdp"], "answer"))

    async def leave(self) -> None:
        with contextlib.suppress(ConnectionClosed):
            await self._say(type="bye")
        await self._peer.close()
        await self._socket.close()

    async def listen(self) -> None:
        async for text in self._socket:
            if str(text).startswith('{"type":"params"'):
                self.params += 1
                continue
            message = json.loads(text)
            self.told[message["type"]] = message
            self._news.set()

    async def _say(self, **message: Any) -> None:
        await self._socket.send(json.dumps(message))

    async def _hear(self, kind: str) -> dict[str, Any]:
        while kind not in self.told:
            for refusal in ("error", "queued", "bye"):
                if refusal in self.told:
                    raise RuntimeError(f"expected {kind}, got {self.told[refusal]}")
            async with asyncio.timeout(PATIENCE_S):
                await self._news.wait()
            self._news.clear()
        return dict(self.told[kind])


@contextlib.asynccontextmanager
async def client(address: str, overlay: str | None = None) -> AsyncIterator[Client]:
    """A session that is tracked and drawn for, until the block ends."""
    aiortc.codecs.Vp8Decoder = Uncurious  # type: ignore[attr-defined,assignment]
    encoded_clip()
    url = address.replace("http", "ws", 1) + "/session"
    async with connect(url, subprotocols=["mien.v1"], compression=None, proxy=None) as socket:  # type: ignore[list-item]
        one = Client(socket)
        listening = asyncio.create_task(one.listen())
        try:
            await one.join(overlay)
            yield one
        finally:
            await one.leave()
            await asyncio.gather(listening, return_exceptions=True)


@dataclass(frozen=True)
class Load:
    """So many sessions at once."""

    sessions: int
    frames_per_s: float  # of the slowest
    cpu_ms_per_frame: float
    memory_mb: float


async def ramp(address: str, cpu_ms: Callable[[], float], memory_mb: Callable[[], float]) -> list[Load]:
    """Session by session, up to the first number that is too many."""
    loads: list[Load] = []
    async with contextlib.AsyncExitStack() as stack:
        clients: list[Client] = []
        while len(clients) < MOST and (not loads or loads[-1].frames_per_s >= ENOUGH_FPS):
            clients.append(await stack.enter_async_context(client(address)))
            await asyncio.sleep(SETTLE_S)
            counts, used_ms, begun_s = [one.params for one in clients], cpu_ms(), time.monotonic()
            await asyncio.sleep(MEASURE_S)
            new = [one.params - count for one, count in zip(clients, counts, strict=True)]
            elapsed_s = time.monotonic() - begun_s
            loads.append(
                Load(
                    sessions=len(clients),
                    frames_per_s=round(min(new) / elapsed_s, 1),
                    cpu_ms_per_frame=round((cpu_ms() - used_ms) / max(sum(new), 1), 1),
                    memory_mb=round(memory_mb()),
                )
            )
    return loads
