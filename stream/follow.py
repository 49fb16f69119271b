"""Following a live session from Python: `listen` yields its messages; below, what `mien watch` does with them."""

import asyncio
import ssl
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TextIO

import msgspec
import numpy as np
import torch
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI

from models.npz import Array, write_npz
from models.rotations import matrix_from_quaternion
from models.types import MienError
from stream.protocol import (
    JSON_SUBPROTOCOL,
    TOKEN_SUBPROTOCOL,
    AnyServerMessage,
    Farewell,
    IdentityMessage,
    Params,
    Problem,
    StateMessage,
    Welcome,
    decode_server,
    encode,
)
from stream.watch import Watch, watch_url

SCHEMA = 1  # of track.npz
MAX_MESSAGE_BYTES = 1 << 20


async def listen(url: str, token: str | None = None, insecure: bool = False) -> AsyncIterator[AnyServerMessage]:
    """All messages of a session until it ends. Raises MienError where it cannot be followed."""
    subprotocols = [JSON_SUBPROTOCOL, *([TOKEN_SUBPROTOCOL + token] if token else [])]
    context = _unchecked() if insecure and url.startswith("wss:") else None
    try:
        async with connect(
            url,
            subprotocols=subprotocols,  # type: ignore[arg-type]
            compression=None,
            max_size=MAX_MESSAGE_BYTES,
            ssl=context,
        ) as socket:
            async for text in socket:
                message = decode_server(text)
                if isinstance(message, Problem) and message.fatal:
                    raise MienError(f"{message.message}; {message.hint}")
                yield message
    except msgspec.MsgspecError as error:
        raise MienError(f"{url}: expected messages of {JSON_SUBPROTOCOL}, got others ({error})") from error
    except ssl.SSLCertVerificationError as error:
        raise MienError(f"{url}: nobody vouches for its certificate ({error.reason}); --insecure accepts it") from error
    except (OSError, InvalidHandshake, InvalidURI, TimeoutError) as error:
        raise MienError(f"{url}: expected a Mien server there, but {error}") from error
    except ConnectionClosed as error:
        raise MienError(f"{url}: the connection broke off ({error})") from error


def _unchecked() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


# Printing.


def print_session(options: Watch) -> None:
    asyncio.run(_print(options, sys.stdout))


async def _print(options: Watch, out: TextIO) -> None:
    """A line a frame: for people on a terminal, JSON for programs behind a pipe."""
    frames = 0
    async for message in listen(watch_url(options.url), options.token, options.insecure):
        if not out.isatty():
            print(encode(message), file=out, flush=True)
        elif isinstance(message, Params):
            print(f"\r{_told(message)}\x1b[K", end="", file=out, flush=True)
        elif isinstance(message, Welcome | StateMessage | IdentityMessage | Farewell):
            print(f"\r{_headline(message)}\x1b[K", file=out, flush=True)
        frames += isinstance(message, Params)
        if options.frames is not None and frames >= options.frames:
            break


def _told(params: Params) -> str:
    start = f"{params.time_s:8.2f} s  {params.state:<9}"
    if params.camera is None or params.blendshapes is None:
        return start
    from models.arkit_names import ARKIT_NAMES

    x, y, z = params.camera.translation
    liveliest = sorted(zip(params.blendshapes, ARKIT_NAMES, strict=True), reverse=True)[:3]
    shapes = "  ".join(f"{name} {weight:.2f}" for weight, name in liveliest)
    return f"{start}  at {100 * x:+.0f} {100 * y:+.0f} {100 * z:.0f} cm  {shapes}"


def _headline(message: Welcome | StateMessage | IdentityMessage | Farewell) -> str:
    match message:
        case Welcome():
            return f"session {message.session}, head {message.head.name}, detector {message.detector}"
        case StateMessage():
            return f"state {message.state}" + (", paused" if message.paused else "")
        case IdentityMessage():
            return f"identity, revision {message.revision}: focal length {message.focal_px:.0f} px"
        case Farewell():
            return f"the session has ended ({message.reason})"


