"""The overlay's head, drawn by the CPU in one compiled call: `render/drawing`."""

import numpy as np

from models.head import Head
from render.drawing.head import Body, Room, Skin, draw_head
from render.drawing.planes import VALUES
from render.drawing.texels import Texels, halvings, halvings_for, packed
from render.overlay_surface import Surface
from render.painter import Floats, Picture, Posed, Style, Window, at_rest, texels_a_px
from render.texture import Texture


class CompiledPainter:
    """A `render.painter.Painter`."""

    def __init__(self, head: Head, surface: Surface) -> None:
        self._head, self._surface = head.to("cpu"), surface
        self._shape: object = None  # the code that is prepared
        self._body: Body | None = None
        self._worn: Texture | None = None
        self._sizes: list[Texels] = []  # of it
        count, columns = len(surface.vertices), len(surface.starts) - 1
        self._room = Room(
            weights=np.zeros(columns, np.float32),
            vertices=np.zeros((count, 3), np.float32),
            screen=np.zeros((count, 3), np.float32),
            normals=np.zeros((count, 3), np.float32),
            lit=np.zeros((count, 5), np.float32),
            planes=np.zeros((len(surface.triangles), 3, 1 + VALUES), np.float32),
            depth=np.zeros((0, 0), np.float32),
            face=np.zeros((0, 0), np.int32),
            values=np.zeros((VALUES + 1, 0), np.float32),
            texels=np.zeros((5, 0), np.uint32),
        )

    def draw(self, canvas: Picture, posed: Posed, window: Window, style: Style, texture: Texture | None = None) -> None:
        paint, skin = self._surface.line_paint if style.lines else self._surface.paint, None
        if texture is not None:
            paint, skin = self._surface.skin_paint, self._skin(texture, posed.camera)
        self._make_room(canvas.shape[0], canvas.shape[1])
        draw_head(
            self._prepared(posed), paint, skin, posed.params, posed.camera, window, style.packed(), self._room, canvas
        )

    def _skin(self, texture: Texture, camera: Floats) -> Skin:
        """The texture at the size at which the camera sees it."""
        if self._worn is not texture:
            self._worn, self._sizes = texture, [packed(picture) for picture in halvings(texture.albedo)]
        halved = min(halvings_for(texels_a_px(texture, self._surface, camera)), len(self._sizes) - 1)
        return Skin(self._surface.corners, self._sizes[halved], texture.light)

    def _prepared(self, posed: Posed) -> Body:
        if self._body is None or self._shape is not posed.identity.shape:
            surface, rest = self._surface, at_rest(self._head, self._surface, posed.identity)
            self._shape = posed.identity.shape
            self._body = Body(
                template=rest.template,
                starts=surface.starts,
                ids=surface.ids,
                offsets=surface.offsets,
                carried=surface.carried,
                triangles=surface.triangles,
                joints=rest.joints,
                joint_motion=rest.joint_motion,
            )
        return self._body

    def _make_room(self, height: int, width: int) -> None:
        if self._room.depth.shape != (height, width):
            depth, face = np.zeros((height, width), np.float32), np.zeros((height, width), np.int32)
            values, texels = np.zeros((VALUES + 1, width), np.float32), np.zeros((5, width), np.uint32)
            self._room = self._room._replace(depth=depth, face=face, values=values, texels=texels)
