"""Eyeballs that fit the lids, and the lids' inside: margins with thickness and a socket closed behind the ball. mm."""

from dataclasses import dataclass, fields

import numpy as np
from scipy.optimize import least_squares

from tracker.jobs.builtin_head.meshes import Clay, Points, fan_triangles, flipped, grid_triangles, mirror_points, unit
from tracker.jobs.builtin_head.topology import Ids

BALL_RADIUS = 12.0
IRIS_RADIUS = 5.85
PUPIL_RADIUS = 1.9
CORNEA_RISE = 0.35
LID_CLEARANCE = 0.5  # between the ball and the inside of the lids
MARGIN_DEPTH = 1.9  # how far the lid's rim runs inward at most, where the corner of the eye stands off the ball
SEGMENTS = 32
# Distance of each ring of the ball from the axis of gaze; front rings in mm, then towards the back in degrees.
FRONT_RINGS = (1.0, PUPIL_RADIUS, PUPIL_RADIUS + 0.3, 3.9, IRIS_RADIUS - 0.5, IRIS_RADIUS, IRIS_RADIUS + 0.5, 7.8)
BACK_RINGS = (54.0, 70.0, 90.0, 110.0, 126.0, 145.0, 163.0)
SOCKET_DEGREES = (14.0, 34.0, 58.0, 84.0, 112.0, 142.0)


@dataclass(frozen=True)
class Eyeball:
    """Ids of one ball's vertices."""

    all: Ids
    pupil: Ids
    iris: Ids  # the coloured ring, pupil excluded
    sclera: Ids
    equator: Ids  # their mean is the centre of rotation
    landmarks: Ids  # [5] centre, then the ring as the detector orders it

    def renumbered(self, new: Ids) -> "Eyeball":
        return Eyeball(*(new[getattr(self, field.name)] for field in fields(self)))


def eye_centre(lids: Points, front_direction: Points) -> Points:
    """Centre of the ball just behind the lids' margin [32, 3], which starts at the outer corner along the lower lid."""
    corner_outer, corner_inner = lids[0], lids[16]
    away_from_corners = np.r_[5:12, 21:28]
    middle = (corner_outer + corner_inner) / 2
    start = np.array([middle[0], lids[away_from_corners, 1].mean(), lids[away_from_corners, 2].mean() - 12.5])
    wanted = BALL_RADIUS + LID_CLEARANCE + 0.8

    def misfit(depth: Points) -> Points:
        centre = start + depth[0] * front_direction
        gaps = np.linalg.norm(lids[away_from_corners] - centre, axis=1) - wanted
        return np.where(gaps < 0, 6 * gaps, gaps)  # a lid inside the ball is worse than one off it

    return np.asarray(start + least_squares(misfit, np.zeros(1)).x[0] * front_direction)


def ball_points(centre: Points) -> Points:
    """Rings [15, SEGMENTS, 3] of a ball looking along +z, front to back; each ring starts at +x and runs to +y."""
    around = 2 * np.pi * np.arange(SEGMENTS) / SEGMENTS
    polar = np.concatenate([np.arcsin(np.array(FRONT_RINGS) / BALL_RADIUS), np.radians(BACK_RINGS)])
    radius = BALL_RADIUS + CORNEA_RISE * np.clip(
        1 - (np.sin(polar) * BALL_RADIUS / (IRIS_RADIUS + 0.6)) ** 2, 0, None
    ) * (polar < np.pi / 2)
    ring = np.stack([np.cos(around), np.sin(around)], -1)  # [SEGMENTS, 2]
    xy = (radius * np.sin(polar))[:, None, None] * ring
    z = np.broadcast_to((radius * np.cos(polar))[:, None, None], (*xy.shape[:2], 1))
    return np.asarray(centre + np.concatenate([xy, z], -1))


def add_eyeball(clay: Clay, centre: Points, side: str) -> Eyeball:
    """One closed ball. The right one is the left one's mirror image."""
    right = side == "right"
    rings = ball_points(mirror_points(centre) if right else centre)
    apex = (rings[0].mean(0) * (1, 1, 0)) + (0, 0, rings[0, 0, 2] + 0.02)
    pole = rings[-1].mean(0) * (1, 1, 0) + (0, 0, (mirror_points(centre) if right else centre)[2] - BALL_RADIUS)
    points = [rings, apex, pole]
    if right:
        points = [mirror_points(p) for p in points]
    ids = clay.add(points[0])
    front, back = (int(clay.add(p[None])[0]) for p in points[1:])
    triangles = np.concatenate(
        [grid_triangles(ids, closed=True), fan_triangles(ids[0], front), flipped(fan_triangles(ids[-1], back))]
    )
    clay.cover(f"eyeball_{side}", flipped(triangles) if right else triangles)
    pupil_rings = FRONT_RINGS.index(PUPIL_RADIUS) + 1
    iris_rings = FRONT_RINGS.index(IRIS_RADIUS) + 1
    quarter = SEGMENTS // 4
    edge = np.roll(ids[iris_rings - 1], -2 * quarter if right else 0)[:: -1 if right else 1]
    edge = np.roll(edge, 1) if right else edge  # from +x by way of +y, whichever way the ball was laid
    return Eyeball(
        all=np.concatenate([ids.ravel(), [front, back]]),
        pupil=np.concatenate([[front], ids[:pupil_rings].ravel()]),
        iris=ids[pupil_rings:iris_rings].ravel(),
        sclera=np.concatenate([ids[iris_rings:].ravel(), [back]]),
        equator=ids[len(FRONT_RINGS) + BACK_RINGS.index(90.0)],
        landmarks=np.array([front, edge[0], edge[quarter], edge[2 * quarter], edge[3 * quarter]]),
    )


def add_socket(clay: Clay, loop: Ids, lids: Points, centre: Points, side: str) -> Ids:
    """From the lids' loop inward: the margin, then a pocket close around the ball, closed behind it. [7, 32] rings."""
    outward = lids - centre
    distance = np.linalg.norm(outward, axis=1, keepdims=True)
    direction = outward / distance
    inner = np.maximum(BALL_RADIUS + LID_CLEARANCE, distance - MARGIN_DEPTH)
    rings = [centre + direction * inner]
    # Further in, the pocket follows meridians away from the middle of the opening.
    axis = unit(direction.mean(0))
    polar = np.arccos(np.clip(direction @ axis, -1, 1))[:, None]
    side_ways = unit(direction - (direction @ axis)[:, None] * axis)
    last = np.radians(168.0)
    for degrees in SOCKET_DEGREES:
        share = degrees / 168.0
        angle = polar + (last - polar) * share
        stand_off = LID_CLEARANCE + 1.1 * share
        rings.append(centre + (np.cos(angle) * axis + np.sin(angle) * side_ways) * (BALL_RADIUS + stand_off))
    ids = clay.add(np.stack(rings))
    bottom = int(clay.add((centre - axis * (BALL_RADIUS + 1.8))[None])[0])
    whole = np.concatenate([loop[None], ids])
    triangles = np.concatenate([grid_triangles(whole, closed=True), flipped(fan_triangles(ids[-1], bottom))])
    inward = triangles if side == "left" else flipped(triangles)
    clay.cover(f"socket_{side}", inward)
    return np.append(ids.ravel(), bottom)
