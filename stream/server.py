"""Runs the application on uvicorn: one port, from the first plain lines to the last goodbye."""

import asyncio
import contextlib
import errno
import signal
import socket
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from importlib.metadata import PackageNotFoundError, version

import uvicorn
import uvloop
from aiortc import RTCIceServer
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from models.types import MienError
from stream import addresses, datagrams, jitter, memory, vp8
from stream.app import Service, build_app
from stream.engine import Engine
from stream.hub import Hub, HubSettings
from stream.identities import IdentityStore
from stream.logs import event
from stream.media import MediaSettings
from stream.metrics import Metrics
from stream.protocol import MAX_MESSAGE_BYTES
from stream.security import Gate, loopback_hosts
from stream.settings import HELD_RATE, ServerSettings, page_addresses
from stream.sockets import HEARTBEAT_S, SILENCE_S

WRITE_BUFFER = 16_384  # bytes: a listener that is behind by more gets the newest parameters, not the oldest
STOP_WITHIN_S = 3
MAX_CONNECTIONS = 500  # sockets and requests of all kinds; the next ones get 503
SWITCH_S = 0.0005  # Python lets a busy thread run for 5 ms by default: as long as tracking a frame takes


class SocketProtocol(WebSocketsSansIOProtocol):
    """Uvicorn's, with a short write buffer, and without patience for a peer that has fallen silent."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.transport.set_write_buffer_limits(high=WRITE_BUFFER)

    def keepalive_timeout(self) -> None:
        super().keepalive_timeout()
        self.transport.abort()  # close() would first wait for what can no longer be sent


class Server(uvicorn.Server):
    """Ends with a goodbye, and with exit code 0 when told to."""

    def __init__(self, config: uvicorn.Config, before_shutdown: Callable[[], Awaitable[None]]) -> None:
        super().__init__(config)
        self._before_shutdown = before_shutdown

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self._before_shutdown()
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        handlers = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)


def mien_version() -> str:
    try:
        return version("mien")
    except PackageNotFoundError:  # run from a checkout without installing
        return "0"


def make_service(settings: ServerSettings) -> Service:
    """Sets what aiortc keeps for a whole process, too."""
    addresses.install(settings.host)
    relayed = settings.relay.stun or settings.relay.turn  # which answer from where they are
    datagrams.install(from_outside=not settings.loopback or bool(relayed))
    if not jitter.install(settings.prompt_frames) and settings.prompt_frames:
        event("prompt_frames_off", level="warning", expected=f"aiortc {jitter.KNOWN_VERSION}")
    vp8.install(HELD_RATE if settings.media == "lan" else None, settings.max_pixels)
    gate = Gate(settings.token, loopback_hosts(settings.host) if settings.loopback else None, settings.origins)
    return Service(settings, gate, Metrics(), mien_version())


def make_hub(service: Service, engine: Engine) -> Hub:
    settings = service.settings

    def relays() -> list[RTCIceServer]:
        return [RTCIceServer(server.urls, server.username, server.credential) for server in service.ice_servers()]

    media = MediaSettings(
        ice_servers=relays,
        keep_candidates=settings.media == "internet",
        start_kilobits=HELD_RATE // 1000 if settings.media == "lan" else None,
    )
    store = IdentityStore(settings.keep_identities) if settings.keep_identities else None
    hub = Hub(engine, HubSettings(settings.max_sessions, settings.overlay, media), service.metrics, store)
    hub.start()
    return hub


def make_server(service: Service, open_socket_: socket.socket) -> Server:
    async def before_shutdown() -> None:
        if service.hub is not None:
            await service.hub.close()

    settings = service.settings
    config = uvicorn.Config(
        build_app(service),
        fd=None,
        ws=SocketProtocol,
        ws_max_size=MAX_MESSAGE_BYTES,
        ws_ping_interval=HEARTBEAT_S,
        ws_ping_timeout=SILENCE_S - HEARTBEAT_S,
        ws_per_message_deflate=False,
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=settings.behind_proxy,
        ssl_certfile=settings.certificate,
        ssl_keyfile=settings.key,
        timeout_graceful_shutdown=STOP_WITHIN_S,
        limit_concurrency=MAX_CONNECTIONS,
    )
    return Server(config, before_shutdown)


def open_socket(host: str, port: int) -> socket.socket:
    """Bound, not yet listening. Says in words what is wrong with the port."""
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(address)
    except OSError as error:
        listening.close()
        if error.errno == errno.EADDRINUSE:
            raise MienError(
                f"--port: expected a free port, got {port}, which another program uses; choose another"
            ) from None
        raise MienError(f"--host, --port: cannot listen on {host}:{port}: {error.strerror}") from None
    return listening


def run_server(settings: ServerSettings, open_engine: Callable[[], Engine]) -> None:
    """Until Ctrl+C or SIGTERM."""
    listening = open_socket(settings.host, settings.port)
    sys.setswitchinterval(SWITCH_S)
    memory.keep_small()
    print(
        "Mien: loading the head (the first time it is compiled, too: a minute or so) ...", file=sys.stderr, flush=True
    )
    engine = open_engine()
    service = make_service(settings)
    server = make_server(service, listening)

    async def serve() -> None:
        async with _warming(service, engine):
            await server.serve([listening])

    with contextlib.closing(listening):
        run_on_uvloop(serve())


def run_on_uvloop(main: Coroutine[object, object, None]) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main)


@contextlib.asynccontextmanager
async def _warming(service: Service, engine: Engine) -> AsyncIterator[None]:
    warming = asyncio.create_task(warm_up(service, engine))
    try:
        yield
    finally:
        warming.cancel()
        await asyncio.gather(warming, return_exceptions=True)


async def warm_up(service: Service, engine: Engine) -> None:
    """Compile what a first frame would wait for, then open for sessions and say so."""
    try:
        await asyncio.to_thread(engine.warm_up)
    except Exception as error:
        service.warming_failed = f"{type(error).__name__}: {error}"
        event("warm_up_failed", level="error", error=service.warming_failed)
        raise
    memory.settle()
    service.hub = make_hub(service, engine)
    for line in start_lines(service.settings, engine):
        print(line, file=sys.stderr, flush=True)


def start_lines(settings: ServerSettings, engine: Engine) -> list[str]:
    token = settings.token if settings.token_made_here else None
    lines = [
        f"Mien {mien_version()}: head {engine.facts.name}, detector {engine.detector}, on {engine.device}.",
        f"Up to {settings.max_sessions} sessions at a time, overlay {settings.overlay}, video for "
        + ("the local network." if settings.media == "lan" else "the internet."),
        "Open " + " or ".join(page_addresses(settings.host, settings.port, settings.encrypted, token)),
    ]
    if settings.token and not settings.token_made_here:
        lines.append("The page asks for the token; or add #token=... to the address.")
    if settings.relay.stun or settings.relay.turn:
        lines.append("Clients find their way by " + ", ".join((*settings.relay.stun, *settings.relay.turn)) + ".")
    if settings.keep_identities:
        lines.append(f"Learned heads are kept in {settings.keep_identities}.")
    return [*lines, "Stop with Ctrl+C."]
