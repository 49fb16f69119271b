"""What comes while a connection's media still close, which takes its time on a busy machine."""

import asyncio

import pytest
from aiortc import RTCPeerConnection

from stream.engine import Engine
from stream.hub import Hub, HubSettings
from stream.media import MediaSettings
from stream.metrics import Metrics
from stream.outbox import Outbox
from stream.protocol import Hello, Offer
from stream.session import Session, SessionLimits
from tests.stream.running import soon
from tests.stream.visitor import OFFER


class Visit:
    """A session with media that close when `released` is set, in a hub of one place."""

    def __init__(self, engine: Engine, limits: SessionLimits, patch: pytest.MonkeyPatch) -> None:
        self.hub = Hub(engine, HubSettings(1, "off", MediaSettings(), limits), Metrics(), None)
        self.own = Outbox(False)
        self.released = asyncio.Event()
        close = RTCPeerConnection.close

        async def slow_close(peer: RTCPeerConnection) -> None:
            await self.released.wait()
            await close(peer)

        patch.setattr(RTCPeerConnection, "close", slow_close)
        patch.setattr("stream.media.CLOSE_WITHIN_S", 90.0)
        patch.setattr("stream.session.GONE_WITHIN_S", 90.0)

    async def begin(self) -> Session:
        session, _ = await self.hub.place(Hello(), self.own)
        await session.offer(Offer(OFFER))
        return session

    async def lose_socket(self, session: Session) -> "asyncio.Task[None]":
        """What is done then has begun, and waits for the media."""
        leaving = asyncio.create_task(self.hub.leave(session, self.own, for_good=False))
        await soon(lambda: not session.attached)
        return leaving


def test_a_session_that_comes_back_meanwhile_stays(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    async def visit() -> None:
        visit = Visit(engine, SessionLimits(hold_s=0.0), monkeypatch)
        session = await visit.begin()
        leaving = await visit.lose_socket(session)
        again = Outbox(False)
        _, resumed = await visit.hub.place(Hello(resume=session.resume_id), again)
        visit.released.set()
        await leaving
        await asyncio.sleep(0.05)  # a hold of no time at all would end now
        assert resumed
        assert session.attached
        assert not session.closed
        assert not again.ending
        await visit.hub.close()

    asyncio.run(visit())


def test_a_session_that_comes_and_goes_meanwhile_is_held_once(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    async def visit() -> None:
        visit = Visit(engine, SessionLimits(hold_s=300.0), monkeypatch)
        session = await visit.begin()
        leaving = await visit.lose_socket(session)
        again = Outbox(False)
        await visit.hub.place(Hello(resume=session.resume_id), again)
        await visit.hub.leave(session, again, for_good=False)
        (first_hold,) = visit.hub._holds.values()
        visit.released.set()
        await leaving
        assert first_hold.cancelled()
        assert len(visit.hub._holds) == 1
        await visit.hub.close()

    asyncio.run(visit())


def test_a_session_keeps_its_place_until_it_has_ended(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    async def visit() -> None:
        visit = Visit(engine, SessionLimits(idle_s=0.0), monkeypatch)
        session = await visit.begin()
        next_one = asyncio.create_task(visit.hub.place(Hello(), Outbox(False)))
        visit.hub._tick(session)
        await soon(lambda: session.closed)
        visit.hub._tick(session)
        await asyncio.sleep(0.05)  # its second end would find nothing left to do
        assert visit.hub.find("latest") is None
        assert not next_one.done()
        visit.released.set()
        await next_one
        await visit.hub.close()

    asyncio.run(visit())
