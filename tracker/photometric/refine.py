"""Shape, expression, jaw and camera from the pixels of a face, beside its landmarks: Gauss-Newton, damped.

Every vertex of the face's skin that is seen compares what the picture shows there with albedo times light. All unknowns
move together: a step solves albedo and light for themselves (they are linear, colour by colour) and eliminates them, so
that the step of the geometry already knows how they will answer. Landmarks, and what is usual of every group of
unknowns, keep their say as they have it in `tracker.residuals`.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from render.diff.light import SH_COUNT, lit_irradiance, sh_basis, sh_slope
from tracker.photometric.albedo import AlbedoSpace
from tracker.photometric.colours import GAMMA
from tracker.photometric.surface import FaceSurface, Posed
from tracker.photometric.view import read_colours
from tracker.solver import Linearise
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
    still: Tensor  # [P, 3] what the smooth albedo is multiplied by: sky that is hidden, detail of the skin
    say: float  # of the pixels against the landmarks: albedo and light do not depend on it


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
        self._columns = surface.columns

    def refine(
        self,
        landmarks: Linearise,
        state: Tensor,
        appearance: Appearance,
        picture: Picture,
        principal_px: Tensor,
        moving: Tensor,
        looks_move: bool = True,
    ) -> Refined:
        """`landmarks`: the energy of landmarks and priors; `moving` [C] bool: which unknowns may change;
        `looks_move`: whether albedo and light may."""
        config = self.config
        even = appearance.light[0].mean()
        damping, count = config.damping, 0
        normal = landmarks(state)
        pixels = self._linearise(state, appearance, picture, principal_px, even)
        energy = float(normal.error) + picture.say * pixels.energy
        first = energy
        while count < config.iterations:
            count += 1
            step, looks = self._step(
                normal.hessian[0], normal.gradient[0], pixels, picture.say, moving, damping, looks_move
            )
            candidate = self.layout.retract(state, step[None])
            changed = replace(appearance, weights=appearance.weights + looks[0], light=appearance.light + looks[1])
            reached_pixels = self._linearise(candidate, changed, picture, principal_px, even)
            reached = landmarks(candidate)
            total = float(reached.error) + picture.say * reached_pixels.energy
            gain = energy - total
            if gain > 0:
                state, appearance, normal, pixels, energy = candidate, changed, reached, reached_pixels, total
                damping = max(0.2 * damping, 1e-6)
            else:
                damping *= 10
            if 0 < gain < config.small_gain * energy or damping > 1e4:
                break
        return Refined(state, appearance, (first, energy), count)

    def predict(self, posed: Posed, appearance: Appearance, still: Tensor) -> Tensor:
        """Shown values [P, 3] of the skin."""
        normals = torch.nn.functional.normalize(posed.raw_normals[: self.surface.count], dim=-1)
        albedo = (appearance.mean[self._space.skin] + self._basis @ appearance.weights).clamp_min(5e-3)
        return (albedo * still * lit_irradiance(normals, appearance.light)).clamp_min(1e-5) ** (1 / GAMMA)

    def _linearise(
        self, state: Tensor, appearance: Appearance, picture: Picture, principal_px: Tensor, even: Tensor
    ) -> "_Pixels":
        unpacked = self.layout.unpack(state, principal_px[None])
        assert unpacked.identity is not None
        camera = unpacked.camera[0]
        posed = self.surface.pose(unpacked.params[0], camera, unpacked.identity[0])
        assert posed.points is not None
        assert posed.normals is not None
        count = self.surface.count
        point = posed.camera_m[:count]
        depth = point[:, 2:].clamp_min(1e-3)
        slope = point[:, :2] / depth
        found = read_colours(picture.values, camera.focal_px * slope + camera.principal_px)
        seen, rightwards, down = found[:, :3], found[:, 3:6], found[:, 6:]

        length = posed.raw_normals[:count].norm(dim=-1, keepdim=True).clamp_min(1e-12)
        normals = posed.raw_normals[:count] / length
        harmonics = sh_basis(normals)  # [P, 9]
        albedo = (appearance.mean[self._space.skin] + self._basis @ appearance.weights).clamp_min(5e-3)
        irradiance = lit_irradiance(normals, appearance.light).clamp_min(1e-4)
        shown = (albedo * picture.still * irradiance) ** (1 / GAMMA)
        residual = seen - shown
        by_log = shown / GAMMA  # how shown values follow the logarithm of albedo or light

        cols = self._columns
        moved = posed.points[:count]
        flat = moved[:, :2] - slope[..., None] * moved[:, 2:]  # [P, 2, C] times focal / depth: pixels
        flat *= (camera.focal_px / depth)[..., None]
        flat[..., cols.focal] = (camera.focal_px * slope)[..., None]  # a step moves its logarithm
        # Of a unit normal only what is across it turns.
        towards = sh_slope(normals) @ appearance.light  # [P, 3 axes, 3 colours]
        towards = towards - normals[..., None] * (normals[..., None] * towards).sum(1, keepdim=True)
        pull = towards * (by_log / irradiance)[:, None] / length[..., None]
        turning = posed.normals[:count]
        config = self.config
        root = (picture.share * (config.independent / picture.share.sum().clamp_min(1e-9))).sqrt() / config.noise

        geometry = []
        for channel in range(3):
            rows = rightwards[:, channel, None] * flat[:, 0] + down[:, channel, None] * flat[:, 1]
            rows = rows - (pull[:, None, :, channel] @ turning)[:, 0]
            geometry.append(rows * root[:, None])
        looks = [
            torch.cat((self._basis * (by_log / albedo)[:, k, None], harmonics * (by_log / irradiance)[:, k, None]), 1)
            * -root[:, None]
            for k in range(3)
        ]
        weighted = residual * root[:, None]
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

    def _step(
        self,
        hessian: Tensor,
        gradient: Tensor,
        pixels: "_Pixels",
        say: float,
        moving: Tensor,
        damping: float,
        looks_move: bool,
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """The geometry's step [C], and that of albedo weights [K, 3] and light [9, 3]."""
        hessian, gradient = hessian.clone(), gradient.clone()
        answers = []
        for channel in range(3):
            rows, looks, residual = pixels.geometry[channel], pixels.looks[channel], pixels.residual[:, channel]
            hessian += say * (rows.T @ rows)
            gradient += say * (rows.T @ residual)
            if not looks_move:
                answers.append(hessian.new_zeros(looks.shape[1], len(gradient) + 1))
                continue
            inner = looks.T @ looks
            inner += torch.diag(pixels.stiffness + damping * inner.diagonal())
            mixed = looks.T @ rows  # [K + 9, C]
            slope = looks.T @ residual + pixels.pull_back[:, channel]
            answer = torch.linalg.solve(inner, torch.cat((mixed, slope[:, None]), 1))
            hessian -= say * (mixed.T @ answer[:, :-1])
            gradient -= say * (mixed.T @ answer[:, -1])
            answers.append(answer)
        step = torch.zeros_like(gradient)
        free = hessian[moving][:, moving]
        scale = free.diagonal().clamp_min(1e-12).rsqrt()
        scaled = free * scale[:, None] * scale + damping * torch.eye(len(free))
        factor, failed = torch.linalg.cholesky_ex(scaled)
        if int(failed) == 0:
            step[moving] = torch.cholesky_solve(-(gradient[moving] * scale)[:, None], factor)[:, 0] * scale
        looks_step = torch.stack([-(answer[:, :-1] @ step + answer[:, -1]) for answer in answers], 1)
        return step.nan_to_num(0.0, 0.0, 0.0), (looks_step[:-SH_COUNT], looks_step[-SH_COUNT:])


@dataclass(frozen=True)
class _Pixels:
    """Residuals of the pixels and their derivatives, one matrix a colour."""

    geometry: list[Tensor]  # 3 of [P, C]
    looks: list[Tensor]  # 3 of [P, K + 9]
    residual: Tensor  # [P, 3]
    pull_back: Tensor  # [K + 9, 3] the priors' gradient
    stiffness: Tensor  # [K + 9]
    energy: float
