"""Which of this machine's addresses are offered to a browser for its video.

aioice never offers loopback, so that a laptop without a network could not talk to itself. A server bound to loopback
offers it, and this machine's other addresses: Firefox pairs none of its own addresses with loopback. One bound to all
addresses offers them all; one bound to one address, that one. What then may come to them says `stream/datagrams.py`.
"""

import ipaddress
import socket

import aioice.ice
import ifaddr

ANY = ("0.0.0.0", "::")


def is_loopback(host: str) -> bool:
    return all(address.is_loopback for address in resolve(host))


def is_private(host: str) -> bool:
    """Whether everybody who can reach `host` is near: on this machine or in its private network."""
    addresses = local_addresses() if host in ANY else [str(address) for address in resolve(host)]
    return all(
        address.is_private or address.is_link_local or address.is_loopback
        for address in map(ipaddress.ip_address, addresses)
    )


def resolve(host: str) -> list[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    """Numeric addresses of a host name; an unknown one raises OSError."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return sorted({ipaddress.ip_address(entry[4][0]) for entry in found}, key=str)


def local_addresses() -> list[str]:
    """This machine's addresses without loopback and without those that need an interface's name."""
    found = []
    for adapter in ifaddr.get_adapters():
        for ip in adapter.ips:
            address = ip.ip if isinstance(ip.ip, str) else ip.ip[0]
            scope = 0 if isinstance(ip.ip, str) else ip.ip[2]
            if not ipaddress.ip_address(address).is_loopback and scope == 0:
                found.append(address)
    return found


def install(host: str) -> None:
    """Have connections made from now on offer the addresses that belong to `host`."""
    bound = [] if host in ANY else [str(address) for address in resolve(host)]
    to_itself = host not in ANY and is_loopback(host)

    def offered() -> list[str]:
        """At each connection anew, as interfaces come and go."""
        if to_itself:
            return ["127.0.0.1", *local_addresses()]
        return bound or [*local_addresses(), "127.0.0.1"]

    def get_host_addresses(use_ipv4: bool, use_ipv6: bool) -> list[str]:
        wanted = {4: use_ipv4, 6: use_ipv6}
        return [address for address in offered() if wanted[ipaddress.ip_address(address).version]]

    aioice.ice.get_host_addresses = get_host_addresses
