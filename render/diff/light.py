"""Light of the second order: nine spherical harmonics of the normal, per colour channel (Ramamoorthi, Hanrahan 2001).

Fixed to the room: normals are those of the camera frame (x right, y down, z forward). The cosine lobe is folded into
the basis, so coefficients are of radiance: under an even sky of radiance 1 a white surface shows 1.
"""

import torch
from torch import Tensor

from render.texture import DIMMEST, SH_FACTORS

SH_COUNT = 9
_ORDER_0, _ORDER_1, _ORDER_2, _DIFFERENCE, _ZONAL = SH_FACTORS


def sh_basis(normals: Tensor) -> Tensor:
    """Unit normals [..., 3] -> [..., 9]: 1, x, y, z, xy, xz, yz, x^2 - y^2, 3z^2 - 1."""
    x, y, z = normals.unbind(-1)
    return torch.stack(
        (
            torch.full_like(x, _ORDER_0),
            _ORDER_1 * x,
            _ORDER_1 * y,
            _ORDER_1 * z,
            _ORDER_2 * x * y,
            _ORDER_2 * x * z,
            _ORDER_2 * y * z,
            _DIFFERENCE * (x * x - y * y),
            _ZONAL * (3 * z * z - 1),
        ),
        -1,
    )


def sh_slope(normals: Tensor) -> Tensor:
    """How the basis changes with the normal's x, y and z: [..., 3] -> [..., 3, 9]."""
    x, y, z = normals.unbind(-1)
    zero, one = torch.zeros_like(x), torch.ones_like(x)
    slopes = torch.stack(
        (
            torch.stack((zero, one, zero, zero, y, z, zero, 2 * x, zero), -1),
            torch.stack((zero, zero, one, zero, x, zero, z, -2 * y, zero), -1),
            torch.stack((zero, zero, zero, one, zero, x, y, zero, 6 * z), -1),
        ),
        -2,
    )
    return slopes * normals.new_tensor((0, *3 * (_ORDER_1,), *3 * (_ORDER_2,), _DIFFERENCE, _ZONAL))


def irradiance(normals: Tensor, light: Tensor) -> Tensor:
    """What a white surface sends back: unit normals [..., 3], light [9, C] -> [..., C]."""
    return sh_basis(normals) @ light


def lit_irradiance(normals: Tensor, light: Tensor) -> Tensor:
    """The same, kept above what the dimmest part of a head gets: harmonics of a harsh light overshoot below zero."""
    return torch.maximum(irradiance(normals, light), DIMMEST * _ORDER_0 * light[0].clamp_min(0))


def even_light(level: float, channels: int = 3) -> Tensor:
    """The light [9, C] that shows a white surface at `level` from everywhere."""
    light = torch.zeros(SH_COUNT, channels)
    light[0] = level / _ORDER_0
    return light
