"""`Portrait`: a posed head -> a picture of a person in a room."""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from models.camera import FACING, clip_from_camera
from models.embedding.mesh import vertex_normals
from models.head import Head, embed, shape_head
from models.types import Camera
from render.cpu import rasterize
from render.studio.film import NECK_M
from render.studio.paint import sky_seen, smoothstep
from render.studio.people import Person
from render.studio.portrait.body import cloth_shade, shoulders
from render.studio.portrait.coats import paint_texture
from render.studio.portrait.kernels import CLOTH, draw_strands, shade, shadow_at
from render.studio.portrait.room import room
from render.studio.portrait.strands import Skin, Strands, grow_brows, grow_hair, grow_lashes, hair_grown, unit
from render.studio.portrait.surface import PortraitSurface
from render.studio.stage import Stage

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Picture = NDArray[np.uint8]

LARGE = 2  # drawn so many times larger, and made small
SHADOW_PX, SHADOW_REACH_M = 320, 0.30
WRAP = np.array((0.42, 0.24, 0.17))  # how far light goes around the terminator through skin: red goes farthest
SOFT = np.array((0.75, 1.0, 1.1))  # and how it softens what lies in shadow
EXPOSURE, MIDDLE = 0.72, 0.24  # of a picture whose skin is as bright as this; cameras make others meet it half-way
NOISE_POOL = 1 << 22  # numbers at least, of which every frame takes others


@dataclass(frozen=True)
class Lamps:
    towards: Floats  # [L, 3] unit, camera frame; the first casts shadows
    colour: Floats  # [L, 3]
    ambient: float

    @staticmethod
    def of(stage: Stage) -> "Lamps":
        """The stage's key and fill, and a rim light from behind, on the fill's side."""
        upright = np.array(stage.lights) * (1, -1, -1)
        side = np.sign(upright[1, 0])
        rim = unit(np.array((0.80 * side, -0.45, 0.55)))
        warm = np.array((1.06 + stage.warmth, 1.0, 0.93 - stage.warmth))
        strengths = np.array((1.25 * stage.strengths[0], 0.9 * stage.strengths[1], 0.9))
        colours = strengths[:, None] * np.array((warm, (0.86, 0.95, 1.08), (1.0, 0.98, 0.95)))
        return Lamps(
            np.concatenate([upright, rim[None]]), colours * stage.exposure, 0.55 * stage.ambient * stage.exposure
        )


