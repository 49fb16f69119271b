"""The mean of textures, and the components along which they differ most."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

FEWEST = 2
LEAST_SHARE = 1e-3  # of the strongest component's variance: less is noise
_TEXELS_AT_ONCE = 8192


def principal_components(textures: Sequence[NDArray[np.uint8]], most: int) -> tuple[Floats, Floats]:
    """N textures [S, S, 3] -> mean [S, S, 3] and components [S, S, 3, K], one standard deviation each, 0 to 1."""
    shape, count = textures[0].shape, len(textures)
    rows = np.stack([texture.reshape(-1) for texture in textures])  # [N, C]
    mean = rows.mean(0, dtype=np.float64).astype(np.float32)

    def away(start: int) -> Floats:
        part = slice(start, start + _TEXELS_AT_ONCE)
        return np.asarray((rows[:, part] - mean[part]) / 255, np.float32)

    starts = range(0, rows.shape[1], _TEXELS_AT_ONCE)
    among = np.zeros((count, count))
    for start in starts:
        part = away(start).astype(np.float64)
        among += part @ part.T
    values, vectors = np.linalg.eigh(among / (count - 1))
    order = np.argsort(values)[::-1][: min(most, count - 1)]
    order = order[values[order] > LEAST_SHARE * max(float(values[-1]), 1e-12)]
    mixing = (vectors[:, order] / np.sqrt(count - 1)).astype(np.float32)  # [N, K]
    components = np.concatenate([away(start).T @ mixing for start in starts])
    return (mean / 255).reshape(shape), components.reshape(*shape, -1)
