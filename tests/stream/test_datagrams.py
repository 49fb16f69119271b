"""What may be sent to a session's video from outside it."""

import asyncio
import contextlib
import logging
import socket
import struct
from collections.abc import AsyncIterator
from typing import Any

import aioice.ice
import pytest
from aioice import stun
from aioice.candidate import Candidate
from aioice.ice import Connection

from stream import datagrams
from stream.engine import Engine
from tests.stream.running import Running, running
from tests.stream.visitor import Visitor, visitor

HEADER = struct.Struct("!HHI12s")
BINDING, COOKIE = 1, 0x2112A442
PRIORITY_CUT_SHORT = HEADER.pack(BINDING, 4, COOKIE, bytes(12)) + struct.pack("!HH", 0x0024, 0)
NO_PRIORITY = HEADER.pack(BINDING, 0, COOKIE, bytes(12))
NO_STUN = b"\x00" * 20
ALERT = struct.pack("!BHHHIHBB", 21, 0xFEFD, 0, 0, 0, 2, 2, 40)  # DTLS: fatal, the handshake has failed
PICTURE = b"\x80\x60" + bytes(30)  # RTP
FORGED = (b"", PRIORITY_CUT_SHORT, NO_PRIORITY, NO_STUN, ALERT, PICTURE, b"\x80", b"\xff" * 40)
LOOPBACK, LAN, STRANGER = "127.0.0.1", "192.0.2.7", "192.0.2.9"
TOKEN = "the-right-token"


def forge(guest: Visitor) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        for address in media_addresses(guest):
            for data in FORGED:
                stranger.sendto(data, address)


def media_addresses(guest: Visitor) -> list[tuple[str, int]]:
    candidates = [line.split() for line in guest.of("answer")[-1]["sdp"].splitlines() if line.startswith("a=candidate")]
    found = [(words[4], int(words[5])) for words in candidates if "." in words[4]]
    assert LOOPBACK in dict(found)
    return found


def test_no_datagram_of_a_stranger_ends_or_troubles_a_session(
    server: Running, caplog: pytest.LogCaptureFixture
) -> None:
    async def visit() -> None:
        async with visitor(server.url) as guest:
            await guest.hello()
            await guest.show_face()
            await guest.hear("params")
            forge(guest)
            so_far = len(guest.of("params"))
            await guest.hear("params", so_far + 30)
            assert len(guest.of("answer")) == 1, "by the same connection"

    with caplog.at_level(logging.ERROR):
        asyncio.run(visit())
    assert [record.getMessage() for record in caplog.records if record.name == "asyncio"] == []


def test_nor_ends_an_attempt_at_one_where_all_can_reach_it(engine: Engine) -> None:
    """What they send before a connection's handshake would wait for it, and be its first answer."""
    with running(engine, token=TOKEN, behind_proxy=True) as server:

        async def visit() -> None:
            async with visitor(server.url, subprotocols=("mien.v1", f"mien.token.{TOKEN}")) as guest:
                await guest.hello()
                await guest.offer_face()
                forge(guest)
                await guest.accept_answer()
                await guest.hear("params")
                assert len(guest.of("answer")) == 1, "by the same connection"

        asyncio.run(visit())


# Without a server: what gets through to a connection.


class Heard(Connection):
    """Keeps what gets through."""

    def __init__(self) -> None:
        super().__init__(ice_controlling=False)
        self.data: list[bytes] = []

    def data_received(self, data: bytes, component: int) -> None:
        self.data.append(data)

    def request_received(self, *given: Any) -> None:  # there is no way to answer by
        pass


def check_of(connection: Connection, password: str) -> bytes:
    """What a browser begins with, which was told that password."""
    request = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
    request.attributes["USERNAME"] = f"{connection.local_username}:{connection.remote_username or 'peer'}"
    request.attributes["PRIORITY"] = 1
    request.attributes["ICE-CONTROLLING"] = 7
    request.attributes["USE-CANDIDATE"] = None
    request.add_message_integrity(password.encode())
    return bytes(request)


@pytest.fixture
def from_outside() -> Any:
    datagrams.install(from_outside=True)
    yield
    datagrams.install(from_outside=False)


