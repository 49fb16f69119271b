"""One person's session: a connection's frames into the tracking thread, its results out to everybody who listens.

    Connection -> on_frame -> Worker.inbox (newest wins) -> Worker's thread -> publish -> Outbox of each listener
                                                                            -> show    -> Connection (overlay)

Life: a place in the hub -> `attach` -> `offer`s -> `detach` (the socket broke: media end, the head waits) -> `attach`
again, or `close`. Everything here runs on the event loop but what `_on_loop` hands over to it.
"""

import asyncio
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

from av import VideoFrame

from models.types import Hint, Identity
from render.modes import OverlayMode
from render.texture import Texture
from stream.engine import Engine
from stream.listeners import Listeners
from stream.logs import event
from stream.media import Connection, MediaSettings, NoAnswerInTime, NoVideoCodec
from stream.metrics import Metrics
from stream.outbox import Outbox, Update
from stream.protocol import (
    RTP_WRAP,
    ByeReason,
    Candidate,
    Control,
    ErrorCode,
    Offer,
    Params,
    Percentiles,
    Problem,
    ServerMessage,
    StateMessage,
    StateName,
    Stats,
)
from stream.results import identity_message
from stream.sdp import BadOffer
from stream.timing import MediaClock, Rate, StageTimes
from stream.vp8 import Decoded, TooLarge
from stream.worker import Arrived, Outputs, Worker

GONE_WITHIN_S = 2.0  # for the tracking thread to end after `close`


@dataclass(frozen=True)
class SessionLimits:
    hold_s: float = 2.0
    # How long a head waits for its browser to come back.
    idle_s: float = 30.0
    # Without a decoded frame.
    media_within_s: float = 5.0
    # From the answer to the first frame; longer means that the way is blocked.
    stuck_s: float = 10.0
    # A frame that takes the tracker longer has hung it.
    identity_every_s: float = 1.0
    # How often, at most, a growing identity is told.


