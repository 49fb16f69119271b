"""Places, queues, breaks and ends, on a real server."""

import asyncio
import contextlib
import json
import os
import socket
import threading
import time
import urllib.error
import urllib.request
from dataclasses import replace

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from stream.engine import Engine
from tests.stream.running import PATIENT, Running, running, soon, tracking_threads
from tests.stream.visitor import visitor

# Health.


def fetch(server: Running, path: str, method: str = "GET", **headers: str) -> tuple[int, bytes, dict[str, str]]:
    request = urllib.request.Request(server.http + path, headers=headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=90) as answer:
            return answer.status, answer.read(), dict(answer.headers)
    except urllib.error.HTTPError as error:
        return error.code, error.read(), dict(error.headers)


def get(server: Running, path: str, **headers: str) -> tuple[int, str, dict[str, str]]:
    status, content, told = fetch(server, path, **headers)
    return status, content.decode(), told


def test_health_metrics_and_configuration(server: Running) -> None:
    assert get(server, "/healthz")[:2] == (200, "ok\n")
    assert get(server, "/readyz")[:2] == (200, "ready\n")
    assert "mien_sessions 0.0" in get(server, "/metrics")[1]
    assert json.loads(get(server, "/config")[1]) == {"ice_servers": [], "media": "lan"}
    status, _, headers = get(server, "/")
    assert status == 200
    assert "default-src 'none'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert "server" not in headers


def test_other_hosts_and_origins_get_nothing(server: Running) -> None:
    assert get(server, "/config", Host="evil.example")[0] == 403
    assert get(server, "/config", Origin="https://evil.example")[0] == 403

    async def knock(origin: str) -> int:
        try:
            async with connect(server.url + "/session", subprotocols=["mien.v1"], origin=origin, proxy=None):  # type: ignore[list-item,arg-type]
                return 101
        except InvalidStatus as refusal:
            return refusal.response.status_code

    assert asyncio.run(knock("https://evil.example")) == 403
    assert asyncio.run(knock(server.http)) == 101


def test_a_socket_without_our_subprotocol_is_refused(server: Running) -> None:
    async def knock() -> None:
        with pytest.raises(InvalidStatus) as refusal:
            await connect(server.url + "/session", proxy=None)
        assert refusal.value.response.status_code == 400

    asyncio.run(knock())


# Messages.


def test_the_third_bad_message_closes(server: Running) -> None:
    async def visit() -> None:
        async with visitor(server.url) as guest:
            await guest.hello()
            for _ in range(3):
                await guest.socket.send("{}")
            assert await guest.closed() == 4400
            errors = guest.of("error")
            assert [error["code"] for error in errors] == ["bad_message"] * 3
            assert [error["fatal"] for error in errors] == [False, False, True]
            assert errors[0]["message"].startswith("expected a type out of")

    asyncio.run(visit())


@pytest.mark.parametrize(
    ("sdp", "code"),
    [
        ("", "bad_sdp"),
        ("v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n", "bad_sdp"),
        ("v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=rtpmap:96 VP8/90000\r\n", "bad_sdp"),
        ("v=0\r\n" + "a=x\r\n" * 5000, "bad_sdp"),
    ],
)
def test_offers_that_cannot_be_answered_are_explained(server: Running, sdp: str, code: str) -> None:
    async def visit() -> None:
        async with visitor(server.url) as guest:
            await guest.hello()
            await guest.say(type="offer", sdp=sdp)
            error = await guest.hear("error")
            assert error["code"] == code
            assert error["message"].startswith("expected")
            assert not error["fatal"]
            await guest.show_face()
            await guest.hear("params")

    asyncio.run(visit())


def test_an_offer_without_vp8_is_told_so(server: Running) -> None:
    async def visit() -> None:
        async with visitor(server.url) as guest:
            await guest.hello()
            await guest.show_face()
            assert guest.peer is not None
            lines = guest.peer.localDescription.sdp.replace("VP8", "VP9").replace("H264", "AV1")
            await guest.say(type="offer", sdp=lines)
            assert (await guest.hear("error"))["code"] == "codec"

    asyncio.run(visit())


def test_too_many_messages_are_not_heard(engine: Engine) -> None:
    with running(engine) as server:
        server.service.rules = replace(server.service.rules, per_second=1e-3)  # else a slow sender sends few enough

        async def visit() -> None:
            async with visitor(server.url) as guest:
                await guest.hello()
                with contextlib.suppress(ConnectionClosed):
                    for number in range(80):
                        await guest.say(type="ping", id=number)
                assert await guest.closed() == 4400
                assert guest.of("error")[0]["code"] == "too_many_messages"
                assert len(guest.of("pong")) == 59

        asyncio.run(visit())


def test_hello_comes_first(engine: Engine) -> None:
    with running(engine) as server:

        async def visit() -> None:
            async with visitor(server.url) as guest:
                await guest.say(type="ping", id=1)
                assert (await guest.hear("error"))["code"] == "order"
                await guest.hello()
            server.service.rules = replace(server.service.rules, hello_within_s=0.3)
            async with visitor(server.url) as guest:
                assert await guest.closed() == 4408
                assert guest.of("bye")[0]["reason"] == "silent"

        asyncio.run(visit())


