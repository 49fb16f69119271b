"""What a session has learned, as files for who has the token, or a ticket for one use: head as GLB, skin as PNG."""

import asyncio
import time
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from models.types import Identity, MienError
from render.gltf import export_glb
from render.texture import Texture
from stream.protocol import TicketPurpose
from stream.session import Session
from tracker.jobs.texture_files import texture_png

if TYPE_CHECKING:
    from stream.app import Service

TEXTURE_WITHIN_S = 20.0  # for a skin that begins to be learned when it is asked for


def download_routes(service: "Service") -> list[Route]:
    exporting = asyncio.Lock()  # one at a time: it is heavy, and the sessions' frames go first

    async def head_glb(request: Request) -> Response:
        found = allowed_session(service, request, "head.glb")
        if isinstance(found, Response):
            return found
        identity, skin = found.identity, found.texture  # now: while it waits they may be forgotten
        try:
            async with exporting:
                return file(await asyncio.to_thread(export, identity, skin), "model/gltf-binary", "head.glb")
        except MienError as error:  # what was learned so far is no head that another one's shapes could be laid on
            return PlainTextResponse(f"{error}\n", 409)

    def export(identity: Identity | None, skin: Texture | None) -> bytes:
        assert service.hub is not None
        assert identity is not None
        picture = texture_png(skin) if skin is not None else None
        return export_glb(service.hub.engine.head.to("cpu"), identity, texture=picture)

    async def texture(request: Request) -> Response:
        found = allowed_session(service, request, "texture.png")
        if isinstance(found, Response):
            return found
        found.want_texture()
        if request.method == "HEAD":  # have it made, and do not wait
            return Response(status_code=202 if found.texture is None else 200)
        end_s = time.monotonic() + TEXTURE_WITHIN_S
        while found.texture is None and not found.closed and time.monotonic() < end_s:
            await asyncio.sleep(0.1)
        skin = found.texture
        if skin is None:
            return PlainTextResponse(
                "expected a texture, got none yet: it is made of some seconds of a tracked face; ask again\n",
                503, {"Retry-After": "5"},
            )  # fmt: skip
        async with exporting:
            return file(await asyncio.to_thread(texture_png, skin), "image/png", "texture.png")

    return [
        Route("/sessions/{session}/head.glb", head_glb),
        Route("/sessions/{session}/texture.png", texture),
    ]


def allowed_session(service: "Service", request: Request, purpose: TicketPurpose) -> Session | Response:
    """The session that a face has been learned in, or why not."""
    name, ticket = request.path_params["session"], request.query_params.get("ticket")
    may = service.gate.token_right(request.headers)
    if not may and not (ticket and service.gate.tickets.use(ticket, purpose, name)):
        return denied()
    found = service.hub.find(name) if service.hub else None
    if found is None or found.identity is None:
        return PlainTextResponse("expected a running session that has seen a face, got none of that id\n", 404)
    return found


def file(content: bytes, kind: str, name: str) -> Response:
    headers = {"Cache-Control": "no-store", "Content-Disposition": f'attachment; filename="{name}"'}
    return Response(content, media_type=kind, headers=headers)


def denied() -> Response:
    return PlainTextResponse(
        "expected the server's token (Authorization: Bearer ...), got none or another one\n",
        401,
        {"WWW-Authenticate": "Bearer"},
    )
