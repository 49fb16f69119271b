"""A real server on a free port, in a thread of its own, for tests to talk to."""

import asyncio
import contextlib
import faulthandler
import logging
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from stream.engine import Engine
from stream.hub import Hub
from stream.logs import WordsFormatter
from stream.server import make_server, make_service, open_socket, run_on_uvloop, warm_up
from stream.session import SessionLimits
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

# A machine that computes much else stalls for seconds; only tests of these limits want them short.
PATIENT = SessionLimits(idle_s=300, media_within_s=120, stuck_s=120)
PATIENCE_S = 60.0
SHORT_TIMES = ("stream.outbox.END_WITHIN_S", "stream.media.ANSWER_WITHIN_S", "stream.sockets.SILENCE_S")


@contextlib.contextmanager
def held_port() -> Iterator[int]:
    """For a program that is told its port: the system gives it to no other while it is held here. Who reuses addresses,
    as the server does, may still listen at it."""
    with socket.socket() as holding:
        holding.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holding.bind(("127.0.0.1", 0))
        yield holding.getsockname()[1]


@dataclass
class Running:
    """A server that answers at `url`; its parts are for looking at from the test's thread."""

    port: int
    service: Any
    loop: asyncio.AbstractEventLoop
    server: Any
    listening: socket.socket

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

    def limit(self, **limits: float) -> None:
        """Change limits of sessions that begin from now on."""
        settings = self.hub.settings
        self.hub.settings = replace(settings, limits=replace(settings.limits, **limits))

    def tasks(self) -> int:
        """Tasks on the server's loop."""

        async def count() -> int:
            return len(asyncio.all_tasks())

        return asyncio.run_coroutine_threadsafe(count(), self.loop).result(60)


async def soon(true: Callable[[], object], within_s: float = 90.0) -> None:
    """This becomes true; within a time that only says that it does not take for ever."""
    begun_s = time.monotonic()
    while not true():
        assert time.monotonic() - begun_s < within_s, f"not within {within_s:.0f} s"
        await asyncio.sleep(0.02)


def tracking_threads() -> int:
    return sum(thread.name.startswith("track-") for thread in threading.enumerate())


class TellingHandler(logging.Handler):
    """The server's log on stderr, as it is in service: it stands beside a test that fails."""

    def emit(self, record: logging.LogRecord) -> None:
        print(WordsFormatter().format(record), file=sys.stderr)


@contextlib.contextmanager
def telling() -> Iterator[None]:
    log, handler = logging.getLogger("mien"), TellingHandler()
    level = log.level
    log.setLevel(logging.INFO)
    log.addHandler(handler)
    yield
    log.removeHandler(handler)
    log.setLevel(level)


@contextlib.contextmanager
def running(engine: Engine, **changes: Any) -> Iterator[Running]:
    with telling(), pytest.MonkeyPatch.context() as patience:
        for name in SHORT_TIMES:
            patience.setattr(name, PATIENCE_S)
        with _running(engine, **changes) as ready:
            yield ready


@contextlib.contextmanager
def _running(engine: Engine, **changes: Any) -> Iterator[Running]:
    settings = replace(SETTINGS, **changes)
    listening = open_socket(settings.host, 0)
    port = listening.getsockname()[1]
    service = make_service(replace(settings, port=port))
    server = make_server(service, listening)
    server.config.ws_ping_timeout = PATIENCE_S
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
        assert ready.wait(300), "the server did not get ready"
        assert service.hub is not None, service.warming_failed
        service.hub.settings = replace(service.hub.settings, limits=PATIENT)
        service.rules = replace(service.rules, hello_within_s=120)
        yield Running(port, service, found["loop"], server, listening)
    finally:
        server.should_exit = True
        thread.join(100)
        if thread.is_alive():
            faulthandler.dump_traceback()
            for task in asyncio.all_tasks(found["loop"]):
                task.print_stack()
        listening.close()
        assert not thread.is_alive(), "the server did not stop"
