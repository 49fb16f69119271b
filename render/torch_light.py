"""What vertices are lit with, on any device: the twin of `render/drawing/light.py`, whose lamps these are."""

import torch
from torch import Tensor

from render.diff.light import lit_irradiance
from render.drawing.light import (
    AMBIENT,
    COOL,
    FADE,
    FILL,
    FILL_STRENGTH,
    GLINT,
    KEY,
    KEY_STRENGTH,
    RIM_STRENGTH,
    SKIN_SHINE,
    SKY,
    WARM,
    WRAP,
)
from render.painter import Style
from render.texture import GAMMA


class Lamps:
    """Those on clay, kept on a device."""

    def __init__(self, device: torch.device) -> None:
        def matrix(*rows: tuple[float, ...]) -> Tensor:
            return torch.tensor(rows, device=device)

        # How much of key light, fill light, glint and sky arrives at a normal, before what is negative is cut off.
        self._towards = matrix(KEY, FILL, GLINT, (0.0, -SKY / 2, 0.0)).T.contiguous()  # [3, 4]
        self._offset = matrix((WRAP, 0.0, 0.0, AMBIENT + SKY / 2))
        scaled = [(KEY_STRENGTH / (1 + WRAP), WARM), (FILL_STRENGTH, COOL), (0.0, WARM), (1.0, COOL)]
        self._colours = matrix(*(tuple(strength * c for c in colour) for strength, colour in scaled))  # [4, 3]
        self._rim = matrix(tuple(RIM_STRENGTH * c for c in COOL))

    def light_clay(self, points: Tensor, normals: Tensor, paint: Tensor, style: Style) -> Tensor:
        """Vertices [N, 3] of the camera frame, unit normals, paint [N, 5] -> [N, 5]: what red, green and blue become,
        opacity of the surface and of a line on it."""
        facing = _facing(points, normals)
        arriving = (normals @ self._towards + self._offset).clamp_min(0)
        light = arriving @ self._colours + (1 - facing) ** 3 * self._rim
        shine = paint[:, 4:] * arriving[:, 2:3] ** 64
        colour = 255 * (paint[:, :3] * light + shine).clamp(0, 1).sqrt()
        fade = style.edge_on + (1 - style.edge_on) * _fade(facing)
        of_surface, of_line = ((factor * paint[:, 3:4]).clamp_max(1) * fade for factor in (style.fill, style.lines))
        return torch.cat((colour, of_surface, of_line), 1)

    def light_skin(self, points: Tensor, normals: Tensor, paint: Tensor, light: Tensor) -> Tensor:
        """The same of skin in a light [9, 3]: what shown albedo is multiplied by, opacity, and shine of 0 to 255."""
        glint = (normals @ self._towards[:, 2:3]).clamp_min(0)
        opacity = paint[:, 3:4] * _fade(_facing(points, normals))
        shine = SKIN_SHINE * paint[:, 4:] * glint**64
        return torch.cat((lit_irradiance(normals, light) ** (1 / GAMMA), opacity, shine), 1)


def _facing(points: Tensor, normals: Tensor) -> Tensor:
    """[N, 1] the cosine under which each is seen, 0 from behind."""
    to_viewer = torch.nn.functional.normalize(points, dim=1, eps=1e-6)
    return -(normals * to_viewer).sum(1, keepdim=True).clamp(-1, 0)


def _fade(facing: Tensor) -> Tensor:
    """0 where the surface is edge on, 1 where it is whole."""
    share = (facing / FADE).clamp_max(1)
    return share * share * (3 - 2 * share)
