"""`texture.png` beside a track, and the texture in `head.glb`."""

import io
from pathlib import Path

from PIL import Image

from render.texture import Texture
from tracker.jobs.head_files import write_whole

NAME = "texture.png"


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
