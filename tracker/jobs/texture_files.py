"""A person's skin in files: `texture.png`, light and code in `track.npz`; and statistics of skins that are read."""

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.head import Head
from models.library import find_texture_space
from models.npz import Array
from models.texture_space import TextureSpace
from models.texture_space_files import read_texture_space
from models.types import MienError
from render.texture import Texture
from tracker.jobs.head_files import write_whole
from tracker.photometric.light import Lighting

NAME = "texture.png"


def open_texture_space(name_or_file: str | None, head: Head, wanted: bool) -> TextureSpace | None:
    """`wanted`: whether a skin is solved at all."""
    if name_or_file is None:
        return None
    if not wanted:
        raise MienError(
            "--texture-space explains a skin, but with --no-texture none is solved: leave that out, or add "
            "--mode photometric"
        )
    return read_texture_space(find_texture_space(name_or_file), head)


def texture_png(texture: Texture) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(texture.albedo).save(stream, "PNG", compress_level=4)
    return stream.getvalue()


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
