"""`OverlayRenderer`: a picture and what was tracked in it -> the picture with the head drawn over it.

What of the head is drawn, and its paint: `render/overlay_surface.py`. The drawing: `render/overlay_kernel.py`.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from models.camera import project
from models.head import Head, ShapedHead, shape_head
from models.types import Camera, HeadParams, Identity, TrackResult
from render.legend import draw_legend
from render.modes import OverlayMode
from render.overlay_kernel import draw_dots, draw_surface, draw_textured
from render.overlay_surface import Surface
from render.texture import Texture

Picture = NDArray[np.uint8]
Window = tuple[int, int, int, int]  # left, top, right, bottom

SEEN_RGB, FITTED_RGB = (255, 150, 40), (70, 235, 255)  # detected landmarks, and fitted above them
STAGE_RGB = (22, 26, 31)  # behind the head that stands beside the picture


@dataclass(frozen=True)
class Style:
    """How a surface is drawn over what is behind it. Opacities are factors of the paint's."""

    fill: float
    lines: float = 0.0
    line_px: float = 0.0
    edge_on: float = 0.3  # the part of its opacity that the surface keeps where it is seen edge on

    def packed(self) -> NDArray[np.float32]:
        return np.array((self.fill, self.lines, self.line_px, self.edge_on), np.float32)


MESH, WIREFRAME, SOLID = Style(1.0), Style(0.14, 1.1, 0.55), Style(10.0, edge_on=1.0)


class OverlayRenderer:
    """Draws one head; keeps what does not change from frame to frame. Not for two threads at once."""

    def __init__(self, head: Head, surface: Surface | None = None) -> None:
        """`surface`, of the same head, spares making it again."""
        self._head = head.to("cpu")
        self._surface = surface or Surface.of(self._head)
        low, high = self._head.template.aminmax(dim=0)
        self._middle = (low + high)[None] / 2  # [1, 3] of the head
        self._shape: object = None  # the code that is prepared
        self._person: _Person | None = None
        self._texture: Texture | None = None
        self._corners = self._surface.corners  # in that texture's texels
        count, columns = len(self._surface.vertices), len(self._surface.starts) - 1
        self._weights = np.zeros(columns, np.float32)
        self._vertices, self._screen, self._normals = (np.zeros((count, 3), np.float32) for _ in range(3))
        self._lit = np.zeros((count, 5), np.float32)
        self._depth = np.zeros((0, 0), np.float32)
        self._face = np.zeros((0, 0), np.int32)

    def draw(
        self,
        image: Picture,
        result: TrackResult,
        identity: Identity | None,
        mode: OverlayMode,
        legend: bool = True,
        texture: Texture | None = None,
    ) -> Picture:
        """A new picture [H, W, 3] RGB of the same size; without a face nothing is drawn but the legend.

        Until there is a texture, the mode `textured` draws the surface as `mesh` does.
        """
        if mode == "off":
            return image.copy()
        if mode == "side_by_side":
            drawn = self._beside(image, result, identity)
        else:
            drawn = np.array(image, np.uint8, order="C")
            whole = (0, 0, image.shape[1], image.shape[0])
            if mode == "landmarks":
                draw_landmarks(drawn, result, whole)
            elif mode == "textured" and texture is not None:
                self._draw_skin(drawn, result, identity, whole, texture)
            else:
                self._draw_head(drawn, result, identity, whole, WIREFRAME if mode == "wireframe" else MESH)
        if legend:
            draw_legend(drawn, result)
        return drawn

    def _beside(self, image: Picture, result: TrackResult, identity: Identity | None) -> Picture:
        """The middle of the picture around the face on the left; what was understood of it, alone, on the right."""
        height, width = image.shape[:2]
        half = width // 2
        start = self._start_of_half(result, width, half)
        drawn = _stage(height, width).copy()
        drawn[:, :half] = image[:, start : start + half]
        self._draw_head(drawn, result, identity, (half, 0, width, height), SOLID, half - start)
        return drawn

    def _start_of_half(self, result: TrackResult, width: int, half: int) -> int:
        """Where a window of half the picture's width begins that has the head in its middle."""
        middle = width / 2
        if result.picture_camera is not None:
            found = float(project(result.picture_camera, self._middle.to(result.picture_camera.rotation))[0, 0])
            middle = found if math.isfinite(found) else middle
        return int(min(max(round(middle - half / 2), 0), width - half))

    def _draw_head(
        self,
        canvas: Picture,
        result: TrackResult,
        identity: Identity | None,
        window: Window,
        style: Style,
        shift: int = 0,
    ) -> None:
        if result.params is None or result.picture_camera is None or identity is None:
            return
        person, surface = self._prepared(identity), self._surface
        paint = surface.line_paint if style.lines else surface.paint
        self._make_room(canvas.shape[0], canvas.shape[1])
        draw_surface(
            person.template, surface.starts, surface.ids, surface.offsets, surface.carried, surface.triangles, paint,
            person.joints, person.joint_motion, packed_params(result.params),
            packed_camera(result.picture_camera, shift), window, style.packed(), self._weights, self._vertices,
            self._screen, self._normals, self._lit, self._depth, self._face, canvas,
        )  # fmt: skip

    def _draw_skin(
        self, canvas: Picture, result: TrackResult, identity: Identity | None, window: Window, texture: Texture
    ) -> None:
        if result.params is None or result.picture_camera is None or identity is None:
            return
        person, surface = self._prepared(identity), self._surface
        if self._texture is not texture:
            height, width = texture.albedo.shape[:2]
            self._texture, self._corners = texture, surface.corners * np.array((width, height), np.float32)
        self._make_room(canvas.shape[0], canvas.shape[1])
        draw_textured(
            person.template, surface.starts, surface.ids, surface.offsets, surface.carried, surface.triangles,
            surface.skin_paint, self._corners, person.joints, person.joint_motion, packed_params(result.params),
            packed_camera(result.picture_camera), window, texture.albedo, texture.light, self._weights, self._vertices,
            self._screen, self._normals, self._lit, self._depth, self._face, canvas,
        )  # fmt: skip

    def _prepared(self, identity: Identity) -> "_Person":
        if self._person is None or self._shape is not identity.shape:
            shaped = shape_head(self._head, identity.shape.detach().to(self._head.template))
            self._shape, self._person = identity.shape, _Person.of(shaped, self._surface)
        return self._person

    def _make_room(self, height: int, width: int) -> None:
        if self._depth.shape != (height, width):
            self._depth, self._face = np.zeros((height, width), np.float32), np.zeros((height, width), np.int32)


