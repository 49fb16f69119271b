"""The wire's single definition: every message between a client and the server, version 1.

Messages are JSON objects told apart by `type`. `python -m stream.schema` writes the JSON Schema and the page's types
from this file. Unknown fields are refused, so that a misspelled one is noticed; a newer wire gets a newer subprotocol.
`mien.v1.bin` differs in one thing: `params` come as the binary records of `stream/binary.py`.
"""

from typing import Annotated, Any, Literal, get_args

import msgspec
from msgspec import Meta, Struct

from render.modes import OverlayMode

JSON_SUBPROTOCOL = "mien.v1"
BINARY_SUBPROTOCOL = "mien.v1.bin"
TOKEN_SUBPROTOCOL = "mien.token."  # followed by the token; offered beside one of the two above, never chosen

RTP_HZ = 90_000
RTP_WRAP = 1 << 32

MAX_MESSAGE_BYTES = 65_536
MAX_SDP_CHARACTERS = 32_768

StateName = Literal["SEARCHING", "ENROLLING", "TRACKING", "LOST"]
TicketPurpose = Literal["watch", "head.glb", "texture.png"]
ByeReason = Literal["client", "idle", "replaced", "shutdown", "silent", "ended"]
ErrorCode = Literal[
    "bad_message", "bad_sdp", "codec", "denied", "frame_too_large", "full", "media_timeout", "order", "server",
    "too_many_messages", "tracking", "unknown_session",
]  # fmt: skip

Id = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_-]+$")]
Uint32 = Annotated[int, Meta(ge=0, lt=RTP_WRAP)]


class ClientMessage(Struct, forbid_unknown_fields=True, frozen=True, tag_field="type", tag=str.lower):
    """What a client may say."""


class Hello(ClientMessage, frozen=True):
    """The first message. The server answers `welcome`, or `queued` and later `welcome`, or `error` `full`."""

    overlay: Annotated[OverlayMode | None, Meta(description="Wished overlay mode; the server's default if null")] = None
    resume: Annotated[Id | None, Meta(description="`welcome.resume` of a socket that broke under 2 s ago")] = None
    keep: Annotated[Id | None, Meta(description="`welcome.keep` of an earlier visit, where identities are kept")] = None


class Offer(ClientMessage, frozen=True):
    """A WebRTC offer: one video line, sent and received. Each offer makes a new connection in place of the last one.

    It may be sent at once, without waiting for ICE candidates: the server has all that a client needs to reach it.
    """

    sdp: Annotated[str, Meta(max_length=MAX_SDP_CHARACTERS)]


class Candidate(ClientMessage, frozen=True):
    """One more ICE candidate of the client's. Needed only where the server itself sits behind a relay."""

    candidate: Annotated[str, Meta(max_length=512, description="As RTCIceCandidate.candidate; empty: no more")]
    sdp_mid: Annotated[str, Meta(max_length=16)] | None = None
    sdp_mline_index: Annotated[int, Meta(ge=0, le=8)] | None = None


class Control(ClientMessage, frozen=True):
    """A wish for the running session; what is absent or null stays as it is."""

    overlay: Annotated[OverlayMode | None, Meta(description="Draw this from the next frame on")] = None
    paused: Annotated[bool | None, Meta(description="true: frames come in, and nothing is done with them")] = None
    re_enroll: Annotated[bool, Meta(description="Forget the head and learn it again")] = False
    forget: Annotated[bool, Meta(description="As re_enroll, and delete what is stored of this face, if anything")] = (
        False
    )


class Ping(ClientMessage, frozen=True):
    """Answered at once by `pong` with the same id; for measuring the round trip."""

    id: Uint32


class Ticket(ClientMessage, frozen=True):
    """Ask for a link that opens once without the token. Answered by `ticket`."""

    purpose: TicketPurpose


class Bye(ClientMessage, frozen=True):
    """The session ends now; nothing waits for a return."""


AnyClientMessage = Hello | Offer | Candidate | Control | Ping | Ticket | Bye


class ServerMessage(Struct, frozen=True, tag_field="type"):
    """What the server may say."""


class HeadFacts(Struct, frozen=True):
    """Names and sizes of everything that `params` and `identity` carry."""

    name: str
    sha256: str
    licence: str
    shape_size: Annotated[int, Meta(description="Length of `identity.shape`")]
    expression_names: Annotated[list[str], Meta(description="Names of `params.expression`, in order")]
    blendshape_names: Annotated[list[str], Meta(description="Names of `params.blendshapes`: ARKit's 52, in order")]
    joint_names: list[str]


