"""ICT-FaceKit's texture coordinates, spread over seven tiles that partly share places, as one texture.

The face takes three quarters of each side, the other parts a quarter each along the right and the bottom.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.ict_parts import PARTS

Array = NDArray[Any]

# Top left corner and side of each part's place in the texture.
_FACE = (0.0, 0.0, 0.75)
_PLACES = (_FACE, (0.75, 0.0, 0.25), (0.75, 0.25, 0.25), (0.75, 0.5, 0.25), (0.0, 0.75, 0.25), (0.25, 0.75, 0.25))
_LEFT_EYE, _RIGHT_EYE = 4, 5  # tiles 0 to 3 are face, head with the mouth's inside, gums, teeth


def pack_uvs(uvs: Array, uv_triangles: Array, triangles: Array) -> tuple[Array, Array]:
    """The file's coordinates [U, 2] -> coordinates [U', 2] in 0..1, origin at the top left, and their triangles."""
    place = np.floor(uvs[uv_triangles[:, 0], 0]).astype(np.int64)  # [F]
    for number, part in ((_LEFT_EYE, PARTS["eyeball_left"]), (_RIGHT_EYE, PARTS["eyeball_right"])):
        place[(triangles[:, 0] >= part.start) & (triangles[:, 0] < part.stop)] = number
    pairs = uv_triangles * len(_PLACES) + place[:, None]
    used, packed = np.unique(pairs, return_inverse=True)
    source, where = uvs[used // len(_PLACES)], np.array(_PLACES)[used % len(_PLACES)]
    within = np.stack((source[:, 0] % 1, 1 - source[:, 1]), 1)
    return where[:, :2] + within * where[:, 2:], packed.reshape(uv_triangles.shape)
