"""A fake camera for Chromium: the moving face of `tests/stream/clip.py` as a y4m file, which it plays in a loop."""

from pathlib import Path

import cv2
import numpy as np

from tests.stream.clip import HEIGHT, WIDTH, Image, clip, with_barcode

TURNS = 2  # of the clip, so that the barcode counts on


def write_camera_clip(file: Path) -> Path:
    pictures = [with_barcode(image, number) for number, image in enumerate(clip() * TURNS)]
    return write_y4m(file, pictures)


def write_empty_room(file: Path) -> Path:
    """Nobody there."""
    wall = np.linspace(90, 150, HEIGHT, dtype=np.uint8)[:, None, None]
    return write_y4m(file, [np.broadcast_to(wall, (HEIGHT, WIDTH, 3)).copy()] * 2)


def write_y4m(file: Path, pictures: list[Image]) -> Path:
    with file.open("wb") as out:
        out.write(f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F30:1 Ip A1:1 C420jpeg\n".encode())
        for picture in pictures:
            out.write(b"FRAME\n" + cv2.cvtColor(picture, cv2.COLOR_RGB2YUV_I420).tobytes())
    return file