class IceServer(Struct, frozen=True, omit_defaults=True):
    """As RTCIceServer in a browser."""

    urls: list[str]
    username: str | None = None
    credential: str | None = None


class Welcome(ServerMessage, frozen=True, tag="welcome"):
    """The session has a place; a client sends its offer now. A watcher gets it too, null where not its own."""

    session: Annotated[str, Meta(description="Names the session in addresses, as /watch/{session}")]
    resume: Annotated[str | None, Meta(description="For `hello.resume` after a break. A secret of this client")]
    resumed: Annotated[bool, Meta(description="The session of `hello.resume` goes on, with the head it has learned")]
    keep: Annotated[str | None, Meta(description="Store it for `hello.keep`; null where no identities are kept")]
    server: Annotated[str, Meta(description="Mien's version")]
    head: HeadFacts
    detector: str
    device: str
    media: Annotated[Literal["lan", "internet"], Meta(description="How the video's rate is held")]
    overlay: Annotated[OverlayMode, Meta(description="Mode now")]
    overlay_modes: Annotated[list[OverlayMode], Meta(description="All that `control.overlay` may ask for")]
    ice_servers: list[IceServer]
    heartbeat_s: Annotated[float, Meta(description="The server pings at least this often")]
    silence_s: Annotated[float, Meta(description="A socket from which nothing comes for so long is dead")]


class Queued(ServerMessage, frozen=True, tag="queued"):
    """All places are taken; sent again whenever the position changes, then `welcome`."""

    position: Annotated[int, Meta(description="1 is next")]


class Answer(ServerMessage, frozen=True, tag="answer"):
    """The WebRTC answer to an `offer`, complete with the server's candidates."""

    sdp: str


class StateMessage(ServerMessage, frozen=True, tag="state"):
    """Sent whenever something in it has changed."""

    state: StateName
    hint: Annotated[str | None, Meta(description="What the person may do now, as a short key such as 'turn_left'")]
    paused: bool
    overlay: OverlayMode
    connected: Annotated[bool, Meta(description="Media flow over the present WebRTC connection")]
    overlay_rtp_offset: Annotated[
        Uint32 | None,
        Meta(description="Returned frame's rtpTimestamp = rtp_time + this, modulo 2^32; null until known"),
    ]
    camera_rtp_offset: Annotated[
        Uint32 | None, Meta(description="Sent frame's rtpTimestamp = rtp_time + this, modulo 2^32; null until known")
    ]


class IdentityMessage(ServerMessage, frozen=True, tag="identity"):
    """What has been learned of this head; sent again whenever it has become better."""

    shape: Annotated[list[float], Meta(description="The head's identity code")]
    neutral: Annotated[
        list[float] | None,
        Meta(description="ARKit weights of this face at rest; already taken off `params.blendshapes`"),
    ]
    focal_px: Annotated[float, Meta(description="As fitted; each frame's camera has it corrected")]
    size_px: Annotated[tuple[int, int], Meta(description="Width, height that focal_px is for")]
    head: str
    head_sha256: str
    revision: Annotated[int, Meta(description="Counts up with each message of a session")]
    glb: Annotated[
        str | None, Meta(description="Path of this head as GLB, with 52 morph targets, and with its skin once learned")
    ] = None
    texture: Annotated[str | None, Meta(description="Path of its skin as PNG; learned from when it is asked for")] = (
        None
    )


class CameraPose(Struct, frozen=True):
    """T_camera_head and the pinhole, the detector's usual faults taken back. OpenCV axes: z is forward."""

    rotation: Annotated[list[float], Meta(description="Unit quaternion w, x, y, z")]
    translation: Annotated[list[float], Meta(description="Metres")]
    focal_px: float
    size_px: Annotated[tuple[int, int], Meta(description="Width, height of this frame")]


class TimesMs(Struct, frozen=True):
    """Milliseconds from the decoded frame to the parameters."""

    queue: Annotated[float, Meta(description="Waiting for the tracker")]
    detect: float
    fit: float


class Params(ServerMessage, frozen=True, tag="params"):
    """One tracked frame. Without a face, all from `expression` to `error_iod` is null."""

    index: Annotated[int, Meta(description="Counts tracked and skipped frames of the session")]
    rtp_time: Annotated[Uint32, Meta(description="90 kHz; joins it to the sent and the returned frame")]
    time_s: Annotated[float, Meta(description="The frame's time since the session's first")]
    state: StateName
    expression: Annotated[list[float] | None, Meta(description="Weights, named by `welcome.head`")]
    jaw: Annotated[list[float] | None, Meta(description="Axis-angle")]
    eyes: Annotated[list[list[float]] | None, Meta(description="Axis-angle of the left eye, then of the right")]
    neck: Annotated[list[float] | None, Meta(description="Axis-angle; zero, the head's motion is in `camera`")]
    camera: CameraPose | None
    blendshapes: Annotated[list[float] | None, Meta(description="52 ARKit weights, named by `welcome.head`")]
    error_iod: Annotated[float | None, Meta(description="Mean landmark error / distance between the eyes")]
    times_ms: TimesMs


