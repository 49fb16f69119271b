"""Ears: one patch a side, in polar rings about the concha, welded into a hole in the hood. Millimetres.

The ear's own frame has its origin at the ear canal; p runs backward along the ear's plane, q up along its length,
n out of its front. Rings run from the root on the head, over the back of the ear to the rim, then inward over the
front to the canal.
"""

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import RBFInterpolator

from tracker.jobs.builtin_head.meshes import (
    Clay,
    Points,
    fan_triangles,
    flipped,
    grid_triangles,
    mirror_points,
    smooth_curve,
    smoothstep,
    unit,
    zip_loops,
)
from tracker.jobs.builtin_head.topology import Ids, boundary_loops

SEGMENTS = 40
CANAL = np.array([0.0, 7.0, -41.0])  # y and z of the ear canal; x comes from the head's surface there
TILT_DEGREES = 9.0  # the ear's top leans back
HOLE_MARGIN = 3.0  # hood triangles this near the root are cut away
LEAN_DEGREES = 8.0  # the ear's top stands off more than its lobe
STAND_OFF = 2.0  # of the ear's plane at the canal
THICKNESS = 3.2  # of the rim
SWING_DEGREES = 27.0  # its rear edge stands off the head
# The rim in (p, q), from the tragus up and round the back to the lobe.
RIM = (
    (-7.5, 0), (-8.2, 9), (-8.6, 18), (-5.5, 27), (1.5, 33), (10, 34.2), (18, 31.2), (23.6, 24), (25.4, 14),
    (24.6, 4), (21.2, -6), (16.6, -14.5), (12, -21), (6.5, -26), (0, -27.5), (-5, -24), (-7.6, -16.5), (-7.8, -8),
)  # fmt: skip
# The root on the head in (backward, up), in the same order of angles.
ROOT = (
    (-9.5, 0), (-10.5, 9), (-10.8, 18), (-7.5, 25.5), (-1, 28), (5, 26), (9.5, 21), (12, 14), (13, 6), (12.5, -2),
    (10.5, -10), (6.5, -16.5), (1, -20.5), (-4.5, -22), (-8.5, -20), (-10.3, -15), (-10.2, -8),
)  # fmt: skip
FRONT_SHARES = (0.985, 0.93, 0.86, 0.785, 0.70, 0.61, 0.51, 0.41, 0.30, 0.19, 0.09)


@dataclass(frozen=True)
class EarFrame:
    origin: Points  # [3]
    axes: Points  # [3, 3] rows p, q, n


def ear_relief(p: Points, q: Points, from_rim: Points) -> Points:
    """Height of the ear's front over its plane. `from_rim`: distance inward from the rim."""
    behind = smoothstep(-7.0, -1.0, p)  # the front edge has no helix below its upper part
    upper = smoothstep(6.0, 16.0, q)
    helix_strength = np.maximum(behind, upper) * smoothstep(-20.0, -10.0, q)
    helix = 2.6 * np.exp(-(((from_rim - 1.8) / 2.2) ** 2)) * helix_strength
    scapha = -1.5 * np.exp(-(((from_rim - 6.0) / 2.6) ** 2)) * helix_strength * smoothstep(-14.0, -4.0, q)
    antihelix = 4.2 * _ridge(p, q, ((9, -12), (13.5, -7), (15.8, 0), (15.5, 7), (13, 13), (9.5, 18), (8.5, 24)), 3.0)
    crus = 2.6 * _ridge(p, q, ((13, 13), (7, 17), (1, 19.5)), 2.4)
    helix_crus = 4.5 * _ridge(p, q, ((5, 4.5), (0, 5.5), (-4, 9), (-6, 14)), 2.0)
    bowl = -12.5 * np.exp(-(((p - 4.5) / 7.0) ** 2 + ((q + 1.5) / 7.5) ** 2))
    cymba = -6.5 * np.exp(-(((p - 6.5) / 6.0) ** 2 + ((q - 11.5) / 3.6) ** 2))
    canal = -4.0 * np.exp(-(((p + 0.5) / 3.2) ** 2 + (q / 3.6) ** 2))
    tragus = 4.6 * np.exp(-(((p + 5.2) / 2.2) ** 2 + ((q + 0.5) / 4.2) ** 2))
    antitragus = 4.0 * np.exp(-(((p - 5.0) / 4.0) ** 2 + ((q + 12.0) / 2.4) ** 2))
    notch = -2.5 * np.exp(-(((p + 1.5) / 2.2) ** 2 + ((q + 9.0) / 3.0) ** 2))
    lobe = 1.6 * np.exp(-(((p - 2.0) / 7.0) ** 2 + ((q + 20.5) / 5.0) ** 2))
    return np.asarray(
        helix
        + scapha
        + np.maximum(antihelix, crus)
        + helix_crus
        + bowl
        + cymba
        + canal
        + tragus
        + antitragus
        + notch
        + lobe
    )