class Portrait:
    """Keeps what does not change from frame to frame."""

    def __init__(self, head: Head, person: Person, stage: Stage, texels: int = 768) -> None:
        """`texels` of the painted texture's side: fewer are painted sooner."""
        shaped = shape_head(head, person.identity)
        rest = shaped.template.double().numpy()
        landmarks = embed(head.embedding, shaped.template).double().numpy()
        random = np.random.default_rng((person.seed, 13))
        self._stage, self._lamps = stage, Lamps.of(stage)
        self._own = head.triangles.numpy()
        self._surface = PortraitSurface.of(head)
        self._texture = paint_texture(head, shaped, person, texels)
        self._strands = _grow(head, Skin.of(rest, self._own, landmarks), person, random)
        self._hair = hair_grown(rest, landmarks, person) * person.hair_volume_m * 0.7
        self._below_chin = smoothstep(-0.015, -0.075, rest[:, 1] - landmarks[152, 1])
        neck = rest[rest[:, 1] < rest[:, 1].min() + 0.022]
        self._body, self._body_triangles = shoulders(neck)
        self._occlusion = self._surface.lift(_occlusion(head, rest, landmarks, self._own)[:, None])[:, 0]
        count = len(self._occlusion)
        self._triangles = np.concatenate([self._surface.triangles, self._body_triangles + count])
        self._uvs = np.concatenate([self._surface.uvs, np.zeros((len(self._body_triangles), 3, 2), np.float32)])
        self._material = np.concatenate([self._surface.material, np.full(len(self._body_triangles), CLOTH, np.uint8)])
        cloth = np.exp(random.uniform(np.log(0.03), np.log(0.35), 3)) * 0.5 + 0.5 * np.exp(random.uniform(-3.2, -1.2))
        tint = np.ones((count + len(self._body), 3))
        tint[count:] = cloth * cloth_shade(random)[:, None] / self._texture[-1, 0, :3]
        self._tint = tint.astype(np.float32)
        self._exposure = EXPOSURE * float(np.clip((MIDDLE / np.mean(person.skin)) ** 0.5, 0.6, 1.35))
        self._noise = np.random.default_rng((stage.seed, 14)).standard_normal(
            max(NOISE_POOL, 6 * math.prod(stage.size_px)), np.float32
        )
        self._room = room(stage, LARGE)
        eyes = [ids.numpy() for name, ids in head.regions.items() if name.startswith("eyeball")]
        self._eyes = np.concatenate([np.zeros(0, np.int64), *eyes])  # some heads have none

    def draw(self, vertices: Floats, camera: Camera, frame: int) -> Picture:
        """vertices [V, 3] of the head's own mesh, in the head frame -> [H, W, 3] RGB."""
        posed, body = self._placed(vertices, camera)
        own_normals = vertex_normals(posed, self._own)
        points, normals = self._surface.bend(posed, own_normals)
        points = np.concatenate([points, body])
        normals = np.concatenate([normals, vertex_normals(body, self._body_triangles)])
        shadow = self._shadow(points, posed + own_normals * self._hair[:, None], body)
        light = self._light(normals, shadow, camera)
        image, depth = self._draw_surface(points, normals, light, camera)
        self._draw_strands(posed, shadow, camera, image, depth)
        return self._sensor(image, frame)

    def _placed(self, vertices: Floats, camera: Camera) -> tuple[Floats, Floats]:
        """Head and body before the camera; below the chin the neck goes over from the turned head to the still body."""
        turn, at = camera.rotation.double().numpy(), camera.translation.double().numpy()
        still = np.asarray(FACING)
        pivot = np.array(NECK_M)
        origin = turn @ pivot + at - still @ pivot
        share = self._below_chin[:, None]
        turned, resting = vertices @ turn.T + at, vertices @ still.T + origin
        return turned + share * (resting - turned), self._body @ still.T + origin

    def _shadow(self, points: Floats, haired: Floats, body: Floats) -> Singles:
        """[N] how much of the first lamp reaches each point."""
        towards = self._lamps.towards[0]
        across = unit(np.cross((0.0, 1.0, 0.0), towards))
        up = np.cross(towards, across)
        middle = haired.mean(0)
        solid = np.concatenate([haired, body]) - middle
        triangles = np.concatenate([self._own, self._body_triangles + len(haired)])
        flat = np.stack([solid @ across, solid @ up, -(solid @ towards)], 1) / SHADOW_REACH_M
        flat[:, 2] *= 0.5
        drawn = rasterize(
            np.concatenate([flat, np.ones((len(flat), 1))], 1).astype(np.float32), triangles, (SHADOW_PX, SHADOW_PX)
        )
        nearest = np.where(drawn[..., 3] > 0, -2 * SHADOW_REACH_M * drawn[..., 2], -np.inf).astype(np.float32)
        out = np.empty(len(points), np.float32)
        # `up` of the rasteriser is row 0
        shadow_at(points - middle, across, up, towards, nearest, 1 / SHADOW_REACH_M, 0.006, out)
        return out

    def _light(self, normals: Floats, shadow: Singles, camera: Camera) -> Singles:
        """[N, 3] what arrives, before the skin's colour."""
        count = len(self._occlusion)
        open_ = np.ones(len(normals))
        open_[:count] = self._occlusion
        # Lids shade the eyes: by where on the ball a point is now, whichever way the eye looks.
        turn = camera.rotation.double().numpy()
        local = normals[self._eyes] @ turn
        open_[self._eyes] = (
            0.85 - 0.55 * smoothstep(0.05, 0.55, local[:, 1]) - 0.25 * smoothstep(0.35, 0.85, np.abs(local[:, 0]))
        )
        open_ = np.clip(open_, 0.03, 1)[:, None] ** np.array((0.8, 1.0, 1.05))
        up = -normals[:, 1:2]
        light = self._lamps.ambient * open_ * (0.85 + 0.35 * up) * (1.0, 0.98, 0.97)
        for place, (towards, colour) in enumerate(zip(self._lamps.towards, self._lamps.colour, strict=True)):
            around = np.clip((normals @ towards)[:, None] + WRAP, 0, None) / (1 + WRAP)
            reach = shadow[:, None] ** SOFT if place == 0 else 1.0
            light = light + colour * around * reach * open_**0.6
        return np.asarray(light, np.float32)

    def _draw_surface(self, points: Floats, normals: Floats, light: Singles, camera: Camera) -> tuple[Singles, Singles]:
        width, height = (LARGE * size for size in self._stage.size_px)
        clip = np.concatenate([points, np.ones((len(points), 1))], 1) @ self._lens(camera).T
        x, y = (clip[:, :2] / clip[:, 3:]).T
        a, b, c = self._triangles.T
        seen = (x[b] - x[a]) * (y[c] - y[a]) - (x[c] - x[a]) * (y[b] - y[a]) > 0
        seen[-len(self._body_triangles) :] = True  # a collar shows its inside
        fragments = rasterize(clip.astype(np.float32), self._triangles[seen], (height, width))
        image, depth = self._room.copy(), np.full((height, width), np.inf, np.float32)
        shade(
            fragments, self._triangles[seen], self._uvs[seen], self._material[seen], points.astype(np.float32),
            normals.astype(np.float32), light, self._tint, self._texture,
            self._lamps.towards.astype(np.float32), self._lamps.colour.astype(np.float32), depth, image,
        )  # fmt: skip
        return image, depth

    def _lens(self, camera: Camera) -> Floats:
        width, height = self._stage.size_px
        return np.asarray(clip_from_camera(camera, width, height).double().numpy())

    def _draw_strands(self, posed: Floats, shadow: Singles, camera: Camera, image: Singles, depth: Singles) -> None:
        lens = LARGE * np.array((float(camera.focal_px), *camera.principal_px.tolist()))
        for strands in self._strands:
            points, normals = strands.posed(posed)
            draw_strands(
                points, normals, strands.colour, lens, self._lamps.towards, self._lamps.colour,
                self._lamps.ambient, strands.width_m, shadow[strands.corners[:, 0]], depth, image,
            )  # fmt: skip

    def _sensor(self, linear: Singles, frame: int) -> Picture:
        """Made small, through a lens, in a film's tones, with noise, in eight bits."""
        small = cv2.resize(linear, self._stage.size_px, interpolation=cv2.INTER_AREA)
        blurred = cv2.GaussianBlur(small, (0, 0), 0.6 * self._stage.blur_px)
        x = np.float32(self._exposure) * np.maximum(blurred, 0)
        toned = np.clip(x * (2.51 * x + 0.03) / (x * (2.43 * x + 0.59) + 0.14), 0, 1)  # ACES, fitted by Narkowicz 2016
        levels = 255 * cv2.pow(toned.astype(np.float32), 1 / 2.2)
        start = int(np.random.default_rng((self._stage.seed, 15, frame)).integers(len(self._noise) - levels.size))
        noise = self._noise[start : start + levels.size].reshape(levels.shape)
        noisy = levels + np.float32(self._stage.noise_levels) * noise
        return np.asarray(np.clip(noisy + np.float32(0.5), 0, 255), np.uint8)


