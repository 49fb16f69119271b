"""A person's skin and light as `identity.npz` holds them: learned once, worn from a later video's first frame on."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.npz import Array, read_npz
from models.types import Identity, MienError
from render.texture import Texture

MOST_TEXELS = 4096  # of a texture's side
BRIGHTEST = 1e4  # of a light's coefficients: a white surface shows 1 under the usual one
_MOST_BYTES = 64 << 20


@dataclass(frozen=True)
class KnownSkin:
    """Worn while that person is followed, and by nobody else."""

    identity: Identity
    texture: Texture

    def on(self, identity: Identity | None) -> Texture | None:
        return self.texture if identity is not None and identity.shape is self.identity.shape else None


def saved_skin(texture: Texture | None) -> dict[str, Array]:
    return {} if texture is None else {"texture": texture.albedo, "light": texture.light}


def read_known_skin(path: Path, identity: Identity) -> KnownSkin | None:
    """Of the file that the identity was read from; None where no skin was saved with it."""
    arrays = read_npz(path, _MOST_BYTES, names=("texture", "light"))
    if not arrays:
        return None
    if len(arrays) != 2:
        raise MienError(f"{path}: expected a texture together with its light, got the {next(iter(arrays))} alone")
    albedo, light = arrays["texture"], arrays["light"]
    if albedo.dtype != np.uint8 or albedo.ndim != 3 or not 0 < max(albedo.shape[:2]) <= MOST_TEXELS:
        raise MienError(
            f"{path}: expected a texture of bytes, at most {MOST_TEXELS} texels a side and 3 colours, got "
            f"{albedo.dtype} {list(albedo.shape)}; track the person again"
        )
    if light.dtype.kind != "f" or not (np.abs(light) < BRIGHTEST).all():
        raise MienError(f"{path}: expected a light of ordinary brightness, got other numbers; track the person again")
    try:
        return KnownSkin(identity, Texture(albedo, light.astype(np.float32)))
    except MienError as error:
        raise MienError(f"{path}: {error}; track the person again") from error