class Session:
    """Made and closed by the hub alone."""

    def __init__(
        self, engine: Engine, media: MediaSettings, limits: SessionLimits, overlay: OverlayMode, metrics: Metrics
    ) -> None:
        self.id = secrets.token_urlsafe(16)
        self.resume_id = secrets.token_urlsafe(16)
        self.started_s = time.monotonic()
        self.closed = False
        self._media, self._limits, self._metrics, self._engine = media, limits, metrics, engine
        self._loop = asyncio.get_running_loop()
        self._times = StageTimes()
        self._worker = Worker(engine, self.id, self._outputs(), self._times)
        self._worker.overlay = overlay
        self._worker_gone = asyncio.Event()
        self._listeners = Listeners()
        self._connection: Connection | None = None
        self._state: StateName = "SEARCHING"
        self._hint: Hint | None = None
        self._told_state: StateMessage | None = None
        self._told_identity: ServerMessage | None = None
        self._untold_identity: Identity | None = None
        self._unkept_identity: Identity | None = None
        self.identity: Identity | None = None  # the newest
        self.texture: Texture | None = None  # likewise, where the skin is learned
        self._identity_revision, self._identity_told_s = 0, 0.0
        self._clock = MediaClock()
        self._rates = {"received": Rate(), "tracked": Rate(), "returned": Rate()}
        self._frames = 0
        self._overtaken = 0  # before they were handed on from the decoder
        self._counted_drops = 0
        self._last_frame_s = time.monotonic()
        self._size_px: tuple[int, int] | None = None
        self._told_too_large = self._told_blocked = False
        self.stages_ms: dict[str, Percentiles] = {}
        self.on_end: Callable[[Session], None] = lambda session: None  # asks the hub to close it
        self.on_identity: Callable[[Identity], None] = lambda identity: None
        self.keep: str | None = None  # what this browser's identity is stored under, where identities are kept

    # Life.

    def start(self, identity: Identity | None) -> None:
        event("session_started", session=self.id, known=identity is not None)
        self._worker.start(identity)

    @property
    def attached(self) -> bool:
        return self._listeners.own is not None

    @property
    def overlay(self) -> OverlayMode:
        return self._worker.overlay

    def attach(self, own: Outbox) -> None:
        """Give it to a socket: its first, or one that resumes in place of the last one."""
        self._listeners.take_over(own)
        self.resume_id = secrets.token_urlsafe(16)
        self._last_frame_s = time.monotonic()

    async def detach(self, own: Outbox) -> bool:
        """The socket is gone: end its media at once. False where another socket has taken over, if only meanwhile."""
        if self._listeners.own is not own:
            return False
        self._listeners.own = None
        await self._end_media()
        return self._listeners.own is None

    async def close(self, reason: ByeReason, retry_s: float | None = None, code: int = 1000) -> None:
        """End everything; within GONE_WITHIN_S nothing is left."""
        if self.closed:
            return
        self.closed = True
        self._listeners.part(reason, retry_s, code)
        self._keep_identity()
        self._worker.stop()
        await self._end_media()
        try:
            async with asyncio.timeout(GONE_WITHIN_S):
                await self._worker_gone.wait()
        except TimeoutError:
            event("worker_left_behind", session=self.id, level="error")
        event("session_ended", session=self.id, reason=reason, frames=self._frames, tracked=self._worker.tracked)

    # What the socket's messages ask for.

    async def offer(self, message: Offer) -> str:
        """A new connection in place of the last one; SDP out. Raises as `answer` does."""
        await self._end_media()
        connection = Connection(self._media, self._arrived, self._tell_state, self._encoded)
        self._connection = connection
        self._clock.restart()
        self._told_blocked = False
        try:
            answer = await connection.answer(message.sdp)
        except (BadOffer, NoVideoCodec, NoAnswerInTime):
            await self._end_media()
            raise
        if self._connection is not connection or self.closed:  # the socket went away meanwhile
            await connection.close()
        connection.opened_s = time.monotonic()
        self._tell_state()
        return answer

    async def candidate(self, message: Candidate) -> None:
        if self._connection is not None:
            await self._connection.add_candidate(message)

    def control(self, message: Control) -> None:
        if message.overlay is not None:
            self._worker.overlay = message.overlay
        if message.re_enroll or message.forget:
            self._untold_identity = self._unkept_identity = self._told_identity = self.identity = self.texture = None
            self._worker.re_enroll()
        if message.paused is not None:  # last: the first frame after a pause must know of the rest
            self._worker.paused = message.paused
        self._tell_state()

    def want_texture(self) -> None:
        """Learn the skin from now on; `texture` has it after some seconds."""
        self._worker.texture = True

    def watch(self, watcher: Outbox) -> None:
        """Begin to listen; the socket sends `welcome` first."""
        for message in (self._told_state or self._state_message(), self._told_identity):
            if message is not None:
                watcher.post(message)
        self._listeners.watchers.add(watcher)

    def unwatch(self, watcher: Outbox) -> None:
        self._listeners.watchers.discard(watcher)

    # Frames in.

    def _arrived(self, connection: Connection, video: VideoFrame) -> None:
        note = video.opaque
        if isinstance(note, TooLarge):
            self._refuse_size(note)
            return
        if isinstance(note, Decoded):
            self._times.record("decode", note.decode_ms)
            self._overtaken += note.overtaken
        assert video.pts is not None
        self._last_frame_s = time.monotonic()
        self._rates["received"].event()
        self._metrics.frames_received.inc()
        self._size_px = video.width, video.height
        time_s = self._clock.time_s(video.pts)
        rtp_time, arrived_s = video.pts % RTP_WRAP, time.perf_counter()
        watched = connection.is_watched
        self._worker.inbox.put(Arrived(video, connection, watched, self._frames, rtp_time, time_s, arrived_s))
        self._frames += 1

    def _refuse_size(self, size: TooLarge) -> None:
        if not self._told_too_large:
            self._told_too_large = True
            self._problem(
                "frame_too_large",
                f"expected frames of at most 1920 x 1080 pixels in area, got {size.width} x {size.height}",
                "ask the camera for a smaller picture; 640 x 480 is enough",
            )

    # Results out.

    def _outputs(self) -> Outputs:
        return Outputs(
            tracked=lambda arrived, *told: self._on_loop(self._publish, arrived.source, *told),
            learned=lambda *learned: self._on_loop(self._learned, *learned),
            textured=lambda texture: self._on_loop(self._textured, texture),
            drawn=lambda arrived, overlay: self._on_loop(self._show, arrived.source, overlay),
            failed=lambda what, final: self._on_loop(self._tracking_failed, what, final),
            ended=lambda: self._on_loop(self._worker_ended),
        )

    def _on_loop(self, call: Callable[..., None], *arguments: object) -> None:
        """From the tracking thread; a loop that is gone needs nothing any more."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(call, *arguments)

    def _publish(self, source: object, params: Params, size_px: tuple[int, int], hint: Hint | None) -> None:
        if params.state != self._state:
            event("state", session=self.id, now=params.state, before=self._state)
        self._state, self._hint = params.state, hint  # the head's, and the identity's that comes next
        if source is not self._connection:  # its RTP times mean nothing any more
            return
        self._listeners.tell_params(Update(params, size_px, len(self._engine.facts.expression_names)))
        self._rates["tracked"].event()
        self._metrics.frames_tracked.inc()
        self._tell_state()

    def _show(self, source: object, overlay: VideoFrame) -> None:
        if self._connection is not None and source is self._connection:
            self._connection.show(overlay)

    def _encoded(self, encode_ms: float) -> None:
        self._times.record("encode", encode_ms)
        self._rates["returned"].event()
        self._metrics.frames_returned.inc()

    def _learned(self, identity: Identity, forgotten: int) -> None:
        if forgotten != self._worker.forgotten:  # it is of the head before, from the frame in hand
            return
        self._untold_identity = self._unkept_identity = self.identity = identity
        if time.monotonic() - self._identity_told_s >= self._limits.identity_every_s:
            self._tell_identity()

    def _textured(self, texture: Texture | None) -> None:
        if self.identity is not None:  # else it is of somebody who was forgotten meanwhile
            self.texture = texture
            self._untold_identity = self.identity  # its GLB has become another one

    def _tell_identity(self) -> None:
        identity, self._untold_identity = self._untold_identity, None
        if identity is None:
            return
        self._identity_told_s = time.monotonic()
        self._identity_revision += 1
        self._told_identity = identity_message(identity, self._identity_revision, f"/sessions/{self.id}")
        self._listeners.tell(self._told_identity)

    def _keep_identity(self) -> None:
        """Once it has settled, which may be told before the first frame that is tracked with it."""
        if self._state == "TRACKING" and self._unkept_identity is not None:
            identity, self._unkept_identity = self._unkept_identity, None
            self.on_identity(identity)

    def _tracking_failed(self, what: str, final: bool) -> None:
        self._metrics.errors.labels("tracking").inc()
        self._problem(
            "tracking",
            f"expected the tracker to run, got a fault in it ({what})",
            "it has given up: begin a new session" if final else "it has been started again; the server's log has more",
            fatal=final,
        )
        if final:
            self.on_end(self)

    def _worker_ended(self) -> None:
        self._worker_gone.set()

    # Telling.

    def _tell_state(self) -> None:
        message = self._state_message()
        if message != self._told_state:
            self._told_state = message
            self._listeners.tell(message)

    def tell_own_state(self) -> None:
        """A socket that has just taken over knows nothing yet."""
        self._told_state = self._state_message()
        self._listeners.tell(self._told_state)
        if self._told_identity is not None:
            self._listeners.tell_own(self._told_identity)

    def _state_message(self) -> StateMessage:
        connection = self._connection
        return StateMessage(
            state=self._state,
            hint=None if self._hint is None else self._hint.value,
            paused=self._worker.paused,
            overlay=self._worker.overlay,
            connected=connection is not None and connection.connected,
            overlay_rtp_offset=connection.offsets.overlay if connection else None,
            camera_rtp_offset=connection.offsets.camera if connection else None,
        )

    def _problem(self, code: ErrorCode, message: str, hint: str, fatal: bool = False) -> None:
        event("problem", session=self.id, level="warning", code=code, message=message)
        self._listeners.tell_own(Problem(code, message, hint, fatal))

    async def _end_media(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()
            self._tell_state()

    # Once a second, from the hub.

    def tick(self) -> ByeReason | None:
        """Tell what is due; the reason to end the session, if there is one."""
        now_s = time.monotonic()
        self._tell_identity()
        self._keep_identity()
        self._listeners.tell(self._stats())
        self._count_drops()
        self._look_for_blocked_media(now_s)
        busy_since_s = self._worker.busy_since_s
        if busy_since_s is not None and now_s - busy_since_s > self._limits.stuck_s:
            came = f"a frame that takes more than {self._limits.stuck_s:.0f} s"
            self._problem("tracking", f"expected the tracker to run, got {came}", "begin a new session", fatal=True)
            return "ended"
        if self.attached and now_s - self._last_frame_s > self._limits.idle_s:
            return "idle"
        return None

    def _look_for_blocked_media(self, now_s: float) -> None:
        connection = self._connection
        if connection is None or connection.frames or self._told_blocked:
            return
        if now_s - connection.opened_s > self._limits.media_within_s:
            self._told_blocked = True
            came = "a connection without frames" if connection.connected else "no connection"
            self._problem(
                "media_timeout",
                f"expected video within {self._limits.media_within_s:.0f} s of the answer, got {came}",
                "a firewall on the way may block UDP; on another network, the server needs a TURN relay (--turn)",
            )

    def _stats(self) -> Stats:
        self.stages_ms = self._times.percentiles()
        return Stats(
            received_fps=self._rates["received"].per_second(),
            tracked_fps=self._rates["tracked"].per_second(),
            returned_fps=self._rates["returned"].per_second(),
            dropped=self._dropped,
            watchers=len(self._listeners.watchers),
            size_px=self._size_px,
            stages_ms=self.stages_ms,
        )

    @property
    def _dropped(self) -> int:
        return self._overtaken + self._worker.inbox.replaced

    def _count_drops(self) -> None:
        dropped = self._dropped
        self._metrics.frames_dropped.inc(dropped - self._counted_drops)
        self._counted_drops = dropped
