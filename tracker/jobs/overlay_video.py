"""`overlay.mp4`: the source's frames as they were drawn on, and its sound."""

import threading
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from tracker.jobs.handover import Handover
from tracker.jobs.reading import open_container

Picture = NDArray[np.uint8]
Drawing = Callable[[], Picture]

TICKS = 90_000  # a second
SOUND_IN_MP4 = ("aac", "mp3", "ac3", "eac3", "opus", "flac", "alac")
FRAMES_WAITING = 8
MOST_PIXELS = 1920 * 1088  # larger frames are halved: an overlay is for looking at


class OverlayVideo:
    """Draws and encodes in a thread of its own. Used as a context; what was added until an error or Ctrl-C is kept."""

    def __init__(self, path: Path, source: Path | None, fps: float) -> None:
        """`source` is what the sound is taken from."""
        self._path = path
        self._source = source
        self._fps = fps
        self._box: Handover[tuple[Drawing, float] | None] = Handover(FRAMES_WAITING)
        self._thread = threading.Thread(target=self._run, name="overlay", daemon=True)
        self._ended = False
        self.error: Exception | None = None  # what kept it from being written, known after the end

    def __enter__(self) -> "OverlayVideo":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._box.put_at_once(None)
        self._thread.join()

    def add(self, image: Picture, time_s: float) -> None:
        """One frame more, in the order of time."""
        self.add_drawing(lambda: image, time_s)

    def add_drawing(self, draw: Drawing, time_s: float) -> None:
        """One frame more, which is drawn beside whatever comes next."""
        self._box.put((draw, time_s))

    def _take(self) -> tuple[Drawing, float] | None:
        item = self._box.take()
        self._ended = item is None
        return item

    def _drawn(self) -> tuple[Picture, float] | None:
        item = self._take()
        return None if item is None else (item[0](), item[1])

    def _run(self) -> None:
        part = self._path.with_name(self._path.name + ".part")
        try:
            self._write(part)
        except Exception as error:  # no reason to lose the track as well
            self.error = error
            part.unlink(missing_ok=True)
            while not self._ended:  # so that nobody waits for room
                self._take()

    def _write(self, part: Path) -> None:
        first = self._drawn()
        if first is None:
            return
        size = _even_size(*first[0].shape[1::-1])
        heard = open_container(self._source) if self._source else nullcontext()
        with heard as source, av.open(str(part), "w", format="mp4") as output:
            video = _video_stream(output, size, self._fps)
            # Some files begin at the hour of their recording: this one begins at zero, sound and picture alike.
            begin_s = (source.start_time or 0) / av.time_base if source else 0.0
            sound = _Sound(source, output, begin_s)
            item: tuple[Picture, float] | None = first
            last = -1
            while item is not None:
                last = max(last + 1, round((item[1] - begin_s) * TICKS))
                for packet in video.encode(_frame(item[0], size, last)):
                    sound.mux_until(float(packet.dts * packet.time_base))
                    output.mux(packet)
                item = self._drawn()
            output.mux(video.encode(None))
            sound.mux_until(last / TICKS + 1 / self._fps)
        part.replace(self._path)


class _Sound:
    """The source's sound as it is, packet by packet beside the picture; nothing where MP4 cannot hold it."""

    def __init__(self, source: Any, output: Any, begin_s: float) -> None:
        sounds = source.streams.audio if source else ()
        streams = [s for s in sounds if s.codec_context and s.codec_context.name in SOUND_IN_MP4]
        self._output = output
        self._begin_s = begin_s
        self._packets: Iterator[Any] = iter(())
        self._next: Any = None
        if streams:
            self._stream = output.add_stream_from_template(streams[0])
            self._packets = (packet for packet in source.demux(streams[0]) if packet.dts is not None)
            self._advance()

    def mux_until(self, time_s: float) -> None:
        while self._next is not None and self._next.dts * self._next.time_base <= time_s:
            self._next.stream = self._stream
            self._output.mux(self._next)
            self._advance()

    def _advance(self) -> None:
        try:
            self._next = next(self._packets, None)
            if self._next is not None:
                begin = round(self._begin_s / self._next.time_base)
                self._next.dts -= begin
                self._next.pts = None if self._next.pts is None else self._next.pts - begin
        except (av.FFmpegError, ValueError):  # the sound's tail is broken: the picture goes on without
            self._next = None


def _video_stream(output: Any, size: tuple[int, int], fps: float) -> Any:
    x264 = "libx264" in av.codecs_available
    stream = output.add_stream("libx264" if x264 else "mpeg4", rate=Fraction(fps).limit_denominator(1001))
    stream.width, stream.height = size
    stream.pix_fmt = "yuv420p"
    stream.codec_context.time_base = Fraction(1, TICKS) if x264 else Fraction(1, 65_535)  # MPEG-4's finest
    # More threads, or a slower preset, take from the tracking beside it what they bring.
    stream.options = {"preset": "superfast", "crf": "23", "threads": "1"} if x264 else {"qscale": "4"}
    return stream


def _even_size(width: int, height: int) -> tuple[int, int]:
    """Of the video: even, as its codecs want, and halved until it is no larger than full HD."""
    while width * height > MOST_PIXELS:
        width, height = width // 2, height // 2
    return max(2, width // 2 * 2), max(2, height // 2 * 2)


def _frame(image: Picture, size: tuple[int, int], ticks: int) -> Any:
    if (image.shape[1], image.shape[0]) != size:
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    frame = av.VideoFrame.from_ndarray(image, format="rgb24")
    frame.pts = ticks
    frame.time_base = Fraction(1, TICKS)
    return frame
