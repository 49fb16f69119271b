"""The portrait's loops over pixels and hairs, compiled.

Everything is in the camera frame (x right, y down, z forward) and in linear light.
"""

from math import ceil, floor, sqrt
from typing import Any

import numpy as np

from models.compiled import compiled

SKIN, EYE, CLOTH, MOUTH = range(4)  # of what a triangle is
NEAR_M = 0.05  # hairs nearer than this, or behind the camera, are not drawn
FRESNEL = 0.04  # what a smooth surface of water or oil mirrors, seen straight on


@compiled
def shade(
    fragments: Any, triangles: Any, uvs: Any, material: Any, points: Any, normals: Any, light: Any, tint: Any,
    texture: Any, lamps: Any, colours: Any, depth: Any, image: Any,
) -> None:  # fmt: skip
    """Colours into `image` [H, W, 3] and metres into `depth` [H, W] wherever a triangle is seen.

    fragments [H, W, 4] of the rasteriser; triangles [F, 3]; uvs [F, 3, 2]; material [F]; by vertex: points, normals,
    light that arrives, tint of the texture [N, 3]; texture [S, S, 4]: colour, gloss; lamps and their colours [L, 3].
    """
    height, width = depth.shape
    side = texture.shape[0]
    for row in range(height):
        for column in range(width):
            face = int(fragments[row, column, 3]) - 1
            if face < 0:
                continue
            u, v = fragments[row, column, 0], fragments[row, column, 1]
            shares = u, v, np.float32(1.0) - u - v
            a, b, c = triangles[face, 0], triangles[face, 1], triangles[face, 2]
            x, y, z = _means(points, a, b, c, shares)
            normal = _unit(*_means(normals, a, b, c, shares))
            i, j, texels = _four_texels(uvs, face, shares, side)
            gloss = _between(texture, i, j, texels, 3)
            shine = _shine(_unit(-x, -y, -z), normal, gloss, material[face], lamps, colours)
            for channel in range(3):
                colour = _between(texture, i, j, texels, channel)
                arrives, tinted = _mean(light, a, b, c, channel, shares), _mean(tint, a, b, c, channel, shares)
                image[row, column, channel] = colour * tinted * arrives + shine[channel]
            depth[row, column] = z


@compiled
def _mean(values: Any, a: Any, b: Any, c: Any, k: Any, shares: Any) -> Any:
    """Of what three vertices have, by their shares."""
    return shares[0] * values[a, k] + shares[1] * values[b, k] + shares[2] * values[c, k]


@compiled
def _means(values: Any, a: Any, b: Any, c: Any, shares: Any) -> Any:
    return _mean(values, a, b, c, 0, shares), _mean(values, a, b, c, 1, shares), _mean(values, a, b, c, 2, shares)


@compiled
def _unit(x: Any, y: Any, z: Any) -> Any:
    size = sqrt(x * x + y * y + z * z) + 1e-9
    return x / size, y / size, z / size


@compiled
def _four_texels(uvs: Any, face: Any, shares: Any, side: Any) -> Any:
    """Row and column of the first of the four nearest texels, and how much each of them counts."""
    u, v, w = shares
    s = (u * uvs[face, 0, 0] + v * uvs[face, 1, 0] + w * uvs[face, 2, 0]) * side - 0.5
    t = (1.0 - (u * uvs[face, 0, 1] + v * uvs[face, 1, 1] + w * uvs[face, 2, 1])) * side - 0.5
    s, t = min(max(s, 0.0), side - 1.001), min(max(t, 0.0), side - 1.001)
    i, j = int(t), int(s)
    down, along = t - i, s - j
    return i, j, ((1 - down) * (1 - along), (1 - down) * along, down * (1 - along), down * along)


@compiled
def _between(texture: Any, i: Any, j: Any, texels: Any, channel: Any) -> Any:
    p, q, r, o = texels
    upper = p * texture[i, j, channel] + q * texture[i, j + 1, channel]
    return upper + r * texture[i + 1, j, channel] + o * texture[i + 1, j + 1, channel]


@compiled
def _shine(to_eye: Any, normal: Any, gloss: Any, kind: Any, lamps: Any, colours: Any) -> Any:
    """Red, green, blue that are mirrored: wide gloss of skin, wet eyes, nothing on cloth."""
    red, green, blue = 0.0, 0.0, 0.0
    if kind == CLOTH:
        return red, green, blue
    (ex, ey, ez), (nx, ny, nz) = to_eye, normal
    for lamp in range(lamps.shape[0]):
        lx, ly, lz = lamps[lamp, 0], lamps[lamp, 1], lamps[lamp, 2]
        hx, hy, hz = lx + ex, ly + ey, lz + ez
        half = sqrt(hx * hx + hy * hy + hz * hz) + 1e-9
        facing = max((nx * hx + ny * hy + nz * hz) / half, 0.0)
        edge = 1.0 - max((ex * hx + ey * hy + ez * hz) / half, 0.0)
        mirrored = FRESNEL + (1 - FRESNEL) * edge**5
        if kind == EYE:
            strength = 40.0 * facing**400
        elif kind == MOUTH:
            strength = 0.5 * facing**60
        else:
            strength = 1.3 * facing**12 + 2.2 * facing**45
        # Where light does not arrive it does not shine either.
        strength *= mirrored * gloss * max(nx * lx + ny * ly + nz * lz, 0.0)
        red += strength * colours[lamp, 0]
        green += strength * colours[lamp, 1]
        blue += strength * colours[lamp, 2]
    return red, green, blue


