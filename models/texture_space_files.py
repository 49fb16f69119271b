"""Texture spaces from files: FLAME's own, the one that BFM_to_FLAME makes, and those that Mien builds and writes.

FLAME's are laid out by FLAME's texture coordinates and mean nothing on another head; ours name the head they are for.
"""

import math
from pathlib import Path

import numpy as np
from scipy.spatial import cKDTree

from models.cylinder_uvs import cylinder_uvs
from models.flame_companions import UVS
from models.flame_files import TRIANGLES, VERTICES
from models.head import Head
from models.head_file import dequantise, file_sha256, quantise
from models.npz import Array, check_array, npz_shapes, read_npz, read_npz_columns, write_npz
from models.texture_space import TextureSpace
from models.types import MienError

SCHEMA = 1
MOST_COMPONENTS = 50  # finer ones are detail, which pictures tell better
SIDES = range(16, 1025)  # with all components, 600 MB at most
SAME_PLACE = 5e-3  # of a texture's side, within which two layouts agree
_FLAT_SIDE = 512  # of the BFM's, whose arrays do not tell their shape
_LARGEST = 2.0  # of the range of colours: no mean and no component comes near
_OWN = ("schema", "head", "head_sha256", "licence", "mean", "components", "components_scale")

FLAME_LICENCE = "CC-BY-NC-SA-4.0 (FLAME texture space, flame.is.tue.mpg.de): not for commercial use"
BFM_LICENCE = "Basel Face Model: research only, no redistribution, nor of what is derived (faces.dmi.unibas.ch)"


def read_texture_space(path: Path, head: Head) -> TextureSpace:
    """Refused where it is not for this head's texture coordinates."""
    shapes = npz_shapes(path)
    if {"specMU", "specPC"} & shapes.keys():
        raise MienError(f"{path}: is AlbedoMM's, whose colours are linear and come with highlights; it is not read")
    if {"MU", "PC"} <= shapes.keys():
        return _read_bfm(path, shapes, head)
    if {"mean", "tex_dir"} <= shapes.keys():
        return _read_flame(path, shapes, head)
    if set(_OWN) <= shapes.keys():
        return _read_own(path, shapes, head)
    raise MienError(
        f"{path}: expected FLAME_texture.npz (mean, tex_dir), FLAME_albedo_from_BFM.npz (MU, PC), or a file that "
        f"`mien texture-space` has written; got {', '.join(sorted(shapes)) or 'no array'}"
    )


def write_texture_space(path: Path, mean: Array, components: Array, head: Head, licence: str, pictures: int) -> None:
    """`mean` [S, S, 3] and `components` [S, S, 3, K], as in `TextureSpace`."""
    side = len(mean)
    steps, scale = quantise(components.reshape(side * side, 3, -1).astype(np.float64))
    arrays: dict[str, Array] = {
        "schema": np.array(SCHEMA),
        "head": np.array(head.name),
        "head_sha256": np.array(head.sha256),
        "licence": np.array(licence),
        "pictures": np.array(pictures),
        "mean": mean.astype(np.float32),
        "components": steps,
        "components_scale": scale,
    }
    write_npz(path, arrays)


def _read_flame(path: Path, shapes: dict[str, tuple[int, ...]], head: Head) -> TextureSpace:
    side = _side(path, "mean", shapes["mean"], (3,))
    if shapes["tex_dir"][:3] != (side, side, 3) or len(shapes["tex_dir"]) != 4 or not shapes["tex_dir"][3]:
        raise MienError(f"{path}: expected tex_dir of shape [{side}, {side}, 3, any], got {list(shapes['tex_dir'])}")
    small = {"mean": (side, side, 3)} | ({"vt": (None, 2)} if (shapes.get("vt") or (0,))[0] else {})
    arrays = read_npz(path, 256 << 20, small)
    arrays = {name: check_array(path, name, arrays[name], shape) for name, shape in small.items()}
    _check_flame(path, head, arrays.get("vt"))
    components = read_npz_columns(path, "tex_dir", MOST_COMPONENTS)
    components /= 255
    return _space(path, "FLAME texture space", FLAME_LICENCE, arrays["mean"] / 255, components, bgr=True)


def _read_bfm(path: Path, shapes: dict[str, tuple[int, ...]], head: Head) -> TextureSpace:
    count = _FLAT_SIDE * _FLAT_SIDE * 3
    if shapes["MU"] not in ((count,), (count, 1)) or shapes["PC"][:1] != (count,) or len(shapes["PC"]) != 2:
        raise MienError(
            f"{path}: expected MU of {count} numbers and PC of {count} rows, got {list(shapes['MU'])} and "
            f"{list(shapes['PC'])}; make it again with BFM_to_FLAME"
        )
    if not shapes["PC"][1]:
        raise MienError(f"{path}: expected components in PC, got none; make it again with BFM_to_FLAME")
    _check_flame(path, head, None)
    mean = check_array(path, "MU", read_npz(path, 64 << 20, ("MU",))["MU"], shapes["MU"])
    layout = (_FLAT_SIDE, _FLAT_SIDE, 3)
    components = read_npz_columns(path, "PC", MOST_COMPONENTS)
    return _space(path, "Basel Face Model on FLAME", BFM_LICENCE, mean.reshape(layout),
                  components.reshape(*layout, -1), bgr=True)  # fmt: skip


