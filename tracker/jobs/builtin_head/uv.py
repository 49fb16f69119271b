"""Texture coordinates: one island of skin, cut from the crown down the nape, and small islands for all the rest.

The face lies in the middle of the skin's island at about twice the scale of the scalp and the neck.
Coordinates have their origin at the top left of the texture.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tracker.jobs.builtin_head.eyes import SEGMENTS
from tracker.jobs.builtin_head.face import FacePatch
from tracker.jobs.builtin_head.flatten import flatten
from tracker.jobs.builtin_head.meshes import Points, fan_triangles, smoothstep
from tracker.jobs.builtin_head.topology import Ids

Mask = NDArray[np.bool_]

SKIN_PARTS = ("face", "hood", "ear_left", "ear_right", "nostril_left", "nostril_right")
CUT_FROM_ROW = 9  # of the hood's middle column: about the crown
SKIN_BOX = (0.004, 0.004, 0.996, 0.808)  # left, top, right, bottom
MOUTH_OPENED_MM = 9.0  # the lips touch; they are flattened apart
FACE_SCALE = 2.3  # beside scalp and neck

# Islands below the skin: left, top, right, bottom.
DISCS = {
    "eyeball_left": (0.004, 0.814, 0.184, 0.994),
    "eyeball_right": (0.190, 0.814, 0.370, 0.994),
    "mouth_bag": (0.376, 0.814, 0.556, 0.994),
    "tongue": (0.562, 0.814, 0.692, 0.994),
    "socket_left": (0.698, 0.814, 0.785, 0.901),
    "socket_right": (0.698, 0.907, 0.785, 0.994),
}
BANDS = {
    "teeth_upper": (0.791, 0.814, 0.970, 0.856),
    "teeth_lower": (0.791, 0.860, 0.970, 0.902),
    "gums_upper": (0.791, 0.906, 0.970, 0.948),
    "gums_lower": (0.791, 0.952, 0.970, 0.994),
}


@dataclass
class Sheet:
    """Texture coordinates under construction."""

    uvs: list[Points]
    corners: Ids  # [F, 3] -1 where still unknown
    count: int = 0

    def add(self, uvs: Points) -> Ids:
        flat = np.asarray(uvs, np.float64).reshape(-1, 2)
        self.uvs.append(flat)
        self.count += len(flat)
        return np.arange(self.count - len(flat), self.count).reshape(np.shape(uvs)[:-1])


def unwrap(
    points: Points,
    triangles: Ids,
    parts: tuple[str, ...],
    patch: FacePatch,
    hood: Ids,
    regions: dict[str, Ids],
    jaw: Points,
) -> tuple[Points, Ids]:
    """uvs [U, 2] and uv triangles [F, 3], in the order of the triangles."""
    sheet = Sheet([], np.full(triangles.shape, -1, np.int64))
    part = np.array(parts)
    opened = points - jaw[:, None] * np.array([0.0, MOUTH_OPENED_MM, 0.0])
    _lay_skin(sheet, opened, triangles, np.isin(part, SKIN_PARTS), patch, hood)
    for side, loop in (("left", patch.eye_left), ("right", patch.eye_right)):
        name = f"socket_{side}"
        rings = np.concatenate([loop, regions[name][:-1]]).reshape(-1, 32)
        _lay_disc(sheet, triangles, part == name, rings[::-1], int(regions[name][-1]), None, DISCS[name])
        name = f"eyeball_{side}"
        rings = regions[name][:-2].reshape(-1, SEGMENTS)
        front, back = (int(i) for i in regions[name][-2:])
        _lay_disc(sheet, triangles, part == name, rings, front, back, DISCS[name])
    rings = np.concatenate([patch.lips, regions["mouth_bag"][:-1]]).reshape(-1, 40)
    _lay_disc(
        sheet, triangles, part == "mouth_bag", rings[::-1], int(regions["mouth_bag"][-1]), None, DISCS["mouth_bag"]
    )
    tongue = regions["tongue"]
    _lay_disc(
        sheet,
        triangles,
        part == "tongue",
        tongue[:-2].reshape(-1, 16),
        int(tongue[-2]),
        int(tongue[-1]),
        DISCS["tongue"],
    )
    for name, box in BANDS.items():
        of_band = np.isin(triangles, regions[name]).all(1)
        _lay_band(sheet, triangles, of_band, regions[name], 9 if name.startswith("teeth") else 8, box)
    return np.concatenate(sheet.uvs), sheet.corners


def _into(box: tuple[float, float, float, float], unit_square: Points) -> Points:
    left, top, right, bottom = box
    return np.asarray(unit_square * (right - left, bottom - top) + (left, top))


def _lay_skin(sheet: Sheet, points: Points, triangles: Ids, of_skin: Mask, patch: FacePatch, hood: Ids) -> None:
    faces = triangles[of_skin].copy()
    cut = hood[CUT_FROM_ROW + 1 :, 0]
    twin = dict(zip(cut.tolist(), range(len(points), len(points) + len(cut)), strict=True))
    right_side = points[faces].mean(1)[:, 0] < 0
    for row, column in zip(*np.nonzero(np.isin(faces, cut) & right_side[:, None]), strict=True):
        faces[row, column] = twin[int(faces[row, column])]
    points = np.concatenate([points, points[cut]])
    # Down the left side of the cut, round the neck by way of the throat, up the cut's right side.
    around_neck = hood[-1, 1:]
    border = np.concatenate([hood[CUT_FROM_ROW:, 0], around_neck, np.array(list(twin.values()))[::-1]])
    wanted = 1 + (FACE_SCALE - 1) * _face_share(points)
    holes = []
    for loop in (patch.eye_left, patch.eye_right, patch.lips):
        centre = len(points)
        points = np.concatenate([points, points[loop].mean(0, keepdims=True)])
        holes.append(fan_triangles(loop, centre))
    wanted = np.concatenate([wanted, np.full(len(holes), FACE_SCALE)])
    flat = flatten(points, np.concatenate([faces, *holes]), border, _outline(points[border], len(cut)), wanted)
    used, compact = np.unique(faces, return_inverse=True)
    sheet.corners[of_skin] = sheet.add(_into(SKIN_BOX, flat[used]))[compact.reshape(faces.shape)]


def _face_share(points: Points) -> Points:
    """1 in the middle of the face, 0 on the scalp, the ears' back and the neck."""
    ahead = smoothstep(-35.0, 25.0, points[:, 2])
    return np.asarray(
        ahead * smoothstep(-110.0, -75.0, points[:, 1]) * (1 - 0.5 * smoothstep(70.0, 110.0, points[:, 1]))
    )


