"""STUN and TURN servers: the video does without silent ones, and credentials are as fresh as the connection."""

import asyncio
import contextlib
import selectors
import socket
from collections.abc import Coroutine, Iterator
from dataclasses import replace

import pytest
from aiortc import RTCIceServer

from stream.app import Service
from stream.engine import Engine
from stream.hub import Hub
from stream.media import Connection, MediaSettings, NoAnswerInTime
from stream.metrics import Metrics
from stream.security import Gate
from stream.server import make_hub
from stream.settings import Relay
from tests.stream.running import SETTINGS
from tests.stream.visitor import OFFER


class HastySelector(selectors.DefaultSelector):
    """Where nothing comes, the clock is put forward to what is due next, so that only the order of limits counts."""

    now_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        found: list[tuple[selectors.SelectorKey, int]] = super().select(None if timeout is None else 0)
        if not found and timeout is not None:
            self.now_s += timeout
        return found


def run_hastily(main: Coroutine[None, None, str]) -> str:
    selector = HastySelector()
    loop = asyncio.SelectorEventLoop(selector)
    loop.time = lambda: selector.now_s  # type: ignore[method-assign]

    async def run() -> str:
        try:
            return await main
        finally:
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

    with contextlib.closing(loop):
        return loop.run_until_complete(run())


@pytest.fixture
def silent() -> Iterator[MediaSettings]:
    """With a STUN and a TURN server that never answer."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{server.getsockname()[1]}"
        relays = RTCIceServer(f"stun:{address}"), RTCIceServer(f"turn:{address}", "name", "secret")
        yield MediaSettings(lambda: relays)


async def answer(settings: MediaSettings) -> str:
    connection = Connection(settings, lambda *_: None, lambda: None, lambda _: None)
    try:
        return await connection.answer(OFFER)
    finally:
        await connection.close()


def test_the_video_does_without_silent_relays(silent: MediaSettings) -> None:
    assert "typ host" in run_hastily(answer(silent))


def test_credentials_are_as_fresh_as_the_connection(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = replace(SETTINGS, relay=Relay(turn=("turn:relay.example:3478",), turn_secret="S"))
    service = Service(settings, Gate(None), Metrics(), "0")

    def ends_s(now_s: float, hub: Hub) -> int:
        monkeypatch.setattr("stream.app.time.time", lambda: now_s)
        (server,) = hub.settings.media.ice_servers()
        return int(str(server.username).split(":")[0])

    async def serve() -> None:
        hub = make_hub(service, engine)
        assert ends_s(2e9, hub) > 2e9
        assert ends_s(3e9, hub) > 3e9
        await hub.close()

    asyncio.run(serve())


def test_an_offer_is_not_blamed_for_a_server_that_is_slow(
    silent: MediaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stream.media.ANSWER_WITHIN_S", 1.0)
    with pytest.raises(NoAnswerInTime, match="expected an answer within 1 s"):
        run_hastily(answer(silent))
