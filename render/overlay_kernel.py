"""The live overlay on the CPU, compiled: a head is posed, rasterised, shaded and blended into a picture in one call.

Torch's operators would cost more than the arithmetic. No attribute is ever written per pixel: a first pass over the
triangles leaves inverse depth and triangle number in the head's rectangle, a second one interpolates the vertices'
colours there and blends at once. `tests/render/test_overlay.py` holds it to `pose_head`, the rasteriser and numpy.

Light is fixed to the room: normals and directions are those of the camera frame (x right, y down, z forward).
"""

from math import ceil, cos, floor, sin, sqrt
from typing import Any

import numpy as np

from models.compiled import compiled
from render.texture import DIMMEST, GAMMA, SH_FACTORS

NEAR_M = 0.05  # a triangle with a corner nearer than this, or behind the camera, is dropped whole
FAR_PX = 1e5  # and so is one with a corner as far out as this
EDGE_PX2 = 1e-3  # slack of the edge functions: no gaps between neighbours, whose winner is decided by depth

# Directions towards the lights, unit; strengths below are of linear light.
KEY = (-0.5970, -0.5771, -0.5572)
FILL = (0.8452, -0.1690, -0.5071)
GLINT = (-0.3383, -0.3270, -0.8824)  # halfway between the key light and the viewer
AMBIENT, SKY, KEY_STRENGTH, FILL_STRENGTH, RIM_STRENGTH = 0.06, 0.14, 1.15, 0.16, 0.35
WARM, COOL = (1.06, 1.0, 0.92), (0.80, 0.97, 1.25)  # the key light, and all others
WRAP = 0.15  # how far the key light reaches around the terminator
SH = SH_FACTORS  # of a room's light
FADE = 0.38  # the surface is whole where it is seen from this cosine on, and thins out towards where it is edge on


@compiled
def draw_surface(
    template: Any, starts: Any, ids: Any, offsets: Any, carried: Any, triangles: Any, paint: Any,
    joints: Any, joint_motion: Any, params: Any, camera: Any, window: Any, style: Any,
    weights: Any, vertices: Any, screen: Any, normals: Any, lit: Any, depth: Any, face: Any, canvas: Any,
) -> bool:  # fmt: skip
    """Blend a head into `canvas` [H, W, 3] uint8 inside `window` (left, top, right, bottom); False if nothing is seen.

    template [N, 3]; columns of the bases by `starts` [K + 1], `ids` [n], `offsets` [n, 3]; carried [N, 5] skinning
    weights; triangles [M, 3]; paint [N, 5] linear red, green, blue, opacity, gloss; joints [5, 3] at rest and how
    expression moves them [5, 3, E]; params: expression, neck, jaw, eyes; camera: rotation, translation, focal, x, y;
    style: opacity of the surface and of its lines (factors of the paint's), the lines' width in pixels, and how much
    of its opacity the surface keeps where it is edge on. The rest is room to work in.
    """
    _pose(template, starts, ids, offsets, carried, joints, joint_motion, params, camera, weights, vertices)
    left, top, right, bottom = _project(vertices, camera, window, screen)
    if left >= right or top >= bottom:
        return False
    _normals(vertices, triangles, normals)
    for row in range(top, bottom):
        for column in range(left, right):
            depth[row, column] = 0.0
    _find_visible(triangles, screen, left, top, right, bottom, depth, face)
    _light(vertices, normals, paint, style, lit)
    _blend(triangles, screen, lit, style[2], left, top, right, bottom, depth, face, canvas)
    return True


