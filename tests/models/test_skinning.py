"""Skinning on the small head of every feature, and on a cube whose normals are known."""

import numpy as np
import torch

from models.head import embed, pose_head, shape_head
from models.rotations import matrix_from_axis_angle
from models.skinning import vertex_normals
from models.types import JAW, NECK
from tests.models.toy_head import toy_head

HEAD = toy_head()


def test_at_rest_a_head_is_its_template() -> None:
    mesh = pose_head(shape_head(HEAD, HEAD.zero_identity()), HEAD.zero_params())
    torch.testing.assert_close(mesh.vertices, HEAD.template)


def test_a_vertex_of_one_joint_turns_rigidly_about_it() -> None:
    only_neck = (HEAD.skinning_weights[:, NECK] == 1).nonzero().flatten()
    turn = torch.tensor((0.1, -0.3, 0.2), dtype=torch.float64)
    plain = HEAD.__class__(**{**HEAD.__dict__, "pose_basis": HEAD.pose_basis[..., :0]})
    mesh = pose_head(shape_head(plain, plain.zero_identity()), plain.zero_params().with_(neck=turn))
    joint = (HEAD.joint_regressor @ HEAD.template)[NECK]
    wanted = (HEAD.template[only_neck] - joint) @ matrix_from_axis_angle(turn).T + joint
    torch.testing.assert_close(mesh.vertices[only_neck], wanted)


def test_joints_are_regressed_from_the_whole_shape_expression_included() -> None:
    shaped = shape_head(HEAD, torch.randn(HEAD.identity_size, dtype=torch.float64))
    weights = torch.randn(HEAD.expression_size, dtype=torch.float64)
    whole = shaped.template + HEAD.expression_basis @ weights
    torch.testing.assert_close(
        shaped.joints[JAW] + shaped.expression_joints[JAW] @ weights, (HEAD.joint_regressor @ whole)[JAW]
    )


def test_pose_correctives_follow_the_entries_of_the_rotation() -> None:
    turn = torch.tensor((0.2, 0.0, 0.0), dtype=torch.float64)
    shaped = shape_head(HEAD, HEAD.zero_identity())
    params = HEAD.zero_params().with_(jaw=turn)
    plain = HEAD.__class__(**{**HEAD.__dict__, "pose_basis": HEAD.pose_basis[..., :0]})
    feature = torch.zeros(36, dtype=torch.float64)
    feature[9:18] = (matrix_from_axis_angle(turn) - torch.eye(3)).flatten()
    corrected = plain.__class__(
        **{
            **plain.__dict__,
            "template": HEAD.template + HEAD.pose_basis @ feature,
            "joint_regressor": HEAD.joint_regressor,
        }
    )
    moved = pose_head(shape_head(corrected, corrected.zero_identity()), params).vertices
    # The correctives do not move the joints: where skinning hangs on the neck alone, nothing else differs.
    only_neck = (HEAD.skinning_weights[:, NECK] == 1).nonzero().flatten()
    torch.testing.assert_close(pose_head(shaped, params).vertices[only_neck], moved[only_neck])


def test_batches_agree_with_one_at_a_time_on_any_precision() -> None:
    identities = torch.randn(3, HEAD.identity_size, dtype=torch.float64)
    params = HEAD.zero_params((3,))
    params.expression.normal_()
    params.eyes.normal_(std=0.2)
    together = pose_head(shape_head(HEAD, identities), params).vertices
    for index in range(3):
        alone = pose_head(shape_head(HEAD, identities[index]), params[index]).vertices
        torch.testing.assert_close(together[index], alone)
    single = HEAD.to(dtype=torch.float32)
    rough = pose_head(
        shape_head(single, identities[0].float()),
        params[0].__class__(*(getattr(params[0], k).float() for k in ("expression", "jaw", "eyes", "neck"))),
    )
    torch.testing.assert_close(rough.vertices.double(), together[0], atol=1e-5, rtol=0)
    assert embed(HEAD.embedding, together).shape == (3, 478, 3)


def test_normals_of_a_cube_point_outwards() -> None:
    corners = torch.tensor([(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], dtype=torch.float64)
    faces = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    triangles = torch.tensor([t for a, b, c, d in faces for t in ((a, b, c), (a, c, d))])
    normals = vertex_normals(corners, triangles)
    torch.testing.assert_close(normals.norm(dim=-1), torch.ones(8, dtype=torch.float64))
    cosines = (normals * torch.nn.functional.normalize(corners, dim=-1)).sum(-1)
    assert cosines.min() > 0.9  # a corner's normal leans towards the sides that give it two triangles
    moved = vertex_normals(torch.stack((corners, 2 * corners)), triangles)
    np.testing.assert_allclose(moved[1], normals)
