"""ICT-FaceKit's folder: one neutral mesh, and one more OBJ file of the same vertices for each mode and expression.

What comes out is in the head frame and in metres. The outermost parts (tear film, eyelashes, shadow shells) are left
out: drawn without their transparency they would hide the eyes.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.arkit_names import ARKIT_NAMES
from models.ict_parts import FILE_TRIANGLES, FILE_VERTICES, VERTICES
from models.ict_uvs import pack_uvs
from models.obj import MAX_FILE_BYTES, read_obj, read_obj_vertices
from models.types import MienError
from models.unpickle import read_bytes

Array = NDArray[Any]
Progress = Callable[[int, int], None]  # files done, files in all

NEUTRAL = "generic_neutral_mesh"
IDENTITY_MODES = 100
# The kit's origin lies behind the nose's root. FLAME's lies so that the eyes are 23 mm above and 24 mm before it.
_ORIGIN_M = np.array((0.0, 0.0131, 0.0554))
_METRES = 0.01  # the kit is in centimetres


@dataclass(frozen=True)
class IctFiles:
    """The kit's content, in the head frame."""

    sha256: str  # of all files read, names and content
    neutral: Array  # [V, 3] metres
    identity: Array  # [V, 3, S] metres a standard deviation
    expressions: Mapping[str, Array]  # Apple's name -> offsets [V, 3] at weight 1
    triangles: Array  # [F, 3]
    uvs: Array  # [U, 2] origin at the top left
    uv_triangles: Array  # [F, 3]


def model_folder(folder: Path) -> Path | None:
    """The folder of OBJ files in `folder`, or `folder` itself; None where it is not the kit."""
    for candidate in (folder, folder / "FaceXModel"):
        if (candidate / f"{NEUTRAL}.obj").is_file():
            return candidate
    return None


def kit_name(name: str) -> tuple[str, ...]:
    """The kit's files for one of Apple's shapes: it splits two that Apple does not."""
    if name in ("browInnerUp", "cheekPuff"):
        return f"{name}_L", f"{name}_R"
    return (name.replace("Left", "_L").replace("Right", "_R") if _is_paired(name) else name,)


def missing_shapes(folder: Path) -> list[str]:
    """Names of the kit's files that are not there."""
    there = model_folder(folder) or folder
    names = [part for name in ARKIT_NAMES if name != "tongueOut" for part in kit_name(name)]
    names += [f"identity{mode:03d}" for mode in range(IDENTITY_MODES)]
    return [name for name in names if not (there / f"{name}.obj").is_file()]


def read_ict_files(folder: Path, progress: Progress | None = None) -> IctFiles:
    there = model_folder(folder)
    if there is None:
        raise MienError(
            f"{folder}: expected ICT-FaceKit's folder, but {NEUTRAL}.obj is not in it; `mien heads get ict`"
        )
    mesh = read_obj(there / f"{NEUTRAL}.obj")
    if len(mesh.vertices) != FILE_VERTICES or mesh.uv_triangles.shape != (FILE_TRIANGLES, 3):
        raise MienError(
            f"{there / NEUTRAL}.obj: expected {FILE_VERTICES} vertices and {FILE_TRIANGLES} triangles, "
            f"got {len(mesh.vertices)} and {len(mesh.triangles)}; get the kit again"
        )
    offsets, sha256 = _read_offsets(there, mesh.vertices, progress)
    modes = sorted(name for name in offsets if name.startswith("identity"))
    identity = np.stack([offsets[name] for name in modes], 2) if modes else np.zeros((VERTICES, 3, 0))
    kept = (mesh.triangles < VERTICES).all(1)
    uvs, uv_triangles = pack_uvs(mesh.uvs, mesh.uv_triangles[kept], mesh.triangles[kept])
    return IctFiles(
        sha256=sha256,
        neutral=mesh.vertices[:VERTICES] * _METRES - _ORIGIN_M,
        identity=identity,
        expressions=_apple_shapes(offsets),
        triangles=mesh.triangles[kept],
        uvs=uvs,
        uv_triangles=uv_triangles,
    )


def _read_offsets(there: Path, neutral: Array, progress: Progress | None) -> tuple[dict[str, Array], str]:
    """Each file's offsets [V, 3] from the neutral mesh in metres, and the hash of everything."""
    missing = set(missing_shapes(there))
    names = [name for name in _all_names() if name not in missing]
    digest = hashlib.sha256(read_bytes(there / f"{NEUTRAL}.obj", MAX_FILE_BYTES))
    offsets = {}
    for done, name in enumerate(names):
        if progress:
            progress(done, len(names))
        path = there / f"{name}.obj"
        data = read_bytes(path, MAX_FILE_BYTES)
        digest.update(name.encode() + data)
        vertices = read_obj_vertices(path, data)
        if len(vertices) != FILE_VERTICES:
            raise MienError(f"{path}: expected {FILE_VERTICES} vertices, got {len(vertices)}; get the kit again")
        offsets[name] = (vertices - neutral)[:VERTICES] * _METRES
    if progress:
        progress(len(names), len(names))
    return offsets, digest.hexdigest()


def _all_names() -> list[str]:
    shapes = [part for name in ARKIT_NAMES if name != "tongueOut" for part in kit_name(name)]
    return shapes + [f"identity{mode:03d}" for mode in range(IDENTITY_MODES)]


def _apple_shapes(offsets: Mapping[str, Array]) -> dict[str, Array]:
    """The shapes whose files are all there, halves added up."""
    return {
        name: np.sum([offsets[part] for part in kit_name(name)], 0)
        for name in ARKIT_NAMES
        if all(part in offsets for part in kit_name(name))
    }


def _is_paired(name: str) -> bool:
    """mouthLeft and jawLeft are motions to the left, not the left one of two."""
    return name.endswith(("Left", "Right")) and name not in ("jawLeft", "jawRight", "mouthLeft", "mouthRight")
