"""What is said over one WebSocket: a session's own, or a watcher's. The order of things is in `docs/wire.md`."""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from starlette.responses import PlainTextResponse
from starlette.websockets import WebSocket, WebSocketDisconnect

from render.borrowed import forget_borrowed
from render.modes import OVERLAY_MODES
from stream.hub import Full, Hub
from stream.logs import event
from stream.media import NoAnswerInTime, NoVideoCodec
from stream.outbox import Outbox, emptied
from stream.protocol import (
    BINARY_SUBPROTOCOL,
    CLOSE_BAD_MESSAGES,
    CLOSE_DENIED,
    CLOSE_FULL,
    CLOSE_SILENT,
    CLOSE_UNKNOWN_SESSION,
    JSON_SUBPROTOCOL,
    Answer,
    AnyClientMessage,
    BadMessage,
    Bye,
    Candidate,
    Control,
    ErrorCode,
    Farewell,
    Hello,
    Offer,
    Ping,
    Pong,
    Problem,
    Ticket,
    TicketIssued,
    Welcome,
    decode_client,
)
from stream.sdp import BadOffer
from stream.security import TICKET_SECONDS
from stream.session import Session
from stream.timing import Bucket

if TYPE_CHECKING:
    from stream.app import Service

HEARTBEAT_S = 1.0
SILENCE_S = 5.0


@dataclass(frozen=True)
class SocketRules:
    hello_within_s: float = 10.0
    bad_messages: int = 3
    burst: int = 60
    per_second: float = 30.0


class TooManyBadMessages(Exception):
    pass


# A session's own socket.


async def serve_session(service: "Service", socket: WebSocket) -> None:
    outbox = await _accepted(service, socket)
    if outbox is None:
        return
    async with emptied(outbox, socket):
        if not service.gate.token_right(socket.headers, socket.scope["subprotocols"]):
            _deny(service, outbox)
        elif service.hub is None or service.hub.shutting_down:
            _end(outbox, "server", "expected a server that is ready, got one that is starting", "try again soon", 1013)
        else:
            await _Conversation(service, service.hub, socket, outbox).hold()
            service.metrics.params_skipped.inc(outbox.replaced_params)


