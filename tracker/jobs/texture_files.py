"""A person's skin in files: `texture.png`, light and code in `track.npz`; and statistics of skins that are read."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.head import Head
from models.library import find_texture_space
from models.npz import Array
from models.texture_space import TextureSpace
from models.texture_space_files import read_texture_space
from render.texture import Texture
from tracker.jobs.outputs import png, write_whole
from tracker.photometric.light import Lighting

NAME = "texture.png"


def open_texture_space(name_or_file: str | None, head: Head) -> TextureSpace | None:
    return read_texture_space(find_texture_space(name_or_file), head) if name_or_file is not None else None


def texture_png(texture: Texture) -> bytes:
    return png(texture.albedo)


def write_texture(folder: Path, texture: Texture | None) -> bytes | None:
    """The file's bytes. A file of an earlier run never stays beside another track."""
    path = folder / NAME
    if texture is None:
        path.unlink(missing_ok=True)
        return None
    content = texture_png(texture)
    write_whole(path, content)
    return content


def skin_arrays(lighting: Lighting, light: NDArray[np.float32]) -> dict[str, Array]:
    """What `track.npz` holds of a skin: `light` [1 or T, 9, 3] and, of a texture space, the code."""
    arrays: dict[str, Array] = {"light": light}
    if lighting.code is not None:
        arrays["texture_code"] = lighting.code.numpy().astype(np.float32)
    return arrays


def texture_space_facts(textures: TextureSpace | None) -> dict[str, str] | None:
    """For the report."""
    if textures is None:
        return None
    return {"name": textures.name, "licence": textures.licence, "sha256": textures.sha256}
