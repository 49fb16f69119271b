"""A clip with a moving face and, in each frame, its number as a barcode: scikit-image's astronaut, panned."""

from functools import cache

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

Image = NDArray[np.uint8]

WIDTH, HEIGHT = 640, 480
FRAMES = 90  # then it begins again
CELLS, CELL = 12, 32  # a cell is a square; one row, white is 1


@cache
def clip() -> tuple[Image, ...]:
    """[H, W, 3] RGB pictures without their barcodes."""
    data = pytest.importorskip("skimage.data", reason="needs scikit-image (its picture of a face)")
    source = data.astronaut()
    return tuple(_view(source, 2 * np.pi * index / FRAMES) for index in range(FRAMES))


def _view(source: Image, phase: float) -> Image:
    """The face at about (225, 115) of the source, moving around the middle of the picture."""
    zoom, degrees = 1.7 + 0.15 * np.sin(phase), 6 * np.sin(phase + 1)
    matrix = cv2.getRotationMatrix2D((225, 115), degrees, zoom)
    shift = WIDTH / 2 - 225 + 40 * np.sin(phase), HEIGHT / 2 - 115 + 15 * np.cos(phase)
    matrix = matrix + np.array([[0, 0, shift[0]], [0, 0, shift[1]]])
    return cv2.warpAffine(source, matrix, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REFLECT)  # type: ignore[return-value]


def with_barcode(image: Image, number: int) -> Image:
    marked = image.copy()
    for cell in range(CELLS):
        marked[-CELL:, cell * CELL : (cell + 1) * CELL] = 235 if number >> cell & 1 else 20
    return marked


def read_barcode(image: Image) -> int:
    """The number modulo 2^CELLS; scales with the picture."""
    scale = image.shape[1] / WIDTH
    y = round((HEIGHT - CELL / 2) * scale)
    values = [int(image[y - 3 : y + 3, round((cell + 0.5) * CELL * scale)].mean() > 128) for cell in range(CELLS)]
    return sum(value << cell for cell, value in enumerate(values))
