"""The call: a head, its motion and a camera -> the head in a picture."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.compiled import compiled
from render.drawing.blending import blend
from render.drawing.light import light_clay, light_skin
from render.drawing.posing import pose
from render.drawing.texels import Texels
from render.drawing.view import find_normals, project
from render.drawing.visible import find_visible

Floats = NDArray[np.float32]
Integers = NDArray[np.int32]


class Body(NamedTuple):
    """A person's head at rest and what moves it: N vertices, M triangles."""

    template: Floats  # [N, 3]
    starts: Integers  # [K + 1] of the columns of the bases: expression, then pose correctives
    ids: Integers  # [n] the vertices that they move
    offsets: Floats  # [n, 3] by how much
    carried: Floats  # [N, 5] skinning weights
    triangles: Integers  # [M, 3]
    joints: Floats  # [5, 3] at rest
    joint_motion: Floats  # [5, 3, E] how expression moves them


class Skin(NamedTuple):
    """A person's own, in the room's light."""

    corners: Floats  # [M, 3, 2] of the triangles in the texture, 0 to 1 from its top left corner
    texels: Texels  # [H, W] shown albedo
    light: Floats  # [9, 3]: `render.diff.light`


class Room(NamedTuple):
    """Room to work in; never for two threads at once."""

    weights: Floats  # [K]
    vertices: Floats  # [N, 3] camera frame
    screen: Floats  # [N, 3] pixels and inverse depth
    normals: Floats  # [N, 3]
    lit: Floats  # [N, 5]
    planes: Floats  # [M, 3, 1 + VALUES]
    depth: Floats  # [H, W] inverse
    face: Integers  # [H, W]
    values: Floats  # [VALUES + 1, W] of the pixels of a row
    texels: Texels  # [5, W] the same


@compiled
def draw_head(
    body: Any, paint: Any, skin: Any, params: Any, camera: Any, window: Any, style: Any, room: Any, canvas: Any
) -> bool:
    """Blend a head into `canvas` [H, W, 3] uint8 inside `window` (left, top, right, bottom); False if nothing is seen.

    paint [N, 5] linear red, green, blue, opacity, gloss; of it opacity and gloss alone count where there is a `Skin`,
    else that is None; params: expression, neck, jaw, eyes; camera: rotation, translation, focal, x, y; style: opacity
    of the surface and of its lines (factors of the paint's), the lines' width in pixels, and how much of its opacity
    the surface keeps where it is edge on: of a surface without a skin.
    """
    pose(body, params, camera, room.weights, room.vertices)
    left, top, right, bottom = project(room.vertices, camera, window, room.screen)
    if left >= right or top >= bottom:
        return False
    rectangle = left, top, right, bottom
    find_normals(room.vertices, body.triangles, room.normals)
    find_visible(body.triangles, room.screen, rectangle, room.depth, room.face)
    if skin is None:
        light_clay(room.vertices, room.normals, paint, style, room.lit)
        places, texels = None, None
    else:
        light_skin(room.vertices, room.normals, paint, skin.light, room.lit)
        places, texels = skin.corners, skin.texels
    blend(body.triangles, places, texels, style[2], rectangle, room, canvas)
    return True
