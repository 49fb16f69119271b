"""What may be sent to a session's video from outside it."""

import asyncio
import logging
import socket
import struct

import pytest
from aioice.candidate import Candidate
from aioice.ice import Connection, StunProtocol

from stream import datagrams
from tests.stream.running import Running
from tests.stream.visitor import Visitor, visitor

HEADER = struct.Struct("!HHI12s")
BINDING, COOKIE = 1, 0x2112A442
PRIORITY_CUT_SHORT = HEADER.pack(BINDING, 4, COOKIE, bytes(12)) + struct.pack("!HH", 0x0024, 0)
LOOPBACK, LAN, STRANGER = "127.0.0.1", "192.0.2.7", "192.0.2.9"


def test_no_datagram_of_a_stranger_ends_or_troubles_a_session(
    server: Running, caplog: pytest.LogCaptureFixture
) -> None:
    async def visit() -> None:
        async with visitor(server.url) as guest:
            await guest.hello()
            await guest.show_face()
            await guest.hear("params")
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
                for address in media_addresses(guest):
                    for data in (b"", PRIORITY_CUT_SHORT, b"\x80", b"\xff" * 40):
                        stranger.sendto(data, address)
            so_far = len(guest.of("params"))
            await guest.hear("params", so_far + 30)
            assert len(guest.of("answer")) == 1, "by the same connection"

    with caplog.at_level(logging.ERROR):
        asyncio.run(visit())
    assert [record.getMessage() for record in caplog.records if record.name == "asyncio"] == []


def media_addresses(guest: Visitor) -> list[tuple[str, int]]:
    candidates = [line.split() for line in guest.of("answer")[-1]["sdp"].splitlines() if line.startswith("a=candidate")]
    found = [(words[4], int(words[5])) for words in candidates if "." in words[4]]
    assert LOOPBACK in dict(found)
    return found


class Heard(Connection):
    """Keeps what gets through."""

    def __init__(self) -> None:
        super().__init__(ice_controlling=False)
        self.data: list[bytes] = []

    def data_received(self, data: bytes, component: int) -> None:
        self.data.append(data)


@pytest.mark.parametrize(
    ("from_outside", "own", "sender", "heard"),
    [
        (False, LOOPBACK, LOOPBACK, True),
        (False, LOOPBACK, LAN, True),  # a browser's socket that is bound to the network's side
        (False, "::1", "::1", True),
        (False, LAN, LAN, True),  # Firefox on the same machine
        (False, LAN, STRANGER, False),
        (False, "fd00::7", "fd00::9", False),
        (True, LAN, STRANGER, True),
    ],
)
def test_a_server_for_its_own_machine_hears_no_other(from_outside: bool, own: str, sender: str, heard: bool) -> None:
    async def receive() -> list[bytes]:
        receiver = Heard()
        protocol = StunProtocol(receiver)
        protocol.datagram_received(b"early", (sender, 50_000))
        protocol.local_candidate = Candidate("1", 1, "udp", 1, own, 40_000, "host")
        for data in (b"", b"hello"):
            protocol.datagram_received(data, (sender, 50_000))
        return receiver.data

    datagrams.install(from_outside)
    try:
        assert asyncio.run(receive()) == [b"hello"] * heard
    finally:
        datagrams.install(from_outside=False)
