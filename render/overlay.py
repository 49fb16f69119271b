"""`OverlayRenderer`: a picture and what was tracked in it -> the picture with the head drawn over it.

What of the head is drawn, and its paint: `render/overlay_surface.py`. Who draws it: `render/painter.py`.
"""

import math
from functools import lru_cache

import numpy as np

from models.camera import project
from models.head import Head
from models.types import Identity, TrackResult
from render.drawing.dots import draw_dots
from render.legend import draw_legend
from render.modes import OverlayMode
from render.painter import Painter, Picture, Style, Window, open_painter, posed
from render.texture import Texture

SEEN_RGB, FITTED_RGB = (255, 150, 40), (70, 235, 255)  # detected landmarks, and fitted above them
STAGE_RGB = (22, 26, 31)  # behind the head that stands beside the picture
MESH, WIREFRAME, SOLID = Style(1.0), Style(0.14, 1.1, 0.55), Style(10.0, edge_on=1.0)


class OverlayRenderer:
    """Draws one head; keeps what does not change from frame to frame. Not for two threads at once."""

    def __init__(self, head: Head, painter: Painter | None = None) -> None:
        """`painter`: of the same head; else one on the CPU."""
        low, high = head.template.cpu().aminmax(dim=0)
        self._middle = (low + high)[None] / 2  # [1, 3] of the head
        self._painter = painter or open_painter(head)

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
        seen = posed(identity, result.params, result.picture_camera, shift)
        self._painter.draw(canvas, seen, window, style, texture)


@lru_cache(maxsize=4)
def _stage(height: int, width: int) -> Picture:
    """Filling a picture with a colour takes numpy as long as drawing the head."""
    return np.full((height, width, 3), STAGE_RGB, np.uint8)


def draw_landmarks(canvas: Picture, result: TrackResult, window: Window) -> None:
    """Detected points, and on them the fitted ones, smaller."""
    if result.landmarks is None or result.fitted_px is None:
        return
    seen, fitted = result.landmarks.points_px, result.fitted_px
    iod = math.dist(seen[33].tolist(), seen[263].tolist())
    radius = min(max(0.6, iod / 130), 6.0) if math.isfinite(iod) else 1.0
    draw_dots(canvas, np.ascontiguousarray(seen, np.float32), 1.55 * radius, *SEEN_RGB, window)
    draw_dots(canvas, np.ascontiguousarray(fitted, np.float32), radius, *FITTED_RGB, window)