@pytest.mark.usefixtures("from_outside")
@pytest.mark.parametrize(
    ("outside", "own", "sender", "heard"),
    [
        (False, LOOPBACK, LOOPBACK, True),
        (False, LOOPBACK, LAN, True),  # a browser's socket that is bound to the network's side
        (False, "::1", "::1", True),
        (False, LAN, LAN, True),  # Firefox on the same machine
        (False, LAN, STRANGER, False),
        (False, "fd00::7", "fd00::9", False),
        (True, LAN, STRANGER, True),
        (True, "fd00::7", "fd00::9", True),
    ],
)
def test_a_server_for_its_own_machine_hears_no_other(outside: bool, own: str, sender: str, heard: bool) -> None:
    async def receive() -> list[bytes]:
        receiver = Heard()
        protocol = aioice.ice.StunProtocol(receiver)
        source = (sender, 50_000, 0, 0) if ":" in sender else (sender, 50_000)
        protocol.datagram_received(b"\x80early", source)
        protocol.local_candidate = Candidate("1", 1, "udp", 1, own, 40_000, "host")
        for data in (*FORGED, check_of(receiver, "not-the-password-of-it"), b"\x80unknown"):
            protocol.datagram_received(data, source)
        for data in (check_of(receiver, receiver.local_password), b"", b"\x80hello"):
            protocol.datagram_received(data, source)
        protocol.datagram_received(b"\x80other", (sender, 50_001, *source[2:]))
        return receiver.data

    datagrams.install(outside)
    assert asyncio.run(receive()) == [b"\x80hello"] * heard


@pytest.mark.usefixtures("from_outside")
def test_who_answers_a_check_is_heard() -> None:
    """A peer that checks nothing by itself."""

    async def ask() -> list[bytes]:
        receiver, loop = Heard(), asyncio.get_running_loop()
        receiver.remote_username, receiver.remote_password = "peer", "the-password-of-the-peer"
        transport, protocol = await loop.create_datagram_endpoint(
            lambda: aioice.ice.StunProtocol(receiver), (LOOPBACK, 0)
        )
        own = transport.get_extra_info("sockname")
        protocol.local_candidate = Candidate("1", 1, "udp", 1, LOOPBACK, own[1], "host")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
            peer.bind((LOOPBACK, 0))
            peer.setblocking(False)
            request = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
            asking = asyncio.create_task(
                protocol.request(request, peer.getsockname(), receiver.remote_password.encode())
            )
            await asyncio.wait_for(loop.sock_recv(peer, 2000), 90)
            for password in ("not-the-password-of-it", receiver.remote_password):
                answer = stun.Message(stun.Method.BINDING, stun.Class.RESPONSE, request.transaction_id)
                answer.add_message_integrity(password.encode())
                peer.sendto(bytes(answer), own)
                peer.sendto(b"\x80" + password.encode(), own)
            await asyncio.wait_for(asking, 90)
            while not receiver.data:
                await asyncio.sleep(0.01)
        await protocol.close()
        return receiver.data

    assert asyncio.run(asyncio.wait_for(ask(), 90)) == [b"\x80the-password-of-the-peer"]


@contextlib.asynccontextmanager
async def connected() -> AsyncIterator[tuple[Connection, Connection]]:
    """A peer, whose address nobody has told, and what it has connected to."""
    peer, own = Connection(ice_controlling=True), Connection(ice_controlling=False)
    for one, other in ((peer, own), (own, peer)):
        await one.gather_candidates()
        one.remote_username, one.remote_password = other.local_username, other.local_password
    for candidate in (*own.local_candidates, None):
        await peer.add_remote_candidate(candidate)
    try:
        await asyncio.wait_for(asyncio.gather(peer.connect(), own.connect()), 90)
        yield peer, own
    finally:
        await peer.close()
        await own.close()


@pytest.mark.usefixtures("from_outside")
@pytest.mark.parametrize("host", [LOOPBACK, "::1"])
def test_a_peer_is_heard_wherever_it_moves_and_nobody_else(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as trial:
            trial.bind((host, 0))
    except OSError:
        pytest.skip(f"needs a machine with {host}")
    monkeypatch.setattr(aioice.ice, "get_host_addresses", lambda use_ipv4, use_ipv6: [host])

    async def talk() -> list[bytes]:
        heard = []
        async with connected() as (peer, own):
            (candidate,) = own.local_candidates
            with socket.socket(family, socket.SOCK_DGRAM) as other:
                other.bind((host, 0))
                for data in FORGED:
                    other.sendto(data, (host, candidate.port))
                await peer.send(b"\x80from the peer")
                heard.append(await asyncio.wait_for(own.recv(), 90))
                for data in (check_of(own, own.local_password), b"\x80from elsewhere"):
                    other.sendto(data, (host, candidate.port))
                heard.append(await asyncio.wait_for(own.recv(), 90))
        return heard

    assert asyncio.run(talk()) == [b"\x80from the peer", b"\x80from elsewhere"]
