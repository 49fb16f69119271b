"""Reading off where landmarks sit: three vertices and their weights for each."""

import numpy as np

from models.embedding.closest import Hits, SurfaceIndex
from models.embedding.mesh import Floats, Ids, Mask, unit, vertex_normals
from models.embedding.parts import Eyeball, Parts
from models.embedding.similarity import Similarity
from models.embedding.template import Template
from models.known_landmarks import IRISES

IRIS_RADIUS_M = 0.00585


def skin_spots(template: Template, index: SurfaceIndex, moved: Floats) -> tuple[Ids, Floats]:
    """The 468 landmarks of the skin: vertices [468, 3] and weights [468, 3]."""
    points = template.landmarks(moved)[: IRISES.start]
    normals = _landmark_normals(template, moved)
    hits = index.closest(points, normals, min_cosine=0.2, k=16)
    lost = ~np.isfinite(hits.distance)
    if lost.any():
        hits = _patched(hits, index.closest(points), lost)
    return index.triangles[hits.triangles], hits.weights


def eye_spots(
    template: Template,
    index: SurfaceIndex,
    moved: Floats,
    similarity: Similarity,
    parts: Parts,
    vertices: Floats,
    triangles: Ids,
) -> tuple[Ids, Floats]:
    """The irises, right then left: on the eyeballs looking straight ahead, or on the nearest surface: [10, 3] twice."""
    if parts.eyes is None:
        hits = index.closest(template.landmarks(moved)[IRISES])
        return triangles[hits.triangles], hits.weights
    corners, weights = [], []
    left, right = parts.eyes
    for eye, landmarks in ((right, slice(468, 473)), (left, slice(473, 478))):
        directions = _iris_directions(template, similarity, eye, landmarks)
        hits = _front_of_eye(eye, vertices, triangles, directions)
        corners.append(triangles[hits.triangles])
        weights.append(hits.weights)
    return np.concatenate(corners), np.concatenate(weights)


def _landmark_normals(template: Template, moved: Floats) -> Floats:
    corners, weights = template.landmark_corners
    normals = vertex_normals(moved, template.triangles)[corners]
    return unit((normals * weights[..., None]).sum(1))[: IRISES.start]


def _patched(hits: Hits, other: Hits, rows: Mask) -> Hits:
    column = rows[:, None]
    return Hits(
        np.where(rows, other.triangles, hits.triangles),
        np.where(column, other.weights, hits.weights),
        np.where(column, other.points, hits.points),
        np.where(column, other.normals, hits.normals),
        np.where(rows, other.distance, hits.distance),
    )


def _iris_directions(template: Template, similarity: Similarity, eye: Eyeball, landmarks: slice) -> Floats:
    """From the eyeball's centre to its iris and the iris's rim, looking straight ahead: [5, 3] unit."""
    points = template.landmarks(template.rest)[landmarks]
    middle = points[0]
    around = unit(points[1:] - middle)
    around[:, 2] = 0
    forward = np.array((0.0, 0.0, 1.0))
    sine = min(IRIS_RADIUS_M * similarity.scale / eye.radius, 0.7)
    rim = forward * np.sqrt(1 - sine**2) + sine * unit(around)
    return np.asarray(np.concatenate([forward[None], rim]) @ similarity.rotation.T)


def _front_of_eye(eye: Eyeball, vertices: Floats, triangles: Ids, directions: Floats) -> Hits:
    surface = SurfaceIndex(vertices, triangles, eye.triangles)
    # A little outside the sphere, so that cornea or sclera is nearer than what lies within.
    return surface.closest(eye.centre + 1.15 * eye.radius * directions, k=16)
