"""Which datagrams get through to a session's video.

aioice hands on whatever comes, whoever sent it. A stranger's could end the video (aiortc does so at an empty one), or
an attempt at it (DTLS believes an alert until both sides have keys). So DTLS and media are heard from those addresses
alone that have passed a connectivity check: with the password that the browser was told, or in answer to one of ours.
A browser that moves to another address, or comes by a relay, begins there with a check, too. What claims to be STUN
and is not is dropped; and, for a server that is there for its own machine alone, all that other machines send to those
of its addresses that they can reach.
"""

import ipaddress
import struct
from typing import Any

import aioice.ice
from aioice import stun
from aioice.ice import Connection, StunProtocol

STUN_BELOW = 4  # the first byte; that of DTLS and of media is higher (RFC 7983)


class CheckedProtocol(StunProtocol):
    """One socket of a connection."""

    from_outside = False

    def __init__(self, receiver: Connection) -> None:
        super().__init__(receiver)
        self._checked: set[tuple[str, int]] = set()

    def datagram_received(self, data: bytes | str, addr: tuple[Any, ...]) -> None:
        assert isinstance(data, bytes)
        if not data or not hasattr(self, "local_candidate"):  # nobody has been told of a socket without its candidate
            return
        if not self.from_outside and not _from_here(addr[0], self.local_candidate.host):
            return
        sender = addr[0], addr[1]  # of IPv6 there are four
        if data[0] >= STUN_BELOW:
            if sender in self._checked:
                self.receiver.data_received(data, self.local_candidate.component)
        elif (message := _parsed(data)) is not None:
            if self._passes(message):
                self._checked.add(sender)
            super().datagram_received(data, addr)

    def _passes(self, message: stun.Message) -> bool:
        password = self.receiver.local_password
        if message.message_class != stun.Class.REQUEST:
            if message.transaction_id not in self.transactions or self.receiver.remote_password is None:
                return False
            password = self.receiver.remote_password
        return message.check_message_integrity(password.encode())


def _parsed(data: bytes) -> stun.Message | None:
    """None for what aioice would trip over."""
    try:
        message = stun.parse_message(data)
    except (ValueError, struct.error):
        return None
    is_check = message.message_class == stun.Class.REQUEST
    return None if is_check and "PRIORITY" not in message.attributes else message


def _from_here(sender: str, own: str) -> bool:
    """A program of this machine reaches an address of it from that very address; nobody else gets packets past the
    system that claim to be from there, or for loopback."""
    return sender == own or ipaddress.ip_address(own).is_loopback


def install(from_outside: bool) -> None:
    """Have this process's connections hear other machines, or only this one."""
    CheckedProtocol.from_outside = from_outside
    aioice.ice.StunProtocol = CheckedProtocol  # type: ignore[misc]
