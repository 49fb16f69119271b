"""The mouth's inside: lips that roll inward, a closed pocket, two arches of teeth with gums, a tongue. Millimetres.

Positions are relative to the middle of the line where the lips meet (x sideways, y up, z out of the mouth).
"""

import numpy as np

from tracker.jobs.builtin_head.meshes import Clay, Points, fan_triangles, flipped, grid_triangles, smoothstep
from tracker.jobs.builtin_head.topology import Ids

# Rings from the inner lip line inward: how far along to the pocket's own outline, its half width, its height above and
# below, its depth above and below. Below the lower lip the skin falls back towards the chin, and the pocket with it.
POCKET_RINGS = (
    (0.0, 0, 0.0, 0.0, -1.4, -1.4),
    (0.0, 0, 1.3, 1.1, -2.6, -3.0),
    (0.3, 21, 6.5, 4.5, -3.2, -5.2),
    (0.75, 28, 13.0, 9.5, -4.0, -7.0),
    (1.0, 36, 18.0, 15.0, -7.0, -10.5),
    (1.0, 38, 20.0, 18.5, -18.0, -20.0),
    (1.0, 39, 20.5, 19.5, -32.0, -32.0),
    (1.0, 38, 19.5, 19.5, -46.0, -46.0),
    (1.0, 24, 13.0, 13.0, -56.0, -56.0),
)
SQUARENESS = 0.72  # below 1 the pocket's section is fuller than an ellipse
TOOTH_WIDTHS = (8.4, 6.6, 7.6, 6.8, 6.8, 9.6, 9.2)  # upper, from the middle back
LOWER_TOOTH_WIDTHS = (5.6, 6.0, 6.8, 7.0, 7.2, 10.4, 10.0)
# Around a tooth, clockwise from the outside of its neck: outward in half thicknesses, height from the edge to the neck.
TOOTH_SECTION = (
    (1.0, 1.0), (1.05, 0.62), (0.95, 0.3), (0.55, 0.06), (0.0, 0.0),
    (-0.55, 0.05), (-0.9, 0.3), (-1.0, 0.62), (-1.0, 1.0),
)  # fmt: skip
UPPER_FRONT, LOWER_FRONT = -9.5, -12.5  # middle of the front teeth, behind the line of the lips


def add_pocket(clay: Clay, loop: Ids, lips: Points) -> Ids:
    """From the inner lip loop [40] (right corner, upper lip) to the mouth's closed back: nine rings and a vertex."""
    corner_right, corner_left = lips[0], lips[20]
    middle = (lips[10] + lips[30]) / 2
    half_width = (corner_left[0] - corner_right[0]) / 2
    angle = np.pi - 2 * np.pi * np.arange(40) / 40  # pi at the right corner, then over the top
    up_down = np.sign(np.round(np.sin(angle), 9)) * np.minimum(1, np.abs(np.sin(angle)) * 1.6)
    rings = []
    for toward, width, above, below, depth_above, depth_below in POCKET_RINGS:
        lower = smoothstep(-0.5, 0.5, -np.sin(angle))
        height, depth = above + (below - above) * lower, depth_above + (depth_below - depth_above) * lower
        own = np.stack([width * _full(np.cos(angle)), height * _full(np.sin(angle)), depth], 1)
        # In front the outline bends back with the dental arch.
        own[:, 2] -= 0.018 * own[:, 0] ** 2 * (1 - np.clip((-depth - 12) / 30, 0, 1))
        roll = lips - middle
        roll[:, 1] += height * up_down
        roll[:, 2] += depth * (1.5 - 0.5 * np.minimum(1, np.abs(np.sin(angle)) * 2))
        roll[:, 0] *= (half_width - 0.04 * np.abs(depth)) / half_width
        rings.append(middle + toward * own + (1 - toward) * roll)
    ids = clay.add(np.stack(rings))
    back = int(clay.add((middle + np.array([0, 0, POCKET_RINGS[-1][-1] - 3]))[None])[0])
    whole = np.roll(np.concatenate([loop[None], ids]), -10, axis=1)  # from the middle, so that both sides mirror
    clay.cover(
        "mouth_bag", np.concatenate([grid_triangles(whole, closed=True), flipped(fan_triangles(whole[-1], back))])
    )
    return np.append(ids.ravel(), back)


