"""Rotations by their properties: everywhere, near zero, and near half a turn."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation
from torch import Tensor

from models.rotations import (
    axis_angle_from_matrix,
    axis_angle_from_quaternion,
    matrix_from_axis_angle,
    matrix_from_quaternion,
    quaternion_from_matrix,
    turn_and_axes,
)

ANGLES = st.one_of(
    st.floats(0, math.pi),
    st.floats(0, 1e-7),
    st.floats(0.09, 0.11),  # where series give way to closed forms
    st.floats(math.pi - 1e-7, math.pi),
)


@st.composite
def axis_angles(draw: st.DrawFn) -> Tensor:
    axis = torch.tensor([draw(st.floats(-1, 1)) for _ in range(3)], dtype=torch.float64)
    if axis.norm() < 1e-3:
        axis = torch.tensor((0.0, 0.0, 1.0), dtype=torch.float64)
    return axis * (draw(ANGLES) / float(axis.norm()))


@settings(deadline=None)
@given(axis_angles())
def test_a_matrix_is_a_rotation_about_its_axis(axis_angle: Tensor) -> None:
    matrix = matrix_from_axis_angle(axis_angle)
    torch.testing.assert_close(matrix @ matrix.T, torch.eye(3, dtype=torch.float64), atol=1e-12, rtol=0)
    assert torch.linalg.det(matrix) == pytest.approx(1)
    torch.testing.assert_close(matrix @ axis_angle, axis_angle, atol=1e-12, rtol=0)
    another = torch.from_numpy(Rotation.from_rotvec(axis_angle.numpy()).as_matrix())
    torch.testing.assert_close(matrix, another, atol=1e-12, rtol=0)


@settings(deadline=None)
@given(axis_angles())
def test_round_trips(axis_angle: Tensor) -> None:
    matrix = matrix_from_axis_angle(axis_angle)
    quaternion = quaternion_from_matrix(matrix)
    assert quaternion[0] >= 0
    assert quaternion.norm() == pytest.approx(1)
    torch.testing.assert_close(matrix_from_quaternion(quaternion), matrix, atol=1e-12, rtol=0)
    # At half a turn the axis and its opposite are the same rotation: compare what they do.
    for again in (axis_angle_from_matrix(matrix), axis_angle_from_quaternion(-quaternion)):
        assert again.norm() <= math.pi + 1e-9
        torch.testing.assert_close(matrix_from_axis_angle(again), matrix, atol=1e-7, rtol=0)
    if axis_angle.norm() < math.pi - 1e-3:
        torch.testing.assert_close(axis_angle_from_matrix(matrix), axis_angle, atol=1e-8, rtol=0)


@settings(deadline=None)
@given(axis_angles(), axis_angles())
def test_the_left_jacobian_says_how_a_rotation_turns_further(axis_angle: Tensor, direction: Tensor) -> None:
    turn, axes = turn_and_axes(axis_angle)
    torch.testing.assert_close(turn, matrix_from_axis_angle(axis_angle), atol=1e-14, rtol=0)
    step = 1e-6 * direction
    further = matrix_from_axis_angle(axis_angle + step)
    torch.testing.assert_close(matrix_from_axis_angle(axes @ step) @ turn, further, atol=1e-11, rtol=0)


@settings(deadline=None)
@given(axis_angles())
def test_single_precision_loses_only_single_precision(axis_angle: Tensor) -> None:
    exact = turn_and_axes(axis_angle)
    for rough, precise in zip(turn_and_axes(axis_angle.float()), exact, strict=True):
        torch.testing.assert_close(rough.double(), precise, atol=2e-6, rtol=0)


@pytest.mark.parametrize("function", [matrix_from_axis_angle, lambda a: turn_and_axes(a)[1]])
def test_gradients_are_finite_at_zero(function: object) -> None:
    zero = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    function(zero).sum().backward()  # type: ignore[operator]
    assert zero.grad is not None
    assert zero.grad.isfinite().all()


def test_batches_of_any_shape() -> None:
    many = torch.randn(2, 5, 3, dtype=torch.float64)
    together = matrix_from_axis_angle(many)
    assert together.shape == (2, 5, 3, 3)
    torch.testing.assert_close(together[1, 2], matrix_from_axis_angle(many[1, 2]))
    assert quaternion_from_matrix(together).shape == (2, 5, 4)
