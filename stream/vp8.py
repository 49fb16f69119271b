"""aiortc's VP8 codec with limits and exact times: how large a frame it may decode, at which rate it encodes.

All of it is process-wide, because aiortc reads it from its modules; `install` is called before any connection.
"""

import multiprocessing
import time
import weakref

import aiortc.codecs
from aiortc.codecs import vpx
from aiortc.codecs.vpx import Vp8Decoder, Vp8Encoder
from aiortc.jitterbuffer import JitterFrame
from aiortc.mediastreams import VIDEO_TIME_BASE, convert_timebase
from av import VideoFrame
from av.frame import Frame
from av.video.codeccontext import VideoCodecContext

from stream.jitter import PromptFrame

ENCODER_OPTIONS = {  # aiortc's, but for the first three
    "cpu-used": "-12",  # -6 there
    "noise-sensitivity": "0",  # 4 there: a denoiser that takes a third of the time and blurs what has been drawn
    "static-thresh": "1000",  # 1 there: blocks that differ by less than a camera's noise (2 levels) are not sent again
    "deadline": "realtime",
    "lag-in-frames": "0",
    "overshoot-pct": "15",
    "partitions": "0",
    "undershoot-pct": "100",
}

MOST_LIVING = 12  # decoded frames of one session at a time; three or four are in use where all goes well

KEYFRAME_HEADER = 10  # bytes: frame tag, start code, width, height (RFC 6386, section 9.1)
START_CODE = b"\x9d\x01\x2a"


class TooLarge:
    """Stands in a frame's `opaque` for a picture that was not decoded."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height


class Decoded:
    """Stands in a frame's `opaque`, and goes with it."""

    def __init__(self, decode_ms: float) -> None:
        self.decode_ms = decode_ms
        self.overtaken = 0  # frames since the one before that were decoded and not handed on


class LimitedVp8Decoder(Vp8Decoder):
    """Reads a keyframe's size before libvpx makes room for it: a few bytes may claim 16383 x 16383 pixels. And hands on
    no more frames than are looked at: where they queue, on a machine that is overloaded, each holds half a megabyte."""

    max_pixels = 1920 * 1080

    def __init__(self) -> None:
        super().__init__()
        self._living: weakref.WeakSet[Decoded] = weakref.WeakSet()  # of frames that somebody still has
        self._overtaken = 0

    def decode(self, encoded_frame: JitterFrame) -> list[Frame]:
        frames = self._decode_one(encoded_frame)
        if isinstance(encoded_frame, PromptFrame):
            for follower in encoded_frame.followers:
                later = (follower.rtp_timestamp - encoded_frame.rtp_timestamp) & 0xFFFFFFFF
                follower.timestamp = encoded_frame.timestamp + later
                frames += self._decode_one(follower)
        return self._newest(frames)

    def _decode_one(self, encoded: JitterFrame) -> list[Frame]:
        if not encoded.data:  # libav takes an empty packet for the end of the stream
            return []
        size = keyframe_size(encoded.data)
        if size is not None and size[0] * size[1] > self.max_pixels:
            return [self._refusal(size, encoded.timestamp)]
        started_s = time.perf_counter()
        frames = super().decode(encoded)
        decode_ms = 1e3 * (time.perf_counter() - started_s)
        for frame in frames:
            frame.opaque = Decoded(decode_ms)
        return frames

    def _newest(self, frames: list[Frame]) -> list[Frame]:
        """As many as there is room for."""
        overtaken = max(0, len(frames) + len(self._living) - MOST_LIVING)
        self._overtaken += min(overtaken, len(frames))
        for frame in frames[overtaken:]:
            if isinstance(note := frame.opaque, Decoded):
                note.overtaken, self._overtaken = self._overtaken, 0
                self._living.add(note)
        return frames[overtaken:]

    def _refusal(self, size: tuple[int, int], timestamp: int) -> Frame:
        frame = VideoFrame(16, 16, "yuv420p")
        frame.pts = timestamp
        frame.opaque = TooLarge(*size)
        return frame


class QuickVp8Encoder(Vp8Encoder):
    """Half the time of aiortc's settings at a better picture, and a frame's time kept to the tick.

    libav counts in microseconds, and aiortc's way back from there loses a tick now and then.
    """

    def encode(self, frame: Frame, force_keyframe: bool = False) -> tuple[list[bytes], int]:
        assert isinstance(frame, VideoFrame)
        assert frame.pts is not None
        assert frame.time_base is not None
        if self.codec is None or not self._suits(self.codec, frame):
            self.codec = self._new_codec(frame)
        timestamp = convert_timebase(frame.pts, frame.time_base, VIDEO_TIME_BASE)
        payloads, _ = super().encode(frame, force_keyframe)
        return payloads, timestamp

    def _suits(self, codec: VideoCodecContext, frame: VideoFrame) -> bool:
        """As the original judges, which makes a codec of its own where this would be false."""
        drift = abs(self.target_bitrate - (codec.bit_rate or 1)) / (codec.bit_rate or 1)
        return (codec.width, codec.height) == (frame.width, frame.height) and drift <= 0.1

    def _new_codec(self, frame: VideoFrame) -> VideoCodecContext:
        codec = VideoCodecContext.create("libvpx", "w")
        codec.width, codec.height = frame.width, frame.height
        codec.bit_rate = self.target_bitrate
        codec.pix_fmt = "yuv420p"
        codec.gop_size = 3000
        codec.qmin, codec.qmax = 2, 56
        rate = str(self.target_bitrate)
        codec.options = {**ENCODER_OPTIONS, "bufsize": rate, "minrate": rate, "maxrate": rate}
        codec.thread_count = vpx.number_of_threads(frame.width * frame.height, multiprocessing.cpu_count())
        return codec


def keyframe_size(data: bytes) -> tuple[int, int] | None:
    """Width and height of a keyframe; None for other frames and for what is no VP8 at all."""
    if len(data) < KEYFRAME_HEADER or data[0] & 1 or data[3:6] != START_CODE:
        return None
    width = int.from_bytes(data[6:8], "little") & 0x3FFF
    height = int.from_bytes(data[8:10], "little") & 0x3FFF
    return width, height


ADAPTIVE_RATES = (vpx.MIN_BITRATE, vpx.DEFAULT_BITRATE, vpx.MAX_BITRATE)


def install(held_rate: int | None, max_pixels: int) -> None:
    """`held_rate`: encode at this many bits a second always; None: follow the receiver's estimate, as aiortc does.

    Following it makes a new encoder, and with it a keyframe, at every change over 10 %: right on a narrow network,
    a storm of keyframes and latency on a wide one.
    """
    rates = (held_rate,) * 3 if held_rate else ADAPTIVE_RATES
    vpx.MIN_BITRATE, vpx.DEFAULT_BITRATE, vpx.MAX_BITRATE = rates
    LimitedVp8Decoder.max_pixels = max_pixels
    aiortc.codecs.Vp8Decoder = LimitedVp8Decoder  # type: ignore[attr-defined]
    aiortc.codecs.Vp8Encoder = QuickVp8Encoder  # type: ignore[attr-defined]
