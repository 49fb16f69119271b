"""Pictures and videos in, as they come: turned upright, 8-bit RGB, with the time of each frame.

A file is never trusted: formats that run programs or name other files are not opened, and no file may ask for more
memory than a picture of 100 million pixels takes.
"""

import math
import struct
import threading
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.sidedata.sidedata import Type as SideDataType
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from models.types import Frame, MienError
from tracker.jobs.handover import Handover

MAX_PIXELS = 100_000_000
PICTURE_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "PPM", "JPEG2000", "AVIF", "TGA")
PICTURE_SUFFIXES = (".jpg", ".jpeg", ".jpe", ".mpo", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".ppm", ".pgm",
                    ".pbm", ".jp2", ".avif", ".tga")  # fmt: skip
# No playlists (hls, dash, concat): they name files and addresses to open.
VIDEO_FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,m4v,flv,asf,ogg,gif,apng,mjpeg,yuv4mpegpipe,"
    "h263,h264,hevc,av1,obu,ivf,nut,mxf,dv,rm,wtv,vob,swf,live_flv,webp"
)
FRAMES_AHEAD = 4  # decoded while the tracker works
DEFAULT_FPS = 30.0


# Pictures.


def read_picture(path: Path) -> NDArray[np.uint8]:
    """[H, W, 3] RGB, as a viewer would show it: turned by its EXIF note, over white where it is transparent."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's own limit is told as an error below, odd notes not at all
            with Image.open(path, formats=_formats()) as picture:
                _check_size(path, *picture.size)
                return np.ascontiguousarray(_rgb(ImageOps.exif_transpose(picture)))
    except FileNotFoundError:
        raise MienError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise MienError(f"{path}: expected a picture, but this is a folder") from None
    except UnidentifiedImageError:
        kinds = ", ".join(PICTURE_FORMATS)
        what = "is none that can be read" if path.stat().st_size else "is empty"
        raise MienError(
            f"{path}: expected a picture ({kinds}), but it {what}; convert it, or `mien track` it if it moves"
        ) from None
    except Image.DecompressionBombError:
        raise MienError(f"{path}: expected at most {MAX_PIXELS // 10**6} million pixels; shrink it") from None
    except (OSError, ValueError, SyntaxError, TypeError, KeyError, IndexError, struct.error, MemoryError) as error:
        raise MienError(f"{path}: expected a whole picture, but {error}; get it or write it again") from error


def _formats() -> list[str]:
    """Of the formats that are safe to open, those that this Pillow was built with."""
    Image.init()
    return [name for name in PICTURE_FORMATS if name in Image.OPEN]


def _check_size(path: Path, width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise MienError(
            f"{path}: expected at most {MAX_PIXELS // 10**6} million pixels, got {width}x{height}; shrink it"
        )


def _rgb(picture: Image.Image) -> NDArray[np.uint8]:
    if picture.mode.startswith("I") or picture.mode == "F":
        return _rgb_of_levels(np.asarray(picture, np.float64))
    if "A" in picture.mode or "transparency" in picture.info:
        shown = picture.convert("RGBA")
        white = Image.new("RGBA", shown.size, "white")
        return np.asarray(Image.alpha_composite(white, shown).convert("RGB"), np.uint8)
    return np.asarray(picture.convert("RGB"), np.uint8)


def _rgb_of_levels(levels: NDArray[np.float64]) -> NDArray[np.uint8]:
    """[H, W] grey of 16 or more bits, or of floating point: from 0 to the largest of the usual full scales."""
    levels = np.nan_to_num(levels, nan=0.0, posinf=0.0, neginf=0.0)
    brightest = float(levels.max(initial=0.0))
    full = next((scale for scale in (1.0, 255.0, 65535.0) if brightest <= scale), brightest)
    grey = np.clip(levels / full * 255, 0, 255).round().astype(np.uint8)
    return np.repeat(grey[:, :, None], 3, axis=2)


def find_pictures(paths: tuple[Path, ...]) -> list[Path]:
    """The pictures named, and those in the folders named, in the order of their names."""
    if not paths:
        raise MienError("expected pictures, or folders of pictures, got none; name one at least")
    found: list[Path] = []
    for path in paths:
        if not path.is_dir():
            found.append(path)
            continue
        inside = sorted(p for p in path.iterdir() if p.suffix.lower() in PICTURE_SUFFIXES and p.is_file())
        if not inside:
            raise MienError(f"{path}: expected a folder with pictures ({', '.join(PICTURE_SUFFIXES[:5])}, ...)")
        found.extend(inside)
    return list(dict.fromkeys(found))


# Videos.


@dataclass
class Video:
    """A video file, opened. Iterating decodes it once, a few frames ahead in a thread of its own."""

    path: Path
    frames_promised: int  # by the file's own account, 0 where it gives none
    fps: float  # on average, as the file says
    lost: list[str] = field(default_factory=list)  # what could not be used, in words, once iterated

    def __iter__(self) -> Iterator[Frame]:
        stop = threading.Event()
        box: Handover[Frame | BaseException | None] = Handover(FRAMES_AHEAD)
        thread = threading.Thread(target=self._fill, args=(box, stop), name="decode", daemon=True)
        thread.start()
        try:
            while (item := box.take()) is not None:
                if isinstance(item, BaseException):
                    raise item
                yield item
        finally:
            stop.set()
            box.make_room()  # it may wait for it
            thread.join()

    def _fill(self, box: Handover[Frame | BaseException | None], stop: threading.Event) -> None:
        try:
            for frame in self._decode():
                if stop.is_set():
                    return
                box.put(frame)
            box.put_at_once(None)
        except BaseException as error:  # raised again where the frames are taken
            box.put_at_once(error)

    def _decode(self) -> Iterator[Frame]:
        broken = index = 0
        time_s = -math.inf
        with open_container(self.path) as container:
            stream = _video_stream(container, self.path)
            for picture, error in _pictures(container, stream):
                if picture is None:
                    broken += error
                    continue
                time_s = _time(picture, time_s, self.fps)
                yield Frame(_as_shown(picture, stream.sample_aspect_ratio), time_s, index)
                index += 1
        self._account(index, broken)

    def _account(self, frames: int, broken: int) -> None:
        if frames == 0:
            raise MienError(f"{self.path}: expected a video, but no frame of it could be decoded; get it again")
        if broken:
            self.lost.append(f"{broken} damaged packets were left out")
        # Files count roughly; a tail that is missing is worth a word.
        if self.frames_promised > 1.05 * frames + 2:
            self.lost.append(f"the file promises {self.frames_promised} frames and holds {frames}")


def open_video(path: Path) -> Video:
    """Check that the file is a video, without decoding it."""
    with open_container(path) as container:
        stream = _video_stream(container, path)
        fps = float(stream.average_rate or stream.guessed_rate or DEFAULT_FPS)
        fps = fps if 0 < fps < 1000 else DEFAULT_FPS
        promised = stream.frames
        if not promised and container.duration:
            from_zero = container.format.name.startswith("matroska")  # others tell what lies between start and end
            duration = container.duration - (container.start_time or 0) * from_zero
            promised = round(duration / 1e6 * fps)
        return Video(path, max(0, promised), fps)


def open_container(path: Path) -> Any:
    if not path.exists():
        raise MienError(f"{path}: no such file")
    if not path.is_file():
        raise MienError(f"{path}: expected a video file, but this is no plain file")
    # Said to be a file, a name like 'http:x.mp4' is not taken for an address.
    name = f"file:{path.resolve()}"
    try:
        return av.open(name, options={"protocol_whitelist": "file", "format_whitelist": VIDEO_FORMATS})
    except (av.FFmpegError, OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        remedy = "for pictures there is `mien fit`" if path.suffix.lower() in PICTURE_SUFFIXES else "get it again"
        raise MienError(f"{path}: expected a video that FFmpeg reads, but: {reason}; {remedy}") from error


def _video_stream(container: Any, path: Path) -> Any:
    stream = container.streams.best("video")  # which is no picture of an album's cover where there is another
    if stream is None:
        raise MienError(f"{path}: expected a video, but there is no picture in it (sound alone?)")
    stream.codec_context.options = {"max_pixels": str(MAX_PIXELS)}
    stream.thread_type = "AUTO"
    return stream


def _pictures(container: Any, stream: Any) -> Iterator[tuple[Any, int]]:
    """Each decoded picture, or (None, 1) where a packet was damaged."""
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except (av.FFmpegError, ValueError):  # the rest cannot be read
            yield None, 1
            return
        try:
            pictures = packet.decode()
        except (av.FFmpegError, ValueError):
            yield None, 1
            continue
        for picture in pictures:
            yield picture, 0


def _time(picture: Any, last_s: float, fps: float) -> float:
    """The picture's time in the source; where it has none, or one that runs backwards, a frame after the last."""
    time_s = picture.time
    if time_s is not None and time_s > last_s:
        return float(time_s)
    return last_s + 1 / fps if math.isfinite(last_s) else 0.0


def _as_shown(picture: Any, pixel_shape: Fraction | None) -> NDArray[np.uint8]:
    """As a player shows it: with square pixels, and turned or mirrored as the file wants it."""
    width = picture.width
    if pixel_shape and 1 / 4 < pixel_shape < 4 and width * pixel_shape * picture.height <= MAX_PIXELS:
        width = max(1, round(width * pixel_shape))
    image: NDArray[np.uint8] = picture.to_ndarray(format="rgb24", width=width)
    matrix = next((note for note in picture.side_data if note.type == SideDataType.DISPLAYMATRIX), None)
    return image if matrix is None else _turned(image, np.frombuffer(matrix, np.int32)[:6].reshape(2, 3))


def _turned(image: NDArray[np.uint8], matrix: NDArray[np.int32]) -> NDArray[np.uint8]:
    """The rows of the matrix tell where the picture's width and its height point to; one askew is taken as straight."""
    (right_x, right_y, _), (down_x, down_y, _) = matrix.tolist()
    if abs(right_x * down_y) < abs(right_y * down_x):
        image = image.swapaxes(0, 1)
        right_x, down_y = down_x, right_y
    return np.ascontiguousarray(image[:: -1 if down_y < 0 else 1, :: -1 if right_x < 0 else 1])