class _Conversation:
    """One socket's messages, from `hello` to its end."""

    def __init__(self, service: "Service", hub: Hub, socket: WebSocket, outbox: Outbox) -> None:
        self._service, self._hub, self._outbox = service, hub, outbox
        self._inbox = Inbox(socket, outbox, service.rules)
        self._session: Session | None = None
        self._said_bye = False

    async def hold(self) -> None:
        try:
            hello = await self._hello()
            if hello is not None and await self._place(hello):
                await self._listen()
        except WebSocketDisconnect:
            pass
        except TooManyBadMessages:
            self._outbox.end(CLOSE_BAD_MESSAGES)
        finally:
            if self._session is not None:
                await self._hub.leave(self._session, self._outbox, self._said_bye)

    async def _hello(self) -> Hello | None:
        try:
            async with asyncio.timeout(self._service.rules.hello_within_s):
                while True:
                    message = await self._inbox.next()
                    if isinstance(message, Hello):
                        return message
                    if isinstance(message, Bye):
                        return None
                    self._inbox.complain("order", "expected 'hello' first, got another message", "say hello first")
        except TimeoutError:
            self._outbox.post(Farewell("silent"))
            self._outbox.end(CLOSE_SILENT)
            return None

    async def _place(self, hello: Hello) -> bool:
        """Wait for a place, while the socket may go away."""
        placing = asyncio.create_task(self._hub.place(hello, self._outbox))
        leaving = asyncio.create_task(self._inbox.wait_for_end())
        try:
            await asyncio.wait([placing, leaving], return_when=asyncio.FIRST_COMPLETED)
            if not placing.done():
                return False
            self._session, resumed = placing.result()
        except Full:
            _end(
                self._outbox, "full", "expected a free place, got a server with all places and waiting places taken",
                "try again later, or raise --max-sessions", CLOSE_FULL,
            )  # fmt: skip
            return False
        except asyncio.CancelledError:
            if placing.cancelled():  # the server shuts down
                self._outbox.post(Farewell("shutdown", 2.0))
                self._outbox.end(1001)
                return False
            raise
        finally:
            await _cancelled(placing, leaving)
        if hello.overlay is not None:
            self._session.control(Control(overlay=hello.overlay))
        self._outbox.post(
            _welcome(self._service, self._hub, self._session, resumed, self._session.resume_id, self._session.keep)
        )
        self._session.tell_own_state()
        return True

    async def _listen(self) -> None:
        while not self._said_bye:
            message = await self._inbox.next()
            await self._answer(message)

    async def _answer(self, message: AnyClientMessage) -> None:
        assert self._session is not None
        match message:
            case Offer():
                await self._answer_offer(message)
            case Candidate():
                await self._heed(self._session.candidate(message))
            case Control():
                self._control(message)
            case Ping():
                self._outbox.post(Pong(message.id))
            case Ticket():
                self._outbox.post(_ticket(self._service, message, self._session))
            case Bye():
                self._said_bye = True
                self._outbox.post(Farewell("client"))
            case Hello():
                self._inbox.complain("order", "expected one 'hello', got a second", "open a new socket to begin again")

    async def _answer_offer(self, message: Offer) -> None:
        assert self._session is not None
        try:
            self._outbox.post(Answer(await self._session.offer(message)))
            self._session.tell_own_state()
        except NoVideoCodec as error:
            self._inbox.complain("codec", str(error), "offer VP8; every browser has it", counts=False)
        except NoAnswerInTime as error:
            hint = "the server is overloaded, or its STUN or TURN server is; offer again later"
            self._inbox.complain("media_timeout", str(error), hint, counts=False)
        except BadOffer as error:
            self._inbox.complain("bad_sdp", str(error), "send RTCPeerConnection.localDescription.sdp as it is")

    async def _heed(self, doing: Awaitable[None]) -> None:
        try:
            await doing
        except BadOffer as error:
            self._inbox.complain("bad_sdp", str(error), "send RTCIceCandidate.candidate as it is")

    def _control(self, message: Control) -> None:
        assert self._session is not None
        if message.forget:
            self._hub.forget(self._session)
            forget_borrowed()
        self._session.control(message)


# A watcher's socket.


async def serve_watcher(service: "Service", socket: WebSocket) -> None:
    outbox = await _accepted(service, socket)
    if outbox is None:
        return
    name = socket.path_params["session"]
    ticket = socket.query_params.get("ticket")
    async with emptied(outbox, socket):
        may = service.gate.token_right(socket.headers, socket.scope["subprotocols"])
        if not may and not (ticket and service.gate.tickets.use(ticket, "watch", name)):
            _deny(service, outbox)
            return
        session = service.hub.find(name) if service.hub else None
        if session is None or service.hub is None:
            _end(
                outbox, "unknown_session", "expected a session that is running, but there is none of that name",
                "begin one in the page, and copy its watch address or watch 'latest'", CLOSE_UNKNOWN_SESSION,
            )  # fmt: skip
            return
        outbox.post(_welcome(service, service.hub, session, False, None, None))
        session.watch(outbox)
        service.metrics.watchers.inc()
        try:
            await _watch(Inbox(socket, outbox, service.rules), outbox)
        finally:
            session.unwatch(outbox)
            service.metrics.watchers.dec()
            service.metrics.params_skipped.inc(outbox.replaced_params)


async def _watch(inbox: "Inbox", outbox: Outbox) -> None:
    try:
        while True:
            message = await inbox.next()
            if isinstance(message, Ping):
                outbox.post(Pong(message.id))
            elif isinstance(message, Bye):
                return
            else:
                inbox.complain("order", "expected 'ping' or 'bye' of a watcher, got more", "watchers only listen")
    except WebSocketDisconnect:
        pass
    except TooManyBadMessages:
        outbox.end(CLOSE_BAD_MESSAGES)


# What both have in common.


