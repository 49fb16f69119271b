"""Light and albedo from pictures of one head, by turns, each step in closed form.

Only the product of albedo and light is seen. What that leaves open is fixed so: the mean luminance of the face's albedo
is the space's, exposure goes into the first coefficient of light, and that coefficient is the same in all colours.
Vertices that the product does not explain, highlights above all and shadows that are cast, count for less and less.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from render.diff.light import SH_COUNT, even_light, lit_irradiance, sh_basis
from tracker.photometric.albedo import AlbedoSpace
from tracker.photometric.colours import GAMMA, LUMINANCE

STRONGEST_TINT = 1.5  # between colours of the light in one turn


@dataclass(frozen=True)
class LightConfig:
    turns: int = 12
    noise: float = 0.03
    # Of shown values: what the sensor and the model leave unexplained.
    trusting: int = 3
    # Turns at first in which everything is believed.
    robust: float = 2.5
    # Beyond so many times the usual misfit it is a highlight, a shadow or a hand.
    highlight: float = 0.7
    # A vertex brighter than its prediction is believed so much less than a darker one.
    independent: float = 400.0
    # Neighbouring vertices err together: all count as so many.
    order_std: tuple[float, float] = (0.7, 0.35)
    # Of light's first and second order, relative to the even part.
    darkest: float = 0.02
    # Linear values below this are mostly noise.
    tint_std: float = 0.08
    # By how much colours of the light may differ there.


@dataclass(frozen=True)
class Samples:
    """What vertices of the face look like in some pictures."""

    vertex: Tensor  # [N] int64
    picture: Tensor  # [N] int64
    normals: Tensor  # [N, 3] in that picture's camera frame
    colours: Tensor  # [N, 3]
    weights: Tensor  # [N] area and how well the surface is seen, mean 1
    pictures: int  # of which some may show nothing of the face


@dataclass(frozen=True)
class Lighting:
    lights: Tensor  # [P, 9, 3], of each picture
    mean: Tensor  # [V, 3] of the albedo: what the weights are added to
    weights: Tensor  # [K, 3] of the albedo space
    trust: Tensor  # [N] of the samples, 0 to 1
    code: Tensor | None = None  # [N] of a texture space that told the mean
    tint: Tensor | None = None  # [3] by which the texture space's shown colours are then multiplied

    @property
    def light(self) -> Tensor:
        """[9, 3] of the first picture."""
        return self.lights[0]

    def shading(self, normals: Tensor, picture: Tensor) -> Tensor:
        """[N, 3]: what light sends back of white, each place in its picture."""
        rows = [(picture == number).nonzero()[:, 0] for number in range(len(self.lights))]
        return _shading(normals, rows, self.lights)


def solve_light(
    space: AlbedoSpace, samples: Samples, config: LightConfig | None = None, one_room: bool = True
) -> Lighting:
    """Pictures of `one_room` share their light but for its exposure; else each has its own.

    One that shows nothing of the face is given the light of the first that does.
    """
    config = config or LightConfig()
    basis, mean = space.basis[samples.vertex], space.mean[samples.vertex]
    harmonics = sh_basis(samples.normals)  # [N, 9]
    telling = torch.bincount(samples.picture, minlength=samples.pictures) > 0
    first = int(samples.picture.min())
    room_of = samples.picture.new_zeros(samples.pictures)
    if not one_room:
        room_of[telling] = torch.arange(int(telling.sum()))
    room = room_of[samples.picture]
    rooms = [(room == number).nonzero()[:, 0] for number in range(int(room_of.max()) + 1)]
    seen = samples.colours.clamp_min(1e-4)
    # Residuals of shown values, to first order: shown' = shown ** (1 - GAMMA) / GAMMA.
    slope = seen.clamp_min(config.darkest) ** (1 / GAMMA - 1) / GAMMA
    share = samples.weights * (config.independent / max(len(seen), 1)) / config.noise**2
    gains, trust = seen.new_ones(samples.pictures), seen.new_ones(len(seen))
    albedo = mean
    lights = torch.stack([_first_light(seen[one], mean[one]) for one in rooms])
    weights = seen.new_zeros(basis.shape[1], 3)
    for turn in range(config.turns):
        weight = (share * trust)[:, None] * slope * slope
        gain = gains[samples.picture][:, None]
        lit = albedo * gain
        lights = torch.stack([
            _light_step(harmonics[one], lit[one], seen[one], weight[one], light, config)
            for one, light in zip(rooms, lights, strict=True)
        ])  # fmt: skip
        shading = _shading(samples.normals, rooms, lights) * gain
        weights = _albedo_step(basis, mean, shading, seen, weight)
        weights, lights = _fix_gauge(space, weights, lights)
        albedo = (mean + basis @ weights).clamp_min(5e-3)
        shading = _shading(samples.normals, rooms, lights)
        if one_room:
            gains = _gain_step(albedo * shading, seen, weight, samples.picture, gains)
            lights, gains = lights * gains[first], torch.where(telling, gains / gains[first], 1.0)
        predicted = (albedo * shading * gains[samples.picture][:, None]).clamp_min(1e-5)
        if turn >= config.trusting:
            trust = _trust(seen ** (1 / GAMMA) - predicted ** (1 / GAMMA), config)
    return Lighting(lights[room_of] * gains[:, None, None], space.mean, weights, trust)


def light_on(albedo: Tensor, samples: Samples, config: LightConfig | None = None) -> Tensor:
    """The light [9, 3] of one picture in which the samples' albedo [N, 3] is known."""
    config = config or LightConfig()
    harmonics, seen = sh_basis(samples.normals), samples.colours.clamp_min(1e-4)
    slope = seen.clamp_min(config.darkest) ** (1 / GAMMA - 1) / GAMMA
    share = samples.weights * (config.independent / max(len(seen), 1)) / config.noise**2
    light, trust = _first_light(seen, albedo), seen.new_ones(len(seen))
    for turn in range(config.turns):
        light = _light_step(harmonics, albedo, seen, (share * trust)[:, None] * slope * slope, light, config)
        if turn >= config.trusting:
            predicted = (albedo * lit_irradiance(samples.normals, light)).clamp_min(1e-5)
            trust = _trust(seen ** (1 / GAMMA) - predicted ** (1 / GAMMA), config)
    return light