def _ridge(p: Points, q: Points, spine: tuple[tuple[float, float], ...], width: float) -> Points:
    line = smooth_curve(spine, 60)
    distance = np.hypot(p[..., None] - line[:, 0], q[..., None] - line[:, 1])
    return np.asarray(np.exp(-((distance.min(-1) / width) ** 2)))


def ear_frame(surface_x: float) -> EarFrame:
    """The left ear's frame; its canal lies a little inside the head's surface."""
    tilt, swing = np.radians(TILT_DEGREES), np.radians(SWING_DEGREES)
    lean = np.radians(LEAN_DEGREES)
    up = np.array([np.sin(lean), np.cos(lean) * np.cos(tilt), -np.cos(lean) * np.sin(tilt)])
    back = np.array([0.0, -np.sin(tilt), -np.cos(tilt)])
    p_axis = np.cos(swing) * back + np.sin(swing) * np.array([1.0, 0, 0])
    up = unit(up - (up @ p_axis) * p_axis)
    return EarFrame(np.array([surface_x, *CANAL[1:]]), np.stack([p_axis, up, unit(np.cross(p_axis, up))]))


def by_angle(outline: tuple[tuple[float, float], ...], angles: Points) -> Points:
    """A closed outline as points at the given polar angles about its origin: [n, 2]."""
    dense = smooth_curve(outline, 720, closed=True)
    angle = np.unwrap(np.arctan2(dense[:, 1], -dense[:, 0]))
    radius = np.linalg.norm(dense, axis=1)
    order = np.argsort(angle)
    r = np.interp(angles, angle[order], radius[order], period=2 * np.pi)
    return np.stack([-np.cos(angles) * r, np.sin(angles) * r], 1)


def segment_angles() -> Points:
    """Angles of the segments, spread evenly along the rim rather than in angle."""
    dense = smooth_curve(RIM, SEGMENTS, closed=True)
    return np.asarray(np.unwrap(np.arctan2(dense[:, 1], -dense[:, 0])))


def cut_ear_hole(points: Points, triangles: Ids, held: Ids) -> tuple[Ids, Ids]:
    """Hood triangles without those under the left ear's root, and the hole's loop."""
    middle = points[triangles].mean(1)
    tilt = np.radians(TILT_DEGREES)
    dy, dz = middle[:, 1] - CANAL[1], middle[:, 2] - CANAL[2]
    up, back = dy * np.cos(tilt) - dz * np.sin(tilt), -dy * np.sin(tilt) - dz * np.cos(tilt)
    root = by_angle(ROOT, np.arctan2(up, -back))
    inside = (np.hypot(back, up) < np.linalg.norm(root, axis=1) + HOLE_MARGIN) & (middle[:, 0] > 0)
    inside &= ~np.isin(triangles, held).any(1)
    kept = triangles[~inside]
    before = {frozenset(loop.tolist()) for loop in boundary_loops(triangles)}
    holes = [loop for loop in boundary_loops(kept) if frozenset(loop.tolist()) not in before]
    return kept, max(holes, key=len)


def ear_rings(points: Points, hood_ids: Ids) -> tuple[Points, Points]:
    """Rings [16, SEGMENTS, 3] of the left ear, root first, and the canal's end [3]."""
    near = hood_ids[np.linalg.norm(points[hood_ids][:, 1:] - CANAL[1:], axis=1) < 60]
    near = near[points[near, 0] > 20]
    head = RBFInterpolator(points[near, 1:], points[near, 0], neighbors=30, smoothing=1.0)
    angles = segment_angles()
    rim, root = by_angle(RIM, angles), by_angle(ROOT, angles)
    ear = Ear(head, ear_frame(float(head(CANAL[None, 1:])[0]) + STAND_OFF))
    base = ear.on_head(root)
    edge = ear.place(rim, np.zeros(len(rim)))
    inset = ear.place(rim * 0.97, np.full(len(rim), -THICKNESS))
    free = smoothstep(2.0, 9.0, np.linalg.norm(edge - base, axis=1))[:, None]  # 0 where the ear meets the cheek
    # The back of the ear rises steeply from the head, then leans outward to the rim.
    across, along = (inset - base) * (1, 0, 0), (inset - base) * (0, 1, 1)
    back = [base + 0.32 * across + 0.06 * along, base + 0.62 * across + 0.42 * along, inset]
    flush = [base + t * (edge - base) for t in (0.25, 0.5, 0.75)]
    behind = [free * b + (1 - free) * f for b, f in zip(back, flush, strict=True)]
    front = [ear.place(rim * share, _relief_at(rim * share, rim)) for share in FRONT_SHARES]
    centre = ear.place(np.zeros((1, 2)), _relief_at(np.zeros((1, 2)), rim))[0]
    return np.stack([base, *behind, edge, *front]), centre