# Recording.


def record_session(options: Watch, output: Path) -> None:
    if output.suffix not in (".jsonl", ".npz"):
        raise MienError(f"{output}: expected a name that ends in .jsonl or .npz")
    try:
        if output.suffix == ".jsonl":
            with output.open("w", encoding="utf-8") as out:
                asyncio.run(_print(options, out))
        else:
            _record(options, output)
    except FileNotFoundError:
        raise MienError(f"{output}: its folder does not exist") from None


def _record(options: Watch, output: Path) -> None:
    """Whatever ends it, what came until then is written."""
    taken = Recording()
    try:
        asyncio.run(_fill(taken, options))
    finally:
        if taken.frames:
            write_npz(output, taken.arrays())
            print(f"{output}: {len(taken.frames)} frames", file=sys.stderr)


async def _fill(taken: "Recording", options: Watch) -> None:
    async for message in listen(watch_url(options.url), options.token, options.insecure):
        taken.take(message)
        if options.frames is not None and len(taken.frames) >= options.frames:
            break


class Recording:
    """A session's messages on their way into `track.npz`, which has no landmarks here: the wire carries none."""

    def __init__(self) -> None:
        self.welcome: Welcome | None = None
        self.identity: IdentityMessage | None = None
        self.frames: list[Params] = []

    def take(self, message: AnyServerMessage) -> None:
        match message:
            case Welcome():
                self.welcome = message
            case IdentityMessage():
                self.identity = message
            case Params() if self.welcome is not None:
                self.frames.append(message)

    def arrays(self) -> dict[str, Array]:
        assert self.welcome is not None
        head = self.welcome.head
        cameras = [frame.camera for frame in self.frames]
        rotation = _rows([camera and camera.rotation for camera in cameras], (4,))
        size_px = np.array([camera.size_px if camera else (0, 0) for camera in cameras], np.int64)
        shape = self.identity.shape if self.identity else [float("nan")] * head.shape_size
        return {
            "schema": np.array(SCHEMA),
            "frame": np.array([frame.index for frame in self.frames], np.int64),
            "time_s": np.array([frame.time_s for frame in self.frames], np.float64),
            "rtp_time": np.array([frame.rtp_time for frame in self.frames], np.int64),
            "state": np.array([frame.state for frame in self.frames], np.str_),
            "expression": _rows([frame.expression for frame in self.frames], (len(head.expression_names),)),
            "jaw": _rows([frame.jaw for frame in self.frames], (3,)),
            "eyes": _rows([frame.eyes for frame in self.frames], (2, 3)),
            "neck": _rows([frame.neck for frame in self.frames], (3,)),
            "rotation": matrix_from_quaternion(torch.from_numpy(rotation)).numpy(),
            "translation": _rows([camera and camera.translation for camera in cameras], (3,)),
            "focal_px": _rows([camera and camera.focal_px for camera in cameras], ()),
            "principal_px": np.where(size_px > 0, size_px / 2, np.nan).astype(np.float32),
            "size_px": size_px,
            "blendshapes": _rows([frame.blendshapes for frame in self.frames], (len(head.blendshape_names),)),
            "blendshape_names": np.array(head.blendshape_names),
            "expression_names": np.array(head.expression_names),
            "identity": np.array(shape, np.float32),
            "head": np.array(f"{head.name} sha256:{head.sha256}"),
            "detector": np.array(self.welcome.detector),
            "error_iod": _rows([frame.error_iod for frame in self.frames], ()),
            "detect_ms": _rows([frame.times_ms.detect for frame in self.frames], ()),
            "fit_ms": _rows([frame.times_ms.fit for frame in self.frames], ()),
        }


def _rows(values: list[object], shape: tuple[int, ...]) -> Array:
    """[T, *shape] float32, NaN where there is nothing."""
    rows = [np.full(shape, np.nan, np.float32) if value is None else np.asarray(value, np.float32) for value in values]
    return np.stack(rows)
