"""The legend in the overlay's corner: state, time of the frame, landmark error."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from models.types import State, TrackResult

Picture = NDArray[np.uint8]
Coverage = NDArray[np.float32]

STATE_RGB = {
    State.SEARCHING: (150, 158, 168),
    State.ENROLLING: (255, 190, 70),
    State.TRACKING: (80, 225, 150),
    State.LOST: (255, 95, 85),
}
TEXT_RGB, PLATE_RGB, PLATE_OPACITY = (238, 242, 246), (14, 17, 21), 0.58
SMALLEST_PX, LARGEST_PX = 11, 40  # of the letters
SHOWN_FROM_PX = 160  # a smaller picture has no room for it


def draw_legend(canvas: Picture, result: TrackResult) -> None:
    """Into the lower left corner of [H, W, 3], in place."""
    height, width = canvas.shape[:2]
    if min(height, width) < SHOWN_FROM_PX:
        return
    size = int(np.clip(round(min(height, width) / 32), SMALLEST_PX, LARGEST_PX))
    text, dot = _line(legend_text(result), size), _dot(size)
    gap, margin = size // 2, size
    plate = _plate(gap * 3 + dot.shape[1] + text.shape[1], 2 * size, size)
    top, left = height - margin - plate.shape[0], margin
    _lay(canvas, plate * np.float32(PLATE_OPACITY), PLATE_RGB, top, left)
    _lay(canvas, dot, STATE_RGB[result.state], top + (plate.shape[0] - dot.shape[0]) // 2, left + gap)
    _lay(canvas, text, TEXT_RGB, top + (plate.shape[0] - text.shape[0]) // 2, left + 2 * gap + dot.shape[1])


def legend_text(result: TrackResult) -> str:
    """Such as 'tracking   4.2 ms   error 0.61 %'."""
    parts = [result.state.value.lower(), f"{result.detect_ms + result.fit_ms:.1f} ms"]
    if result.error_iod is not None and np.isfinite(result.error_iod):
        parts.append(f"error {100 * result.error_iod:.2f} %")
    return "   ".join(parts)


# Pieces, as coverage [h, w] from 0 to 1.


def _line(text: str, size: int) -> Coverage:
    return np.concatenate([_letter(letter, size) for letter in text], 1)


@lru_cache(maxsize=512)
def _letter(letter: str, size: int) -> Coverage:
    """One letter on a strip of its own; all digits are as wide as a zero, so that numbers do not dance."""
    font = ImageFont.load_default(size)
    advance = round(font.getlength("0" if letter.isdigit() else letter))
    strip = Image.new("L", (advance, round(1.4 * size)))
    ImageDraw.Draw(strip).text(((advance - font.getlength(letter)) / 2, size), letter, 255, font, anchor="ls")
    return np.asarray(strip, np.float32) / 255


@lru_cache(maxsize=64)
def _dot(size: int) -> Coverage:
    return _plate(round(0.7 * size), round(0.7 * size), round(0.35 * size))


@lru_cache(maxsize=64)
def _plate(width: int, height: int, corner: int) -> Coverage:
    """A rectangle with round corners, drawn large and made small."""
    large = Image.new("L", (4 * width, 4 * height))
    ImageDraw.Draw(large).rounded_rectangle((0, 0, 4 * width - 1, 4 * height - 1), 4 * corner, 255)
    return np.asarray(large.resize((width, height), Image.Resampling.BOX), np.float32) / 255


def _lay(canvas: Picture, coverage: Coverage, colour: tuple[int, int, int], top: int, left: int) -> None:
    """Blend one colour where the piece covers; what hangs over the picture's edge is cut."""
    under = canvas[top : top + coverage.shape[0], left : left + coverage.shape[1]]
    share = coverage[: under.shape[0], : under.shape[1], None]
    under[:] = (under + share * (np.asarray(colour, np.float32) - under) + 0.5).astype(np.uint8)
