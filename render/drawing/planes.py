"""What a triangle's corners are lit with, as planes over the picture: a pixel asks them for its own share."""

from math import sqrt
from typing import Any

import numpy as np

from models.compiled import compiled

LIT = 5  # values of a vertex: red, green, blue, opacity, and that of a line, or shine (`render/drawing/light.py`)
OPACITY = 3  # the first one's place
PLACE = 5  # after them either where a skin is laid out in its texture (2)
AWAY = 5  # or how far the triangle's sides are, in pixels (3)
VALUES = 8
UNSEEN = 0.004  # an opacity of which nothing is left in a picture


@compiled
def find_planes(triangles: Any, screen: Any, lit: Any, places: Any, has_lines: Any, planes: Any) -> None:
    """Fill `planes` [M, 3, 1 + VALUES] of the triangles that are seen from the front and shown at all.

    A value is the first row's, plus the second row's times x, plus the third row's times y, from the last corner on.
    That corner stands before the second and third, and before the first the triangle's highest opacity.
    """
    for triangle in range(len(triangles)):
        a, b, c = triangles[triangle, 0], triangles[triangle, 1], triangles[triangle, 2]
        ax, ay, bx, by, cx, cy = screen[a, 0], screen[a, 1], screen[b, 0], screen[b, 1], screen[c, 0], screen[c, 1]
        area = (cx - ax) * (by - ay) - (bx - ax) * (cy - ay)
        if not area > 0.0:
            planes[triangle, 0, 0] = 0.0
            continue
        highest = max(lit[a, OPACITY], lit[b, OPACITY], lit[c, OPACITY])
        if has_lines:
            highest = max(highest, lit[a, OPACITY + 1], lit[b, OPACITY + 1], lit[c, OPACITY + 1])
        planes[triangle, 0, 0], planes[triangle, 1, 0], planes[triangle, 2, 0] = highest, cx, cy
        if not highest > np.float32(UNSEEN):
            continue
        scale = np.float32(-1.0) / area
        slopes = (by - cy) * scale, (cx - bx) * scale, (cy - ay) * scale, (ax - cx) * scale
        for k in range(LIT):
            _span(planes, triangle, k, lit[a, k], lit[b, k], lit[c, k], slopes)
        if places is not None:
            for k in range(2):
                at_a, at_b, at_c = places[triangle, 0, k], places[triangle, 1, k], places[triangle, 2, k]
                _span(planes, triangle, PLACE + k, at_a, at_b, at_c, slopes)
        elif has_lines:
            none = np.float32(0.0)
            _span(planes, triangle, AWAY, area / sqrt((bx - cx) ** 2 + (by - cy) ** 2), none, none, slopes)
            _span(planes, triangle, AWAY + 1, none, area / sqrt((cx - ax) ** 2 + (cy - ay) ** 2), none, slopes)
            _span(planes, triangle, AWAY + 2, none, none, area / sqrt((ax - bx) ** 2 + (ay - by) ** 2), slopes)


@compiled
def _span(planes: Any, triangle: Any, value: Any, at_a: Any, at_b: Any, at_c: Any, slopes: Any) -> None:
    over_a, over_b = at_a - at_c, at_b - at_c
    planes[triangle, 0, 1 + value] = at_c
    planes[triangle, 1, 1 + value] = slopes[0] * over_a + slopes[2] * over_b
    planes[triangle, 2, 1 + value] = slopes[1] * over_a + slopes[3] * over_b


@compiled
def lay_out(planes: Any, count: Any, depth: Any, face: Any, row: Any, left: Any, right: Any, values: Any) -> Any:
    """`count` values of the pixels of a row: `values` [VALUES, W]; both opacities are 0 where nothing is.

    Returns the first pixel where something is, counted from `left`, and one past the last.
    """
    first, end = right - left, np.uint32(0)
    y = np.float32(row) + np.float32(0.5)
    for column in range(left, right):
        at, triangle = column - left, face[row, column]
        if depth[row, column] == 0.0 or not planes[triangle, 0, 0] > np.float32(UNSEEN):
            values[OPACITY, at], values[OPACITY + 1, at] = 0.0, 0.0
            continue
        over, down = np.float32(column) + np.float32(0.5) - planes[triangle, 1, 0], y - planes[triangle, 2, 0]
        for k in range(LIT):
            values[k, at] = _value(planes, triangle, k, over, down)
        if count > LIT:  # loops of a known length are none
            for k in range(LIT, LIT + 2):
                values[k, at] = _value(planes, triangle, k, over, down)
        if count > LIT + 2:
            values[LIT + 2, at] = _value(planes, triangle, LIT + 2, over, down)
        first, end = min(first, at), at + np.uint32(1)
    return first, end


@compiled
def _value(planes: Any, triangle: Any, k: Any, over: Any, down: Any) -> Any:
    return planes[triangle, 0, 1 + k] + over * planes[triangle, 1, 1 + k] + down * planes[triangle, 2, 1 + k]