@dataclass(frozen=True)
class Ear:
    """Places points of the ear's plane in space; the plane's front edge bends to lie on the head."""

    head: RBFInterpolator  # x of the head's surface at (y, z)
    frame: EarFrame

    def on_head(self, flat: Points) -> Points:
        """(backward, up) from the canal, along the head's surface."""
        tilt = np.radians(TILT_DEGREES)
        y = CANAL[1] + flat[:, 1] * np.cos(tilt) - flat[:, 0] * np.sin(tilt)
        z = CANAL[2] - flat[:, 0] * np.cos(tilt) - flat[:, 1] * np.sin(tilt)
        return np.stack([self.head(np.stack([y, z], 1)), y, z], 1)

    def place(self, flat: Points, height: Points) -> Points:
        plane = self.frame.origin + flat @ self.frame.axes[:2]
        hugging = (1 - smoothstep(-8.0, 4.0, flat[:, 0]))[:, None]
        body = hugging * self.on_head(flat) + (1 - hugging) * plane
        return np.asarray(body + height[:, None] * self.frame.axes[2])


def _relief_at(flat: Points, rim: Points) -> Points:
    dense = smooth_curve(RIM, 400, closed=True)
    from_rim = np.linalg.norm(flat[:, None] - dense, axis=-1).min(1)
    return ear_relief(flat[:, 0], flat[:, 1], from_rim)


def add_ears(
    clay: Clay, hood_points: Points, hood_triangles: Ids, hood_ids: Ids, mirror: dict[int, int]
) -> tuple[Ids, dict[str, Ids]]:
    """Cut both holes, weld both ears: the remaining hood triangles and the ears' vertex ids."""
    oval = hood_ids[:72]
    left_kept, left_hole = cut_ear_hole(hood_points, hood_triangles, oval)
    removed = {frozenset(t) for t in hood_triangles.tolist()} - {frozenset(t) for t in left_kept.tolist()}
    mirrored_removed = {frozenset(mirror[i] for i in t) for t in removed}
    kept = np.array([t for t in left_kept.tolist() if frozenset(t) not in mirrored_removed], np.int64)
    rings, centre = ear_rings(hood_points, hood_ids)
    ears = {}
    for side in ("left", "right"):
        own_rings, own_centre = (rings, centre) if side == "left" else (mirror_points(rings), mirror_points(centre))
        ids = clay.add(own_rings)
        canal = int(clay.add(own_centre[None])[0])
        hole = left_hole if side == "left" else np.array([mirror[int(i)] for i in left_hole])
        zipped = _zip(clay.points(), hole, ids[0], side)
        body = np.concatenate([grid_triangles(ids, closed=True), flipped(fan_triangles(ids[-1], canal))])
        clay.cover(f"ear_{side}", np.concatenate([zipped, flipped(body) if side == "right" else body]))
        ears[side] = np.append(ids[1:].ravel(), canal)  # the root is the head's
    return kept, ears


def _zip(points: Points, hole: Ids, root: Ids, side: str) -> Ids:
    """Strip between the hood's hole and the ear's root, the right one laid as the left one's mirror image."""
    if side == "right":
        points = mirror_points(points)
    centre = points[root].mean(0)

    def angles(ids: Ids) -> Points:
        return np.asarray(np.unwrap(np.arctan2(points[ids, 1] - centre[1], points[ids, 2] - centre[2])))

    def increasing(ids: Ids) -> tuple[Ids, Points]:
        ids = ids if angles(np.append(ids, ids[0]))[-1] > angles(ids)[0] else ids[::-1]
        ids = np.roll(ids, -int(np.argmin(angles(ids) % (2 * np.pi))))
        turn = angles(ids)
        return ids, turn - 2 * np.pi * np.floor(turn[0] / (2 * np.pi))

    (outer, outer_angles), (inner, inner_angles) = increasing(hole), increasing(root)
    strip = zip_loops(outer, inner, outer_angles, inner_angles)
    a, b, c = points[strip[0]]
    outward = np.cross(b - a, c - a)[0] > 0
    strip = strip if outward else flipped(strip)
    return flipped(strip) if side == "right" else strip
