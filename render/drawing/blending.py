"""The second pass over the pixels: each shows its triangle's colour there, blended with what is behind it."""

from math import sqrt
from typing import Any

import numpy as np

from models.compiled import compiled
from render.drawing.texels import texel_at

UNSEEN = 0.004  # an opacity of which nothing is left in a picture


@compiled
def blend(
    triangles: Any, screen: Any, lit: Any, places: Any, texels: Any, line_px: Any, rectangle: Any, depth: Any,
    face: Any, canvas: Any,
) -> None:  # fmt: skip
    """`lit` [N, 5] is `light_clay`'s where `texels` are None, and else `light_skin`'s of a skin that is laid out at
    `places` [M, 3, 2]."""
    one, half, step = np.float32(1.0), np.float32(0.5), np.uint32(1)
    left, top = np.uint32(rectangle[0]), np.uint32(rectangle[1])
    right, bottom = np.uint32(rectangle[2]), np.uint32(rectangle[3])
    for row in range(top, bottom):
        known = np.int32(-1)
        # A rectangle's outer row is empty, or lies at the window's edge, where the surface goes on unseen.
        above = row - step if row > top else row
        below = row + step if row + step < bottom else row
        for column in range(left, right):
            if depth[row, column] == 0.0:
                known = np.int32(-1)
                continue
            triangle = face[row, column]
            if triangle != known:
                known = triangle
                a, b, c = triangles[triangle, 0], triangles[triangle, 1], triangles[triangle, 2]
                ax, ay, bx, by = screen[a, 0], screen[a, 1], screen[b, 0], screen[b, 1]
                cx, cy = screen[c, 0], screen[c, 1]
                scale = one / ((bx - ax) * (cy - ay) - (cx - ax) * (by - ay))
                x, y = np.float32(column) + half, np.float32(row) + half
                wa = ((bx - x) * (cy - y) - (cx - x) * (by - y)) * scale
                wb = ((cx - x) * (ay - y) - (ax - x) * (cy - y)) * scale
                step_a, step_b = (by - cy) * scale, (cy - ay) * scale
                shares = wa, wb, step_a, step_b
                red, more_red = _ramp(lit[a, 0], lit[b, 0], lit[c, 0], shares)
                green, more_green = _ramp(lit[a, 1], lit[b, 1], lit[c, 1], shares)
                blue, more_blue = _ramp(lit[a, 2], lit[b, 2], lit[c, 2], shares)
                whole, more_whole = _ramp(lit[a, 3], lit[b, 3], lit[c, 3], shares)
                other, more_other = _ramp(lit[a, 4], lit[b, 4], lit[c, 4], shares)
                if texels is not None:
                    u, more_u = _ramp(places[triangle, 0, 0], places[triangle, 1, 0], places[triangle, 2, 0], shares)
                    v, more_v = _ramp(places[triangle, 0, 1], places[triangle, 1, 1], places[triangle, 2, 1], shares)
            else:
                red += more_red
                green += more_green
                blue += more_blue
                whole += more_whole
                other += more_other
                if texels is not None:
                    u += more_u
                    v += more_v
                else:
                    wa += step_a
                    wb += step_b
            opacity = whole  # `other` is the opacity of a line on clay, and the shine of skin
            if texels is None:
                shown = red, green, blue
                if line_px > 0.0:
                    away = _edge_distance((wa, wb, one - wa - wb), ax, ay, bx, by, cx, cy, scale)
                    opacity += (one - opacity) * other * min(max(half * line_px + half - away, np.float32(0.0)), one)
            else:
                if not opacity > np.float32(UNSEEN):
                    continue
                texel = texel_at(texels, u, v)
                shown = texel[0] * red + other, texel[1] * green + other, texel[2] * blue + other
            before = column - step if column > left else column
            after = column + step if column + step < right else column
            opacity *= _inside(depth[above, column], depth[below, column], depth[row, before], depth[row, after])
            _mix(canvas, row, column, 0, shown[0], opacity)
            _mix(canvas, row, column, 1, shown[1], opacity)
            _mix(canvas, row, column, 2, shown[2], opacity)


@compiled
def _ramp(at_a: Any, at_b: Any, at_c: Any, shares: Any) -> Any:
    """What the first of a row's pixels of a triangle has of its corners' values, and how much more the next one."""
    wa, wb, step_a, step_b = shares
    over_a, over_b = at_a - at_c, at_b - at_c
    return at_c + wa * over_a + wb * over_b, step_a * over_a + step_b * over_b


@compiled
def _mix(canvas: Any, row: Any, column: Any, channel: int, colour: Any, opacity: Any) -> None:
    below = np.float32(canvas[row, column, channel])
    value = below + opacity * (colour - below) + np.float32(0.5)
    # A number that is none fails the test and leaves the picture as it was.
    if value >= 0.0:
        canvas[row, column, channel] = np.uint8(min(value, np.float32(255.0)))


@compiled
def _inside(above: Any, below: Any, before: Any, after: Any) -> Any:
    """1, and less at the surface's edge: a fifth of what a pixel's four neighbours and itself show of it."""
    if above > 0.0 and below > 0.0 and before > 0.0 and after > 0.0:
        return np.float32(1.0)
    covered = np.float32(1.0)
    for depth in (above, below, before, after):
        if depth > 0.0:
            covered += np.float32(1.0)
    return np.float32(0.2) * covered


@compiled
def _edge_distance(weights: Any, ax: Any, ay: Any, bx: Any, by: Any, cx: Any, cy: Any, scale: Any) -> Any:
    """Pixels to the nearest side of the triangle."""
    area = np.float32(1.0) / abs(scale)
    from_a = weights[0] * area / sqrt((bx - cx) * (bx - cx) + (by - cy) * (by - cy))
    from_b = weights[1] * area / sqrt((cx - ax) * (cx - ax) + (cy - ay) * (cy - ay))
    from_c = weights[2] * area / sqrt((ax - bx) * (ax - bx) + (ay - by) * (ay - by))
    return min(from_a, from_b, from_c)