def _read_own(path: Path, shapes: dict[str, tuple[int, ...]], head: Head) -> TextureSpace:
    side = _side(path, "mean", shapes["mean"], (3,))
    count = shapes["components_scale"][0] if len(shapes["components_scale"]) == 1 else 0
    if not 0 < count <= MOST_COMPONENTS or shapes["components"] != (side * side, 3, count):
        raise MienError(
            f"{path}: expected up to {MOST_COMPONENTS} components of {side} x {side} texels, got "
            f"{list(shapes['components'])}; build it again with `mien texture-space`"
        )
    arrays = read_npz(path, 1 << 30, _OWN)
    if arrays["schema"].shape != () or str(arrays["schema"].item()) != str(SCHEMA):
        raise MienError(f"{path}: expected a texture space of schema {SCHEMA}; build it again with this version")
    name, sha256, licence = (_text(path, arrays, key) for key in ("head", "head_sha256", "licence"))
    if sha256 != head.sha256:
        raise MienError(
            f"{path}: is a texture space of the head {name} ({sha256[:12]}), but the head in use is {head.name} "
            f"({head.sha256[:12]}): choose that head with --head, or build one of this head's with `mien texture-space`"
        )
    steps, scale = arrays["components"], check_array(path, "components_scale", arrays["components_scale"], (count,))
    if steps.dtype != np.int16 or scale.dtype != np.float32 or np.abs(scale).max() > 1:
        raise MienError(f"{path}: expected components in int16 steps, got {steps.dtype} of {scale.dtype}")
    components = dequantise(steps, scale).reshape(side, side, 3, count)
    mean = check_array(path, "mean", arrays["mean"], (side, side, 3))
    return _space(path, f"texture space of {name}", licence, mean, components, bgr=False)


def _side(path: Path, name: str, shape: tuple[int, ...], rest: tuple[int, ...]) -> int:
    if len(shape) < 2 or shape != (shape[0], shape[0], *rest) or shape[0] not in SIDES:
        raise MienError(
            f"{path}: expected {name} to be a square texture of {SIDES.start} to {SIDES.stop - 1} texels a side and 3 "
            f"colours, got {list(shape)}"
        )
    return shape[0]


def _space(path: Path, name: str, licence: str, mean: Array, components: Array, bgr: bool) -> TextureSpace:
    mean, components = (np.ascontiguousarray(part, np.float32) for part in (mean, components))
    for part in (mean, components) if bgr else ():  # in place, for they are large
        blue = part[:, :, 0].copy()
        part[:, :, 0] = part[:, :, 2]
        part[:, :, 2] = blue
    for key, part, what in (("mean", mean, "colours"), ("components", components, "standard deviations of colours")):
        largest = float(max(part.max(), -part.min()))
        if not math.isfinite(largest) or largest > _LARGEST or (key == "mean" and largest < 0.05):
            raise MienError(f"{path}: expected {key} to be {what}, got values up to {largest:g} of the range")
    return TextureSpace(name, licence, file_sha256(path), mean, components)


def _check_flame(path: Path, head: Head, places: Array | None) -> None:
    """Has the head FLAME's own texture coordinates? `places` [n, 2]: those in the file, where it brings them."""
    if (head.vertex_count, len(head.triangles)) != (VERTICES, TRIANGLES):
        raise MienError(
            f"{path}: is laid out for FLAME, but the head in use is {head.name}: choose a FLAME head with --head, or "
            "build a texture space of this head's with `mien texture-space`"
        )
    uvs = head.uvs.cpu().numpy().astype(np.float64)
    fallback = cylinder_uvs(head.template.double().cpu().numpy(), head.triangles.cpu().numpy())[0]
    if len(uvs) == len(fallback) and np.abs(uvs - fallback).max() < 1e-4:
        raise MienError(
            f"{path}: needs FLAME's own texture coordinates, which {head.name} has not: put {UVS} beside the model "
            "(flame.is.tue.mpg.de, 'FLAME texture space')"
        )
    if places is not None:
        flipped = (np.stack((places[:, 0], v), 1).astype(np.float64) for v in (places[:, 1], 1 - places[:, 1]))
        if min(np.quantile(cKDTree(layout).query(uvs)[0], 0.99) for layout in flipped) > SAME_PLACE:
            raise MienError(
                f"{path}: its texture coordinates are not those of {UVS} beside the model: get both from the same place"
            )


def _text(path: Path, arrays: dict[str, Array], key: str) -> str:
    if arrays[key].dtype.kind != "U" or arrays[key].shape != ():
        raise MienError(f"{path}: expected {key} to be one text; build it again with `mien texture-space`")
    return str(arrays[key].item())
