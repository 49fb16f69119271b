"""The landmark path against the full mesh, and its Jacobian against numeric differences, in float64."""

import pytest
import torch
from torch import Tensor

from models.camera import project
from models.head import Head, embed, pose_head, shape_head
from models.landmark_rows import LandmarkRows, landmark_rows, view_landmarks
from models.rotations import matrix_from_axis_angle
from models.types import Camera, HeadParams
from tests.models.toy_head import toy_head

BATCH = 2  # not 3: a batch must not be mistaken for the axes


@pytest.fixture(scope="module")
def head() -> Head:
    return toy_head()


def random_pose(head: Head, seed: int = 1) -> tuple[Tensor, HeadParams, Camera]:
    random = torch.Generator().manual_seed(seed)

    def normal(*size: int, scale: float = 1.0) -> Tensor:
        return scale * torch.randn(BATCH, *size, generator=random, dtype=torch.float64)

    params = HeadParams(
        normal(head.expression_size), normal(3, scale=0.3), normal(2, 3, scale=0.3), normal(3, scale=0.3)
    )
    facing = torch.diag(torch.tensor((1.0, -1.0, -1.0), dtype=torch.float64))
    camera = Camera(
        rotation=matrix_from_axis_angle(normal(3, scale=0.4)) @ facing,
        translation=normal(3, scale=0.03) + torch.tensor((0.0, 0.0, 0.7), dtype=torch.float64),
        focal_px=600 + normal(scale=30),
        principal_px=torch.tensor((320.0, 240.0), dtype=torch.float64).expand(BATCH, 2),
    )
    return normal(head.identity_size), params, camera


def landmarks_of_mesh(head: Head, identity: Tensor, params: HeadParams, camera: Camera) -> Tensor:
    mesh = pose_head(shape_head(head, identity), params)
    return project(camera, embed(head.embedding, mesh.vertices))


def test_fixed_identity_agrees_with_the_mesh(head: Head) -> None:
    identity, params, camera = random_pose(head)
    wanted = landmarks_of_mesh(head, identity, params, camera)
    for jacobian in (True, False):
        view = view_landmarks(landmark_rows(head, identity, neck=True), params, camera, jacobian=jacobian)
        torch.testing.assert_close(view.points_px, wanted, rtol=0, atol=1e-8)


def test_a_straight_neck_is_cheaper_and_the_same(head: Head) -> None:
    identity, params, camera = random_pose(head)
    straight = params.with_(neck=torch.zeros_like(params.neck))
    bending, rigid = landmark_rows(head, identity, neck=True), landmark_rows(head, identity)
    assert len(rigid.landmark) < len(bending.landmark)
    wanted, got = view_landmarks(bending, straight, camera), view_landmarks(rigid, straight, camera)
    torch.testing.assert_close(got.points_px, wanted.points_px)
    assert got.jacobian is not None
    assert wanted.jacobian is not None
    torch.testing.assert_close(got.jacobian, wanted.jacobian[..., : rigid.columns.count])


def test_free_identity_agrees_with_the_mesh(head: Head) -> None:
    identity, params, camera = random_pose(head)
    wanted = landmarks_of_mesh(head, identity, params, camera)
    view = view_landmarks(landmark_rows(head, None, neck=True), params, camera, identity)
    torch.testing.assert_close(view.points_px, wanted, rtol=0, atol=1e-8)


def test_one_identity_serves_a_batch(head: Head) -> None:
    identity, params, camera = random_pose(head)
    wanted = landmarks_of_mesh(head, identity[0].expand(BATCH, -1), params, camera)
    view = view_landmarks(landmark_rows(head, identity[0], neck=True), params, camera)
    torch.testing.assert_close(view.points_px, wanted, rtol=0, atol=1e-8)


def test_some_landmarks_alone(head: Head) -> None:
    identity, params, camera = random_pose(head)
    everything = view_landmarks(landmark_rows(head, identity), params, camera)
    some = view_landmarks(landmark_rows(head, identity, landmarks=[33, 263, 470]), params, camera)
    torch.testing.assert_close(some.points_px, everything.points_px[:, [33, 263, 470]])


def moved(
    params: HeadParams, camera: Camera, identity: Tensor, group: str, step: Tensor
) -> tuple[HeadParams, Camera, Tensor]:
    """One group of unknowns moved by step [N, size], as `models/camera.py` and `Columns` define it."""
    if group == "identity":
        return params, camera, identity + step
    if group == "rotation":
        turned = matrix_from_axis_angle(step) @ camera.rotation
        return params, Camera(turned, camera.translation, camera.focal_px, camera.principal_px), identity
    if group == "translation":
        return (
            params,
            Camera(camera.rotation, camera.translation + step, camera.focal_px, camera.principal_px),
            identity,
        )
    if group == "focal":
        focal = camera.focal_px + step[:, 0]
        return params, Camera(camera.rotation, camera.translation, focal, camera.principal_px), identity
    value: Tensor = getattr(params, group)
    return params.with_(**{group: value + step.reshape(value.shape)}), camera, identity


@pytest.mark.parametrize("group", ["expression", "identity", "jaw", "eyes", "neck", "rotation", "translation", "focal"])
def test_jacobian_agrees_with_numeric_differences(head: Head, group: str) -> None:
    identity, params, camera = random_pose(head)
    rows = landmark_rows(head, None, neck=True)
    jacobian = view_landmarks(rows, params, camera, identity).jacobian
    assert jacobian is not None
    where: slice = getattr(rows.columns, group)
    size, reach = where.stop - where.start, 1e-5
    assert size > 0
    for column in range(size):
        step = torch.zeros(BATCH, size, dtype=torch.float64)
        step[:, column] = reach
        ahead = seen(rows, *moved(params, camera, identity, group, step))
        behind = seen(rows, *moved(params, camera, identity, group, -step))
        numeric = (ahead - behind) / (2 * reach)
        torch.testing.assert_close(jacobian[..., where.start + column], numeric, rtol=1e-6, atol=1e-5)


def seen(rows: LandmarkRows, params: HeadParams, camera: Camera, identity: Tensor) -> Tensor:
    return view_landmarks(rows, params, camera, identity, jacobian=False).points_px


def test_joint_angles_at_zero_have_a_finite_jacobian(head: Head) -> None:
    _, _, camera = random_pose(head)
    rest = HeadParams.zeros(head.expression_size, (BATCH,), torch.float64)
    jacobian = view_landmarks(landmark_rows(head, head.zero_identity()), rest, camera).jacobian
    assert jacobian is not None
    assert jacobian.isfinite().all()


def test_a_head_without_correctives_or_expression_of_joints() -> None:
    plain = toy_head(seed=3)
    plain = plain.__class__(**{**plain.__dict__, "pose_basis": plain.pose_basis[..., :0]})
    identity, params, camera = random_pose(plain)
    view = view_landmarks(landmark_rows(plain, identity, neck=True), params, camera)
    wanted = landmarks_of_mesh(plain, identity, params, camera)
    torch.testing.assert_close(view.points_px, wanted, rtol=0, atol=1e-8)
