"""Contact sheets: many small pictures on one page, each with its name."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

LABEL_PX = 18


def contact_sheet(pictures: Sequence[tuple[str, NDArray[np.uint8]]], columns: int) -> NDArray[np.uint8]:
    """RGB pictures of one size, in reading order, each above its label -> one RGB picture."""
    height, width = pictures[0][1].shape[:2]
    rows = -(-len(pictures) // columns)
    sheet = np.full((rows * (height + LABEL_PX), columns * width, 3), 24, np.uint8)
    for number, (label, picture) in enumerate(pictures):
        top, left = number // columns * (height + LABEL_PX), number % columns * width
        sheet[top : top + height, left : left + width] = picture
        origin = (left + 4, top + height + LABEL_PX - 5)
        cv2.putText(sheet, label, origin, cv2.FONT_HERSHEY_SIMPLEX, 0.42, (225, 225, 225), 1, cv2.LINE_AA)
    return sheet


def save_picture(picture: NDArray[np.uint8], path: Path) -> None:
    """Write an RGB picture; the file's ending chooses the format (JPEG at quality 88)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 88])
