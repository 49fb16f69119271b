"""Who is let in, by which door, and what pages from here may do."""

import base64
import hashlib
import hmac
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from starlette.datastructures import Headers

from models.types import MienError
from stream import settings, tls
from stream.security import Gate, Tickets, import_map_hashes, loopback_hosts, security_headers, turn_credential
from stream.serve import Serve

LOOPBACK = Gate(None, loopback_hosts("127.0.0.1"))
PUBLIC = Gate("right-token-1234", None, frozenset({"https://kiosk.example"}))


@pytest.mark.parametrize(
    ("host", "allowed"),
    [("localhost:8080", True), ("127.0.0.1", True), ("[::1]:8080", True), ("evil.example:8080", False), ("", False)],
)
def test_on_loopback_only_this_machines_names_are_served(host: str, allowed: bool) -> None:
    """Else a name that its owner points at 127.0.0.1 would be the same origin as its own pages."""
    assert LOOPBACK.host_allowed(Headers({"host": host})) is allowed


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        (None, True),
        ("https://mien.example", True),
        ("https://mien.example:443", True),
        ("https://kiosk.example", True),
        ("https://mien.example:8443", False),
        ("https://evil.example", False),
        ("https://mien.example.evil.example", False),
        ("null", False),
        ("file://", False),
        ("https://mien.example:port", False),
        ("", False),
    ],
)
def test_pages_of_other_origins_are_refused(origin: str | None, allowed: bool) -> None:
    headers = {"host": "mien.example"} | ({"origin": origin} if origin is not None else {})
    assert PUBLIC.origin_allowed(Headers(headers)) is allowed


@pytest.mark.parametrize(
    ("header", "subprotocols", "right"),
    [
        ({}, (), False),
        ({}, ("mien.v1", "mien.token.right-token-1234"), True),
        ({}, ("mien.v1", "mien.token.right-token-123"), False),
        ({"authorization": "Bearer right-token-1234"}, (), True),
        ({"authorization": "bearer right-token-1234"}, (), True),
        ({"authorization": "Basic right-token-1234"}, (), False),
        ({"authorization": "Bearer "}, ("mien.token.",), False),
        ({"authorization": "Bearer \xff"}, (), False),
    ],
)
def test_the_token_opens_by_header_and_by_subprotocol(
    header: dict[str, str], subprotocols: tuple[str, ...], right: bool
) -> None:
    assert PUBLIC.token_right(Headers(header), subprotocols) is right
    assert LOOPBACK.token_right(Headers(header), subprotocols)


def test_a_ticket_opens_one_thing_once() -> None:
    tickets = Tickets()
    ticket = tickets.mint("watch", "a")
    assert not tickets.use(ticket, "watch", "b")
    assert not tickets.use(ticket, "watch", "a"), "tried once, used up"
    ticket = tickets.mint("watch", "a")
    assert tickets.use(ticket, "watch", "a")
    assert not tickets.use(ticket, "watch", "a")


def test_old_tickets_open_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    tickets = Tickets()
    ticket = tickets.mint("watch", "a")
    monkeypatch.setattr("stream.security.time.monotonic", lambda: 1e12)
    assert not tickets.use(ticket, "watch", "a")


def test_turn_credentials_are_what_coturn_computes() -> None:
    """coturn's use-auth-secret: user name is an expiry time, password the HMAC-SHA1 of it under the secret."""
    username, password = turn_credential("north", 1000.0)
    assert username == "87400:mien"
    assert password == base64.b64encode(hmac.digest(b"north", username.encode(), "sha1")).decode()


def test_the_policy_names_the_import_map_and_nothing_loose(tmp_path: Path) -> None:
    page = tmp_path / "index.html"
    page.write_text('<html><script type="importmap">{"imports": {}}</script><script>alert()</script></html>')
    (value,) = import_map_hashes(page)
    assert value == "sha256-" + base64.b64encode(hashlib.sha256(b'{"imports": {}}').digest()).decode()
    policy = security_headers([value])["Content-Security-Policy"]
    assert f"script-src 'self' '{value}';" in policy
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


# Options.


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"host": "0.0.0.0"}, "--host 0.0.0.0: expected encryption beyond this machine"),
        ({"host": "no.such.host.invalid"}, "--host: expected an address or a name of this machine"),
        ({"token": "short"}, "--token: expected 8 to 256 letters"),
        ({"token": "with spaces in it"}, "--token: expected 8 to 256 letters"),
        ({"port": 0}, "--port: expected 1 to 65535, got 0"),
        ({"max_sessions": 0}, "--max-sessions: expected 1 or more"),
        ({"tls_cert": Path("a.pem")}, "--tls-cert, --tls-key: expected both or neither"),
        ({"tls_cert": Path("a.pem"), "tls_key": Path("b.pem")}, "a.pem: no such file"),
        ({"origin": ("kiosk.example",)}, "--origin: expected an origin such as"),
        ({"turn": ("turn:relay.example",)}, "--turn: expected --turn-secret"),
        ({"stun": ("relay.example",)}, "--stun: expected an address such as stun:host:3478"),
    ],
)
def test_options_that_cannot_be_are_explained(options: dict[str, object], said: str) -> None:
    with pytest.raises(MienError) as caught:
        Serve(**options).settings()  # type: ignore[arg-type]
    assert str(caught.value).startswith(said)


def test_loopback_is_open_and_lan(monkeypatch: pytest.MonkeyPatch) -> None:
    made = Serve().settings()
    assert (made.token, made.media, made.loopback) == (None, "lan", True)
    monkeypatch.setenv("MIEN_TOKEN", "from-environment")
    monkeypatch.setenv("MIEN_MAX_SESSIONS", "3")
    made = Serve().settings()
    assert (made.token, made.token_made_here, made.max_sessions) == ("from-environment", False, 3)


def test_beyond_loopback_a_token_is_made() -> None:
    made = Serve(host="0.0.0.0", behind_proxy=True).settings()
    assert made.token is not None
    assert made.token_made_here
    assert len(made.token) >= 32
    assert made.media == "internet"
    *_, here = settings.page_addresses("0.0.0.0", 8080, True, made.token)
    assert here == f"https://localhost:8080/#token={made.token}"
    assert settings.page_addresses("::1", 80, False, None) == ["http://localhost:80/"]
    assert settings.page_addresses("fd00::2", 80, False, None) == ["http://[fd00::2]:80/"]


def test_a_self_signed_certificate_is_kept_and_private(tmp_path: Path) -> None:
    certificate, key = tls.self_signed(tmp_path / "tls", ["192.0.2.7"])
    assert key.stat().st_mode & 0o077 == 0
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    names = x509.load_pem_x509_certificate(certificate.read_bytes()).extensions
    covered = names.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "192.0.2.7" in [str(address) for address in covered.get_values_for_type(x509.IPAddress)]
    before = certificate.read_bytes()
    tls.self_signed(tmp_path / "tls", ["192.0.2.7"])
    assert certificate.read_bytes() == before, "a browser would ask again"
    tls.self_signed(tmp_path / "tls", ["192.0.2.8"])
    assert certificate.read_bytes() != before, "a new address is not covered"