def _full(wave: Points) -> Points:
    return np.asarray(np.sign(wave) * np.abs(np.round(wave, 12)) ** SQUARENESS)


def pocket_shares(ids: Ids) -> dict[int, float]:
    """How far each vertex of the pocket behind the lips goes with the jaw: its floor does, its roof does not."""
    grid = ids[:-1].reshape(len(POCKET_RINGS), 40)
    angle = np.pi - 2 * np.pi * np.arange(40) / 40
    shares = {int(ids[-1]): 0.4}
    for ring in range(2, len(grid)):
        floor = 0.5 - 0.5 * np.clip(1.9 * np.sin(angle), -1, 1)
        shares.update(zip(grid[ring].tolist(), floor.tolist(), strict=True))
    return shares


def arch(front: float, half_width: float, length: float, share: Points) -> tuple[Points, Points]:
    """Points [n, 2] (x, z) on a dental arch and outward normals; share runs from -1 (right end) to 1 (left end)."""
    fine = np.linspace(-1, 1, 801)
    curve = np.stack(
        [half_width * np.sin(fine * np.pi / 2 * 1.0) * (1 + 0.06 * fine**4), front - length * np.abs(fine) ** 2.3], 1
    )
    travelled = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(curve, axis=0), axis=1))])
    wanted = (share + 1) / 2 * travelled[-1]
    at = np.stack([np.interp(wanted, travelled, curve[:, k]) for k in (0, 1)], 1)
    tangent = np.stack([np.interp(wanted, travelled, np.gradient(curve[:, k], travelled)) for k in (0, 1)], 1)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    return at, np.stack([-tangent[:, 1], tangent[:, 0]], 1)


def _tooth_samples(widths: tuple[float, ...]) -> tuple[Points, Points, Points]:
    """Along the arch: position -1..1, how far into the gap between teeth (0..1), and how far back the tooth (0..1)."""
    edges = np.concatenate([[0], np.cumsum(widths)])
    inner = np.array([0.0, 0.14, 0.5, 0.86])
    right_half = np.concatenate([edges[k] + inner * widths[k] for k in range(len(widths))] + [edges[-1:]])
    gap = np.concatenate([np.tile([1.0, 0.12, 0.0, 0.12], len(widths)), [1.0]])
    position = right_half / edges[-1]
    both = np.concatenate([-position[:0:-1], position])
    return both, np.concatenate([gap[:0:-1], gap]), np.abs(both)


def tooth_gaps(teeth: Ids) -> Ids:
    """Of an arch's vertices as `add_teeth` returned them: those in the grooves between two teeth."""
    sections = teeth[:-2].reshape(-1, len(TOOTH_SECTION))
    _, gap, _ = _tooth_samples(TOOTH_WIDTHS)
    return np.asarray(sections[gap == 1.0].ravel(), np.int64)


def add_teeth(clay: Clay, middle: Points, upper: bool) -> Ids:
    """One arch as a closed band, its teeth set apart by grooves: [samples, 10] around a section."""
    sign = 1.0 if upper else -1.0
    share, gap, back = _tooth_samples(TOOTH_WIDTHS if upper else LOWER_TOOTH_WIDTHS)
    at, normal = arch(UPPER_FRONT if upper else LOWER_FRONT, 25.5 if upper else 23.5, 37.0 if upper else 35.0, share)
    edge_y = -2.6 if upper else -1.2
    height = (10.5 if upper else 9.5) - 2.5 * back
    molar = np.clip((back - 0.45) / 0.2, 0, 1)
    thick_edge = 1.0 + 3.4 * molar
    thick_base = 3.0 + 1.8 * molar
    rings = []
    for out, up in TOOTH_SECTION:
        thick = thick_edge * (1 - up) + thick_base * up
        shrink = 1 - 0.32 * gap * (0.4 + 0.6 * (1 - up))
        offset = out * thick * shrink
        y = edge_y + sign * (height * up + 0.8 * gap * (1 - up) ** 2)
        xz = at + normal * offset[:, None]
        rings.append(np.stack([xz[:, 0], y, xz[:, 1]], 1))
    return _add_band(clay, middle + np.stack(rings, 1), "teeth_upper" if upper else "teeth_lower", upper)