@dataclass(frozen=True)
class _Person:
    template: NDArray[np.float32]  # [N, 3] of the drawn vertices
    joints: NDArray[np.float32]  # [J, 3]
    joint_motion: NDArray[np.float32]  # [J, 3, E]

    @staticmethod
    def of(shaped: ShapedHead, surface: Surface) -> "_Person":
        return _Person(
            np.ascontiguousarray(shaped.template.numpy()[surface.vertices], np.float32),
            np.ascontiguousarray(shaped.joints.numpy(), np.float32),
            np.ascontiguousarray(shaped.expression_joints.numpy(), np.float32),
        )


@lru_cache(maxsize=4)
def _stage(height: int, width: int) -> Picture:
    """Filling a picture with a colour takes numpy as long as drawing the head."""
    return np.full((height, width, 3), STAGE_RGB, np.uint8)


def packed_params(params: HeadParams) -> NDArray[np.float32]:
    """[E + 12]: expression, neck, jaw, eyes."""
    return _packed(params.expression, params.neck, params.jaw, params.eyes)


def packed_camera(camera: Camera, shift: int = 0) -> NDArray[np.float32]:
    """[15]: rotation row by row, translation, focal length, principal point moved to the right by `shift`."""
    packed = _packed(camera.rotation, camera.translation, camera.focal_px, camera.principal_px)
    packed[13] += shift
    return packed


def _packed(*parts: Tensor) -> NDArray[np.float32]:
    return np.concatenate(
        [part.detach().cpu().numpy().ravel() for part in parts], dtype=np.float32, casting="same_kind"
    )


def draw_landmarks(canvas: Picture, result: TrackResult, window: Window) -> None:
    """Detected points, and on them the fitted ones, smaller."""
    if result.landmarks is None or result.fitted_px is None:
        return
    seen, fitted = result.landmarks.points_px, result.fitted_px
    iod = math.dist(seen[33].tolist(), seen[263].tolist())
    radius = min(max(0.6, iod / 130), 6.0) if math.isfinite(iod) else 1.0
    draw_dots(canvas, np.ascontiguousarray(seen, np.float32), 1.55 * radius, *SEEN_RGB, window)
    draw_dots(canvas, np.ascontiguousarray(fitted, np.float32), radius, *FITTED_RGB, window)
