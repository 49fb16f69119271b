"""Shape, expression, jaw and camera from the pixels of a face, beside its landmarks: Gauss-Newton, damped.

Every vertex of the face's skin that is seen compares what the picture shows there with albedo times light. All unknowns
move together: a step solves albedo and light for themselves (they are linear, colour by colour) and eliminates them, so
that the step of the geometry already knows how they will answer. Landmarks, and what is usual of every group of
unknowns, keep their say as they have it in `tracker.residuals`. Pixels get as much say in each step as leaves the head
where its landmarks can bear it.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from render.diff.light import SH_COUNT, lit_irradiance, sh_basis, sh_slope
from tracker.photometric.albedo import AlbedoSpace
from tracker.photometric.colours import GAMMA
from tracker.photometric.surface import FaceSurface, Posed
from tracker.photometric.view import read_colours
from tracker.solver import Linearise, Normal
from tracker.unknowns import Layout


@dataclass(frozen=True)
class PixelConfig:
    noise: float = 0.03
    # At least, of shown values, 0 to 1; more where the smooth albedo does not follow what is there.
    independent: float = 300.0
    # The vertices of a face err together: all count as so many.
    robust: float = 3.0
    # Beyond so many times the usual misfit it is a highlight, a shadow, hair or a hand.
    order_std: tuple[float, float] = (0.5, 0.2)
    # Of light's first and second order, relative to the even part.
    even_std: float = 0.5
    iterations: int = 4
    damping: float = 1e-3
    quieter: float = 0.5
    says: int = 7
    # Pixels' say is lowered so often, by so much each time, until the landmarks can bear a step; then it is nothing.
    small_gain: float = 1e-3
    # A step that lowers the energy by less than this part of it is the last.


@dataclass(frozen=True)
class Appearance:
    mean: Tensor  # [V, 3] of the albedo
    weights: Tensor  # [K, 3] of the albedo space, added to it
    light: Tensor  # [9, 3]


@dataclass(frozen=True)
class Picture:
    """What a step looks at: a picture of shown values, slightly blurred, its slopes, and which vertices count in it."""

    values: Tensor  # [9, H, W]: red, green, blue; their slopes to the right; their slopes down
    share: Tensor  # [P] of the face's vertices: area, how well seen, how far believed
    detail: Tensor  # [P, 3] of the skin, where it is known: what the smooth albedo is multiplied by
    say: float  # of the pixels against the landmarks, at most: albedo and light do not depend on it


@dataclass(frozen=True)
class Refined:
    state: Tensor  # [1, D]
    appearance: Appearance
    energy: tuple[float, float]  # before and after
    iterations: int


class Refiner:
    """For one head."""

    def __init__(self, surface: FaceSurface, space: AlbedoSpace, layout: Layout, config: PixelConfig) -> None:
        self.surface, self.layout, self.config = surface, layout, config
        self._space = space
        self._basis = space.basis[space.skin]  # [P, K]

    def refine(
        self,
        landmarks: Linearise,
        bearable: Callable[[Tensor], bool],
        state: Tensor,
        appearance: Appearance,
        picture: Picture,
        principal_px: Tensor,
        moving: Tensor,
        looks_move: bool = True,
    ) -> Refined:
        """`landmarks`: the energy of landmarks and priors; `bearable`: whether a state is near enough to them; `moving`
        [C] bool: which unknowns may change; `looks_move`: whether albedo and light may."""
        config = self.config
        even = appearance.light[0].mean()
        damping, count = config.damping, 0
        normal = landmarks(state)
        pixels = self._linearise(state, appearance, picture, principal_px, even, moving)
        first = float(normal.error) + picture.say * pixels.energy
        says = [picture.say * config.quieter**k for k in range(config.says)] + [0.0]
        while count < config.iterations:
            count += 1
            told, answers = pixels.told(damping, looks_move)
            for say in says:
                step = _step(normal, told, say, moving, damping)
                candidate = self.layout.retract(state, step[None])
                if bearable(candidate):
                    break
            else:
                break
            changed = appearance
            if looks_move:
                looks = torch.stack([-(answer[:, :-1] @ step[moving] + answer[:, -1]) for answer in answers], 1)
                changed = replace(
                    appearance,
                    weights=appearance.weights + looks[:-SH_COUNT],
                    light=appearance.light + looks[-SH_COUNT:],
                )
            reached_pixels = self._linearise(candidate, changed, picture, principal_px, even, moving)
            reached = landmarks(candidate)
            energy = float(normal.error) + say * pixels.energy
            gain = energy - float(reached.error) - say * reached_pixels.energy
            if gain > 0:
                state, appearance, normal, pixels = candidate, changed, reached, reached_pixels
                damping = max(0.2 * damping, 1e-6)
            else:
                damping *= 10
            if 0 < gain < config.small_gain * energy or damping > 1e4:
                break
        return Refined(state, appearance, (first, float(normal.error) + picture.say * pixels.energy), count)

    def predict(self, posed: Posed, appearance: Appearance, detail: Tensor) -> Tensor:
        """Shown values [P, 3] of the skin."""
        normals = torch.nn.functional.normalize(posed.raw_normals, dim=-1)
        albedo = (appearance.mean[self._space.skin] + self._basis @ appearance.weights).clamp_min(5e-3)
        return (albedo * detail * lit_irradiance(normals, appearance.light)).clamp_min(1e-5) ** (1 / GAMMA)

    def _linearise(
        self,
        state: Tensor,
        appearance: Appearance,
        picture: Picture,
        principal_px: Tensor,
        even: Tensor,
        moving: Tensor,
    ) -> "_Pixels":
        unpacked = self.layout.unpack(state, principal_px[None])
        assert unpacked.identity is not None
        camera = unpacked.camera[0]
        posed = self.surface.pose(unpacked.params[0], camera, unpacked.identity[0], jacobian=bool(moving.any()))
        point = posed.camera_m[: self.surface.count]
        depth = point[:, 2:].clamp_min(1e-3)
        slope = point[:, :2] / depth
        found = read_colours(picture.values, camera.focal_px * slope + camera.principal_px)
        seen, rightwards, down = found[:, :3], found[:, 3:6], found[:, 6:]

        length = posed.raw_normals.norm(dim=-1, keepdim=True).clamp_min(1e-12)
        normals = posed.raw_normals / length
        harmonics = sh_basis(normals)  # [P, 9]
        albedo = (appearance.mean[self._space.skin] + self._basis @ appearance.weights).clamp_min(5e-3)
        irradiance = lit_irradiance(normals, appearance.light).clamp_min(1e-4)
        shown = (albedo * picture.detail * irradiance) ** (1 / GAMMA)
        by_log = shown / GAMMA  # how shown values follow the logarithm of albedo or light
        config = self.config
        root = (picture.share * (config.independent / picture.share.sum().clamp_min(1e-9))).sqrt() / config.noise
        root = root[:, None]

        # Of a unit normal only what is across it turns.
        towards = sh_slope(normals) @ appearance.light  # [P, 3 axes, 3 colours]
        towards = towards - normals[..., None] * (normals[..., None] * towards).sum(1, keepdim=True)
        by_normal = -towards * (root * by_log / irradiance)[:, None] / length[..., None]
        scale = root * camera.focal_px / depth
        geometry = []
        for k in range(3):
            if posed.jacobian is None:
                geometry.append(point.new_zeros(len(point), 0))
                continue
            across, along = rightwards[:, k, None], down[:, k, None]
            outwards = across * slope[:, :1] + along * slope[:, 1:]
            by_point = scale * torch.cat((across, along, -outwards), 1)
            rows = self.surface.follow(posed, by_point, by_normal[..., k].contiguous())
            rows[:, self.surface.columns.focal] = root * camera.focal_px * outwards  # a step moves its logarithm
            geometry.append(rows[:, moving])
        by_albedo, by_light = -root * by_log / albedo, -root * by_log / irradiance
        looks = [
            torch.cat((self._basis * by_albedo[:, k, None], harmonics * by_light[:, k, None]), 1) for k in range(3)
        ]
        weighted = (seen - shown) * root
        prior, pull_back, stiffness = self._prior(appearance, even)
        return _Pixels(geometry, looks, weighted, pull_back, stiffness, float((weighted * weighted).sum()) + prior)

    def _prior(self, appearance: Appearance, even: Tensor) -> tuple[float, Tensor, Tensor]:
        """Energy, gradient [K + 9, 3] and stiffness [K + 9] of what albedo and light usually are."""
        config = self.config
        orders = torch.tensor([config.even_std, *3 * [config.order_std[0]], *5 * [config.order_std[1]]])
        stiffness = torch.cat((torch.ones(len(appearance.weights)), (even * orders) ** -2))
        away = appearance.light.clone()
        away[0] -= even
        values = torch.cat((appearance.weights, away))
        return float((stiffness[:, None] * values * values).sum()), stiffness[:, None] * values, stiffness


@dataclass(frozen=True)
class _Pixels:
    """Residuals of the pixels and their derivatives, one matrix a colour."""

    geometry: list[Tensor]  # 3 of [P, M]: by the unknowns that move
    looks: list[Tensor]  # 3 of [P, K + 9]
    residual: Tensor  # [P, 3]
    pull_back: Tensor  # [K + 9, 3] the priors' gradient
    stiffness: Tensor  # [K + 9]
    energy: float

    def told(self, damping: float, looks_move: bool) -> tuple[Tensor, list[Tensor]]:
        """What the geometry alone is told: Hessian and gradient [M, M + 1]. Where looks move it knows how they will
        answer, with a step of -answer @ (the geometry's step, 1): 3 of [K + 9, M + 1]."""
        total, answers = torch.zeros(()), []
        for channel, (rows, looks) in enumerate(zip(self.geometry, self.looks, strict=True)):
            both = torch.cat((rows, self.residual[:, channel, None]), 1)
            total = total + rows.T @ both
            if looks_move:
                inner = looks.T @ looks
                inner += torch.diag(self.stiffness + damping * inner.diagonal())
                mixed = looks.T @ both
                mixed[:, -1] += self.pull_back[:, channel]
                answers.append(torch.linalg.solve(inner, mixed))
                total = total - mixed[:, :-1].T @ answers[-1]
        return total, answers


def _step(normal: Normal, told: Tensor, say: float, moving: Tensor, damping: float) -> Tensor:
    """The geometry's step [C]; zero where it cannot be had."""
    hessian = normal.hessian[0][moving][:, moving] + say * told[:, :-1]
    gradient = normal.gradient[0][moving] + say * told[:, -1]
    step = torch.zeros(len(moving))
    scale = hessian.diagonal().clamp_min(1e-12).rsqrt()
    factor, failed = torch.linalg.cholesky_ex(hessian * scale[:, None] * scale + damping * torch.eye(len(hessian)))
    if int(failed) == 0:
        step[moving] = torch.cholesky_solve(-(gradient * scale)[:, None], factor)[:, 0] * scale
    return step.nan_to_num(0.0, 0.0, 0.0)