@compiled
def draw_textured(
    template: Any, starts: Any, ids: Any, offsets: Any, carried: Any, triangles: Any, paint: Any, corners: Any,
    joints: Any, joint_motion: Any, params: Any, camera: Any, window: Any, texture: Any, light: Any,
    weights: Any, vertices: Any, screen: Any, normals: Any, lit: Any, depth: Any, face: Any, canvas: Any,
) -> bool:  # fmt: skip
    """As `draw_surface`, in the head's own skin and the room's light.

    corners [M, 3, 2] of the triangles in a texture [S, S, 3] of shown albedo, texels from its top left corner; light
    [9, 3]: `render.diff.light`. Of the paint, opacity and gloss count.
    """
    _pose(template, starts, ids, offsets, carried, joints, joint_motion, params, camera, weights, vertices)
    left, top, right, bottom = _project(vertices, camera, window, screen)
    if left >= right or top >= bottom:
        return False
    _normals(vertices, triangles, normals)
    for row in range(top, bottom):
        for column in range(left, right):
            depth[row, column] = 0.0
    _find_visible(triangles, screen, left, top, right, bottom, depth, face)
    _light_of_room(vertices, normals, paint, light, lit)
    _blend_textured(triangles, corners, texture, screen, lit, left, top, right, bottom, depth, face, canvas)
    return True


# Posing: `models.head.pose_head` and `models.camera.camera_points`.


@compiled
def _pose(
    template: Any, starts: Any, ids: Any, offsets: Any, carried: Any, joints: Any, joint_motion: Any, params: Any,
    camera: Any, weights: Any, vertices: Any,
) -> None:  # fmt: skip
    expressions = joint_motion.shape[2]
    turns = np.empty((4, 3, 3), np.float32)
    for joint in range(4):
        at = expressions + 3 * joint
        _turn(params[at], params[at + 1], params[at + 2], turns, joint)
    for column in range(expressions):
        weights[column] = params[column]
    for entry in range(len(weights) - expressions):
        joint, row, column = entry // 9, entry // 3 % 3, entry % 3
        weights[expressions + entry] = turns[joint, row, column] - np.float32(row == column)
    for vertex in range(len(vertices)):
        for axis in range(3):
            vertices[vertex, axis] = template[vertex, axis]
    for column in range(len(weights)):
        weight = weights[column]
        if weight != 0.0:
            for entry in range(starts[column], starts[column + 1]):
                vertex = ids[entry]
                for axis in range(3):
                    vertices[vertex, axis] += weight * offsets[entry, axis]
    transforms = np.empty((5, 3, 4), np.float32)
    _joint_transforms(turns, joints, joint_motion, params, camera, transforms)
    _skin(transforms, carried, vertices)


@compiled
def _turn(x: Any, y: Any, z: Any, out: Any, joint: Any) -> None:
    """Rodrigues' formula, safe at zero."""
    squared = x * x + y * y + z * z
    angle = sqrt(squared)
    sine = sin(angle) / angle if squared > 1e-8 else 1.0 - squared / 6.0
    cosine = (1.0 - cos(angle)) / squared if squared > 1e-4 else 0.5 - squared / 24.0
    axis = (x, y, z)
    for row in range(3):
        for column in range(3):
            out[joint, row, column] = cosine * axis[row] * axis[column]
        out[joint, row, row] += 1.0 - cosine * squared
    out[joint, 0, 1] -= sine * z
    out[joint, 0, 2] += sine * y
    out[joint, 1, 0] += sine * z
    out[joint, 1, 2] -= sine * x
    out[joint, 2, 0] -= sine * y
    out[joint, 2, 1] += sine * x


@compiled
def _joint_transforms(turns: Any, joints: Any, joint_motion: Any, params: Any, camera: Any, out: Any) -> None:
    """`out` [5, 3, 4]: what each joint does to a point at rest, right into the camera frame."""
    rest = np.empty((5, 3), np.float32)
    placed = np.empty((5, 3), np.float32)
    for joint in range(5):
        for axis in range(3):
            rest[joint, axis] = joints[joint, axis]
            for k in range(joint_motion.shape[2]):
                rest[joint, axis] += params[k] * joint_motion[joint, axis, k]
    for joint in range(5):
        parent = 0 if joint < 2 else 1
        for row in range(3):
            if joint == 0:
                for column in range(3):
                    out[0, row, column] = camera[3 * row + column]
            else:
                for column in range(3):
                    out[joint, row, column] = 0.0
                    for k in range(3):
                        out[joint, row, column] += out[parent, row, k] * turns[joint - 1, k, column]
            placed[joint, row] = camera[9 + row] if joint == 0 else placed[parent, row]
            for k in range(3):
                bone = rest[joint, k] - (rest[parent, k] if joint > 0 else np.float32(0.0))
                placed[joint, row] += out[parent, row, k] * bone
            out[joint, row, 3] = placed[joint, row]
            for k in range(3):
                out[joint, row, 3] -= out[joint, row, k] * rest[joint, k]


