"""A session over TLS: the server's own, and that of a proxy before it."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus

from stream import tls
from stream.engine import Engine
from tests.stream.running import Running, running
from tests.stream.visitor import visitor

TOKEN = "the-right-token"
WORDS = ("mien.v1", f"mien.token.{TOKEN}")


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    return tls.self_signed(tmp_path / "tls", ["127.0.0.1"])


def trusting(certificate: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(certificate))


async def is_followed(address: str, certificate: Path, origin: str | None = None) -> None:
    context, wss = trusting(certificate), address.replace("https", "wss")
    async with visitor(wss, subprotocols=WORDS, ssl=context, origin=origin or address) as guest:
        await guest.hello()
        await guest.show_face()
        await guest.until(lambda: any(message["camera"] for message in guest.of("params")))
        await guest.until(lambda: guest.overlays)


def test_a_session_over_tls(engine: Engine, certificate: tuple[Path, Path]) -> None:
    file, key = certificate
    with running(engine, token=TOKEN, encrypted=True, certificate=file, key=key) as server:
        asyncio.run(is_followed(f"https://localhost:{server.port}", file))


def test_a_session_behind_a_proxy(engine: Engine, certificate: tuple[Path, Path]) -> None:
    """It encrypts and passes everything on, `Host` as it came, as docs/serving.md has it."""
    with running(engine, token=TOKEN, behind_proxy=True) as server:

        async def visit() -> None:
            async with proxy(server, certificate) as address:
                await is_followed(address, certificate[0])
                with pytest.raises(InvalidStatus) as refusal:
                    await is_followed(address, certificate[0], origin="https://evil.example")
                assert refusal.value.response.status_code == 403

        asyncio.run(visit())


@contextlib.asynccontextmanager
async def proxy(server: Running, certificate: tuple[Path, Path]) -> AsyncIterator[str]:
    """An address that leads to the server through TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)

    async def pass_on(from_client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        from_server, to_server = await asyncio.open_connection("127.0.0.1", server.port)
        await asyncio.gather(pipe(from_client, to_server), pipe(from_server, to_client))

    listening = await asyncio.start_server(pass_on, "127.0.0.1", 0, ssl=context)
    async with listening:
        yield f"https://localhost:{listening.sockets[0].getsockname()[1]}"


async def pipe(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await source.read(65_536):
            sink.write(data)
            await sink.drain()
    sink.close()
