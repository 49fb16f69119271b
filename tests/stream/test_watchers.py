"""Those who only listen to a session."""

import asyncio
import socket
from functools import partial

from stream.engine import Engine
from tests.stream.running import Running, running, soon
from tests.stream.visitor import Visitor, visitor


def test_a_slow_watcher_slows_nobody(engine: Engine) -> None:
    with running(engine) as server:
        server.listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)  # else megabytes wait in the kernel

        async def visit() -> None:
            async with visitor(server.url) as guest:
                welcome = await guest.hello(overlay="off")
                path = f"/watch/{welcome['session']}"
                narrow = socket.create_connection(("127.0.0.1", server.port))
                narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                (session,) = server.hub.sessions.values()
                async with visitor(server.url, path, sock=narrow) as slow:
                    await slow.hear("welcome")
                    await soon(lambda: session._listeners.watchers)
                    (outbox,) = session._listeners.watchers
                    slow.socket.transport.pause_reading()
                    async with visitor(server.url, path) as watcher:
                        await watcher.hear("welcome")
                        await guest.show_face()
                        await soon(lambda: outbox.replaced_params > 20)
                        await guest.hear("params")
                        index = guest.of("params")[-1]["index"] + 5
                        for listener in (guest, watcher):
                            await listener.until(partial(has_heard, listener, index))
                        slow.socket.transport.resume_reading()
                        await slow.until(partial(has_heard, slow, index))
                    heard = [params["index"] for params in slow.of("params")]
                    assert len(heard) + 20 <= heard[-1], "it should have missed the old ones"
                await guest.say(type="bye")

        asyncio.run(visit())


def has_heard(listener: Visitor, index: int) -> bool:
    """Of a frame that late, or later."""
    return any(params["index"] >= index for params in listener.of("params"))


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