def _grow(head: Head, skin: Skin, person: Person, random: np.random.Generator) -> list[Strands]:
    inner = ("ear", "eyeball", "mouth", "teeth", "gums", "tongue", "socket", "nostril_passage")
    bare = np.zeros(len(skin.rest), bool)
    for name, ids in head.regions.items():
        if name.startswith(inner):
            bare[ids.numpy()] = True
    outer = np.flatnonzero(~bare[skin.triangles].any(1))
    hair = grow_hair(skin, np.flatnonzero(bare), person, random)
    rest = [grow_brows(skin, outer, person, random), grow_lashes(skin, outer, person, random)]
    return rest if hair is None else [hair, *rest]


def _occlusion(head: Head, rest: Floats, landmarks: Floats, triangles: NDArray[np.int64]) -> Floats:
    """[V] how open a place is to the room; inside the mouth by how far it lies behind the lips."""
    sky = sky_seen(rest, triangles)
    lips = landmarks[13, 2]
    for name, ids in head.regions.items():
        if name.startswith(("mouth_bag", "teeth", "gums", "tongue")):
            depth, aside = lips - rest[ids.numpy(), 2], np.abs(rest[ids.numpy(), 0])
            sky[ids.numpy()] = np.clip(0.75 - depth / 0.035, 0.06, 0.75) * (1 - 0.7 * smoothstep(0.010, 0.022, aside))
    return sky