def _first_light(seen: Tensor, albedo: Tensor) -> Tensor:
    """[9, 3]: even and white, as bright as the face is on the whole."""
    luminance = seen.new_tensor(LUMINANCE)
    level = float((seen.median(0).values @ luminance) / (albedo.mean(0) @ luminance).clamp_min(1e-6))
    return even_light(max(level, 1e-4)).to(seen)


def _shading(normals: Tensor, rooms: list[Tensor], lights: Tensor) -> Tensor:
    """[N, 3]"""
    out = torch.empty_like(normals)
    for one, light in zip(rooms, lights, strict=True):
        out[one] = lit_irradiance(normals[one], light)
    return out


def _light_step(
    harmonics: Tensor, albedo: Tensor, seen: Tensor, weight: Tensor, before: Tensor, config: LightConfig
) -> Tensor:
    """[9, 3]: each colour's light near the grey one that all agree on."""
    even = before[0].mean()
    orders = torch.tensor([1.0, *3 * [config.order_std[0]], *5 * [config.order_std[1]]]).to(seen)
    grey = _grey_light(harmonics, albedo, seen, weight, even, orders)
    near = (config.tint_std * even * orders) ** -2
    near[0] = (STRONGEST_TINT * even) ** -2  # its colour is fixed by the gauge
    columns = []
    for channel in range(3):
        design = harmonics * albedo[:, channel, None]
        normal = (design * weight[:, channel, None]).T @ design + torch.diag(near)
        target = (design * weight[:, channel, None]).T @ seen[:, channel] + near * grey
        columns.append(torch.linalg.solve(normal + 1e-6 * torch.eye(SH_COUNT).to(seen), target))
    return torch.stack(columns, 1)


def _grey_light(
    harmonics: Tensor, albedo: Tensor, seen: Tensor, weight: Tensor, even: Tensor, orders: Tensor
) -> Tensor:
    prior = (even * orders) ** -2
    prior[0] = 0
    normal, target = torch.diag(prior), torch.zeros_like(prior)
    for channel in range(3):
        design = harmonics * albedo[:, channel, None]
        normal = normal + (design * weight[:, channel, None]).T @ design
        target = target + (design * weight[:, channel, None]).T @ seen[:, channel]
    grey: Tensor = torch.linalg.solve(normal + 1e-6 * torch.eye(SH_COUNT).to(seen), target)
    return grey


def _albedo_step(basis: Tensor, mean: Tensor, shading: Tensor, seen: Tensor, weight: Tensor) -> Tensor:
    """[K, 3]: the process's posterior mean."""
    eye = torch.eye(basis.shape[1]).to(seen)
    columns = []
    for channel in range(3):
        light, precision = shading[:, channel], weight[:, channel]
        normal = (basis * (precision * light * light)[:, None]).T @ basis + eye
        target = basis.T @ (precision * light * (seen[:, channel] - light * mean[:, channel]))
        columns.append(torch.linalg.solve(normal, target))
    return torch.stack(columns, 1)


def _gain_step(predicted: Tensor, seen: Tensor, weight: Tensor, picture: Tensor, gains: Tensor) -> Tensor:
    up = torch.zeros_like(gains).index_add(0, picture, (weight * predicted * seen).sum(1))
    down = torch.zeros_like(gains).index_add(0, picture, (weight * predicted * predicted).sum(1))
    return (up / down.clamp_min(1e-12)).clamp(0.2, 5.0)


def _fix_gauge(space: AlbedoSpace, weights: Tensor, lights: Tensor) -> tuple[Tensor, Tensor]:
    """The same product with the even light white, and the face's mean luminance as it should be."""
    face = space.at(weights)[space.skin].mean(0).clamp_min(1e-3)
    even = lights[:, 0].clamp_min(1e-6)
    tint = (even / even.mean(1, keepdim=True)).mean(0).clamp(1 / STRONGEST_TINT, STRONGEST_TINT)
    luminance = (face * tint) @ face.new_tensor(LUMINANCE)
    factor = tint * (space.luminance / luminance)
    moved = weights * factor
    tone = space.mean[space.skin].mean(0)
    moved[0] += tone * (factor - 1) / space.basis[0, 0]  # the same everywhere; exact where the mean is one tone
    return moved, lights / factor


def _trust(residual: Tensor, config: LightConfig) -> Tensor:
    """[N], Geman and McClure's, harder on what is too bright."""
    worst = residual.abs().amax(1)
    brighter = residual.mean(1) > 0
    usual = config.robust * worst.median().clamp_min(config.noise)
    scale = torch.where(brighter, config.highlight * usual, usual)
    trust: Tensor = (scale * scale / (scale * scale + worst * worst)) ** 2
    return trust
