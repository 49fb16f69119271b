"""The first pass over the pixels: which triangle each of them sees."""

from math import ceil, floor
from typing import Any

import numpy as np

from models.compiled import compiled

EDGE_PX2 = 1e-3  # slack of the edge functions: no gaps between neighbours, whose winner is decided by depth


@compiled
def find_visible(triangles: Any, screen: Any, rectangle: Any, depth: Any, face: Any) -> None:
    """Fill `depth` [H, W] with inverse depth, 0 where nothing is, and `face` with the triangle's number."""
    left, top, right, bottom = rectangle
    for row in range(top, bottom):
        for column in range(left, right):
            depth[row, column] = 0.0
    half, slack = np.float32(0.5), np.float32(-EDGE_PX2)
    for triangle in range(len(triangles)):
        a, b, c = triangles[triangle, 0], triangles[triangle, 1], triangles[triangle, 2]
        ax, ay, bx, by, cx, cy = screen[a, 0], screen[a, 1], screen[b, 0], screen[b, 1], screen[c, 0], screen[c, 1]
        area = (cx - ax) * (by - ay) - (bx - ax) * (cy - ay)
        if not area > 1e-9:  # seen from behind: counter-clockwise is clockwise where y points down
            continue
        ia, ib, ic = screen[a, 2], screen[b, 2], screen[c, 2]
        if ia == 0.0 or ib == 0.0 or ic == 0.0:
            continue
        first, last = max(left, ceil(min(ax, bx, cx) - half)), min(right, floor(max(ax, bx, cx) + half))
        upper, lower = max(top, ceil(min(ay, by, cy) - half)), min(bottom, floor(max(ay, by, cy) + half))
        if first >= last or upper >= lower:
            continue
        scale = np.float32(-1.0) / area
        nearer_x = ((by - cy) * ia + (cy - ay) * ib + (ay - by) * ic) * scale
        nearer_y = ((cx - bx) * ia + (ax - cx) * ib + (bx - ax) * ic) * scale
        step_a, step_b, step_c = cy - by, ay - cy, by - ay
        x, y = np.float32(first) + half, np.float32(upper) + half
        for row in range(np.uint32(upper), np.uint32(lower)):
            ea = step_a * (x - bx) - (cx - bx) * (y - by)
            eb = step_b * (x - cx) - (ax - cx) * (y - cy)
            ec = step_c * (x - ax) - (bx - ax) * (y - ay)
            inverse = ia + nearer_x * (x - ax) + nearer_y * (y - ay)
            for column in range(np.uint32(first), np.uint32(last)):
                if ea >= slack and eb >= slack and ec >= slack and inverse > depth[row, column]:
                    depth[row, column] = inverse
                    face[row, column] = triangle
                ea += step_a
                eb += step_b
                ec += step_c
                inverse += nearer_x
            y += np.float32(1.0)