class Inbox:
    """A socket's messages, checked; what is wrong with them is told to the client, three times at most."""

    def __init__(self, socket: WebSocket, outbox: Outbox, rules: SocketRules) -> None:
        self._socket, self._outbox, self._rules = socket, outbox, rules
        self._bucket = Bucket(rules.burst, rules.per_second)
        self._bad = 0

    async def next(self) -> AnyClientMessage:
        """The next message that can be understood. Raises WebSocketDisconnect, TooManyBadMessages."""
        while True:
            data = await self._receive()
            if not self._bucket.take():
                hint = "send state, not streams: the video goes by WebRTC"
                self.complain(
                    "too_many_messages", f"expected {self._rules.per_second:.0f} messages a second, got more", hint
                )
                continue
            try:
                return decode_client(data)
            except BadMessage as error:
                self.complain("bad_message", str(error), "docs/wire.md has the messages")

    async def wait_for_end(self) -> None:
        """Returns when the socket has gone or has said goodbye; what else is said while waiting is out of order."""
        try:
            while not isinstance(await self.next(), Bye):
                self.complain("order", "expected patience while queued, got a message", "wait for 'welcome'")
        except WebSocketDisconnect:
            pass
        except TooManyBadMessages:
            self._outbox.end(CLOSE_BAD_MESSAGES)

    async def _receive(self) -> str | bytes:
        try:
            message = await self._socket.receive()
        except RuntimeError as error:  # it has been closed already
            raise WebSocketDisconnect(1005) from error
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code") or 1005)
        text = message.get("text")
        return text if text is not None else bytes(message["bytes"])

    def complain(self, code: ErrorCode, message: str, hint: str, counts: bool = True) -> None:
        self._bad += counts
        last = self._bad >= self._rules.bad_messages
        self._outbox.post(Problem(code, message, hint, fatal=last))
        if last:
            raise TooManyBadMessages


async def _accepted(service: "Service", socket: WebSocket) -> Outbox | None:
    """The outbox of a socket with a subprotocol that is spoken here."""
    offered = socket.scope["subprotocols"]
    spoken = next((name for name in offered if name in (JSON_SUBPROTOCOL, BINARY_SUBPROTOCOL)), None)
    if spoken is None:
        service.metrics.refused.labels("subprotocol").inc()
        complaint = f"expected subprotocol {JSON_SUBPROTOCOL} or {BINARY_SUBPROTOCOL}, got neither\n"
        await socket.send_denial_response(PlainTextResponse(complaint, 400))
        return None
    await socket.accept(spoken)
    return Outbox(binary_params=spoken == BINARY_SUBPROTOCOL)


def _welcome(
    service: "Service", hub: Hub, session: Session, resumed: bool, resume: str | None, keep: str | None
) -> Welcome:
    return Welcome(
        session=session.id,
        resume=resume,
        resumed=resumed,
        keep=keep,
        server=service.version,
        head=hub.engine.facts,
        detector=hub.engine.detector,
        device=hub.engine.device,
        media=service.settings.media,
        overlay=session.overlay,
        overlay_modes=list(OVERLAY_MODES),
        ice_servers=service.ice_servers(),
        heartbeat_s=HEARTBEAT_S,
        silence_s=SILENCE_S,
    )


def _ticket(service: "Service", message: Ticket, session: Session) -> TicketIssued:
    ticket = service.gate.tickets.mint(message.purpose, session.id)
    path = f"/watch/{session.id}" if message.purpose == "watch" else f"/sessions/{session.id}/{message.purpose}"
    return TicketIssued(message.purpose, f"{path}?ticket={quote(ticket)}", TICKET_SECONDS)


def _deny(service: "Service", outbox: Outbox) -> None:
    service.metrics.refused.labels("token").inc()
    event("refused", level="warning", reason="token")
    _end(
        outbox, "denied", "expected the server's token, got none or another one",
        "open the address that the server printed, with everything behind its #", CLOSE_DENIED,
    )  # fmt: skip


def _end(outbox: Outbox, code: ErrorCode, message: str, hint: str, close_code: int) -> None:
    outbox.post(Problem(code, message, hint, fatal=True))
    outbox.end(close_code)


async def _cancelled(*tasks: "asyncio.Task[object]") -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
