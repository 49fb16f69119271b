"""Who has a place: the sessions at a time, those waiting for one, and those whose head waits for their browser.

`place` gives a socket its session; `leave` takes it back. Ends what is idle, hung or given up, once a second.
"""

import asyncio
import secrets
import time
from dataclasses import dataclass, field

from models.types import Identity
from render.modes import OverlayMode
from stream import memory
from stream.engine import Engine
from stream.identities import IdentityStore
from stream.logs import event
from stream.media import MediaSettings
from stream.metrics import Metrics
from stream.outbox import Outbox
from stream.protocol import CLOSE_SILENT, ByeReason, Hello, Queued
from stream.session import Session, SessionLimits

MAX_WAITING = 20
SHUTDOWN_RETRY_S = 2.0


class Full(Exception):
    """All places are taken, and all waiting places too."""


@dataclass(frozen=True)
class HubSettings:
    max_sessions: int
    overlay: OverlayMode
    media: MediaSettings
    limits: SessionLimits = field(default_factory=SessionLimits)
    max_waiting: int = MAX_WAITING


@dataclass
class _Waiting:
    outbox: Outbox
    turn: asyncio.Future[None]


class Hub:
    """All on the event loop."""

    def __init__(self, engine: Engine, settings: HubSettings, metrics: Metrics, store: IdentityStore | None) -> None:
        self.engine, self.settings, self.metrics, self.store = engine, settings, metrics, store
        self.sessions: dict[str, Session] = {}
        self._waiting: list[_Waiting] = []
        self._promised = 0  # places given to waiting sockets that have not woken yet
        self._holds: dict[str, asyncio.TimerHandle] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._ticking: asyncio.Task[None] | None = None
        self.shutting_down = False

    def start(self) -> None:
        self._ticking = asyncio.create_task(self._tick_for_ever())

    # Places.

    async def place(self, hello: Hello, outbox: Outbox) -> tuple[Session, bool]:
        """The session of a socket that has said hello, and whether it was resumed.

        Waits for a place, telling the position; raises Full where even waiting places are taken.
        """
        resumed = self._resumable(hello)
        if resumed is not None:
            self._release_hold(resumed)
            resumed.attach(outbox)
            self.metrics.sessions_resumed.inc()
            event("session_resumed", session=resumed.id)
            return resumed, True
        await self._wait_for_place(outbox)
        session = Session(self.engine, self.settings.media, self.settings.limits, self.settings.overlay, self.metrics)
        session.on_end = self._end_later
        session.attach(outbox)
        self.sessions[session.id] = session
        self.metrics.sessions_started.inc()
        self._count()
        session.start(self._kept(session, hello))
        return session, False

    async def leave(self, session: Session, outbox: Outbox, for_good: bool) -> None:
        """The socket is gone. The head waits a moment for it, unless it said goodbye."""
        if session.closed or not await session.detach(outbox):
            return
        if for_good:
            await self.end(session, "client")
            return
        self._release_hold(session)  # of a socket that came and went while this one's media closed
        loop = asyncio.get_running_loop()
        hold_s = self.settings.limits.hold_s
        self._holds[session.id] = loop.call_later(hold_s, self._end_later, session)

    async def end(self, session: Session, reason: ByeReason, retry_s: float | None = None, code: int = 1000) -> None:
        self._release_hold(session)
        await session.close(reason, retry_s, code)
        self.sessions.pop(session.id, None)
        self._count()
        self._admit()
        await asyncio.to_thread(memory.give_back)

    async def close(self) -> None:
        """Say goodbye to everybody and end everything."""
        self.shutting_down = True
        if self._ticking is not None:
            self._ticking.cancel()
        for waiting in self._waiting:
            waiting.turn.cancel()
        ends = [self.end(session, "shutdown", SHUTDOWN_RETRY_S, 1001) for session in list(self.sessions.values())]
        await asyncio.gather(*ends, *self._closing, return_exceptions=True)

    def find(self, name: str) -> Session | None:
        """By id, or the one begun last as `latest`."""
        living = {key: session for key, session in self.sessions.items() if not session.closed}
        if name == "latest":
            return max(living.values(), key=lambda session: session.started_s, default=None)
        return living.get(name)

    def _resumable(self, hello: Hello) -> Session | None:
        if hello.resume is None:
            return None
        for session in self.sessions.values():
            if not session.closed and secrets.compare_digest(session.resume_id, hello.resume):
                return session
        return None

    def forget(self, session: Session) -> None:
        """Delete what is stored of this session's person, and store nothing more of it."""
        if self.store is not None and session.keep is not None:
            session.on_identity = lambda identity: None
            self.store.forget(session.keep)

    def _kept(self, session: Session, hello: Hello) -> Identity | None:
        """The identity that this browser left here, if any; from now on the session's is stored in its place."""
        store = self.store
        if store is None:
            return None
        known = hello.keep is not None and store.knows(hello.keep)
        keep = hello.keep if hello.keep is not None and known else secrets.token_urlsafe(16)
        session.keep = keep
        session.on_identity = lambda identity: store.save(keep, identity)
        return store.load(keep, self.engine.head) if known else None

    def _release_hold(self, session: Session) -> None:
        hold = self._holds.pop(session.id, None)
        if hold is not None:
            hold.cancel()

    def _end_later(self, session: Session, reason: ByeReason = "ended") -> None:
        task = asyncio.ensure_future(self.end(session, reason, code=CLOSE_SILENT if reason == "idle" else 1000))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    # Waiting.

    async def _wait_for_place(self, outbox: Outbox) -> None:
        if self._free_places() > 0 and not self._waiting:
            return
        if len(self._waiting) >= self.settings.max_waiting:
            self.metrics.refused.labels("full").inc()
            raise Full
        waiting = _Waiting(outbox, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        outbox.post(Queued(len(self._waiting)))
        self._count()
        try:
            await waiting.turn
        except asyncio.CancelledError:
            if waiting in self._waiting:
                self._waiting.remove(waiting)
                self._tell_positions()
            elif not waiting.turn.cancelled():  # went away just as its turn came
                self._promised -= 1
                self._admit()
            raise
        finally:
            self._count()
        self._promised -= 1

    def _free_places(self) -> int:
        return self.settings.max_sessions - len(self.sessions) - self._promised

    def _admit(self) -> None:
        while self._waiting and self._free_places() > 0 and not self.shutting_down:
            self._promised += 1
            self._waiting.pop(0).turn.set_result(None)
            self._tell_positions()

    def _tell_positions(self) -> None:
        for position, waiting in enumerate(self._waiting, start=1):
            waiting.outbox.post(Queued(position))

    def _count(self) -> None:
        self.metrics.sessions.set(len(self.sessions))
        self.metrics.queued.set(len(self._waiting))

    # Once a second.

    async def _tick_for_ever(self) -> None:
        while True:
            due_s = time.monotonic() + 1.0
            await asyncio.sleep(1.0)
            late_s = time.monotonic() - due_s
            self.metrics.loop_late_s.set(late_s)
            if late_s > 0.5:
                event("loop_late", level="warning", seconds=round(late_s, 2))
            for session in list(self.sessions.values()):
                self._tick(session)
            self._tell_positions()  # however little has changed: a client tells by silence that the way is lost
            self._measure_stages()

    def _tick(self, session: Session) -> None:
        """A session that fails here goes, and the others are looked after all the same."""
        if session.closed:  # it keeps its place until nothing of it is left
            return
        try:
            reason = session.tick()
        except Exception as error:
            event("session_failed", session=session.id, level="error", error=repr(error))
            reason = "ended"
        if reason is not None:
            self._end_later(session, reason)

    def _measure_stages(self) -> None:
        slowest: dict[str, float] = {}
        for session in self.sessions.values():
            for stage, percentiles in session.stages_ms.items():
                slowest[stage] = max(slowest.get(stage, 0.0), percentiles.median)
        for stage, median_ms in slowest.items():
            self.metrics.stage_ms.labels(stage).set(median_ms)
