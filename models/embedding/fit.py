"""`fit_builtin`: the built-in head drawn onto any head, and what it tells about it."""

from dataclasses import dataclass

import numpy as np
import torch

from models.embedding.closest import SurfaceIndex
from models.embedding.free import deform
from models.embedding.mesh import Floats, Ids
from models.embedding.model_fit import ModelFit, Targets, fit_model
from models.embedding.parts import Parts, find_parts
from models.embedding.similarity import Similarity
from models.embedding.spots import eye_spots, skin_spots
from models.embedding.start import eyes_of, start_similarity
from models.embedding.template import Template
from models.types import LANDMARK_COUNT, LEFT_EYE, RIGHT_EYE, Embedding, MienError

KNOWN_STD_M = 0.0025
KNOWN_COUNT = 150.0
POSE_REACH_M = (0.02, 0.015, 0.01, 0.01)
SHAPE_REACH_M = (0.015, 0.012, 0.01, 0.008, 0.007, 0.006, 0.005, 0.004, 0.004, 0.004)
# Nine tenths of the face must lie this near the mesh before anything bends freely: heads have 1 to 2 mm, a ball has 15.
WORST_FACE_M = 0.01
SIZES = (0.5, 2.0)  # of the built-in head: outside, the mesh is not in metres


@dataclass(frozen=True)
class Fit:
    """The built-in head on a mesh, everything in the mesh's frame unless said."""

    template: Template
    similarity: Similarity  # built-in head frame to the mesh's
    coefficients: Floats  # [K] identity, expression, jaw
    vertices: Floats  # [Vb, 3] the built-in's vertices on the mesh
    landmarks: Floats  # [L, 3] on the mesh's surface
    embedding: Embedding
    joints: Floats  # [J, 3]
    parts: Parts  # of the mesh
    face_error_m: float  # how near the built-in's own shapes come: the median in the face, in built-in metres

    @property
    def identity(self) -> Floats:
        return self.coefficients[: self.template.identity_size]

    @property
    def expression(self) -> Floats:
        return self.coefficients[self.template.identity_size : -1]


def fit_template(
    template: Template, vertices: Floats, triangles: Ids, known: Floats | None = None, known_std_m: float = KNOWN_STD_M
) -> Fit:
    """vertices [V, 3] in metres and head axes, triangles [F, 3] facing outwards, known landmarks [L, 3] or NaN."""
    parts = find_parts(vertices, triangles)
    if not parts.skin.any():
        raise MienError("expected a mesh with an outside, but no triangle faces outwards; check the faces' winding")
    index = SurfaceIndex(vertices, triangles, np.flatnonzero(parts.skin))
    points = np.full((LANDMARK_COUNT, 3), np.nan) if known is None else known
    targets = Targets(points, np.full(LANDMARK_COUNT, known_std_m), KNOWN_COUNT, eyes_of(parts))
    model = _fit_model(template, index, vertices[np.unique(triangles[parts.skin])], targets)
    placed = model.similarity(template.shaped(model.coefficients))
    error = _checked_error(template, index, placed, model.similarity.scale)
    moved = deform(template, index, placed, targets)
    spots, weights = skin_spots(template, index, moved)
    eye_corners, eye_weights = eye_spots(template, index, moved, model.similarity, parts, vertices, triangles)
    corners = np.concatenate([spots, eye_corners])
    shares = np.concatenate([weights, eye_weights])
    return Fit(
        template=template,
        similarity=model.similarity,
        coefficients=model.coefficients,
        vertices=moved,
        landmarks=(vertices[corners] * shares[..., None]).sum(1),
        embedding=Embedding(torch.from_numpy(corners), torch.from_numpy(shares)),
        joints=_joints(template, moved, parts),
        parts=parts,
        face_error_m=error,
    )


def _fit_model(template: Template, index: SurfaceIndex, skin_points: Floats, targets: Targets) -> ModelFit:
    rest = np.zeros(template.shapes.shape[2])
    start = ModelFit(start_similarity(template, index, skin_points, targets), rest)
    posed = fit_model(template, index, targets, start, POSE_REACH_M, shapes=False)
    return fit_model(template, index, targets, posed, SHAPE_REACH_M)


def _checked_error(template: Template, index: SurfaceIndex, placed: Floats, scale: float) -> float:
    """The median distance between the face and the mesh; a mesh that is no head is refused."""
    face = np.flatnonzero(template.importance > 0.9)
    hits = index.closest(placed[face], template.normals(placed)[face])
    most = float(np.quantile(np.minimum(hits.distance, 1.0), 0.9)) / scale
    if most > WORST_FACE_M or not SIZES[0] < scale < SIZES[1]:
        raise MienError(
            f"expected a head, but a face {scale:.2g} times the usual size, {1000 * min(most, 1):.0f} mm off, is the "
            "nearest; check that the mesh is a whole face, y up, looking along z, in metres"
        )
    return float(np.median(hits.distance)) / scale


def _joints(template: Template, moved: Floats, parts: Parts) -> Floats:
    joints = template.joints(moved)
    if parts.eyes is not None:
        joints[LEFT_EYE], joints[RIGHT_EYE] = parts.eyes[0].centre, parts.eyes[1].centre
    return joints
