"""Who may: token, tickets, Host and Origin; and the headers that keep a browser to what the page asks of it.

A page of another site must not reach this server through its visitor's browser: `Origin` is checked wherever it is
sent, and on loopback `Host` too, since a name that its owner points at 127.0.0.1 would make both agree. Programs send
no Origin and need the token as everybody does. Secrets are compared in constant time and never logged.
"""

import base64
import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from starlette.datastructures import Headers

from stream.protocol import TOKEN_SUBPROTOCOL, TicketPurpose

TICKET_SECONDS = 600.0
MAX_TICKETS = 1000
TURN_SECONDS = 86_400


class Tickets:
    """Links that open once. Only a ticket's hash is kept, so that looking it up tells nothing by its time."""

    def __init__(self) -> None:
        self._open: dict[bytes, tuple[TicketPurpose, str, float]] = {}

    def mint(self, purpose: TicketPurpose, session: str) -> str:
        self._forget_expired()
        while len(self._open) >= MAX_TICKETS:
            self._open.pop(next(iter(self._open)))
        ticket = secrets.token_urlsafe(24)
        self._open[_hash(ticket)] = purpose, session, time.monotonic() + TICKET_SECONDS
        return ticket

    def use(self, ticket: str, purpose: TicketPurpose, session: str) -> bool:
        """Whether it opens this; it never opens anything again."""
        opens = self._open.pop(_hash(ticket), None)
        return opens is not None and opens[:2] == (purpose, session) and time.monotonic() < opens[2]

    def _forget_expired(self) -> None:
        now_s = time.monotonic()
        self._open = {key: entry for key, entry in self._open.items() if now_s < entry[2]}


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()


@dataclass(frozen=True)
class Gate:
    """The rules of one server."""

    token: str | None
    hosts: frozenset[str] | None = None
    # Host names (without port) that requests may be addressed to; None: any, which is safe where a token is needed.
    origins: frozenset[str] = frozenset()
    # Origins besides the server's own, as https://name:port.
    tickets: Tickets = field(default_factory=Tickets)

    def host_allowed(self, headers: Headers) -> bool:
        return self.hosts is None or _name(headers.get("host", "")) in self.hosts

    def origin_allowed(self, headers: Headers) -> bool:
        origin = headers.get("origin")
        if origin is None or origin in self.origins:
            return True
        parts = _split(origin)
        return parts is not None and parts == _split(f"{origin.partition(':')[0]}://{headers.get('host', '')}")

    def token_right(self, headers: Headers, subprotocols: Iterable[str] = ()) -> bool:
        """By subprotocol or header; always, where none is needed."""
        if self.token is None:
            return True
        given = [name.removeprefix(TOKEN_SUBPROTOCOL) for name in subprotocols if name.startswith(TOKEN_SUBPROTOCOL)]
        scheme, _, credential = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            given.append(credential.strip())
        return any(hmac.compare_digest(_hash(candidate), _hash(self.token)) for candidate in given)


def _name(host: str) -> str:
    """`name:port` -> `name`, in lower case; an address in brackets stays in them."""
    return re.sub(r":\d*$", "", host).lower()


def _split(url: str) -> tuple[str, int | None] | None:
    """Name and port of an origin, the scheme's port filled in; None for `null` and other words."""
    try:
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:
        return None
    return (parts.hostname, port) if parts.scheme in ("http", "https") and parts.hostname else None


def loopback_hosts(host: str) -> frozenset[str]:
    """Names under which a server on loopback may be addressed."""
    return frozenset({"localhost", "127.0.0.1", "[::1]", host.lower(), f"[{host.lower()}]"})


def token_fits_subprotocol(token: str) -> bool:
    """Subprotocols are HTTP tokens: nothing else can travel in their header."""
    return re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{8,256}", token) is not None


# What a browser is told about pages from here.


def security_headers(import_map_hashes: Iterable[str] = ()) -> dict[str, str]:
    scripts = " ".join(["'self'", *(f"'{value}'" for value in import_map_hashes)])
    policy = (
        f"default-src 'none'; script-src {scripts}; style-src 'self'; img-src 'self' data: blob:; "
        "media-src 'self' blob: mediastream:; connect-src 'self' blob:; worker-src 'self' blob:; font-src 'self'; "
        "manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return {
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(self), microphone=(), geolocation=(), fullscreen=(self)",
    }


def import_map_hashes(page: Path) -> list[str]:
    """CSP sources for the inline import maps of a page: the only inline scripts it may have."""
    if not page.is_file():
        return []
    found = re.findall(r"<script type=\"importmap\">(.*?)</script>", page.read_text(encoding="utf-8"), re.DOTALL)
    return ["sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in found]


def turn_credential(secret: str, now_s: float, user: str = "mien") -> tuple[str, str]:
    """User name and password for a TURN server that knows the same secret (coturn's `use-auth-secret`)."""
    username = f"{int(now_s) + TURN_SECONDS}:{user}"
    digest = hmac.new(secret.encode(), username.encode(), hashlib.sha1).digest()
    return username, base64.b64encode(digest).decode()
