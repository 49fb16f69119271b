"""A session's life on a real server: waiting for a place, breaks, and the end of everything that belongs to it."""

import asyncio
import contextlib
import os
import threading
import time
from dataclasses import replace

import aioice.ice
import pytest

from stream.engine import Engine
from tests.stream.running import PATIENT, Running, running, soon, tracking_threads
from tests.stream.visitor import visitor


def test_more_visitors_wait_in_line_and_are_told(engine: Engine) -> None:
    with running(engine, max_sessions=1) as server:
        server.hub.settings = replace(server.hub.settings, max_waiting=2)

        async def visit() -> None:
            async with contextlib.AsyncExitStack() as stack:
                guests = [await stack.enter_async_context(visitor(server.url)) for _ in range(4)]
                await guests[0].hello()
                for place, guest in enumerate(guests[1:3], start=1):
                    await guest.say(type="hello")
                    assert (await guest.hear("queued"))["position"] == place
                await guests[3].say(type="hello")
                assert (await guests[3].hear("error"))["code"] == "full"
                assert await guests[3].closed() == 4429
                await guests[1].socket.close()  # gives up waiting
                await guests[2].hear("queued", len(guests[2].of("queued")) + 2)  # again and again, a sign of life
                await guests[2].until(lambda: guests[2].of("queued")[-1]["position"] == 1)
                await guests[0].say(type="bye")
                assert (await guests[0].hear("bye"))["reason"] == "client"
                await guests[2].hear("welcome")
            await soon(lambda: not server.hub.sessions)

        asyncio.run(visit())


def test_a_broken_socket_can_come_back_to_its_head(engine: Engine) -> None:
    with running(engine) as server:
        server.limit(hold_s=60)

        async def visit() -> None:
            async with visitor(server.url) as guest:
                welcome = await guest.hello()
                await guest.show_face()
                await guest.until(lambda: guest.of("params") and guest.of("params")[-1]["state"] == "TRACKING")
                index = guest.of("params")[-1]["index"]
                guest.socket.transport.abort()
                async with visitor(server.url) as again:
                    back = await again.hello(resume=welcome["resume"])
                    assert back["resumed"]
                    assert back["session"] == welcome["session"]
                    assert back["resume"] != welcome["resume"]
                    # The same one, or one that the last frames on their way have bettered.
                    assert (await again.hear("identity"))["revision"] >= guest.of("identity")[-1]["revision"]
                    await again.show_face()
                    await again.until(lambda: any(m["state"] == "TRACKING" for m in again.of("params")))
                    assert again.of("params")[0]["index"] > index
                    assert all(m["state"] != "ENROLLING" for m in again.of("params")), "the head was learned before"
                    async with visitor(server.url) as stranger:
                        assert not (await stranger.hello(resume=welcome["resume"]))["resumed"]

        asyncio.run(visit())


def test_a_second_socket_takes_over(server: Running) -> None:
    async def visit() -> None:
        async with visitor(server.url) as guest:
            welcome = await guest.hello()
            async with visitor(server.url) as again:
                assert (await again.hello(resume=welcome["resume"]))["resumed"]
                assert await guest.closed() == 4409
                assert guest.of("bye")[0]["reason"] == "replaced"
                await again.say(type="ping", id=1)
                await again.hear("pong")
                await again.say(type="bye")
                await again.hear("bye")
        await soon(lambda: not server.hub.sessions)

    asyncio.run(visit())


def test_a_killed_client_is_gone_without_its_network_telling(server: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its media go on, as a killed tab's do. WebRTC would wait half a minute for a sign of life, here for ever."""
    monkeypatch.setattr(aioice.ice, "CONSENT_FAILURES", 1_000_000)

    async def visit() -> None:
        await soon(lambda: not server.hub.sessions and not tracking_threads())
        async with visitor(server.url) as guest:
            await guest.hello()
            await guest.show_face()
            await guest.hear("params", 5)
            assert tracking_threads() == 1
            guest.socket.transport.abort()
            await soon(lambda: not server.hub.sessions and not tracking_threads())

    asyncio.run(visit())


def test_a_silent_network_ends_the_session(engine: Engine) -> None:
    with running(engine) as server:
        server.limit(hold_s=0.1)

        async def visit() -> None:
            async with visitor(server.url) as guest:
                await guest.hello()
                for connection in list(
                    server.server.server_state.connections
                ):  # from now on: a busy machine is silent, too
                    connection.ping_timeout = 1.0
                guest.socket.transport.pause_reading()
                await soon(lambda: not server.hub.sessions)

        asyncio.run(visit())


def test_no_frames_end_the_session_and_a_blocked_way_is_told(engine: Engine) -> None:
    with running(engine) as server:

        async def visit() -> None:
            async with visitor(server.url) as guest:
                await guest.hello()
                await guest.show_face()
                await guest.hear("params")
                (session,) = server.hub.sessions.values()
                session._limits = replace(PATIENT, media_within_s=1)
                sdp = guest.peer.localDescription.sdp  # type: ignore[union-attr]
                await guest.hang_up()
                await guest.say(type="offer", sdp=sdp)  # nobody answers the server's checks
                error = await guest.hear("error")
                assert error["code"] == "media_timeout"
                assert "no connection" in error["message"]
                session._limits = replace(PATIENT, idle_s=1)
                assert await guest.closed() == 4408
                assert guest.of("bye")[0]["reason"] == "idle"
            await soon(lambda: not server.hub.sessions)

        asyncio.run(visit())


def test_goodbye_is_said_to_everybody_at_shutdown(engine: Engine) -> None:
    with running(engine, max_sessions=1) as server:

        async def visit() -> None:
            async with visitor(server.url) as guest, visitor(server.url) as waiting:
                welcome = await guest.hello()
                async with visitor(server.url, f"/watch/{welcome['session']}") as watcher:
                    await watcher.hear("welcome")
                    await waiting.say(type="hello")
                    await waiting.hear("queued")
                    server.server.should_exit = True
                    for one in (guest, waiting, watcher):
                        assert (await one.hear("bye"))["reason"] == "shutdown"
                        assert await one.closed() == 1001

        asyncio.run(visit())


POOLS = ("uvloop", "asyncio_", "ThreadPoolExecutor", "AnyIO")


def test_ten_visits_leave_nothing_behind(server: Running) -> None:
    async def visit() -> None:
        async with visitor(server.url) as guest:
            await guest.hello()
            await guest.show_face()
            await guest.hear("params", 3)
            await guest.say(type="bye")
            await guest.hear("bye")

    async def visits(count: int) -> None:
        for _ in range(count):
            await visit()
        await soon(lambda: not server.hub.sessions and not tracking_threads())

    def left() -> tuple[int, int, int]:
        """Tasks, threads, descriptors. Pools of threads grow with load, up to their bounds, and stay."""
        threads = [thread for thread in threading.enumerate() if not thread.name.startswith(POOLS)]
        return server.tasks(), len(threads), len(os.listdir("/proc/self/fd"))

    asyncio.run(visits(3))
    time.sleep(1)  # what still ends then would only let more pass below
    before = left()
    asyncio.run(visits(10))
    end_s = time.monotonic() + 60
    while not all(now <= then for now, then in zip(left(), before, strict=True)):
        assert time.monotonic() < end_s, f"before {before}, now {left()} {threading.enumerate()}"
        time.sleep(0.1)
