"""Stands before the application: turns away foreign hosts and origins, and gives every answer its security headers."""

from collections.abc import MutableMapping
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stream.logs import event
from stream.security import Gate


class Guard:
    def __init__(self, app: ASGIApp, gate: Gate, headers: MutableMapping[str, str] | dict[str, str]) -> None:
        self._app, self._gate, self._headers = app, gate, headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        complaint = self._complaint(Headers(scope=scope))
        if complaint is not None:
            event("refused", level="warning", reason=complaint, path=scope["path"])
            await self._refuse(complaint, scope, receive, send)
        elif scope["type"] == "http":
            await self._app(scope, receive, self._with_headers(send))
        else:
            await self._app(scope, receive, send)

    def _complaint(self, headers: Headers) -> str | None:
        if not self._gate.host_allowed(headers):
            return "expected a request to this machine by its own name, got another Host"
        if not self._gate.origin_allowed(headers):
            return "expected a request from this server's own page, got another Origin (see --origin)"
        return None

    async def _refuse(self, complaint: str, scope: Scope, receive: Receive, send: Send) -> None:
        response = PlainTextResponse(complaint + "\n", 403)
        if scope["type"] == "websocket":
            await receive()  # websocket.connect
            await send({"type": "websocket.http.response.start", "status": 403, "headers": response.raw_headers})
            await send({"type": "websocket.http.response.body", "body": response.body})
        else:
            await response(scope, receive, send)

    def _with_headers(self, send: Send) -> Send:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                message.setdefault("headers", [])
                headers = MutableHeaders(scope=_mutable(message))
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", "no-cache")
            await send(message)

        return sending


def _mutable(message: Message) -> MutableMapping[str, Any]:
    message["headers"] = list(message["headers"])
    return message
