"""A real server on a free port, in a thread of its own, for tests to talk to."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from stream.engine import Engine
from stream.hub import Hub
from stream.server import make_server, make_service, open_socket, run_on_uvloop, warm_up
from stream.settings import Relay, ServerSettings

SETTINGS = ServerSettings(
    host="127.0.0.1",
    port=0,
    token=None,
    token_made_here=False,
    media="lan",
    overlay="landmarks",
    max_sessions=2,
    origins=frozenset(),
    encrypted=False,
    certificate=None,
    key=None,
    behind_proxy=False,
    prompt_frames=True,
    keep_identities=None,
    relay=Relay(),
    page=Path(__file__).parents[2] / "web_client",
)


@dataclass
class Running:
    """A server that answers at `url`; its parts are for looking at from the test's thread."""

    port: int
    service: Any
    loop: asyncio.AbstractEventLoop
    server: Any

    @property
    def http(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    @property
    def hub(self) -> Hub:
        hub: Hub = self.service.hub
        return hub

    def tasks(self) -> int:
        """Tasks on the server's loop."""

        async def count() -> int:
            return len(asyncio.all_tasks())

        return asyncio.run_coroutine_threadsafe(count(), self.loop).result(5)


@contextlib.contextmanager
def running(engine: Engine, **changes: Any) -> Iterator[Running]:
    settings = replace(SETTINGS, **changes)
    listening = open_socket(settings.host, 0)
    port = listening.getsockname()[1]
    service = make_service(replace(settings, port=port))
    server = make_server(service, listening)
    ready = threading.Event()
    found: dict[str, Any] = {}

    async def serve() -> None:
        found["loop"] = asyncio.get_running_loop()
        warming = asyncio.create_task(warm_up(service, engine))
        warming.add_done_callback(lambda task: ready.set())
        await server.serve([listening])

    thread = threading.Thread(target=lambda: run_on_uvloop(serve()), name="test-server")
    thread.start()
    try:
        assert ready.wait(60)
        assert service.hub is not None, service.warming_failed
        yield Running(port, service, found["loop"], server)
    finally:
        server.should_exit = True
        thread.join(15)
        listening.close()
        assert not thread.is_alive(), "the server did not stop"