@compiled
def _skin(transforms: Any, carried: Any, vertices: Any) -> None:
    for vertex in range(len(vertices)):
        x, y, z = vertices[vertex, 0], vertices[vertex, 1], vertices[vertex, 2]
        a, b, c = np.float32(0.0), np.float32(0.0), np.float32(0.0)
        for joint in range(5):
            share = carried[vertex, joint]
            if share != 0.0:
                t = transforms
                a += share * (t[joint, 0, 0] * x + t[joint, 0, 1] * y + t[joint, 0, 2] * z + t[joint, 0, 3])
                b += share * (t[joint, 1, 0] * x + t[joint, 1, 1] * y + t[joint, 1, 2] * z + t[joint, 1, 3])
                c += share * (t[joint, 2, 0] * x + t[joint, 2, 1] * y + t[joint, 2, 2] * z + t[joint, 2, 3])
        vertices[vertex, 0], vertices[vertex, 1], vertices[vertex, 2] = a, b, c


@compiled
def _project(vertices: Any, camera: Any, window: Any, screen: Any) -> Any:
    """Fill `screen` [N, 3] with pixels and inverse depth, 0 for what cannot be seen.

    Returns the head's rectangle inside `window`, with an empty pixel around it where there is room.
    """
    focal, x0, y0 = camera[12], camera[13], camera[14]
    left, top, right, bottom = 1e9, 1e9, -1e9, -1e9
    for vertex in range(len(vertices)):
        z = vertices[vertex, 2]
        screen[vertex, 2] = 0.0
        if not z > NEAR_M:
            continue
        inverse = np.float32(1.0) / z
        x = focal * vertices[vertex, 0] * inverse + x0
        y = focal * vertices[vertex, 1] * inverse + y0
        if not (abs(x) < FAR_PX and abs(y) < FAR_PX):
            continue
        screen[vertex, 0], screen[vertex, 1], screen[vertex, 2] = x, y, inverse
        left, right = min(left, x), max(right, x)
        top, bottom = min(top, y), max(bottom, y)
    return (
        max(window[0], floor(left) - 1),
        max(window[1], floor(top) - 1),
        min(window[2], ceil(right) + 2),
        min(window[3], ceil(bottom) + 2),
    )


@compiled
def _normals(vertices: Any, triangles: Any, normals: Any) -> None:
    """Unit, the area-weighted mean over a vertex's triangles."""
    for vertex in range(len(normals)):
        for axis in range(3):
            normals[vertex, axis] = 0.0
    for triangle in range(len(triangles)):
        a, b, c = triangles[triangle, 0], triangles[triangle, 1], triangles[triangle, 2]
        x, y, z = vertices[a, 0], vertices[a, 1], vertices[a, 2]
        ux, uy, uz = vertices[b, 0] - x, vertices[b, 1] - y, vertices[b, 2] - z
        vx, vy, vz = vertices[c, 0] - x, vertices[c, 1] - y, vertices[c, 2] - z
        nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        for corner in (a, b, c):
            normals[corner, 0] += nx
            normals[corner, 1] += ny
            normals[corner, 2] += nz
    for vertex in range(len(normals)):
        x, y, z = normals[vertex, 0], normals[vertex, 1], normals[vertex, 2]
        scale = np.float32(1.0) / sqrt(max(x * x + y * y + z * z, np.float32(1e-30)))
        normals[vertex, 0], normals[vertex, 1], normals[vertex, 2] = x * scale, y * scale, z * scale


