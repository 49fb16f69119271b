"""Which datagrams get through to a session's video.

aioice hands on whatever comes, whoever sent it; aiortc ends the video at an empty datagram, and each STUN message with
an attribute cut short is a traceback in the log. So such ones are dropped before; and, for a server that is there for
its own machine alone, all that other machines send to those of its addresses that they can reach.
"""

import contextlib
import ipaddress
import struct
from typing import Any

from aioice.ice import StunProtocol

_hand_on = StunProtocol.datagram_received


def install(from_outside: bool) -> None:
    """Have this process's connections hear other machines, or only this one."""

    def datagram_received(self: StunProtocol, data: bytes, sender: tuple[Any, ...]) -> None:
        if not data or not hasattr(self, "local_candidate"):  # nobody has been told of a socket without its candidate
            return
        if not from_outside and not _from_here(sender[0], self.local_candidate.host):
            return
        with contextlib.suppress(struct.error):
            _hand_on(self, data, sender)

    StunProtocol.datagram_received = datagram_received  # type: ignore[assignment, method-assign]


def _from_here(sender: str, own: str) -> bool:
    """A program of this machine reaches an address of it from that very address; nobody else gets packets past the
    system that claim to be from there, or for loopback."""
    return sender == own or ipaddress.ip_address(own).is_loopback
