"""Eyelids turn about the eye's axis and so stay on the eyeball's sphere.

How far each vertex of a lid turns is a field of angles: given along the margins, least bent in between, 0 beyond the
crease, the cheek and the corners. To close, both margins go to one line between them.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

from tracker.jobs.builtin_head.anatomy import Anatomy, smoothstep
from tracker.jobs.builtin_head.muscles import Pull, pull, push
from tracker.jobs.builtin_head.surface import Floats

MEET = 0.22  # the closed lids meet this far up from the lower lid's rest to the upper one's
UPPER_REACH = np.radians(38)  # of elevation above the margin: to just below the brow
LOWER_REACH = np.radians(34)
BESIDE_MM = 7.0  # beyond the corners
BEHIND_MM = 7.0  # how much of the socket's lining comes along, measured back from the margins
DRAPE_MM = 0.9  # a closed lid stands this much further off the ball: its straight way there cuts the sphere's corner
UPPER_FOLLOWS, LOWER_FOLLOWS = 0.7, 0.38  # of the gaze's pitch


def blink(face: Anatomy) -> Floats:
    return close(face, 1.0, 1.0)


def wide(face: Anatomy) -> Floats:
    return close(face, -0.4, -0.35)


def squint(face: Anatomy) -> Floats:
    """Orbicularis, its inner ring: the lower lid rises most and bulges, the skin beside the eye is drawn in."""
    beside = pull(face, Pull((263, 359, 255), (-1.4, 0.2, 0), reach_mm=11))
    below = pull(face, Pull((347, 348), (0, 1.6, 0.4), reach_mm=15, core_mm=2))
    below *= smoothstep((face.eye.lower_margin - face.eye.elevation) / np.radians(14))[:, None]
    return close(face, 0.22, 1.7) + beside + below + push(face, (339, 254, 253, 252), 1.1, reach_mm=6)


def close(face: Anatomy, upper: float, lower: float) -> Floats:
    """Both margins go this share of their way to where they meet (negative opens wider): [V, 3]."""
    eye, ids = face.eye, np.concatenate(face.lid_margins)
    counts = [len(margin) for margin in face.lid_margins]
    shares: Floats = np.repeat(np.array((upper, lower)), counts)
    elevation, reach = _meeting_line(face)
    moved = eye.turn(face.vertices, lid_field(face, shares * (elevation - eye.elevation[ids])))
    # Margins rest at different distances from the axis, and the straight way of a blend shape cuts across the ball.
    arm = face.vertices + moved - eye.centre
    arm -= np.outer(arm @ eye.axis, eye.axis)
    length = np.linalg.norm(arm, axis=1)
    farther = lid_field(face, np.clip(shares, 0, 1) * (reach - length[ids]))
    return np.asarray(moved + farther[:, None] * arm / np.maximum(length, 1e-9)[:, None])


def lid_field(face: Anatomy, at_margins: Floats) -> Floats:
    """[V] a field with these values along the upper, then the lower margin, fading over the lids."""
    ids = np.concatenate(face.lid_margins)
    corners = face.landmark_vertices[[362, 263]]
    return face.surface.fair(np.r_[ids, corners], np.r_[at_margins, 0.0, 0.0], lid_region(face))


def lid_region(face: Anatomy) -> NDArray[np.bool_]:
    """[V] whether skin or socket lining belongs to the left eye's lids."""
    eye = face.eye
    beyond = np.maximum(eye.elevation - eye.upper_margin, 0) / UPPER_REACH
    beyond += np.maximum(eye.lower_margin - eye.elevation, 0) / LOWER_REACH
    beside = np.maximum(np.maximum(eye.span[0] - eye.along, eye.along - eye.span[1]), 0) / (BESIDE_MM * face.mm)
    q = face.vertices - eye.centre
    ahead = q[:, 2] > eye.margin_depth - BEHIND_MM * face.mm
    close_by = np.linalg.norm(q, axis=1) < eye.radius + 14 * face.mm
    return np.asarray((np.hypot(beyond, beside) < 1) & ahead & close_by & (face.soft > 0.5))


def _meeting_line(face: Anatomy) -> tuple[Floats, Floats]:
    """Where each margin's vertices go when the eye is shut: elevation, and distance from the axis."""
    eye = face.eye
    ids = np.concatenate(face.lid_margins)
    corners = face.landmark_vertices[[362, 263]]
    q = face.vertices - eye.centre
    radius = np.linalg.norm(q - np.outer(q @ eye.axis, eye.axis), axis=1)
    at = np.clip(eye.along[ids], *eye.span)
    heights, radii = [], []
    for margin in face.lid_margins:
        curve = np.r_[margin, corners]
        curve = curve[np.argsort(eye.along[curve])]
        heights.append(PchipInterpolator(eye.along[curve], eye.elevation[curve])(at))
        radii.append(PchipInterpolator(eye.along[curve], radius[curve])(at))
    # Corners stay; in between the lids have room.
    ends = smoothstep((at - eye.span[0]) / (5 * face.mm)) * smoothstep((eye.span[1] - at) / (5 * face.mm))
    reach = (radii[0] + radii[1]) / 2 + DRAPE_MM * face.mm * ends
    return MEET * heights[0] + (1 - MEET) * heights[1], reach


def follow_gaze(face: Anatomy) -> tuple[Floats, Floats]:
    """What lids do for each unit of sin(pitch), positive down, and of cos(pitch) - 1: two fields [V, 3].

    A lid that turns by a share of the gaze's pitch follows sin and cos of that smaller angle, which to second order
    are the share times the one and the share squared times the other.
    """
    eye = face.eye
    ids = np.concatenate(face.lid_margins)
    gap = (eye.upper_margin - eye.lower_margin)[ids]
    follows = np.repeat((UPPER_FOLLOWS, LOWER_FOLLOWS), [len(margin) for margin in face.lid_margins])
    # Nothing at the corners of the eye, all of it over the iris.
    share = lid_field(face, follows * smoothstep(gap / (0.75 * gap.max())))
    q = face.vertices - eye.centre
    across = q - np.outer(q @ eye.axis, eye.axis)
    return share[:, None] * np.cross(eye.axis, q), (share**2)[:, None] * across


LID_SHAPES: dict[str, Callable[[Anatomy], Floats]] = {
    "eyeBlinkLeft": blink,
    "eyeSquintLeft": squint,
    "eyeWideLeft": wide,
}
