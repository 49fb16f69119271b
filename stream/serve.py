"""The verb `mien serve`: options and environment in, a checked `ServerSettings` out, then the server runs.

Importing this is cheap, so that `mien -h` answers at once; the work is imported by `run`.
"""

# ruff: noqa: RUF009  (a setting is a field, with a default of its own each time)

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import arg

from render.modes import OverlayMode
from stream.environment import NUMBER, PATH, SEVERAL, TEXT, one_of, setting

if TYPE_CHECKING:
    from stream.settings import ServerSettings

PAGE = Path(__file__).parents[1] / "web_client"


Device = Literal["auto", "cpu", "cuda"]
Detector = Literal["mesh", "task"]
Media = Literal["lan", "internet"]
Encryption = Literal["off", "self-signed"]
Secret = Annotated[str | None, arg(help_behavior_hint="")]  # else the help would show what the environment has


@dataclass(frozen=True)
class Serve:
    """The live server: a page that tracks your head, and its parameters for other programs.

    Every option with a value may also come from the environment: --max-sessions as MIEN_MAX_SESSIONS, and so on.

    Example: mien serve
    """

    host: str = setting("HOST", "127.0.0.1", TEXT)
    """Address to listen on; 0.0.0.0 for the local network, which needs --tls or --behind-proxy."""

    port: int = setting("PORT", 8080, NUMBER)
    """Port to listen on."""

    head: str = setting("HEAD", "builtin", TEXT)
    """The head's name or file; `mien heads list` shows what there is."""

    device: Device = setting("DEVICE", "auto", one_of(Device))
    """Where to compute."""

    detector: Detector = setting("DETECTOR", "mesh", one_of(Detector))
    """The landmark detector."""

    overlay: OverlayMode = setting("OVERLAY", "mesh", one_of(OverlayMode))
    """What is drawn on the returned video until a page asks for something else."""

    media: Media | None = setting("MEDIA", None, one_of(Media))
    """How the video's rate is held: steady on a local network, or following what a line can carry. Chosen by --host."""

    tls: Encryption = setting("TLS", "off", one_of(Encryption))
    """`self-signed` makes a certificate: browsers give the camera to encrypted pages only, or to this machine's own."""

    tls_cert: Path | None = setting("TLS_CERT", None, PATH)
    """A certificate of yours, PEM, with --tls-key."""

    tls_key: Path | None = setting("TLS_KEY", None, PATH)
    """Its key."""

    behind_proxy: bool = False
    """A proxy in front of this server encrypts, and passes WebSockets and the Host header on."""

    token: Secret = setting("TOKEN", None, TEXT)
    """What clients must know. Made up and printed where one is needed and none is given."""

    origin: tuple[str, ...] = setting("ORIGIN", (), SEVERAL)
    """More origins whose pages may connect, such as https://kiosk.example."""

    max_sessions: int | None = setting("MAX_SESSIONS", None, NUMBER)
    """Sessions at a time; by default what the cores can carry. Twenty more wait their turn."""

    keep_identities: Path | None = setting("KEEP_IDENTITIES", None, PATH)
    """Keep learned heads in this folder, for browsers that come back. Otherwise nothing of a face is stored."""

    stun: tuple[str, ...] = setting("STUN", (), SEVERAL)
    """STUN servers for clients, such as stun:stun.example:3478."""

    turn: tuple[str, ...] = setting("TURN", (), SEVERAL)
    """TURN servers for clients, such as turn:turn.example:3478, with --turn-secret."""

    turn_secret: Secret = setting("TURN_SECRET", None, TEXT)
    """The secret shared with the TURN server, from which credentials for a day are made."""

    prompt_frames: bool = True
    """Hand frames on with their last packet, not with the next frame's first: a frame interval less delay."""

    log_json: bool = False
    """Logs as JSON lines."""

    def run(self) -> None:
        # Sessions share the cores, one thread each. The maths libraries read this once, when they are first imported.
        for library in ("OMP", "MKL"):
            os.environ.setdefault(f"{library}_NUM_THREADS", "1")
        from stream import logs
        from stream.engine import open_engine
        from stream.server import run_server

        logs.set_up(self.log_json)
        device = self.checked_device()
        run_server(self.settings(), lambda: open_engine(self.head, self.detector, device))

    def checked_device(self) -> str:
        import torch

        from models.types import MienError

        there = torch.cuda.is_available()
        if self.device == "cuda" and not there:
            raise MienError("--device: expected a GPU that torch can use for 'cuda', got none; leave the option out")
        return "cuda" if there and self.device != "cpu" else "cpu"

    def settings(self) -> "ServerSettings":
        """Everything checked; raises MienError for what cannot be."""
        from models.types import MienError
        from stream import settings as checks
        from stream.addresses import is_loopback

        beyond = not is_loopback(checks.known_host(self.host)) or self.behind_proxy
        certificate, key = self._certificate()
        if beyond and certificate is None and not self.behind_proxy:
            raise MienError(
                f"--host {self.host}: expected encryption beyond this machine, as browsers refuse the camera to plain "
                "pages; add --tls self-signed, or --tls-cert and --tls-key, or --behind-proxy"
            )
        if not 0 < self.port < 65536:
            raise MienError(f"--port: expected 1 to 65535, got {self.port}")
        if self.max_sessions is not None and self.max_sessions < 1:
            raise MienError(f"--max-sessions: expected 1 or more, got {self.max_sessions}")
        token, made_here = checks.chosen_token(self.token, needed=beyond)
        return checks.ServerSettings(
            host=self.host,
            port=self.port,
            token=token,
            token_made_here=made_here,
            media=checks.chosen_media(self.media, self.host, self.behind_proxy),
            overlay=self.overlay,
            max_sessions=self.max_sessions or checks.default_sessions(),
            origins=checks.checked_origins(self.origin),
            encrypted=certificate is not None,
            certificate=certificate,
            key=key,
            behind_proxy=self.behind_proxy,
            prompt_frames=self.prompt_frames,
            keep_identities=self.keep_identities,
            relay=checks.checked_relay(self.stun, self.turn, self.turn_secret),
            page=PAGE,
        )

    def _certificate(self) -> tuple[Path | None, Path | None]:
        from models.library import home
        from models.types import MienError
        from stream.addresses import local_addresses
        from stream.tls import self_signed

        if (self.tls_cert is None) != (self.tls_key is None):
            raise MienError("--tls-cert, --tls-key: expected both or neither, got one")
        if self.tls_cert is not None and self.tls_key is not None:
            for file in (self.tls_cert, self.tls_key):
                if not file.is_file():
                    raise MienError(f"{file}: no such file")
            return self.tls_cert, self.tls_key
        return self_signed(home() / "tls", local_addresses()) if self.tls == "self-signed" else (None, None)
