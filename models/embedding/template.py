"""The built-in head as the fit sees it: one linear model of skin, and how much each of its vertices counts."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from scipy.spatial import cKDTree

from models.embedding.mesh import Floats, Ids, Mask, vertex_normals
from models.embedding.parts import find_parts
from models.head import Head, pose_head, shape_head
from models.known_landmarks import IRISES
from models.types import LEFT_EYE, RIGHT_EYE, HeadParams

FACE_REACH_M = (0.008, 0.05)  # from the landmarks: full weight within the first, the least beyond the second
LEAST_WEIGHT = 0.06  # of scalp, ears and neck: hair and collars differ from head to head
JAW_STD = 0.05  # radians: a head to be fitted has its mouth closed, or nearly


@dataclass(frozen=True)
class Template:
    """A head with S identity modes and E expressions as a linear model of S + E + 1 shapes; the last opens the jaw."""

    head: Head
    rest: Floats  # [V, 3] metres
    triangles: Ids  # [F, 3]
    shapes: Floats  # [V, 3, K]
    shape_std: Floats  # [K]

    @property
    def identity_size(self) -> int:
        return self.head.identity_size

    def shaped(self, coefficients: Floats) -> Floats:
        return np.asarray(self.rest + self.shapes @ coefficients)

    def landmarks(self, vertices: Floats) -> Floats:
        """[L, 3] on a deformed template [V, 3]."""
        corners, weights = self.landmark_corners
        return np.asarray((vertices[corners] * weights[..., None]).sum(1))

    def joints(self, vertices: Floats) -> Floats:
        return self.head.joint_regressor.double().numpy() @ vertices

    @cached_property
    def landmark_corners(self) -> tuple[Ids, Floats]:
        embedding = self.head.embedding
        return embedding.vertices.numpy(), embedding.weights.double().numpy()

    @cached_property
    def eyeballs(self) -> tuple[Ids, Ids]:
        """Vertices that turn with the left and the right eye."""
        weights = self.head.skinning_weights.numpy()
        return np.flatnonzero(weights[:, LEFT_EYE] > 0.5), np.flatnonzero(weights[:, RIGHT_EYE] > 0.5)

    @cached_property
    def skin(self) -> Mask:
        """[V] the outer skin."""
        on_skin = np.zeros(len(self.rest), bool)
        on_skin[self.triangles[find_parts(self.rest, self.triangles).skin]] = True
        on_skin[np.concatenate(self.eyeballs)] = False
        return on_skin

    @cached_property
    def importance(self) -> Floats:
        """[V] how much each vertex counts: 1 in the face, little on scalp and neck, 0 under the skin."""
        distance = cKDTree(self.landmarks(self.rest)[: IRISES.start]).query(self.rest)[0]
        near, far = FACE_REACH_M
        fade = np.clip((distance - near) / (far - near), 0, 1)
        return np.asarray(self.skin * (1 - (1 - LEAST_WEIGHT) * fade))

    def normals(self, vertices: Floats) -> Floats:
        return vertex_normals(vertices, self.triangles)


def make_template(head: Head) -> Template:
    head = head.to("cpu", torch.float64)
    opened = HeadParams.zeros(head.expression_size, dtype=torch.float64)
    small = 0.05
    opened.jaw[0] = small
    shaped = shape_head(head, head.zero_identity())
    jaw = (pose_head(shaped, opened).vertices - head.template) / small
    shapes = torch.cat((head.identity_basis, head.expression_basis, jaw[..., None]), -1).numpy()
    # Expressions are held tighter than a talking face would: a mesh to be fitted is near its neutral.
    expression_std = np.minimum(head.expression_prior.std.numpy(), 0.15)
    std = np.concatenate([np.ones(head.identity_size), expression_std, [JAW_STD]])
    return Template(head, head.template.numpy(), head.triangles.numpy(), shapes, std)
