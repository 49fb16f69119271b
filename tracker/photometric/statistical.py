"""A statistical albedo on a head: the code of a texture space that explains what pictures show.

Colours of a texture space are shown values, and so is what is compared: products stay products, and the code is linear.
By turns, in closed form: light with the code known; code with light known. The smooth albedo stays on top, for what
other people's skins do not tell of this one's; it is solved beside the code, so that the code need not explain it.
"""

from dataclasses import replace

import torch
from torch import Tensor

from models.head import Head
from models.texture_space import TextureSpace, resized
from tracker.photometric.albedo import AlbedoSpace
from tracker.photometric.atlas import Atlas
from tracker.photometric.colours import GAMMA, LUMINANCE
from tracker.photometric.light import LightConfig, Lighting, Samples, solve_light

TURNS = 2
DARKEST = 0.08  # of shown values
MOST_TINT = 2.0  # of shown values: what white balance and exposure leave open


class StatisticalAlbedo:
    """Holds what depends on the head and the texture space alone."""

    def __init__(self, textures: TextureSpace, head: Head, smooth: AlbedoSpace) -> None:
        self.textures = textures
        uv_of = torch.zeros(head.vertex_count, dtype=torch.int64)
        uv_of[head.triangles.flatten()] = head.uv_triangles.flatten()
        mean, components = textures.at(head.uvs[uv_of].cpu().numpy())
        self._mean, self._components = torch.from_numpy(mean), torch.from_numpy(components)  # [V, 3], [V, 3, K]
        start = self._albedo(self._mean)
        luminance = start[smooth.skin].mean(0) @ start.new_tensor(LUMINANCE)
        self.space = replace(smooth, mean=start, luminance=float(luminance))

    def solve(self, samples: Samples, config: LightConfig | None = None, one_room: bool = True) -> Lighting:
        """As `solve_light`, with the mean albedo a person's own."""
        config = config or LightConfig()
        code, tint = self._mean.new_zeros(self.textures.size), self._mean.new_ones(3)
        lighting = solve_light(self.space, samples, config, one_room)
        for _ in range(TURNS):
            code, tint = self._step(samples, lighting, config)
            mean = self._albedo(tint * (self._mean + self._components @ code))
            lighting = solve_light(replace(self.space, mean=mean), samples, config, one_room)
        return replace(lighting, code=code, tint=tint)

    def texels(self, lighting: Lighting, atlas: Atlas) -> Tensor:
        """A person's mean albedo at the atlas's texels: [T, 3]."""
        assert lighting.code is not None
        assert lighting.tint is not None
        picture = resized(self.textures.picture(lighting.code.numpy()), atlas.side).reshape(-1, 3)
        return self._albedo(lighting.tint * torch.from_numpy(picture)[atlas.texels])

    def _albedo(self, shown: Tensor) -> Tensor:
        return shown.clamp(DARKEST, 1.0) ** GAMMA

    def _step(self, samples: Samples, lighting: Lighting, config: LightConfig) -> tuple[Tensor, Tensor]:
        """Code [K] and tint [3], as lights and trust are now."""
        vertex, count = samples.vertex, self.textures.size
        seen = samples.colours.clamp_min(1e-4) ** (1 / GAMMA)
        lit = lighting.shading(samples.normals, samples.picture)
        lit = lit.clamp_min(1e-5) ** (1 / GAMMA)
        weight = samples.weights * lighting.trust * (config.independent / max(len(seen), 1)) / config.noise**2
        mean, components = self._mean[vertex], self._components[vertex]
        # The smooth albedo in shown values, to first order.
        slope = self.space.mean[vertex] ** (1 / GAMMA - 1) / GAMMA
        smooth = self.space.basis[vertex]
        size, each = count + 3 * smooth.shape[1], smooth.shape[1]
        code, tint = mean.new_zeros(count), mean.new_ones(3)
        for _ in range(2):
            known = mean + components @ code
            up, down = (weight[:, None] * lit * known * part for part in (seen, lit * known))
            tint = (up.sum(0) / down.sum(0).clamp_min(1e-9)).clamp(1 / MOST_TINT, MOST_TINT)
            normal, target = torch.eye(size), torch.zeros(size)
            for channel in range(3):
                light = lit[:, channel] * tint[channel]
                own = slice(count + channel * each, count + (channel + 1) * each)
                by_code = light[:, None] * components[:, channel]
                by_smooth = (lit * slope)[:, channel, None] * smooth
                residual = weight * (seen[:, channel] - light * mean[:, channel])
                normal[:count, :count] += by_code.T @ (weight[:, None] * by_code)
                normal[own, own] += by_smooth.T @ (weight[:, None] * by_smooth)
                mixed = by_code.T @ (weight[:, None] * by_smooth)
                normal[:count, own] += mixed
                normal[own, :count] += mixed.T
                target[:count] += by_code.T @ residual
                target[own] += by_smooth.T @ residual
            code = torch.linalg.solve(normal, target)[:count]
        return code, tint