# Light, at the vertices: their triangles are a few pixels wide.


@compiled
def _light(vertices: Any, normals: Any, paint: Any, style: Any, lit: Any) -> None:
    """`lit` [N, 5]: what the picture's red, green and blue become, opacity of the surface and of a line on it."""
    for vertex in range(len(vertices)):
        x, y, z = vertices[vertex, 0], vertices[vertex, 1], vertices[vertex, 2]
        nx, ny, nz = normals[vertex, 0], normals[vertex, 1], normals[vertex, 2]
        facing = -(nx * x + ny * y + nz * z) / sqrt(max(x * x + y * y + z * z, np.float32(1e-12)))
        facing = min(max(facing, np.float32(0.0)), np.float32(1.0))
        fade = min(facing * np.float32(1.0 / FADE), np.float32(1.0))
        fade *= fade * (np.float32(3.0) - np.float32(2.0) * fade)
        fade = style[3] + (np.float32(1.0) - style[3]) * fade
        for kind in range(2):
            lit[vertex, 3 + kind] = fade * min(style[kind] * paint[vertex, 3], np.float32(1.0))
        warm, cool = _key_at(nx, ny, nz), _other_light_at(nx, ny, nz, facing)
        shine = paint[vertex, 4] * _glint_at(nx, ny, nz)
        for channel in range(3):
            light = warm * np.float32(WARM[channel]) + cool * np.float32(COOL[channel])
            linear = min(max(paint[vertex, channel] * light + shine, np.float32(0.0)), np.float32(1.0))
            lit[vertex, channel] = np.float32(255.0) * sqrt(linear)


@compiled
def _light_of_room(vertices: Any, normals: Any, paint: Any, light: Any, lit: Any) -> None:
    """`lit` [N, 5]: what shown albedo is multiplied by, opacity, and shine of 0 to 255 that is added."""
    for vertex in range(len(vertices)):
        x, y, z = vertices[vertex, 0], vertices[vertex, 1], vertices[vertex, 2]
        nx, ny, nz = normals[vertex, 0], normals[vertex, 1], normals[vertex, 2]
        facing = -(nx * x + ny * y + nz * z) / sqrt(max(x * x + y * y + z * z, np.float32(1e-12)))
        fade = min(max(facing * np.float32(1.0 / FADE), np.float32(0.0)), np.float32(1.0))
        lit[vertex, 3] = paint[vertex, 3] * fade * fade * (np.float32(3.0) - np.float32(2.0) * fade)
        lit[vertex, 4] = np.float32(120.0) * paint[vertex, 4] * _glint_at(nx, ny, nz)
        xx_yy, zz = nx * nx - ny * ny, np.float32(3.0) * nz * nz - np.float32(1.0)
        for channel in range(3):
            even = light[0, channel] * np.float32(SH[0])
            value = even
            value += np.float32(SH[1]) * (light[1, channel] * nx + light[2, channel] * ny + light[3, channel] * nz)
            value += np.float32(SH[2]) * (
                light[4, channel] * nx * ny + light[5, channel] * nx * nz + light[6, channel] * ny * nz
            )
            value += np.float32(SH[3]) * light[7, channel] * xx_yy + np.float32(SH[4]) * light[8, channel] * zz
            lit[vertex, channel] = max(value, np.float32(DIMMEST) * max(even, np.float32(0.0))) ** np.float32(
                1.0 / GAMMA
            )


@compiled
def _key_at(nx: Any, ny: Any, nz: Any) -> Any:
    """The key light on a matt surface, linear."""
    cosine = nx * np.float32(KEY[0]) + ny * np.float32(KEY[1]) + nz * np.float32(KEY[2])
    return np.float32(KEY_STRENGTH / (1.0 + WRAP)) * max(cosine + np.float32(WRAP), np.float32(0.0))


