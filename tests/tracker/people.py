"""Pictures and videos of scikit-image's astronaut, for the tests of the commands."""

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import skimage.data
from numpy.typing import NDArray

Picture = NDArray[np.uint8]

FACE_IOD_PX = 61.0  # of the astronaut as she is
FACE_AT = (124, 24, 172, 190)  # x, y, width, height of her head in the picture


def scene(width: int, height: int, *faces: tuple[float, float, float]) -> Picture:
    """Her head before a table: each (x, y of the middle, distance between the outer corners of the eyes)."""
    picture = np.array(cv2.resize(skimage.data.coffee(), (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    x0, y0, w, h = FACE_AT
    head = skimage.data.astronaut()[y0 : y0 + h, x0 : x0 + w]
    for x, y, iod in faces:
        size = (round(w * iod / FACE_IOD_PX), round(h * iod / FACE_IOD_PX))
        small = cv2.resize(head, size, interpolation=cv2.INTER_AREA if iod < FACE_IOD_PX else cv2.INTER_CUBIC)
        left, top = round(x - size[0] / 2), round(y - size[1] / 2)
        into = picture[max(0, top) : top + size[1], max(0, left) : left + size[0]]
        into[:] = small[max(0, -top) :, max(0, -left) :][: into.shape[0], : into.shape[1]]
    return np.ascontiguousarray(picture)


def swaying(frames: int, width: int = 320, height: int = 240) -> list[Picture]:
    """She sways slowly from side to side, tilting her head."""
    still = scene(width, height, (width / 2, height / 2, height / 4))
    pictures = []
    for i in range(frames):
        turn = cv2.getRotationMatrix2D((width / 2, height / 2), 8 * np.sin(i / 5), 1 + 0.1 * np.sin(i / 9))
        turn[0, 2] += 0.06 * width * np.sin(i / 7)
        pictures.append(np.array(cv2.warpAffine(still, turn, (width, height), borderMode=cv2.BORDER_REFLECT), np.uint8))
    return pictures


def write_video(
    path: Path,
    pictures: list[Picture],
    times_s: list[float] | None = None,
    fps: int = 25,
    sound: bool = False,
    pixel_shape: Fraction | None = None,
) -> Path:
    """H.264 where there is an encoder, MPEG-4 otherwise. Odd sizes are kept by a format that can."""
    height, width = pictures[0].shape[:2]
    odd = width % 2 or height % 2
    before_zero = times_s is not None and times_s[0] < 0
    with av.open(str(path), "w", options={"avoid_negative_ts": "disabled"} if before_zero else {}) as output:
        stream = output.add_stream("mjpeg" if odd else "libx264", rate=fps)
        stream.width, stream.height = width, height
        stream.pix_fmt = "yuvj444p" if odd else "yuv420p"
        if pixel_shape is not None:
            stream.codec_context.sample_aspect_ratio = pixel_shape
        if times_s is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        noise = output.add_stream("aac", rate=16000, layout="mono") if sound else None
        for i, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            if times_s is not None:
                frame.pts, frame.time_base = round(1000 * times_s[i]), Fraction(1, 1000)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
        if noise is not None:
            samples = np.random.default_rng(0).normal(0, 0.1, (1, 16000 * len(pictures) // fps)).astype(np.float32)
            audio = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
            audio.sample_rate = 16000
            audio.pts = round(16000 * (times_s[0] if times_s else 0))
            output.mux(noise.encode(audio))
            output.mux(noise.encode(None))
    return path
