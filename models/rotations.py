"""Rotations: axis-angle, matrix, unit quaternion (wxyz). Safe at zero and at pi, differentiable, batched."""

import torch
from torch import Tensor


def skew(v: Tensor) -> Tensor:
    """The matrix of `v x`: [..., 3] -> [..., 3, 3]."""
    x, y, z = v.unbind(-1)
    zero = torch.zeros_like(x)
    return torch.stack((zero, -z, y, z, zero, -x, -y, x, zero), -1).reshape(*v.shape, 3)


def matrix_from_axis_angle(axis_angle: Tensor) -> Tensor:
    """Rodrigues' formula: [..., 3] -> [..., 3, 3]."""
    squared = (axis_angle * axis_angle).sum(-1)[..., None, None]
    angle = _safe_angle(squared)
    k = skew(axis_angle)
    return _identity(k) + _sinc(squared, angle) * k + _cosc(squared, angle) * (k @ k)


def turn_and_axes(axis_angle: Tensor) -> tuple[Tensor, Tensor]:
    """The rotation [..., 3, 3] and its left Jacobian [..., 3, 3], sharing their work.

    The left Jacobian J says about which axes the rotation turns further: exp(a + da) = exp(J da) exp(a) to first
    order (Barfoot, State Estimation for Robotics, eq. 7.77).
    """
    squared = (axis_angle * axis_angle).sum(-1)[..., None, None]
    angle = _safe_angle(squared)
    k = skew(axis_angle)
    kk, identity = k @ k, _identity(k)
    sine, cosine = _sinc(squared, angle), _cosc(squared, angle)
    rotation = torch.addcmul(torch.addcmul(identity, sine, k), cosine, kk)
    return rotation, torch.addcmul(torch.addcmul(identity, cosine, k), _sinc3(squared, angle), kk)


def quaternion_from_matrix(matrix: Tensor) -> Tensor:
    """[..., 3, 3] -> [..., 4] wxyz with w >= 0. Takes the best conditioned of four formulas (Shepperd 1978)."""
    m = matrix
    xx, yy, zz = m[..., 0, 0], m[..., 1, 1], m[..., 2, 2]
    # Row i is the quaternion times four times its own i-th component.
    rows = torch.stack(
        (
            torch.stack(
                (
                    1 + xx + yy + zz,
                    m[..., 2, 1] - m[..., 1, 2],
                    m[..., 0, 2] - m[..., 2, 0],
                    m[..., 1, 0] - m[..., 0, 1],
                ),
                -1,
            ),
            torch.stack(
                (
                    m[..., 2, 1] - m[..., 1, 2],
                    1 + xx - yy - zz,
                    m[..., 1, 0] + m[..., 0, 1],
                    m[..., 0, 2] + m[..., 2, 0],
                ),
                -1,
            ),
            torch.stack(
                (
                    m[..., 0, 2] - m[..., 2, 0],
                    m[..., 1, 0] + m[..., 0, 1],
                    1 - xx + yy - zz,
                    m[..., 2, 1] + m[..., 1, 2],
                ),
                -1,
            ),
            torch.stack(
                (
                    m[..., 1, 0] - m[..., 0, 1],
                    m[..., 0, 2] + m[..., 2, 0],
                    m[..., 2, 1] + m[..., 1, 2],
                    1 - xx - yy + zz,
                ),
                -1,
            ),
        ),
        -2,
    )
    best = torch.diagonal(rows, dim1=-2, dim2=-1).argmax(-1)
    picked = torch.take_along_dim(rows, best[..., None, None], dim=-2).squeeze(-2)
    quaternion = torch.nn.functional.normalize(picked, dim=-1)
    return torch.where(quaternion[..., :1] < 0, -quaternion, quaternion)


def matrix_from_quaternion(quaternion: Tensor) -> Tensor:
    """[..., 4] wxyz, of any length but zero -> [..., 3, 3]."""
    q = torch.nn.functional.normalize(quaternion, dim=-1)
    w, v = q[..., :1, None], q[..., 1:]
    k = skew(v)
    return _identity(k) + 2 * w * k + 2 * (k @ k)


def axis_angle_from_quaternion(quaternion: Tensor) -> Tensor:
    """[..., 4] wxyz -> [..., 3], of angle at most pi."""
    q = torch.nn.functional.normalize(quaternion, dim=-1)
    q = torch.where(q[..., :1] < 0, -q, q)
    w, v = q[..., :1], q[..., 1:]
    sine = v.norm(dim=-1, keepdim=True)
    small = sine < 1e-7
    angle = 2 * torch.atan2(sine, w)
    return v * torch.where(small, torch.full_like(sine, 2.0), angle / sine.clamp_min(1e-30))


def axis_angle_from_matrix(matrix: Tensor) -> Tensor:
    """[..., 3, 3] -> [..., 3], of angle at most pi."""
    return axis_angle_from_quaternion(quaternion_from_matrix(matrix))


# Coefficients of the exponential map as functions of the squared angle. Below _SMALL their series are used, and the
# angle is replaced by one, so that neither a value nor a gradient divides by zero.

_SMALL = 0.01


def _safe_angle(squared: Tensor) -> Tensor:
    return torch.where(squared < _SMALL, 1.0, squared).sqrt()


def _sinc(squared: Tensor, angle: Tensor) -> Tensor:
    series = 1 - squared / 6 * (1 - squared / 20 * (1 - squared / 42 * (1 - squared / 72)))
    return torch.where(squared < _SMALL, series, torch.sin(angle) / angle)


def _cosc(squared: Tensor, angle: Tensor) -> Tensor:
    series = (1 - squared / 12 * (1 - squared / 30 * (1 - squared / 56 * (1 - squared / 90)))) / 2
    # 2 sin^2(a/2) instead of 1 - cos(a): the difference would lose half the digits of a float32.
    return torch.where(squared < _SMALL, series, 2 * (torch.sin(angle / 2) / angle) ** 2)


def _sinc3(squared: Tensor, angle: Tensor) -> Tensor:
    series = (1 - squared / 20 * (1 - squared / 42 * (1 - squared / 72 * (1 - squared / 110)))) / 6
    return torch.where(squared < _SMALL, series, (angle - torch.sin(angle)) / angle**3)


def _identity(like: Tensor) -> Tensor:
    return torch.eye(3, dtype=like.dtype, device=like.device)
