"""Files with exactly the keys, shapes and types of FLAME's texture spaces, blue first, around smooth patterns."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
TONE = (0.72, 0.53, 0.43)  # red, green, blue


def smooth_space(side: int, count: int, seed: int = 0) -> tuple[Array, Array]:
    """Mean [S, S, 3] and components [S, S, 3, K], red first, of 0 to 1."""
    random = np.random.default_rng(seed)
    down, across = np.meshgrid(*2 * [(np.arange(side) + 0.5) / side], indexing="ij")
    mean = np.stack([tone * (0.9 + 0.1 * np.cos(9 * across) * np.cos(7 * down)) for tone in TONE], 2)
    waves = [np.cos(random.uniform(4, 20) * across + random.uniform(4, 20) * down + 6 * k) for k in range(count)]
    colours = random.uniform(0.3, 1.0, (3, count)) * 0.05
    return mean, np.stack(waves, 2)[:, :, None] * colours


def write_flame_texture(path: Path, mean: Array, components: Array, uvs: Array, uv_triangles: Array) -> Path:
    """FLAME_texture.npz: `uvs` [U, 2] from the top, as a head has them; in the file they are from the bottom."""
    np.savez(
        path,
        mean=255 * mean[:, :, ::-1],
        tex_dir=255 * components[:, :, ::-1],
        vt=np.stack((uvs[:, 0], 1 - uvs[:, 1]), 1),
        ft=uv_triangles.astype(np.uint32),
    )
    return path


def write_bfm_albedo(path: Path, mean: Array, components: Array) -> Path:
    """FLAME_albedo_from_BFM.npz: flat, of 512 x 512 texels."""
    count = components.shape[3]
    np.savez(path, MU=mean[:, :, ::-1].reshape(-1), PC=components[:, :, ::-1].reshape(-1, count))
    return path
