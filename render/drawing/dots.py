"""Landmarks, as dots."""

from math import ceil, floor, sqrt
from typing import Any

import numpy as np

from models.compiled import compiled
from render.drawing.view import FAR_PX


@compiled
def draw_dots(canvas: Any, points_px: Any, radius: float, red: int, green: int, blue: int, window: Any) -> None:
    """Round, smooth dots at [L, 2]; those of NaN or outside `window` are not there."""
    reach = radius + 0.5
    for point in range(len(points_px)):
        x, y = points_px[point, 0], points_px[point, 1]
        if not (abs(x) < FAR_PX and abs(y) < FAR_PX):
            continue
        for row in range(max(window[1], ceil(y - reach - 0.5)), min(window[3], floor(y + reach - 0.5) + 1)):
            for column in range(max(window[0], ceil(x - reach - 0.5)), min(window[2], floor(x + reach - 0.5) + 1)):
                away = sqrt((column + 0.5 - x) ** 2 + (row + 0.5 - y) ** 2)
                share = min(max(reach - away, 0.0), 1.0)
                if share > 0.0:
                    pixel = canvas[row, column]
                    pixel[0] = np.uint8(pixel[0] + share * (red - pixel[0]) + 0.5)
                    pixel[1] = np.uint8(pixel[1] + share * (green - pixel[1]) + 0.5)
                    pixel[2] = np.uint8(pixel[2] + share * (blue - pixel[2]) + 0.5)
