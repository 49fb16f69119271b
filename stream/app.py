"""The addresses a server answers, as one ASGI application: page, sockets, health, metrics, configuration.

A socket that says hello gets its `Session` from the hub; the next file is `stream/session.py`.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket

from stream.downloads import denied, download_routes
from stream.guard import Guard
from stream.hub import Hub
from stream.metrics import CONTENT_TYPE, Metrics
from stream.protocol import IceServer
from stream.security import Gate, import_map_hashes, security_headers, turn_credential
from stream.settings import Relay, ServerSettings
from stream.sockets import SocketRules, serve_session, serve_watcher


class Service:
    """What the handlers share. Before `hub` is there, the server is warming up."""

    def __init__(self, settings: ServerSettings, gate: Gate, metrics: Metrics, version: str) -> None:
        self.settings, self.gate, self.metrics, self.version = settings, gate, metrics, version
        self.rules = SocketRules()
        self.hub: Hub | None = None
        self.warming_failed: str | None = None

    def ice_servers(self) -> list[IceServer]:
        return ice_servers(self.settings.relay, time.time())


def ice_servers(relay: Relay, now_s: float) -> list[IceServer]:
    """As a browser's RTCPeerConnection takes them, with fresh credentials."""
    servers = [IceServer(list(relay.stun))] if relay.stun else []
    if relay.turn and relay.turn_secret:
        servers.append(IceServer(list(relay.turn), *turn_credential(relay.turn_secret, now_s)))
    return servers


def build_app(service: Service) -> Guard:
    async def healthz(request: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def readyz(request: Request) -> Response:
        if service.warming_failed is not None:
            return PlainTextResponse(f"failed: {service.warming_failed}\n", 503)
        if service.hub is None:
            return PlainTextResponse("warming up: loading the head and compiling\n", 503)
        if service.hub.shutting_down:
            return PlainTextResponse("shutting down\n", 503)
        return PlainTextResponse("ready\n")

    async def metrics(request: Request) -> Response:
        if not service.gate.token_right(request.headers):
            return denied()
        return Response(service.metrics.text(), media_type=CONTENT_TYPE)

    async def config(request: Request) -> Response:
        if not service.gate.token_right(request.headers):
            return denied()
        servers = [
            {key: getattr(server, key) for key in ("urls", "username", "credential") if getattr(server, key)}
            for server in service.ice_servers()
        ]
        return JSONResponse(
            {"ice_servers": servers, "media": service.settings.media}, headers={"Cache-Control": "no-store"}
        )

    async def session(socket: WebSocket) -> None:
        await serve_session(service, socket)

    async def watch(socket: WebSocket) -> None:
        await serve_watcher(service, socket)

    routes: list[BaseRoute] = [
        Route("/healthz", healthz),
        Route("/readyz", readyz),
        Route("/metrics", metrics),
        Route("/config", config),
        *download_routes(service),
        WebSocketRoute("/session", session),
        WebSocketRoute("/watch/{session}", watch),
        *page_routes(service.settings.page),
    ]
    app = Starlette(routes=routes, lifespan=_lifespan(service))
    return Guard(app, service.gate, security_headers(import_map_hashes(service.settings.page / "index.html")))


def page_routes(folder: Path) -> list[BaseRoute]:
    if (folder / "index.html").is_file():
        return [Mount("/", StaticFiles(directory=folder, html=True))]

    async def missing(request: Request) -> Response:
        return PlainTextResponse("This server runs without its page; programs use /session and /watch.\n")

    return [Route("/", missing)]


def _lifespan(service: Service):  # type: ignore[no-untyped-def]
    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        if service.hub is not None:
            await service.hub.close()
            await asyncio.to_thread(service.hub.engine.close)

    return lifespan