def add_gum(clay: Clay, middle: Points, upper: bool) -> Ids:
    """A smooth band around the teeth's necks."""
    sign = 1.0 if upper else -1.0
    share = np.linspace(-1, 1, 41)
    at, normal = arch(UPPER_FRONT if upper else LOWER_FRONT, 25.5 if upper else 23.5, 37.6 if upper else 35.6, share)
    base = (-2.6 if upper else -1.2) + sign * ((10.5 if upper else 9.5) - 2.5 * np.abs(share)) * 0.72
    molar = np.clip((np.abs(share) - 0.45) / 0.2, 0, 1)
    thick = (3.1 if upper else 2.5) + 1.9 * molar
    section = ((0.9, 7.5), (1.2, 4.5), (1.1, 1.2), (0.95, 0.0), (-0.95, 0.0), (-1.1, 1.2), (-1.25, 4.5), (-0.9, 7.5))
    rings = []
    for out, up in section:
        xz = at + normal * (out * thick)[:, None]
        rings.append(np.stack([xz[:, 0], base + sign * up * (1.0 if upper else 0.6), xz[:, 1]], 1))
    return _add_band(clay, middle + np.stack(rings, 1), "gums", upper)


def _add_band(clay: Clay, sections: Points, part: str, upper: bool) -> Ids:
    """A closed sausage through sections [n, k, 3], capped at both ends."""
    ids = clay.add(sections)
    caps = [int(clay.add(sections[end].mean(0)[None])[0]) for end in (0, -1)]
    triangles = np.concatenate(
        [
            grid_triangles(ids.T, closed=False),
            _closing(ids),
            flipped(fan_triangles(ids[0], caps[0])),
            fan_triangles(ids[-1], caps[1]),
        ]
    )
    clay.cover(part, triangles if upper else flipped(triangles))
    return np.append(ids.ravel(), caps)


def _closing(ids: Ids) -> Ids:
    return grid_triangles(np.stack([ids[:, -1], ids[:, 0]]))


def add_tongue(clay: Clay, middle: Points) -> Ids:
    """A flattened body with a rounded tip, a furrow along the middle, and a root that goes down at the back."""
    rows, columns = 10, 16
    along = np.linspace(0.04, 1, rows)  # tip to root
    around = 2 * np.pi * np.arange(columns) / columns + np.pi / 2
    width = 19.0 * np.sqrt(np.clip(1 - (1 - along) ** 2.6, 0, 1)) * (1 - 0.12 * along)
    thick = 2.2 + 6.0 * along**0.8
    centre_y = -7.5 - 2.5 * along**2
    centre_z = -16.5 - 34.0 * along
    rings = []
    for k in range(rows):
        x = width[k] * np.cos(around)
        y = thick[k] * np.sin(around) * np.where(np.sin(around) > 0, 1.0, 0.7)
        y = y - 1.3 * np.exp(-((x / 3.5) ** 2)) * (np.sin(around) > 0.2) * (1 - 0.4 * along[k])
        rings.append(np.stack([x, centre_y[k] + y, np.full(columns, centre_z[k])], 1))
    ids = clay.add(middle + np.stack(rings))
    tip = int(clay.add(ids_mean(clay, ids[0], (0, 0, 1.2))[None])[0])
    root = int(clay.add(ids_mean(clay, ids[-1], (0, 0, -1.0))[None])[0])
    clay.cover(
        "tongue",
        np.concatenate(
            [grid_triangles(ids, closed=True), fan_triangles(ids[0], tip), flipped(fan_triangles(ids[-1], root))]
        ),
    )
    return np.append(ids.ravel(), (tip, root))


def ids_mean(clay: Clay, ids: Ids, offset: tuple[float, float, float]) -> Points:
    return np.asarray(clay.points()[ids].mean(0) + offset)
