"""The second pass over the pixels: each shows its triangle's colour there, blended with what is behind it.

Row by row, and one step at a time over all pixels of a row: such loops become vector instructions.
"""

from typing import Any

import numpy as np

from models.compiled import compiled
from render.drawing.planes import AWAY, LIT, PLACE, VALUES, find_planes, lay_out
from render.drawing.texels import look_up


@compiled
def blend(triangles: Any, places: Any, texels: Any, line_px: Any, rectangle: Any, room: Any, canvas: Any) -> None:
    """`room.lit` is `light_clay`'s where `texels` are None, and else `light_skin`'s of a skin that is laid out at
    `places` [M, 3, 2]."""
    one, left, top = np.uint32(1), np.uint32(rectangle[0]), np.uint32(rectangle[1])
    right, bottom = np.uint32(rectangle[2]), np.uint32(rectangle[3])
    values, share, bytes_, has_lines = room.values, room.values[VALUES], canvas.reshape(-1), line_px > 0.0
    find_planes(triangles, room.screen, room.lit, places, has_lines, room.planes)
    count = PLACE + 2 if texels is not None else AWAY + 3 if has_lines else LIT
    for row in range(top, bottom):
        first, end = lay_out(room.planes, count, room.depth, room.face, row, left, right, values)
        if first >= end:
            continue
        if texels is not None:
            look_up(texels, values, room.texels, first, end)
        elif has_lines:
            _draw_lines(values, line_px, first, end)
        # A rectangle's outer row is empty, or lies at the window's edge, where the surface goes on unseen.
        above, below = row - one if row > top else row, row + one if row + one < bottom else row
        _cover(room.depth[above], room.depth[row], room.depth[below], left, right, share)
        start = np.uint64(3) * (np.uint64(row) * np.uint64(canvas.shape[1]) + np.uint64(left))
        _mix(values[0], values[1], values[2], values[3], share, first, end, start, bytes_)


@compiled
def _draw_lines(values: Any, line_px: Any, first: Any, end: Any) -> None:
    """More opacity near a triangle's sides."""
    opacity, of_line, a, b, c = values[3], values[4], values[AWAY], values[AWAY + 1], values[AWAY + 2]
    none, one, reach = np.float32(0.0), np.float32(1.0), np.float32(0.5) * line_px + np.float32(0.5)
    for at in range(first, end):
        covered = min(max(reach - min(a[at], b[at], c[at]), none), one)
        opacity[at] += (one - opacity[at]) * of_line[at] * covered


@compiled
def _cover(above: Any, here: Any, below: Any, left: Any, right: Any, share: Any) -> None:
    """1, and less at the surface's edge: a fifth of what a pixel's four neighbours and itself show of it.

    Of columns `left` up to `right`, beyond which the surface goes on.
    """
    fifth, one, count = np.float32(0.2), np.uint32(1), right - left
    for at in range(count):
        share[at] = fifth * (one + (above[left + at] > 0.0) + (below[left + at] > 0.0))
    share[0] += fifth
    for at in range(count - one):
        share[at + one] += fifth * (here[left + at] > 0.0)
    for at in range(count - one):
        share[at] += fifth * (here[left + at + one] > 0.0)
    share[count - one] += fifth


@compiled
def _mix(
    red: Any, green: Any, blue: Any, opacity: Any, share: Any, first: Any, end: Any, start: Any, canvas: Any
) -> None:
    """Blend pixels `first` up to `end` into the bytes from `start` on."""
    for at in range(first, end):
        part, byte = opacity[at] * share[at], start + np.uint64(3) * np.uint64(at)
        canvas[byte] = _blended(canvas[byte], red[at], part)
        canvas[byte + np.uint64(1)] = _blended(canvas[byte + np.uint64(1)], green[at], part)
        canvas[byte + np.uint64(2)] = _blended(canvas[byte + np.uint64(2)], blue[at], part)


@compiled
def _blended(below: Any, colour: Any, opacity: Any) -> Any:
    value = np.float32(below) + opacity * (colour - np.float32(below)) + np.float32(0.5)
    # A number that is none fails the test and leaves the picture as it was.
    return np.uint8(np.int32(min(value, np.float32(255.0)))) if value >= 0.0 else below
