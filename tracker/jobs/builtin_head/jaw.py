"""The jaw as the shapes need it: how far it opens, how a vertex goes with it, and the lips that close over it."""

import numpy as np
from scipy.optimize import brentq

from tracker.jobs.builtin_head.anatomy import Anatomy, falloff, smoothstep
from tracker.jobs.builtin_head.lips import hit_exactly
from tracker.jobs.builtin_head.surface import Floats

YAWN = 0.52  # of the distance between the outer eye corners: the gap between the lips at jawOpen 1
SIDE_MM = 9.0  # what the chin moves sideways at jawLeft 1
UPPER_SHARE = 0.42  # of the gap, what the upper lip bridges when the mouth closes over an open jaw
BEFORE_TEETH_MM = 2.5  # how far behind the upper lip's rest closed lips may meet
UPPER_LIP_MIDDLE, LOWER_LIP_MIDDLE, CHIN = 13, 14, 152


def rotation(axis: int, angle: float) -> Floats:
    """[3, 3] about x (0), y (1) or z (2)."""
    sine, cosine = np.sin(angle), np.cos(angle)
    turn = np.eye(3)
    i, j = (axis + 1) % 3, (axis + 2) % 3
    turn[i, i] = turn[j, j] = cosine
    turn[i, j], turn[j, i] = -sine, sine
    return turn


def opened(face: Anatomy, points: Floats, angle: float) -> Floats:
    """Points [V, 3] of the resting head skinned with the jaw turned down by `angle` radians."""
    turned = (points - face.jaw_joint) @ rotation(0, angle).T + face.jaw_joint
    return np.asarray(points + face.jaw_share[:, None] * (turned - points))


def yawn_angle(face: Anatomy, corrective: Floats) -> float:
    """The jaw's rotation at jawOpen 1. The corrective [V, 3] is that of `corner_corrective`."""
    upper, lower = face.landmark_vertices[[UPPER_LIP_MIDDLE, LOWER_LIP_MIDDLE]]
    eyes = float(np.linalg.norm(face.landmarks[33] - face.landmarks[263]))

    def missing(angle: float) -> float:
        posed = opened(face, face.vertices + corrective * (np.cos(angle) - 1), angle)
        return float(np.linalg.norm(posed[upper] - posed[lower])) - YAWN * eyes

    return float(brentq(missing, 0.1, 0.9))


def side_angle(face: Anatomy) -> float:
    """The jaw's rotation about y at jawLeft 1."""
    lever = face.landmarks[CHIN][2] - face.jaw_joint[2]
    return float(np.arcsin(SIDE_MM * face.mm / lever))


def corner_corrective(face: Anatomy) -> Floats:
    """[V, 3] for each unit of cos(angle) - 1, which is negative: the corners of a wide mouth are drawn in."""
    mouth = face.mouth
    at_corner = np.exp(-(((np.abs(mouth.u) - 1) / 0.45) ** 2)) * falloff(mouth.distance, 3 * face.mm, 26 * face.mm)
    inward = np.sign(mouth.u) * smoothstep(np.abs(mouth.u)) * at_corner * face.soft
    usual = 1 - np.cos(np.radians(27))
    return np.asarray(np.stack([inward * 3.5, 0 * inward, -0.3 * np.abs(inward)], 1) * face.mm / usual)


def close_over(face: Anatomy, angle: float, corrective: Floats) -> Floats:
    """mouthClose [V, 3]: added at rest, it makes the lips meet when the jaw is then opened by `angle`."""
    posed = opened(face, face.vertices + corrective * (np.cos(angle) - 1), angle)
    upper, lower = face.seam
    meet = posed[upper] + UPPER_SHARE * (posed[lower] - posed[upper])
    # The lower lip swings back as it opens; they meet before the teeth nevertheless.
    meet[:, 2] = np.maximum(meet[:, 2], posed[upper, 2] - BEFORE_TEETH_MM * face.mm)
    ways = meet - posed[upper], meet - posed[lower]
    field = hit_exactly(face, _follow_seam(face, *ways), np.r_[upper, lower], np.concatenate(ways))
    # The same motion before skinning: undo the linear part of each vertex's own transform.
    share = face.jaw_share[:, None, None]
    linear = (1 - share) * np.eye(3) + share * rotation(0, angle)
    return np.asarray(np.linalg.solve(linear, field[..., None])[..., 0])


def _follow_seam(face: Anatomy, upper_way: Floats, lower_way: Floats) -> Floats:
    """Lips go to where they meet, skin and lining around them less and less."""
    across = face.mouth.u[face.seam[0]]
    order = np.argsort(across)
    u = np.clip(face.mouth.u, across.min(), across.max())
    upper, lower = (
        np.stack([np.interp(u, across[order], way[order, k]) for k in range(3)], 1) for way in (upper_way, lower_way)
    )
    up = smoothstep(0.5 + face.mouth.side / 2)[:, None]
    reach = np.where(face.mouth.side > 0, 24.0, 34.0) * face.mm
    weight = (1 - smoothstep((face.mouth.distance - 6 * face.mm) / reach)) * face.soft
    # The lining's deep fold stays where it hangs on the gums, or it would come out through the chin.
    weight *= 1 - face.lining * (1 - falloff(face.seam_distance, 0.0, 9 * face.mm))
    return np.asarray(weight[:, None] * (up * upper + (1 - up) * lower))