class Percentiles(Struct, frozen=True):
    """Of one stage over the last seconds, in milliseconds."""

    median: float
    p95: float


class Stats(ServerMessage, frozen=True, tag="stats"):
    """Once a second."""

    received_fps: float
    tracked_fps: float
    returned_fps: float
    dropped: Annotated[int, Meta(description="Frames since the session began that a newer one overtook")]
    watchers: int
    size_px: Annotated[tuple[int, int] | None, Meta(description="Width, height of the last frame")]
    stages_ms: Annotated[
        dict[str, Percentiles],
        Meta(description="decode, queue, convert, detect, fit, track, draw, encode: what was measured"),
    ]


class Problem(ServerMessage, frozen=True, tag="error"):
    """Something went wrong; the session goes on unless `fatal`, which means that the socket closes now."""

    code: ErrorCode
    message: Annotated[str, Meta(description="What was expected and what came")]
    hint: Annotated[str, Meta(description="What to do about it")]
    fatal: bool = False


class Pong(ServerMessage, frozen=True, tag="pong"):
    id: Uint32


class TicketIssued(ServerMessage, frozen=True, tag="ticket"):
    """A link for one use."""

    purpose: TicketPurpose
    path: Annotated[str, Meta(description="Path and query, relative to the page's own address")]
    expires_s: float


class Farewell(ServerMessage, frozen=True, tag="bye"):
    """The socket closes now, by intention."""

    reason: ByeReason
    retry_s: Annotated[float | None, Meta(description="Come back after so many seconds; null: no need")] = None


AnyServerMessage = (
    Welcome
    | Queued
    | Answer
    | StateMessage
    | IdentityMessage
    | Params
    | Stats
    | Problem
    | Pong
    | TicketIssued
    | Farewell
)

# Codes a WebSocket is closed with, beside 1000 (bye) and 1001 (shutdown).
CLOSE_BAD_MESSAGES = 4400
CLOSE_DENIED = 4401
CLOSE_UNKNOWN_SESSION = 4404
CLOSE_SILENT = 4408
CLOSE_REPLACED = 4409
CLOSE_FULL = 4429

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[AnyClientMessage] = msgspec.json.Decoder(AnyClientMessage)
_server_decoder: msgspec.json.Decoder[AnyServerMessage] = msgspec.json.Decoder(AnyServerMessage)


_CHOICES = {"`$.overlay`": OverlayMode, "`$.purpose`": TicketPurpose}  # msgspec names what came, not what would do


class BadMessage(Exception):
    """A client message that cannot be understood; the text says what was expected and what came."""


def encode(message: ClientMessage | ServerMessage) -> str:
    return _encoder.encode(message).decode()


def decode_client(data: str | bytes) -> AnyClientMessage:
    """Raises BadMessage for whatever is not a message of a client's."""
    if isinstance(data, bytes):
        raise BadMessage(f"expected a JSON text message, got {len(data)} bytes of binary")
    try:
        return _decoder.decode(data)
    except (msgspec.ValidationError, msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise BadMessage(_explain(data, error)) from error


def decode_server(data: str | bytes) -> AnyServerMessage:
    """For clients written in Python."""
    return _server_decoder.decode(data)


def _explain(data: str, error: Exception) -> str:
    """The decoder's complaint, with the message's type where it has one."""
    try:
        kind: Any = msgspec.json.decode(data, type=dict[str, Any]).get("type")
    except (msgspec.MsgspecError, RecursionError, UnicodeError):
        return f"expected a JSON object, got {_shortened(data)}: {_shortened(str(error))}"
    names = sorted(message.__struct_config__.tag for message in get_args(AnyClientMessage))
    if kind not in names:
        return f"expected a type out of {', '.join(names)}, got {_shortened(repr(kind))}"
    choices = next((f"; expected {', '.join(get_args(of))}" for at, of in _CHOICES.items() if at in str(error)), "")
    return f"'{kind}' message: {_shortened(str(error), 200)}{choices}"


def _shortened(text: str, length: int = 60) -> str:
    printable = "".join(character if character.isprintable() else "?" for character in text[: length + 1])
    return printable if len(printable) <= length else printable[:length] + "..."