def _outline(border: Points, cut_rows: int) -> Points:
    """The border, from the crown down the left of the cut and round, on a rounded square; the throat at the bottom."""
    step = np.linalg.norm(np.roll(border, -1, 0) - border, axis=1)
    # The cut's two sides share the upper outline, the neck has the lower one.
    share = np.zeros(len(border))
    travelled = np.cumsum(step) - step
    half_cut, half_total = travelled[cut_rows], (travelled[-1] + step[-1]) / 2
    neck_share = 0.36
    share = np.where(
        travelled < half_cut,
        travelled / half_cut * (0.5 - neck_share / 2),
        0.5 + (travelled - half_total) / (half_total - half_cut) * neck_share / 2,
    )
    last = travelled > 2 * half_total - half_cut
    share[last] = 1 - (2 * half_total - travelled[last]) / half_cut * (0.5 - neck_share / 2)
    angle = 2 * np.pi * share
    x, y = np.sin(angle), -np.cos(angle)
    bulge = (np.abs(x) ** 3.2 + np.abs(y) ** 3.2) ** (-1 / 3.2)
    return np.stack([0.5 + 0.5 * x * bulge, 0.5 + 0.5 * y * bulge], 1)


def _lay_disc(
    sheet: Sheet,
    triangles: Ids,
    mask: Mask,
    rings: Ids,
    centre: int,
    far: int | None,
    box: tuple[float, float, float, float],
) -> None:
    """Rings from the centre outward; `far`, if any, is one vertex beyond the last ring, laid out as a ring itself."""
    count, columns = rings.shape
    radius = 0.5 * np.arange(1, count + 1 + (far is not None)) / (count + (far is not None))
    angle = 2 * np.pi * (np.arange(columns) + 0.25) / columns
    circle = np.stack([np.cos(angle), -np.sin(angle)], -1)
    uvs = 0.5 + radius[:, None, None] * circle
    ids = sheet.add(_into(box, uvs))
    middle = int(sheet.add(_into(box, np.array([[0.5, 0.5]])))[0])
    number = {int(v): int(u) for v, u in zip(rings.ravel(), ids[:count].ravel(), strict=True)}
    number[centre] = middle
    last = {int(v): k for k, v in enumerate(rings[-1])}
    for row in np.flatnonzero(mask):
        corner = triangles[row].tolist()
        if far in corner:
            a, b = (last[v] for v in corner if v != far)
            beyond = max(a, b) if abs(a - b) == 1 else min(a, b)
            sheet.corners[row] = [ids[count, beyond] if v == far else number[v] for v in corner]
        else:
            sheet.corners[row] = [number[v] for v in corner]


def _lay_band(
    sheet: Sheet, triangles: Ids, mask: Mask, ids: Ids, columns: int, box: tuple[float, float, float, float]
) -> None:
    """A sausage [samples, columns] with two caps: unrolled, its caps as small discs to the right."""
    sections = ids[:-2].reshape(-1, columns)
    samples = len(sections)
    u, v = np.meshgrid(np.linspace(0, 1, samples), np.linspace(0, 1, columns + 1), indexing="ij")
    grid = sheet.add(_into(box, np.stack([u, v], -1)))
    place = {int(vertex): divmod(k, columns) for k, vertex in enumerate(sections.ravel())}
    caps = {}
    for number, (cap, end) in enumerate(zip(ids[-2:].tolist(), (0, samples - 1), strict=True)):
        middle = (box[2] + 0.0115, box[1] + 0.0105 + 0.021 * number)
        angle = (1 - 2 * number) * 2 * np.pi * np.arange(columns) / columns
        rim = sheet.add(np.array(middle) + 0.009 * np.stack([np.cos(angle), np.sin(angle)], 1))
        caps[cap] = (int(sheet.add(np.array([middle]))[0]), rim, end)
    for row in np.flatnonzero(mask):
        corner = triangles[row].tolist()
        cap = next((c for c in corner if c in caps), None)
        if cap is not None:
            centre, rim, _ = caps[cap]
            sheet.corners[row] = [centre if c == cap else rim[place[c][1]] for c in corner]
            continue
        around = [place[c][1] for c in corner]
        wraps = max(around) - min(around) > 1
        sheet.corners[row] = [
            grid[place[c][0], columns if wraps and k == 0 else k] for c, k in zip(corner, around, strict=True)
        ]
