"""Those who only listen to a session."""

import asyncio
import socket

from stream.engine import Engine
from tests.stream.running import Running, running, soon
from tests.stream.visitor import visitor


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
