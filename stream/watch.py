"""The verb `mien watch`: its options, and what address they mean. `stream/follow.py` does the rest."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit, urlunsplit

from tyro.conf import Positional, arg


@dataclass(frozen=True)
class Watch:
    """Follow a live session: print its parameters as they come, or record them.

    Example: mien watch http://localhost:8080/watch/latest -o take.npz
    """

    url: Positional[str]
    """The watch address of the page, or the server's own address for its newest session."""

    output: Annotated[Path | None, arg(aliases=["-o"])] = None
    """Record into this file: .jsonl (every message), or .npz (as `mien track` writes). Otherwise print."""

    token: str | None = None
    """The server's token, where it has one and the address has no ticket."""

    frames: int | None = None
    """End after so many frames. Otherwise Ctrl+C, or the session's end, does."""

    insecure: bool = False
    """Accept a certificate that nobody vouches for, as --tls self-signed makes."""

    def run(self) -> None:
        from stream.follow import print_session, record_session

        if self.output is None:
            print_session(self)
        else:
            record_session(self, self.output)


def watch_url(url: str) -> str:
    """The WebSocket address for what a user pasted: http becomes ws, and a server's bare address its newest session."""
    from models.types import MienError

    expected = MienError(f"expected an address such as http://localhost:8080/watch/latest, got '{url}'")
    schemes = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        known = parts.scheme in schemes and parts.hostname and parts.port != 0
    except ValueError:  # of brackets and ports that are none
        raise expected from None
    if not known:
        raise expected
    path = parts.path if parts.path.startswith("/watch/") else "/watch/latest"
    return urlunsplit((schemes[parts.scheme], parts.netloc, path, parts.query, ""))
