"""One WebRTC connection: a browser's camera in, the overlay back. A new offer makes a new one; there is no ICE restart.

Decoded frames go to `on_frame` as they come, the next file is `stream/session.py`. The two private fields of aiortc
read here are those of the version that pyproject.toml pins; `tests/stream/test_live.py` checks what they tell.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCIceServer,
    RTCPeerConnection,
    RTCRtpReceiver,
    RTCRtpSender,
    RTCRtpTransceiver,
    RTCSessionDescription,
)
from aiortc.exceptions import OperationError
from aiortc.mediastreams import MediaStreamError
from aiortc.sdp import candidate_from_sdp
from av import VideoFrame
from av.frame import Frame

from stream import sdp as sdp_text
from stream.latest import AsyncLatest
from stream.logs import event
from stream.protocol import RTP_WRAP, Candidate

ANSWER_WITHIN_S = 8.0  # aioice gives up a silent STUN or TURN server after 5, and then answers without it
CLOSE_WITHIN_S = 2.0


class NoVideoCodec(Exception):
    """The offer has no VP8, the one codec that is spoken here."""


class NoAnswerInTime(Exception):
    """This server did not find its own ways out soon enough: nothing that the offer is to blame for."""


@dataclass(frozen=True)
class MediaSettings:
    """What all connections of a server have in common."""

    ice_servers: Callable[[], Sequence[RTCIceServer]] = tuple
    # Asked for each connection: credentials end. Never aiortc's default, which asks a public STUN server: a machine
    # without internet would wait for it.
    keep_candidates: bool = False
    start_kilobits: int | None = None
    # Asked of the browser in the answer.


@dataclass(frozen=True)
class Offsets:
    """What turns `rtp_time` into the RTP time of a sent and of a returned frame, modulo 2^32; None until known."""

    camera: int | None = None
    overlay: int | None = None


class OverlayTrack(MediaStreamTrack):
    """The newest overlay as a video track; a frame leaves when it is there, with its input's time."""

    kind = "video"

    def __init__(self, on_sent: Callable[[int, float], None]) -> None:
        super().__init__()
        self._newest: AsyncLatest[VideoFrame] = AsyncLatest()
        self._on_sent = on_sent
        self._leaving: tuple[int, float] | None = None  # pts, when it was handed out
        self._last_pts = -1

    def show(self, frame: VideoFrame) -> None:
        assert frame.pts is not None
        if frame.pts > self._last_pts:  # an encoder that sees time run backwards gives up
            self._last_pts = frame.pts
            self._newest.put(frame)

    async def recv(self) -> Frame:
        if self._leaving is not None:  # being asked again means that the last frame was encoded and sent
            pts, since_s = self._leaving
            self._leaving = None
            self._on_sent(pts, 1e3 * (time.perf_counter() - since_s))
        frame = await self._newest.take()
        if frame is None:
            raise MediaStreamError
        assert frame.pts is not None
        self._leaving = frame.pts, time.perf_counter()
        return frame

    def stop(self) -> None:
        super().stop()
        self._newest.close()  # else the sender would wait in recv() for ever


