"""What skins of people look like, as statistics of textures: mean + components @ code, laid out by a head's UVs."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

LOOKUP_SIDE = 256  # a vertex stands for as much of a texture as a texel of this does


@dataclass(frozen=True)
class TextureSpace:
    """Colours as a screen shows them, 0 to 1, row 0 at the top. Codes are in standard deviations."""

    name: str
    licence: str
    sha256: str  # of the file
    mean: Floats  # [S, S, 3] RGB
    components: Floats  # [S, S, 3, K]

    @property
    def size(self) -> int:
        return self.components.shape[3]

    def picture(self, code: Floats) -> Floats:
        """[S, S, 3], 0 to 1."""
        return np.clip(self.mean + self.components @ code.astype(np.float32), 0, 1)

    def at(self, uvs: Floats) -> tuple[Floats, Floats]:
        """Mean [N, 3] and components [N, 3, K] around places [N, 2] of the texture."""
        mean, components = (self._at(part, uvs) for part in (self.mean, self.components))
        return mean, components.reshape(len(uvs), 3, -1)

    def _at(self, part: Floats, uvs: Floats) -> Floats:
        side = len(part)
        small = _reduced(part.reshape(side, side, -1), max(1, side // LOOKUP_SIDE))
        return _bilinear(small, uvs * len(small) - 0.5)


def resized(picture: Floats, side: int) -> Floats:
    return np.asarray(cv2.resize(picture, (side, side), interpolation=cv2.INTER_LINEAR), np.float32)


def _reduced(picture: Floats, times: int) -> Floats:
    """Means over squares of so many texels."""
    side = len(picture) // times
    cut = picture[: side * times, : side * times]
    return np.asarray(cut.reshape(side, times, side, times, -1).mean((1, 3)), np.float32)


def _bilinear(picture: Floats, places: Floats) -> Floats:
    """[S, S, C] at columns and rows [N, 2], repeated beyond its border -> [N, C]."""
    last = len(picture) - 1
    places = np.clip(places, 0, last)
    low = np.minimum(places.astype(np.int64), max(last - 1, 0))
    share = (places - low)[..., None]
    (column, row), (x, y) = low.T, share.transpose(1, 0, 2)
    right, down = np.minimum(column + 1, last), np.minimum(row + 1, last)
    upper = (1 - x) * picture[row, column] + x * picture[row, right]
    lower = (1 - x) * picture[down, column] + x * picture[down, right]
    return np.asarray((1 - y) * upper + y * lower, np.float32)