@compiled
def _other_light_at(nx: Any, ny: Any, nz: Any, facing: Any) -> Any:
    cosine = nx * np.float32(FILL[0]) + ny * np.float32(FILL[1]) + nz * np.float32(FILL[2])
    light = np.float32(AMBIENT) + np.float32(SKY * 0.5) * (np.float32(1.0) - ny)
    light += np.float32(FILL_STRENGTH) * max(cosine, np.float32(0.0))
    edge = np.float32(1.0) - facing
    return light + np.float32(RIM_STRENGTH) * edge * edge * edge


@compiled
def _glint_at(nx: Any, ny: Any, nz: Any) -> Any:
    """The key light's reflection, to the 64th."""
    cosine = max(nx * np.float32(GLINT[0]) + ny * np.float32(GLINT[1]) + nz * np.float32(GLINT[2]), np.float32(0.0))
    for _ in range(6):
        cosine *= cosine
    return cosine


# The first pass over the pixels: which triangle each of them sees.


@compiled
def _find_visible(
    triangles: Any, screen: Any, left: int, top: int, right: int, bottom: int, depth: Any, face: Any
) -> None:
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


# The second pass: its colour, blended.


@compiled
def _blend(
    triangles: Any, screen: Any, lit: Any, line_px: Any,
    left: int, top: int, right: int, bottom: int, depth: Any, face: Any, canvas: Any,
) -> None:  # fmt: skip
    one, half = np.float32(1.0), np.float32(0.5)
    step: Any = np.uint32(1)
    for row in range(np.uint32(top), np.uint32(bottom)):
        known = np.int32(-1)
        y = np.float32(row) + half
        # A rectangle's outer row is empty, or lies at the window's edge, where the surface goes on unseen.
        above = row - step if row > np.uint32(top) else row
        below = row + step if row < np.uint32(bottom - 1) else row
        for column in range(np.uint32(left), np.uint32(right)):
            if depth[row, column] == 0.0:
                continue
            triangle = face[row, column]
            if triangle != known:
                known = triangle
                a, b, c = triangles[triangle, 0], triangles[triangle, 1], triangles[triangle, 2]
                ax, ay, bx, by = screen[a, 0], screen[a, 1], screen[b, 0], screen[b, 1]
                cx, cy = screen[c, 0], screen[c, 1]
                scale = one / ((bx - ax) * (cy - ay) - (cx - ax) * (by - ay))
                x = np.float32(column) + half
                wa = ((bx - x) * (cy - y) - (cx - x) * (by - y)) * scale
                wb = ((cx - x) * (ay - y) - (ax - x) * (cy - y)) * scale
                step_a, step_b = (by - cy) * scale, (cy - ay) * scale
                red, green, blue, opaque = lit[c, 0], lit[c, 1], lit[c, 2], lit[c, 3]
                ar, ag, ab, ao = lit[a, 0] - red, lit[a, 1] - green, lit[a, 2] - blue, lit[a, 3] - opaque
                br, bg, bb, bo = lit[b, 0] - red, lit[b, 1] - green, lit[b, 2] - blue, lit[b, 3] - opaque
                last = column
            while last < column:
                wa += step_a
                wb += step_b
                last += step
            opacity = opaque + wa * ao + wb * bo
            if line_px > 0.0:
                wc = one - wa - wb
                away = _edge_distance(wa, wb, wc, ax, ay, bx, by, cx, cy, scale)
                line = wa * lit[a, 4] + wb * lit[b, 4] + wc * lit[c, 4]
                opacity += (one - opacity) * line * min(max(half * line_px + half - away, np.float32(0.0)), one)
            before = column - step if column > np.uint32(left) else column
            after = column + step if column < np.uint32(right - 1) else column
            opacity *= _inside(depth[above, column], depth[below, column], depth[row, before], depth[row, after])
            _mix(canvas, row, column, 0, red + wa * ar + wb * br, opacity)
            _mix(canvas, row, column, 1, green + wa * ag + wb * bg, opacity)
            _mix(canvas, row, column, 2, blue + wa * ab + wb * bb, opacity)


