"""`OverlayRenderer`: a picture and what was tracked in it -> the picture with the head drawn over it.

What of the head is drawn, and its paint: `render/overlay_surface.py`. The drawing: `render/drawing`.
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
from render.drawing.dots import draw_dots
from render.drawing.head import Body, Room, Skin, draw_head
from render.drawing.planes import VALUES
from render.drawing.texels import Levels
from render.legend import draw_legend
from render.modes import OverlayMode
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
        self._body: Body | None = None
        self._worn: tuple[Texture, Levels] | None = None  # the newest texture, and its sizes
        count, columns = len(self._surface.vertices), len(self._surface.starts) - 1
        self._room = Room(
            weights=np.zeros(columns, np.float32),
            vertices=np.zeros((count, 3), np.float32),
            screen=np.zeros((count, 3), np.float32),
            normals=np.zeros((count, 3), np.float32),
            lit=np.zeros((count, 5), np.float32),
            planes=np.zeros((len(self._surface.triangles), 3, 1 + VALUES), np.float32),
            depth=np.zeros((0, 0), np.float32),
            face=np.zeros((0, 0), np.int32),
            values=np.zeros((VALUES + 1, 0), np.float32),
            texels=np.zeros((5, 0), np.uint32),
        )

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
                self._draw_head(drawn, result, identity, whole, MESH, texture=texture)
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
        texture: Texture | None = None,
    ) -> None:
        if result.params is None or result.picture_camera is None or identity is None:
            return
        camera = packed_camera(result.picture_camera, shift)
        paint, skin = self._surface.line_paint if style.lines else self._surface.paint, None
        if texture is not None:
            paint, skin = self._surface.skin_paint, self._skin(texture, camera)
        self._make_room(canvas.shape[0], canvas.shape[1])
        body, params = self._prepared(identity), packed_params(result.params)
        draw_head(body, paint, skin, params, camera, window, style.packed(), self._room, canvas)

    def _skin(self, texture: Texture, camera: NDArray[np.float32]) -> Skin:
        """The texture at the size at which the camera sees it."""
        if self._worn is None or self._worn[0] is not texture:
            self._worn = texture, Levels(texture.albedo)
        away_m, focal_px = float(camera[11]), float(camera[12])
        texels_a_metre = max(texture.albedo.shape[:2]) / self._surface.texture_m
        texels_a_px = texels_a_metre * away_m / focal_px if focal_px > 0 else math.nan
        return Skin(self._surface.corners, self._worn[1].finest(texels_a_px), texture.light)

    def _prepared(self, identity: Identity) -> Body:
        if self._body is None or self._shape is not identity.shape:
            shaped = shape_head(self._head, identity.shape.detach().to(self._head.template))
            self._shape, self._body = identity.shape, _body(shaped, self._surface)
        return self._body

    def _make_room(self, height: int, width: int) -> None:
        if self._room.depth.shape != (height, width):
            depth, face = np.zeros((height, width), np.float32), np.zeros((height, width), np.int32)
            values, texels = np.zeros((VALUES + 1, width), np.float32), np.zeros((5, width), np.uint32)
            self._room = self._room._replace(depth=depth, face=face, values=values, texels=texels)


def _body(shaped: ShapedHead, surface: Surface) -> Body:
    return Body(
        template=np.ascontiguousarray(shaped.template.numpy()[surface.vertices], np.float32),
        starts=surface.starts,
        ids=surface.ids,
        offsets=surface.offsets,
        carried=surface.carried,
        triangles=surface.triangles,
        joints=np.ascontiguousarray(shaped.joints.numpy(), np.float32),
        joint_motion=np.ascontiguousarray(shaped.expression_joints.numpy(), np.float32),
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
