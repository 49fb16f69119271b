"""The face's skin posed in the camera frame, with the analytic Jacobian of its points, and what follows its normals.

What moves a point: expression and identity, linear before skinning; the jaw; the camera. Columns are those of
`models.landmark_rows.Columns`, so that pixels and landmarks add up in one set of normal equations.

The normal of a point, as long as the area around it, is half the sum of neighbour x edge over the ring of triangles
around it, where a neighbour's edge joins the two next to it in the ring. A move of the ring by d turns it by the sum of
d x edge. So whatever depends on points and normals depends on a few neighbours' points, and one sparse product with the
points' Jacobian tells how: normals need none of their own.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from torch import Tensor

from models.head import Head
from models.landmark_rows import Columns
from models.rotations import skew
from models.skinning import blend, joint_rotations, joint_transforms, pose_feature, skin
from models.types import Camera, HeadParams
from tracker.photometric.albedo import AlbedoSpace

JAW_STEP = 2e-3  # radians, of central differences


@dataclass(frozen=True)
class Posed:
    """P points of a face as a camera sees them; the N of `FaceSurface.skin` come first."""

    camera_m: Tensor  # [P, 3]
    edges: Tensor  # [E, 3] of every point's neighbours
    raw_normals: Tensor  # [N, 3] as long as the area around the point
    jacobian: Tensor | None  # [P, 3, C] how unknowns move the points


class FaceSurface:
    """The part of a head that is skin of the face, and the ring around it that its normals need."""

    def __init__(self, head: Head, space: AlbedoSpace) -> None:
        head = head.to("cpu")
        self.columns = Columns.of(head.expression_size, head.identity_size, neck=False)
        self.skin = space.skin
        self.count = len(self.skin)
        touched = torch.isin(head.triangles, self.skin).any(1)
        ring = torch.unique(head.triangles[touched])
        ring = ring[~torch.isin(ring, self.skin)]
        part = torch.cat((self.skin, ring))
        place = torch.full((head.vertex_count,), -1)
        place[part] = torch.arange(len(part))
        self._around, self._neighbour, self._joining = _rings(place[head.triangles[touched]].numpy(), self.count)
        self._own = torch.from_numpy(np.flatnonzero(self._around.numpy() == self._neighbour.numpy()))
        starts = np.searchsorted(self._around.numpy(), np.arange(self.count + 1))
        self._row_starts = (3 * starts).astype(np.int32)
        self._row_columns = (3 * self._neighbour.numpy()[:, None] + np.arange(3)).astype(np.int32).ravel()
        self._template, self._weights = head.template[part], head.skinning_weights[part]
        self._basis = torch.cat((head.expression_basis[part], head.identity_basis[part]), -1)  # [P, 3, K]
        self._pose_basis = head.pose_basis[part]
        columns = torch.cat((head.expression_basis, head.identity_basis), -1)
        self._joints = head.joint_regressor @ head.template
        self._joint_basis = torch.einsum("jv,vck->kjc", head.joint_regressor, columns)  # [K, J, 3]

    def pose(self, params: HeadParams, camera: Camera, identity: Tensor, jacobian: bool = True) -> Posed:
        """Of one face, without a batch."""
        x = torch.cat((params.expression, identity))
        joints = self._joints + torch.einsum("kjc,k->jc", self._joint_basis, x)
        shaped = self._template + self._basis @ x
        turns = joint_rotations(params)
        rotation, offset = joint_transforms(turns, joints)
        arms = self._carry(shaped, turns, rotation, offset) @ camera.rotation.T
        camera_m = arms + camera.translation
        edges = torch.from_numpy(self._joining @ camera_m.numpy())
        away = camera_m[self._neighbour] - camera_m[self._around]
        raw = torch.zeros(self.count, 3).index_add_(0, self._around, torch.linalg.cross(away, edges)) / 2
        if not jacobian:
            return Posed(camera_m, edges, raw, None)
        cols = self.columns
        moved = camera_m.new_zeros(len(camera_m), 3, cols.count)
        in_camera = camera.rotation @ (self._weights @ rotation.flatten(1)).reshape(-1, 3, 3)  # [P, 3, 3]
        offsets = joint_transforms(turns.expand(len(x), -1, -1, -1), self._joint_basis)[1]  # linear in the joints
        carried = self._weights @ (offsets @ camera.rotation.T).permute(1, 2, 0).flatten(1)  # [P, 3 K]
        moved[..., : cols.identity.stop] = torch.baddbmm(carried.reshape(self._basis.shape), in_camera, self._basis)
        moved[..., cols.jaw] = self._jaw_slopes(shaped, joints, params, camera)
        moved[..., cols.rotation] = skew(-arms)
        moved[..., cols.translation] = torch.eye(3)
        return Posed(camera_m, edges, raw, moved)

    def follow(self, posed: Posed, by_point: Tensor, by_normal: Tensor) -> Tensor:
        """[N, C]: how values follow the unknowns that follow every point by [N, 3], its raw normal by [N, 3]."""
        assert posed.jacobian is not None
        weights = torch.linalg.cross(posed.edges, by_normal[self._around])
        weights[self._own] += by_point
        shape = (self.count, 3 * len(posed.camera_m))
        sparse = csr_matrix((weights.numpy().ravel(), self._row_columns, self._row_starts), shape)
        return torch.from_numpy(sparse @ posed.jacobian.numpy().reshape(shape[1], -1))

    def _jaw_slopes(self, shaped: Tensor, joints: Tensor, params: HeadParams, camera: Camera) -> Tensor:
        """[P, 3, 3]: how points in the camera frame follow the jaw's three angles, by differences."""
        steps = JAW_STEP * torch.cat((torch.eye(3), -torch.eye(3)))
        turned = HeadParams(
            params.expression, params.jaw + steps, params.eyes.expand(6, 2, 3), params.neck.expand(6, 3)
        )
        turns = joint_rotations(turned)
        carried = self._carry(shaped, turns, *joint_transforms(turns, joints))
        slopes: Tensor = (carried[:3] - carried[3:]) @ camera.rotation.T / (2 * JAW_STEP)
        return slopes.permute(1, 2, 0)

    def _carry(self, shaped: Tensor, turns: Tensor, rotation: Tensor, offset: Tensor) -> Tensor:
        """Points in the head frame [..., P, 3]."""
        resting = blend(shaped, self._pose_basis, pose_feature(turns)) if self._pose_basis.shape[2] else shaped
        return skin(resting, self._weights, rotation, offset)


def _rings(triangles: NDArray[np.int64], count: int) -> tuple[Tensor, Tensor, csr_matrix]:
    """Of the first `count` points: pairs of a point and a neighbour (itself as well), in order; and [E, P] what makes
    a pair's edge of the points: over the triangles (p, q, r) around p, r - p for q, p - q for r, q - r for p itself."""
    p, q, r = np.concatenate([np.roll(triangles, -k, 1) for k in range(3)]).T
    p, q, r = (corner[p < count] for corner in (p, q, r))
    size = int(triangles.max()) + 1
    pairs = np.concatenate([p * size + q, p * size + r, p * size + p])
    known, row = np.unique(np.concatenate([pairs, np.arange(count) * (size + 1)]), return_inverse=True)
    row = row[: len(pairs)]
    ends, starts = np.concatenate([r, p, q]), np.concatenate([p, q, r])
    values = np.repeat(np.array((1, -1), np.float32), len(row))
    joining = csr_matrix((values, (np.tile(row, 2), np.concatenate([ends, starts]))), (len(known), size))
    return torch.from_numpy(known // size), torch.from_numpy(known % size), joining
