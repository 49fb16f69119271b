"""What a server was asked to be, checked: `ServerSettings` is what `mien serve`'s options come to."""

import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from models.types import MienError
from render.modes import OverlayMode
from stream.addresses import ANY, is_loopback, is_private, local_addresses
from stream.security import token_fits_subprotocol
from tracker.lending import cores

MediaMode = Literal["lan", "internet"]

HELD_RATE = 1_000_000
# bits a second of the returned video under `lan`, and what the browser is asked to send at.
CORES_PER_SESSION = 0.5
# A session at 30 frames a second takes about 0.4 of a core.


@dataclass(frozen=True)
class Relay:
    """STUN and TURN servers for browsers; credentials are minted from the secret shared with the TURN server."""

    stun: tuple[str, ...] = ()
    turn: tuple[str, ...] = ()
    turn_secret: str | None = None


@dataclass(frozen=True)
class ServerSettings:
    host: str
    port: int
    token: str | None
    token_made_here: bool
    media: MediaMode
    overlay: OverlayMode
    max_sessions: int
    origins: frozenset[str]
    encrypted: bool
    certificate: Path | None
    key: Path | None
    behind_proxy: bool
    prompt_frames: bool
    keep_identities: Path | None
    relay: Relay
    page: Path
    max_pixels: int = 1920 * 1080

    @property
    def loopback(self) -> bool:
        """Only this machine can reach it, and nobody on another one's behalf."""
        return is_loopback(self.host) and not self.behind_proxy


def known_host(host: str) -> str:
    """A host that can be bound to, or what is wrong with it."""
    try:
        is_loopback(host)
    except OSError as error:
        raise MienError(
            f"--host: expected an address or a name of this machine, got '{host}' ({error.strerror})"
        ) from None
    return host


def chosen_token(token: str | None, needed: bool) -> tuple[str | None, bool]:
    """The token, and whether it was made up here."""
    if token is None:
        return (secrets.token_urlsafe(24), True) if needed else (None, False)
    if not token_fits_subprotocol(token):
        raise MienError(
            "--token: expected 8 to 256 letters, digits or signs of !#$%&'*+.^_`|~- (it travels in an HTTP header), "
            f"got {len(token)} characters of which some are not; leave it out to have one made"
        )
    return token, False


def chosen_media(mode: MediaMode | None, host: str, behind_proxy: bool) -> MediaMode:
    return mode or ("lan" if is_private(host) and not behind_proxy else "internet")


def default_sessions() -> int:
    """What the cores can carry."""
    return max(1, int(cores() / CORES_PER_SESSION))


def checked_origins(origins: tuple[str, ...]) -> frozenset[str]:
    for origin in origins:
        parts = urlsplit(origin)
        if (
            parts.scheme not in ("http", "https")
            or not parts.hostname
            or origin.rstrip("/") != f"{parts.scheme}://{parts.netloc}"
        ):
            raise MienError(f"--origin: expected an origin such as https://mien.example:8443, got '{origin}'")
    return frozenset(origin.rstrip("/") for origin in origins)


def checked_relay(stun: tuple[str, ...], turn: tuple[str, ...], secret: str | None) -> Relay:
    for option, schemes, urls in (("--stun", ("stun",), stun), ("--turn", ("turn", "turns"), turn)):
        for url in urls:
            scheme, _, rest = url.partition(":")
            if scheme not in schemes or not rest:
                raise MienError(f"{option}: expected an address such as {schemes[0]}:host:3478, got '{url}'")
    if turn and not secret:
        raise MienError("--turn: expected --turn-secret beside it (what coturn calls static-auth-secret), got none")
    return Relay(stun, turn, secret)


def page_addresses(host: str, port: int, encrypted: bool, token: str | None) -> list[str]:
    """What to open, from other machines first: with the token behind `#`, which a browser keeps to itself."""
    names = [host]
    if host in ANY:
        names = [*(address for address in local_addresses() if ":" not in address), "localhost"]
    elif is_loopback(host):
        names = ["localhost"]
    scheme, fragment = "https" if encrypted else "http", f"#token={token}" if token else ""
    return [f"{scheme}://{f'[{name}]' if ':' in name else name}:{port}/{fragment}" for name in names]
