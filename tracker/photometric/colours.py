"""Between what a screen shows and light that adds up, by one exponent: products of light stay products when shown."""

import numpy as np
from numpy.typing import NDArray

from render.texture import GAMMA

__all__ = ["GAMMA", "LUMINANCE", "linear", "shown"]

LUMINANCE = (0.2126, 0.7152, 0.0722)

_LINEAR = (np.arange(256, dtype=np.float32) / 255) ** np.float32(GAMMA)


def linear(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    return np.asarray(_LINEAR[picture])


def shown(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Linear light of any shape as bytes; what is not a number becomes black."""
    kept = np.nan_to_num(values, nan=0.0).clip(0, 1)
    return np.asarray(255 * kept ** np.float32(1 / GAMMA) + np.float32(0.5), np.uint8)
