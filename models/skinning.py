"""Blend shapes, joints and linear blend skinning as FLAME defines them: pure, batched, of any device and dtype."""

import torch
from torch import Tensor

from models.rotations import matrix_from_axis_angle
from models.types import JOINT_PARENTS, NECK, HeadParams


def blend(template: Tensor, basis: Tensor, weights: Tensor) -> Tensor:
    """template [..., V, 3] + basis [V, 3, K] weighted by [..., K] -> [..., V, 3]."""
    flat: Tensor = weights @ basis.flatten(0, 1).T
    return template + flat.reshape(*flat.shape[:-1], -1, 3)


def joint_rotations(params: HeadParams) -> Tensor:
    """Rotations of neck, jaw, left and right eye, each in its parent's frame: [..., 4, 3, 3]. The root never turns."""
    axis_angles = torch.cat((params.neck[..., None, :], params.jaw[..., None, :], params.eyes), -2)
    return matrix_from_axis_angle(axis_angles)


def pose_feature(rotations: Tensor) -> Tensor:
    """What pose correctives are weighted by, `R - 1` row by row: [..., 4, 3, 3] -> [..., 36]."""
    eye = torch.eye(3, dtype=rotations.dtype, device=rotations.device)
    return (rotations - eye).flatten(-3)


def joint_transforms(rotations: Tensor, joints: Tensor) -> tuple[Tensor, Tensor]:
    """Rotation [..., J, 3, 3] and offset [..., J, 3] that carry a resting point to its place with each joint."""
    eye = torch.eye(3, dtype=rotations.dtype, device=rotations.device)
    turned = [eye.expand(*rotations.shape[:-3], 3, 3)]
    placed = [joints[..., 0, :].expand(*rotations.shape[:-3], 3)]
    for joint in range(NECK, len(JOINT_PARENTS)):
        parent = JOINT_PARENTS[joint]
        bone = joints[..., joint, :] - joints[..., parent, :]
        placed.append(placed[parent] + (turned[parent] @ bone[..., None]).squeeze(-1))
        turned.append(turned[parent] @ rotations[..., joint - 1, :, :])
    rotation = torch.stack(turned, -3)
    offset = torch.stack(placed, -2) - (rotation @ joints[..., None]).squeeze(-1)
    return rotation, offset


def skin(vertices: Tensor, weights: Tensor, rotation: Tensor, offset: Tensor) -> Tensor:
    """Linear blend skinning: resting [..., V, 3] by weights [V, J] -> posed [..., V, 3]."""
    transforms = torch.cat((rotation, offset[..., None]), -1)  # [..., J, 3, 4]
    blended = (weights @ transforms.flatten(-2)).reshape(*rotation.shape[:-3], -1, 3, 4)  # [..., V, 3, 4]
    turned: Tensor = (blended[..., :3] @ vertices[..., None]).squeeze(-1)
    return turned + blended[..., 3]


def vertex_normals(vertices: Tensor, triangles: Tensor) -> Tensor:
    """Unit normals, each the area-weighted mean of its triangles': [..., V, 3] and [F, 3] -> [..., V, 3]."""
    a, b, c = (vertices[..., triangles[:, corner], :] for corner in range(3))
    area = torch.linalg.cross(b - a, c - a)
    total = torch.zeros_like(vertices)
    for corner in range(3):
        total.index_add_(-2, triangles[:, corner], area)
    return torch.nn.functional.normalize(total, dim=-1, eps=1e-20)
