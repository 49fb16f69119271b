"""A `Head`: everything downstream of `models` sees heads of every kind (built-in, FLAME, ICT, imported) as this alone.

identity code + HeadParams -> mesh          `shape_head(head, identity)`, then `pose_head(shaped, params)`
                           -> 478 landmarks `embed(head.embedding, vertices)`, or fast in `models/landmark_rows.py`
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.skinning import blend, joint_rotations, joint_transforms, pose_feature, skin
from models.types import Embedding, HeadParams, Mesh, Prior


@dataclass(frozen=True)
class Head:
    """One head model, in the head frame. Bases are in units of one standard deviation (or one full shape) a column."""

    name: str  # kind and version: codes of one name mean nothing to a head of another
    licence: str
    sha256: str  # of the file this head was first read from; says which bases a code belongs to
    template: Tensor  # [V, 3] metres
    identity_basis: Tensor  # [V, 3, S] metres a standard deviation
    expression_basis: Tensor  # [V, 3, E] metres a weight of 1
    expression_names: tuple[str, ...]  # E names
    joint_regressor: Tensor  # [J, V] joints are these means of the shaped template
    skinning_weights: Tensor  # [V, J] each row sums to 1
    pose_basis: Tensor  # [V, 3, 36] metres, or [V, 3, 0]: correctives of the joints' rotations
    triangles: Tensor  # [F, 3] int64
    uvs: Tensor  # [U, 2] in 0..1, origin at the top left of the texture
    uv_triangles: Tensor  # [F, 3] int64
    embedding: Embedding
    expression_prior: Prior  # [E]
    jaw_prior: Prior  # [3] axis-angle
    eyes_prior: Prior  # [3] axis-angle, the same for both
    regions: Mapping[str, Tensor]  # name -> vertex ids, int64; the names are listed in `docs/heads.md`
    colours: Tensor  # [V, 3] linear RGB in 0..1, what the surface looks like without a texture

    @property
    def identity_size(self) -> int:
        return self.identity_basis.shape[2]

    @property
    def expression_size(self) -> int:
        return self.expression_basis.shape[2]

    @property
    def vertex_count(self) -> int:
        return self.template.shape[0]

    def zero_identity(self) -> Tensor:
        return self.template.new_zeros(self.identity_size)

    def zero_params(self, batch: tuple[int, ...] = ()) -> HeadParams:
        return HeadParams.zeros(self.expression_size, batch, self.template.dtype, self.template.device)

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> "Head":
        """The same head elsewhere; index tensors keep their type."""

        def tensor(value: Tensor) -> Tensor:
            return value.to(device, dtype if value.is_floating_point() else None)

        def prior(value: Prior) -> Prior:
            return Prior(tensor(value.std), tensor(value.low), tensor(value.high))

        moved = {f.name: tensor(value) for f in fields(self) if isinstance(value := getattr(self, f.name), Tensor)}
        return replace(
            self,
            embedding=Embedding(tensor(self.embedding.vertices), tensor(self.embedding.weights)),
            expression_prior=prior(self.expression_prior),
            jaw_prior=prior(self.jaw_prior),
            eyes_prior=prior(self.eyes_prior),
            regions={name: tensor(vertices) for name, vertices in self.regions.items()},
            **moved,  # type: ignore[arg-type]
        )


@dataclass(frozen=True)
class ShapedHead:
    """A head whose identity is fixed: what stays the same in every frame is computed once."""

    head: Head
    template: Tensor  # [..., V, 3] with identity
    joints: Tensor  # [..., J, 3] of that template
    expression_joints: Tensor  # [J, 3, E] how expression moves the joints (FLAME regresses them from the whole shape)


def shape_head(head: Head, identity: Tensor) -> ShapedHead:
    """identity [..., S] -> the head with that identity."""
    template = blend(head.template, head.identity_basis, identity)
    expression_joints = torch.einsum("jv,vce->jce", head.joint_regressor, head.expression_basis)
    return ShapedHead(head, template, head.joint_regressor @ template, expression_joints)


def pose_head(shaped: ShapedHead, params: HeadParams) -> Mesh:
    """Expression, joints and skinning -> the posed mesh, still in the head frame."""
    head = shaped.head
    rotations = joint_rotations(params)
    basis, weights = head.expression_basis, params.expression
    if head.pose_basis.shape[2]:
        resting = blend(blend(shaped.template, basis, weights), head.pose_basis, pose_feature(rotations))
    else:
        resting = blend(shaped.template, basis, weights)
    joints = blend(shaped.joints, shaped.expression_joints, weights)
    return Mesh(skin(resting, head.skinning_weights, *joint_transforms(rotations, joints)), head.triangles)


def embed(embedding: Embedding, vertices: Tensor) -> Tensor:
    """The landmarks on a mesh: [..., V, 3] -> [..., L, 3]."""
    return (vertices[..., embedding.vertices, :] * embedding.weights[..., None]).sum(-2)


def float_tensor(array: NDArray[np.generic]) -> Tensor:
    """As a head holds it: single precision, packed."""
    return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))