@compiled
def shadow_at(
    points: Any, across: Any, up: Any, towards: Any, shadow_map: Any, scale: Any, bias: Any, out: Any
) -> None:
    """How much of a lamp reaches each point [N], 0 to 1, softly, by `shadow_map` [S, S]: metres along `towards`."""
    side = shadow_map.shape[0]
    for k in range(points.shape[0]):
        s = points[k, 0] * across[0] + points[k, 1] * across[1] + points[k, 2] * across[2]
        t = points[k, 0] * up[0] + points[k, 1] * up[1] + points[k, 2] * up[2]
        near = points[k, 0] * towards[0] + points[k, 1] * towards[1] + points[k, 2] * towards[2]
        column, row = (s * scale + 1) / 2 * side, (1 - t * scale) / 2 * side
        lit = 0.0
        for dy in range(-3, 4):
            for dx in range(-3, 4):
                i, j = int(row) + dy, int(column) + dx
                if i < 0 or j < 0 or i >= side or j >= side or shadow_map[i, j] < near + bias:
                    lit += 1.0
        out[k] = lit / 49.0


@compiled
def draw_strands(
    points: Any, normals: Any, colour: Any, camera: Any, lamps: Any, lamp_colours: Any, ambient: Any, width_m: Any,
    lit: Any, depth: Any, image: Any,
) -> None:  # fmt: skip
    """Hairs [N, K, 3] over what is drawn, lit along their length (Kajiya & Kay 1989).

    normals [N, 3] of the skin they grow from; colour [N, 3]; camera: focal length and centre in pixels; width at the
    root; lit [N]: how much of the first lamp reaches them. They hide one another by `depth`.
    """
    height, width = depth.shape
    strands, steps = points.shape[:2]
    for strand in range(strands):
        for step in range(steps - 1):
            ax, ay, az = points[strand, step]
            bx, by, bz = points[strand, step + 1]
            if not (az > NEAR_M and bz > NEAR_M):
                continue
            tx, ty, tz = bx - ax, by - ay, bz - az
            long = sqrt(tx * tx + ty * ty + tz * tz) + 1e-9
            tx, ty, tz = tx / long, ty / long, tz / long
            far = sqrt(ax * ax + ay * ay + az * az)
            ex, ey, ez = -ax / far, -ay / far, -az / far
            along = step / (steps - 1)
            red = ambient * colour[strand, 0]
            green = ambient * colour[strand, 1]
            blue = ambient * colour[strand, 2]
            for lamp in range(lamps.shape[0]):
                lx, ly, lz = lamps[lamp, 0], lamps[lamp, 1], lamps[lamp, 2]
                cosine = tx * lx + ty * ly + tz * lz
                facing = normals[strand, 0] * lx + normals[strand, 1] * ly + normals[strand, 2] * lz
                reach = min(max(0.6 * facing + 0.4, 0.0), 1.0)
                if lamp == 0:
                    reach *= lit[strand]
                hx, hy, hz = lx + ex, ly + ey, lz + ez
                half = sqrt(hx * hx + hy * hy + hz * hz) + 1e-9
                over = (tx * hx + ty * hy + tz * hz) / half
                body = sqrt(max(1.0 - cosine * cosine, 0.0)) * reach
                mirror = max(1.0 - over * over, 0.0)
                shine = 0.035 * mirror**40 * reach
                inner = 0.55 * mirror**8 * reach  # light that went through the hair and took its colour
                red += lamp_colours[lamp, 0] * (colour[strand, 0] * (0.75 * body + inner) + shine)
                green += lamp_colours[lamp, 1] * (colour[strand, 1] * (0.75 * body + inner) + shine)
                blue += lamp_colours[lamp, 2] * (colour[strand, 2] * (0.75 * body + inner) + shine)
            deep = 0.45 + 0.55 * along  # roots lie among other hairs
            x0, y0 = camera[0] * ax / az + camera[1], camera[0] * ay / az + camera[2]
            x1, y1 = camera[0] * bx / bz + camera[1], camera[0] * by / bz + camera[2]
            thick = camera[0] * width_m * (1.0 - 0.8 * along) / az
            share = min(thick, 1.0)
            _draw_line(
                x0, y0, az, x1, y1, bz, red * deep, green * deep, blue * deep, share, depth, image, height, width
            )


@compiled
def _draw_line(
    x0: Any, y0: Any, z0: Any, x1: Any, y1: Any, z1: Any, red: Any, green: Any, blue: Any, share: Any,
    depth: Any, image: Any, height: Any, width: Any,
) -> None:  # fmt: skip
    """A pixel wide, spread over the two nearest at each step along its longer side."""
    steep = abs(y1 - y0) > abs(x1 - x0)
    if steep:
        x0, y0, x1, y1 = y0, x0, y1, x1
    if x0 > x1:
        x0, y0, z0, x1, y1, z1 = x1, y1, z1, x0, y0, z0
    long = x1 - x0
    if not (long < 200.0):
        return
    rise, deeper = (y1 - y0) / (long + 1e-6), (z1 - z0) / (long + 1e-6)
    for at in range(ceil(x0 - 0.5), ceil(x1 - 0.5)):
        gone = at + 0.5 - x0
        y, z = y0 + rise * gone - 0.5, z0 + deeper * gone
        low = floor(y)
        part = y - low
        for side in range(2):
            cover = share * (part if side == 1 else 1.0 - part)
            i, j = (at, low + side) if steep else (low + side, at)
            if i < 0 or j < 0 or i >= height or j >= width or not (z < depth[i, j] + 0.0008):
                continue
            image[i, j, 0] += cover * (red - image[i, j, 0])
            image[i, j, 1] += cover * (green - image[i, j, 1])
            image[i, j, 2] += cover * (blue - image[i, j, 2])
            if cover > 0.45 and z < depth[i, j]:
                depth[i, j] = z