# Tokens and tickets.


def test_with_a_token_only_those_who_have_it_come_in(engine: Engine) -> None:
    with running(engine, token="the-right-token") as server:
        assert get(server, "/metrics")[0] == get(server, "/config")[0] == 401
        assert get(server, "/config", Authorization="Bearer the-right-token")[0] == 200
        assert get(server, "/healthz")[0] == 200

        async def visit() -> None:
            for offered in ((), ("mien.token.the-wrong-token",)):
                async with visitor(server.url, subprotocols=("mien.v1", *offered)) as guest:
                    assert (await guest.hear("error"))["code"] == "denied"
                    assert await guest.closed() == 4401
            async with visitor(server.url, subprotocols=("mien.v1", "mien.token.the-right-token")) as guest:
                welcome = await guest.hello()
                async with visitor(server.url, f"/watch/{welcome['session']}") as stranger:
                    assert await stranger.closed() == 4401
                await guest.say(type="ticket", purpose="watch")
                path = (await guest.hear("ticket"))["path"]
                async with visitor(server.url, path) as watcher:
                    assert (await watcher.hear("welcome"))["resume"] is None
                async with visitor(server.url, path) as late:
                    assert await late.closed() == 4401

        asyncio.run(visit())


# Places.


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
                assert (await guests[2].hear("queued", 2))["position"] == 1
                await guests[0].say(type="bye")
                assert (await guests[0].hear("bye"))["reason"] == "client"
                await guests[2].hear("welcome")
            await soon(lambda: not server.hub.sessions)

        asyncio.run(visit())


# Breaks and ends.


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


def test_a_killed_client_is_gone_before_its_network_would_tell(server: Running) -> None:
    """Its media go on, as those of a killed tab do, and WebRTC by itself waits 30 s for the next sign of life."""

    async def visit() -> None:
        await soon(lambda: not server.hub.sessions and not tracking_threads())
        async with visitor(server.url) as guest:
            await guest.hello()
            await guest.show_face()
            await guest.hear("params", 5)
            assert tracking_threads() == 1
            guest.socket.transport.abort()
            await soon(lambda: not server.hub.sessions and not tracking_threads(), 20)

    asyncio.run(visit())


def test_a_silent_network_ends_the_session(engine: Engine) -> None:
    with running(engine, silence_s=1.0) as server:
        server.limit(hold_s=0.1)

        async def visit() -> None:
            async with visitor(server.url) as guest:
                await guest.hello()
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


POOLS = ("asyncio_", "ThreadPoolExecutor", "AnyIO")


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


# Watchers.


def test_a_slow_watcher_slows_nobody(engine: Engine) -> None:
    with running(engine) as server:
        server.listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)  # else megabytes wait in the kernel

        async def visit() -> None:
            async with visitor(server.url) as guest:
                welcome = await guest.hello(overlay="off")
                path = f"/watch/{welcome['session']}"
                narrow = socket.create_connection(("127.0.0.1", server.port))
                narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                async with visitor(server.url, path) as watcher, visitor(server.url, path, sock=narrow) as slow:
                    await watcher.hear("welcome")
                    await slow.hear("welcome")
                    slow.socket.transport.pause_reading()
                    (session,) = server.hub.sessions.values()
                    await guest.show_face()
                    await soon(lambda: any(outbox.replaced_params > 20 for outbox in session._watchers))
                    last = guest.of("params")[-1]["index"]
                    for listener in (guest, watcher):
                        await listener.until(lambda them=listener: them.of("params")[-1]["index"] > last + 5)  # type: ignore[misc]
                    slow.socket.transport.resume_reading()
                    await slow.until(lambda: slow.of("params")[-1:] and slow.of("params")[-1]["index"] > last + 5)
                    assert len(slow.of("params")) < len(watcher.of("params")) - 15, "it should have missed the old ones"
                await guest.say(type="bye")

        asyncio.run(visit())


def test_watchers_only_listen(server: Running) -> None:
    async def visit() -> None:
        async with visitor(server.url) as guest:
            session = (await guest.hello())["session"]
            async with visitor(server.url, f"/watch/{session}") as watcher:
                await watcher.hear("welcome")
                await watcher.say(type="control", paused=True)
                assert (await watcher.hear("error"))["code"] == "order"
            async with visitor(server.url, "/watch/latest") as watcher:
                assert (await watcher.hear("welcome"))["session"] == session

    asyncio.run(visit())


def test_watching_nobody_is_told(server: Running) -> None:
    async def visit() -> None:
        await soon(lambda: not server.hub.sessions)
        for name in ("latest", "nobody", "%2e%2e"):
            async with visitor(server.url, f"/watch/{name}") as watcher:
                assert (await watcher.hear("error"))["code"] == "unknown_session"
                assert await watcher.closed() == 4404

    asyncio.run(visit())
