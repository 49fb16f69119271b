"""Where things are on a head: the frames in which muscles are described.

Everything is measured from the landmarks and the eyeballs, so the shapes fit whatever mesh carries them. Only the left
side (x > 0, the subject's left) is described; the right one is its mirror image. `t` fields run from 0 to 1.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.interpolate import PchipInterpolator
from scipy.spatial import cKDTree

from models.types import MienError
from tracker.jobs.builtin_head.surface import Floats, Ids, Surface

FLIP = np.array((-1.0, 1.0, 1.0))
USUAL_EYES_M = 0.089  # between the outer eye corners of the head the millimetres below were chosen on

# Landmark numbers, all on the subject's left or the midline, from the nose outwards.
UPPER_LID = (362, 398, 384, 385, 386, 387, 388, 466, 263)
LOWER_LID = (362, 382, 381, 380, 374, 373, 390, 249, 263)
UPPER_LIP_OUTER = (0, 267, 269, 270, 409, 291)
UPPER_LIP_INNER = (13, 312, 311, 310, 415, 308)
LOWER_LIP_OUTER = (17, 314, 405, 321, 375, 291)
LOWER_LIP_INNER = (14, 317, 402, 318, 324, 308)
UPPER_LIP = (0, 267, 269, 270, 409, 11, 302, 303, 304, 408, 12, 268, 271, 272, 407, 13, 312, 311, 310, 415)
LOWER_LIP = (17, 314, 405, 321, 375, 16, 315, 404, 320, 307, 15, 316, 403, 319, 325, 14, 317, 402, 318, 324)


def smoothstep(t: Floats) -> Floats:
    """0 to 1 with no jump in slope or curvature at either end."""
    t = np.clip(t, 0.0, 1.0)
    return np.asarray(t**3 * (t * (6 * t - 15) + 10))


def falloff(distance: Floats, core: float, reach: float) -> Floats:
    """1 up to `core`, 0 from `reach` on."""
    return 1.0 - smoothstep((distance - core) / (reach - core))


@dataclass(frozen=True)
class EyeFrame:
    """The left eyeball and its lids in the frame of the axis they turn about, which runs from corner to corner."""

    centre: Floats  # [3]
    radius: float
    axis: Floats  # [3] towards the outer corner
    along: Floats  # [V] metres from the centre along the axis
    elevation: Floats  # [V] radians about the axis, 0 straight ahead, positive up
    span: tuple[float, float]  # `along` at the inner and outer corner
    upper_margin: Floats  # [V] elevation of the upper lid's margin at the vertex's `along`
    lower_margin: Floats  # [V]
    margin_depth: float  # how far before the centre the corners of the eye lie

    def turn(self, vertices: Floats, angle: Floats) -> Floats:
        """Displacement of each vertex when it turns by its own angle (positive up) about the axis: [V, 3]."""
        q = vertices - self.centre
        # Positive elevation is a negative rotation about an axis that points to the left.
        sine, cosine = np.sin(-angle)[:, None], np.cos(angle)[:, None]
        across = q - (q @ self.axis)[:, None] * self.axis
        return np.asarray(across * (cosine - 1) + np.cross(self.axis, q) * sine)


@dataclass(frozen=True)
class MouthFrame:
    """Both lips, the whole width."""

    corner: Floats  # [3] the left corner
    u: Floats  # [V] -1 at the right corner, 0 in the middle, 1 at the left corner, beyond outside
    side: Floats  # [V] 1 on the upper lip and above it, -1 on the lower one and below, smooth around the corners
    upper_axis: Floats  # [V, 3] the middle of the upper lip's body at the vertex's u
    lower_axis: Floats  # [V, 3]
    distance: Floats  # [V] metres from the nearer point of the two lips' curves


@dataclass(frozen=True)
class Anatomy:
    """A head as the shapes see it."""

    surface: Surface
    landmark_vertices: Ids  # [468] the surface landmarks' own vertices
    soft: Floats  # [V] 1 where there is skin, lip or mouth lining, 0 on what is hard: eyeballs, teeth, tongue
    eye_centre: Floats  # [3] of the left eyeball
    eye_radius: float
    jaw_joint: Floats  # [3]
    jaw_share: Floats  # [V] the skinning weight of the jaw
    lining: Floats  # [V] 1 inside the mouth behind the lips, 0 elsewhere
    lid_margins: tuple[Ids, Ids]  # vertices along the left eye's upper and lower lid, corners left out
    seam: tuple[Ids, Ids]  # vertices of the upper and of the lower lip that touch each other in a closed mouth

    @property
    def vertices(self) -> Floats:
        return self.surface.vertices

    @cached_property
    def landmarks(self) -> Floats:
        """[468, 3]"""
        return np.asarray(self.vertices[self.landmark_vertices])

    @cached_property
    def mm(self) -> float:
        """A millimetre, on a head of usual size."""
        return 0.001 * float(np.linalg.norm(self.landmarks[33] - self.landmarks[263])) / USUAL_EYES_M

    @cached_property
    def mirror(self) -> Ids:
        """[V] the vertex on the other side of the head."""
        # Normals tell apart what touches: the lips where they meet, a lid and its eyeball.
        normals = 1e-4 * self.surface.normals
        tree = cKDTree(np.hstack([self.vertices, normals]))
        partner = np.asarray(tree.query(np.hstack([self.vertices * FLIP, normals * FLIP]))[1], np.int64)
        distance = np.linalg.norm(self.vertices[partner] * FLIP - self.vertices, axis=1)
        if distance.max() > 1e-4 or not np.array_equal(partner[partner], np.arange(len(partner))):
            raise MienError(f"expected a symmetric head, but a vertex lies {distance.max():.5f} m off its mirror image")
        return partner

    def mirrored(self, field: Floats) -> Floats:
        """A displacement field [V, 3] as in a mirror."""
        return np.asarray(field[self.mirror] * FLIP)

    @cached_property
    def smooth_normals(self) -> Floats:
        """[V, 3] normals of the flesh rather than of each fold of skin."""
        soft = self.smooth(self.surface.normals)
        return np.asarray(soft / np.maximum(np.linalg.norm(soft, axis=1, keepdims=True), 1e-9))

    def smooth(self, field: Floats) -> Floats:
        """A field spread over about 4 mm."""
        return self.surface.smooth(field, 4 * self.mm)

    def left_half(self, overlap_mm: float) -> Floats:
        """[V] 1 on the left, 0 on the right, meeting softly at the midline."""
        return smoothstep(0.5 + self.vertices[:, 0] / (2 * overlap_mm * self.mm))

    def path(self, landmarks: tuple[int, ...], samples: int = 24) -> Floats:
        """A smooth curve through landmarks: [samples, 3]."""
        points = self.landmarks[list(landmarks)]
        if len(points) == 1:
            return points
        steps = np.r_[0, np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))]
        return np.asarray(PchipInterpolator(steps, points)(np.linspace(0, steps[-1], samples)))

    def distance_to(self, landmarks: tuple[int, ...]) -> Floats:
        """Metres from a path: [V]."""
        return np.asarray(cKDTree(self.path(landmarks, 48)).query(self.vertices)[0])

    @cached_property
    def eye(self) -> EyeFrame:
        corners = self.landmarks[[362, 263]]
        axis = (corners[1] - corners[0]) / np.linalg.norm(corners[1] - corners[0])
        forward = np.array((0.0, 0.0, 1.0)) - axis[2] * axis
        forward /= np.linalg.norm(forward)
        up = np.cross(forward, axis)

        def frame(points: Floats) -> tuple[Floats, Floats]:
            q = points - self.eye_centre
            return q @ axis, np.arctan2(q @ up, q @ forward)

        along, elevation = frame(self.vertices)
        span = frame(corners)[0]
        margins = [self._margin(*frame(self.landmarks[list(ids)]), along) for ids in (UPPER_LID, LOWER_LID)]
        inner, outer = float(span[0]), float(span[1])
        depth = float((corners - self.eye_centre)[:, 2].min())
        return EyeFrame(
            self.eye_centre, self.eye_radius, axis, along, elevation, (inner, outer), margins[0], margins[1], depth
        )

    @staticmethod
    def _margin(along: Floats, elevation: Floats, at: Floats) -> Floats:
        order = np.argsort(along)
        curve = PchipInterpolator(along[order], elevation[order])
        return np.asarray(curve(np.clip(at, along.min(), along.max())))

    @cached_property
    def mouth(self) -> MouthFrame:
        corner = self.landmarks[291]
        u = self.vertices[:, 0] / corner[0]
        upper, upper_curve = self._lip_axis(UPPER_LIP_OUTER, UPPER_LIP_INNER, u)
        lower, lower_curve = self._lip_axis(LOWER_LIP_OUTER, LOWER_LIP_INNER, u)
        curves = np.concatenate([upper_curve, lower_curve, upper_curve * FLIP, lower_curve * FLIP])
        distance = cKDTree(curves).query(self.vertices)[0]
        return MouthFrame(corner, u, self._lip_sides(), upper, lower, np.asarray(distance))

    @cached_property
    def seam_distance(self) -> Floats:
        """[V] metres from the line where the lips meet."""
        return np.asarray(cKDTree(self.vertices[np.concatenate(self.seam)]).query(self.vertices)[0])

    def _lip_axis(self, outer: tuple[int, ...], inner: tuple[int, ...], u: Floats) -> tuple[Floats, Floats]:
        """The middle of a lip's body at each u, and as a curve; half a lip deep behind its red."""
        outer_points, inner_points = self.landmarks[list(outer)], self.landmarks[list(inner)]
        points = (outer_points + inner_points) / 2
        points[:, 2] -= 0.5 * np.linalg.norm(outer_points - inner_points, axis=1)
        half = points[:, 0] / points[-1, 0]
        curve = PchipInterpolator(np.r_[-half[:0:-1], half], np.concatenate([points[:0:-1] * FLIP, points]))
        return np.asarray(curve(np.clip(u, -1, 1))), np.asarray(curve(np.linspace(0, 1, 40)))

    def _lip_sides(self) -> Floats:
        ids = self.landmark_vertices[[*UPPER_LIP, *LOWER_LIP]]
        values = np.r_[np.ones(len(UPPER_LIP)), -np.ones(len(LOWER_LIP))]
        both = np.r_[ids, self.mirror[ids]]
        one_each, first = np.unique(both, return_index=True)
        return self.surface.harmonic(one_each, np.r_[values, values][first])
