"""Looking up a texture, differentiable in its texels and in the coordinates.

Coordinates run from 0 to 1 with (0, 0) at the texture's top left corner; the first texel's centre is half a texel in.
Beyond its border a texture goes on with its outermost texels.
"""

import torch
from torch import Tensor
from torch.nn import functional

Levels = tuple[Tensor, ...]  # [H, W, C], each after the first half the size of that before


def mip_levels(texture: Tensor, most: int = 16) -> Levels:
    """The texture [H, W, C] and its halvings, down to one texel or an odd side."""
    levels = [texture]
    while len(levels) < most and all(side % 2 == 0 for side in levels[-1].shape[:2]):
        halved = functional.avg_pool2d(levels[-1].permute(2, 0, 1)[None], 2)
        levels.append(halved[0].permute(1, 2, 0))
    return tuple(levels)


def sample(levels: Levels, uv: Tensor, footprint: Tensor | None = None) -> Tensor:
    """Values [N, C] at coordinates [N, 2].

    `footprint` [N]: by how much the coordinates change from pixel to pixel; the two levels whose texels are nearest to
    that are mixed. Without it the finest level is read, bilinearly.
    """
    if footprint is None or len(levels) == 1:
        return _bilinear(levels[0], uv)
    texels = footprint.detach() * max(levels[0].shape[:2])
    level = torch.log2(texels.clamp_min(1.0)).clamp(max=len(levels) - 1)
    by_level = torch.stack([_bilinear(one, uv) for one in levels], 1)  # [N, levels, C]
    away = (level[:, None] - torch.arange(len(levels)).to(level)).abs()
    return (by_level * (1 - away).clamp_min(0)[..., None]).sum(1)


def _bilinear(texture: Tensor, uv: Tensor) -> Tensor:
    grid = (2 * uv - 1)[None, None]
    picture = texture.permute(2, 0, 1)[None]
    found = functional.grid_sample(picture, grid, mode="bilinear", padding_mode="border", align_corners=False)
    return found[0, :, 0].T