class Connection:
    """From an offer to the end of its media. All on the event loop."""

    def __init__(
        self,
        settings: MediaSettings,
        on_frame: Callable[["Connection", VideoFrame], None],
        on_change: Callable[[], None],
        on_encoded: Callable[[float], None],
    ) -> None:
        self._settings = settings
        self._on_frame, self._on_change, self._on_encoded = on_frame, on_change, on_encoded
        self._peer = RTCPeerConnection(RTCConfiguration(iceServers=list(settings.ice_servers())))
        self._overlay = OverlayTrack(self._sent)
        self._transceiver: RTCRtpTransceiver | None = None
        self._sender: RTCRtpSender | None = None
        self._receiver: RTCRtpReceiver | None = None
        self._receiving: asyncio.Task[None] | None = None
        self._overlay_offset_guess: int | None = None
        self.offsets = Offsets()
        self.opened_s = time.monotonic()
        self.frames = 0  # decoded so far

    @property
    def connected(self) -> bool:
        return self._peer.connectionState == "connected"

    @property
    def is_watched(self) -> bool:
        """Whether the client takes the overlay; one that offers its video as `sendonly` does not."""
        return self._transceiver is not None and self._transceiver.currentDirection == "sendrecv"

    async def answer(self, offer: str) -> str:
        """SDP in, SDP out; raises BadOffer, NoVideoCodec or NoAnswerInTime for what cannot be answered."""
        checked = sdp_text.checked_offer(offer, self._settings.keep_candidates)
        self._peer.on("track", self._take_track)
        self._peer.on("connectionstatechange", self._changed)
        self._transceiver = transceiver = self._peer.addTransceiver(self._overlay, direction="sendrecv")
        codecs = RTCRtpSender.getCapabilities("video").codecs
        transceiver.setCodecPreferences([codec for codec in codecs if codec.mimeType in ("video/VP8", "video/rtx")])
        self._sender, self._receiver = transceiver.sender, transceiver.receiver
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                await self._peer.setRemoteDescription(RTCSessionDescription(sdp=checked, type="offer"))
                await self._peer.setLocalDescription()
        except OperationError as error:
            raise NoVideoCodec("expected an offer with VP8 among its video codecs, got one without") from error
        except TimeoutError as error:
            raise NoAnswerInTime(f"expected an answer within {ANSWER_WITHIN_S:.0f} s, got none") from error
        except asyncio.CancelledError:
            raise
        except Exception as error:  # aiortc's parser meets malformed texts with whatever they trip over
            raise sdp_text.BadOffer(f"expected a WebRTC offer, got one that fails with {_told(error)}") from error
        text = self._peer.localDescription.sdp
        kilobits = self._settings.start_kilobits
        return sdp_text.with_start_rate(text, kilobits) if kilobits else text

    async def add_candidate(self, message: Candidate) -> None:
        """Only of use, and only heeded, where this server is behind a relay."""
        if not self._settings.keep_candidates or not message.candidate:
            return
        if not sdp_text.usable_candidate(message.candidate):
            return
        try:
            candidate = candidate_from_sdp(message.candidate.removeprefix("candidate:"))
            candidate.sdpMid, candidate.sdpMLineIndex = message.sdp_mid, message.sdp_mline_index
            await self._peer.addIceCandidate(candidate)
        except Exception as error:
            raise sdp_text.BadOffer(f"expected an ICE candidate, got one that fails with {_told(error)}") from error

    def show(self, overlay: VideoFrame) -> None:
        self._overlay.show(overlay)

    async def close(self) -> None:
        self._overlay.stop()
        if self._receiving is not None:
            self._receiving.cancel()
        closing = asyncio.create_task(self._peer.close())
        _closing.add(closing)
        closing.add_done_callback(_closed)
        await asyncio.wait([closing], timeout=CLOSE_WITHIN_S)
        if not closing.done():  # it goes on by itself: broken off, it would leave its socket and its tasks behind
            event("media_close_slow", level="warning")

    # Receiving frames.

    def _take_track(self, track: MediaStreamTrack) -> None:
        self._receiving = asyncio.create_task(self._receive(track))

    async def _receive(self, track: MediaStreamTrack) -> None:
        """Drains the track without pause: aiortc's queues have no bound."""
        try:
            while True:
                frame = await track.recv()
                assert isinstance(frame, VideoFrame)
                self.frames += 1
                if self.offsets.camera is None:
                    self._learn_camera_offset()
                self._on_frame(self, frame)
        except MediaStreamError:
            self._on_change()

    def _changed(self) -> None:
        self._on_change()

    # Joining frames to parameters.

    def _learn_camera_offset(self) -> None:
        mapper = self._receiver._RTCRtpReceiver__timestamp_mapper  # type: ignore[union-attr]
        if mapper._origin is not None:
            self.offsets = Offsets(mapper._origin % RTP_WRAP, self.offsets.overlay)
            self._on_change()

    def _sent(self, pts: int, encode_ms: float) -> None:
        self._on_encoded(encode_ms)
        if self.offsets.overlay is not None:
            return
        guess = (self._sender._RTCRtpSender__rtp_timestamp - pts) % RTP_WRAP  # type: ignore[union-attr]
        # The encoder may have dropped the frame, and the field be an older one's: two that agree are right.
        if guess == self._overlay_offset_guess:
            self.offsets = Offsets(self.offsets.camera, guess)
            self._on_change()
        self._overlay_offset_guess = guess


_closing: set["asyncio.Task[None]"] = set()  # asyncio alone would let go of them


def _closed(task: "asyncio.Task[None]") -> None:
    _closing.discard(task)
    if not task.cancelled() and (error := task.exception()) is not None:
        event("media_close_failed", level="error", error=repr(error))


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error)[:120]}"
