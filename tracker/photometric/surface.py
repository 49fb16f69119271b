"""The face's skin posed in the camera frame, with analytic Jacobians of its points and of its normals.

What moves a point: expression and identity, linear before skinning; the jaw; the camera. Columns are those of
`models.landmark_rows.Columns`, so that pixels and landmarks add up in one set of normal equations.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from models.head import Head
from models.landmark_rows import Columns
from models.rotations import skew
from models.skinning import joint_rotations, joint_transforms, pose_feature
from models.types import Camera, HeadParams
from tracker.photometric.albedo import AlbedoSpace

JAW_STEP = 2e-3  # radians, of central differences


@dataclass(frozen=True)
class Posed:
    """P points of a face as a camera sees them; those of `FaceSurface.skin` come first."""

    camera_m: Tensor  # [P, 3]
    raw_normals: Tensor  # [P, 3] as long as the area around the point
    points: Tensor | None  # [P, 3, C] how unknowns move the points
    normals: Tensor | None  # [P, 3, C] and the raw normals


class FaceSurface:
    """The part of a head that is skin of the face, and the ring around it that its normals need."""

    def __init__(self, head: Head, space: AlbedoSpace) -> None:
        head = head.to("cpu")
        self.columns = Columns.of(head.expression_size, head.identity_size, neck=False)
        self.skin = space.skin
        touched = torch.isin(head.triangles, self.skin).any(1)
        ring = torch.unique(head.triangles[touched])
        ring = ring[~torch.isin(ring, self.skin)]
        part = torch.cat((self.skin, ring))
        place = torch.full((head.vertex_count,), -1)
        place[part] = torch.arange(len(part))
        self.triangles = place[head.triangles[touched]]
        self.count = len(self.skin)
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
        in_head, transforms, turns = self._carry(shaped, joints, params)
        arms = in_head @ camera.rotation.T
        camera_m = arms + camera.translation
        a, b, c = (camera_m[self.triangles[:, k]] for k in range(3))
        raw = _gather(torch.linalg.cross(b - a, c - a), self.triangles, len(camera_m))
        if not jacobian:
            return Posed(camera_m, raw, None, None)
        cols = self.columns
        moved = camera_m.new_zeros(len(camera_m), 3, cols.count)
        offsets = joint_transforms(turns.expand(len(x), -1, -1, -1), self._joint_basis)[1]  # linear in the joints
        shapes = transforms[..., :3] @ self._basis + torch.einsum("pj,kjc->pck", self._weights, offsets)
        moved[..., : cols.identity.stop] = camera.rotation @ shapes
        for axis in range(3):
            step = torch.zeros(3)
            step[axis] = JAW_STEP
            up, down = (self._carry(shaped, joints, params.with_(jaw=params.jaw + s))[0] for s in (step, -step))
            moved[..., cols.jaw.start + axis] = (up - down) @ camera.rotation.T / (2 * JAW_STEP)
        moved[..., cols.rotation] = skew(-arms)
        moved[..., cols.translation] = torch.eye(3)
        first, second = (moved[self.triangles[:, k]] - moved[self.triangles[:, 0]] for k in (1, 2))
        turned = _cross(first, (c - a)[..., None]) - _cross(second, (b - a)[..., None])
        return Posed(camera_m, raw, moved, _gather(turned, self.triangles, len(camera_m)))

    def _carry(self, shaped: Tensor, joints: Tensor, params: HeadParams) -> tuple[Tensor, Tensor, Tensor]:
        """Points in the head frame [P, 3], what carries each there [P, 3, 4], the joints' rotations."""
        turns = joint_rotations(params)
        resting = shaped
        if self._pose_basis.shape[2]:
            resting = shaped + self._pose_basis @ pose_feature(turns)
        rotation, offset = joint_transforms(turns, joints)
        transforms = (self._weights @ torch.cat((rotation, offset[..., None]), -1).flatten(1)).reshape(-1, 3, 4)
        return (transforms[..., :3] @ resting[..., None])[..., 0] + transforms[..., 3], transforms, turns


def _gather(by_triangle: Tensor, triangles: Tensor, count: int) -> Tensor:
    """Add up at the corners: [F, ...] -> [P, ...]."""
    out = by_triangle.new_zeros(count, *by_triangle.shape[1:])
    for corner in range(3):
        out.index_add_(0, triangles[:, corner], by_triangle)
    return out


def _cross(a: Tensor, b: Tensor) -> Tensor:
    """a [F, 3, C] x b [F, 3, 1]."""
    return torch.stack(
        (
            a[:, 1] * b[:, 2] - a[:, 2] * b[:, 1],
            a[:, 2] * b[:, 0] - a[:, 0] * b[:, 2],
            a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0],
        ),
        1,
    )