@compiled
def _blend_textured(
    triangles: Any, corners: Any, texture: Any, screen: Any, lit: Any,
    left: int, top: int, right: int, bottom: int, depth: Any, face: Any, canvas: Any,
) -> None:  # fmt: skip
    one, half = np.float32(1.0), np.float32(0.5)
    step: Any = np.uint32(1)
    last_row, last_column = len(texture) - 1, texture.shape[1] - 1
    for row in range(np.uint32(top), np.uint32(bottom)):
        known = np.int32(-1)
        y = np.float32(row) + half
        above = row - step if row > np.uint32(top) else row
        below = row + step if row < np.uint32(bottom - 1) else row
        for column in range(np.uint32(left), np.uint32(right)):
            if depth[row, column] == 0.0:
                continue
            triangle = face[row, column]
            if triangle != known:
                known = triangle
                a, b, c = triangles[triangle, 0], triangles[triangle, 1], triangles[triangle, 2]
                ax, ay, bx, by = screen[a, 0], screen[a, 1], screen[b, 0], screen[b, 1]
                cx, cy = screen[c, 0], screen[c, 1]
                scale = one / ((bx - ax) * (cy - ay) - (cx - ax) * (by - ay))
                x = np.float32(column) + half
                wa = ((bx - x) * (cy - y) - (cx - x) * (by - y)) * scale
                wb = ((cx - x) * (ay - y) - (ax - x) * (cy - y)) * scale
                step_a, step_b = (by - cy) * scale, (cy - ay) * scale
                last = column
            while last < column:
                wa += step_a
                wb += step_b
                last += step
            wc = one - wa - wb
            opacity = wa * lit[a, 3] + wb * lit[b, 3] + wc * lit[c, 3]
            if not opacity > np.float32(0.004):
                continue
            before = column - step if column > np.uint32(left) else column
            after = column + step if column < np.uint32(right - 1) else column
            opacity *= _inside(depth[above, column], depth[below, column], depth[row, before], depth[row, after])
            u = wa * corners[triangle, 0, 0] + wb * corners[triangle, 1, 0] + wc * corners[triangle, 2, 0] - half
            v = wa * corners[triangle, 0, 1] + wb * corners[triangle, 1, 1] + wc * corners[triangle, 2, 1] - half
            u = min(max(u, np.float32(0.0)), np.float32(last_column))
            v = min(max(v, np.float32(0.0)), np.float32(last_row))
            i, j = int(v), int(u)
            down, along = v - np.float32(i), u - np.float32(j)
            i2, j2 = min(i + 1, last_row), min(j + 1, last_column)
            shine = wa * lit[a, 4] + wb * lit[b, 4] + wc * lit[c, 4]
            for channel in range(3):
                upper = texture[i, j, channel] + along * (np.float32(texture[i, j2, channel]) - texture[i, j, channel])
                lower = texture[i2, j, channel] + along * (
                    np.float32(texture[i2, j2, channel]) - texture[i2, j, channel]
                )
                light = wa * lit[a, channel] + wb * lit[b, channel] + wc * lit[c, channel]
                _mix(canvas, row, column, channel, (upper + down * (lower - upper)) * light + shine, opacity)


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
def _edge_distance(wa: Any, wb: Any, wc: Any, ax: Any, ay: Any, bx: Any, by: Any, cx: Any, cy: Any, scale: Any) -> Any:
    """Pixels to the nearest side of the triangle."""
    area = abs(np.float32(1.0) / scale)
    from_a = wa * area / sqrt((bx - cx) * (bx - cx) + (by - cy) * (by - cy))
    from_b = wb * area / sqrt((cx - ax) * (cx - ax) + (cy - ay) * (cy - ay))
    from_c = wc * area / sqrt((ax - bx) * (ax - bx) + (ay - by) * (ay - by))
    return min(from_a, from_b, from_c)


# Points.


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
