"""What may stand beside a FLAME model file: landmark embeddings, eyelids, texture coordinates, regions.

None is needed. Each is used where the user has it, and `missing_companions` says what else there is and where from.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.flame_files import TRIANGLES, VERTICES
from models.npy import read_npy, read_npy_object
from models.npz import check_array, read_npz
from models.obj import read_obj
from models.pickle_names import numbers_of
from models.types import LANDMARK_COUNT, MienError
from models.unpickle import read_pickle

Array = NDArray[Any]

MEDIAPIPE = "mediapipe_landmark_embedding.npz"
CONTOUR = "landmark_embedding.npy"
EYELIDS = ("l_eyelid.npy", "r_eyelid.npy")
UVS = "head_template.obj"
MASKS = "FLAME_masks.pkl"

PURPOSES = {
    MEDIAPIPE: "105 landmarks of brows, lids, nose and lips (flame.is.tue.mpg.de, 'MediaPipe Landmark Embedding')",
    CONTOUR: "landmarks of the jaw's outline (in the data folder of DECA's repository)",
    EYELIDS[0]: "an eyelid shape, without which FLAME's eyes hardly close (in metrical-tracker's repository)",
    EYELIDS[1]: "the other eyelid (in metrical-tracker's repository)",
    UVS: "texture coordinates (flame.is.tue.mpg.de, 'FLAME texture space', or DECA's repository)",
    MASKS: "regions by name (flame.is.tue.mpg.de, 'FLAME Vertex Masks')",
}


@dataclass(frozen=True)
class SurfacePoints:
    """Points on the mesh: triangle and weights of its corners."""

    triangles: Array  # [n] index of a triangle
    weights: Array  # [n, 3]


def missing_companions(model: Path) -> list[str]:
    """The companion files that do not stand beside the model, each with its use and source."""
    return [f"{name}: {purpose}" for name, purpose in PURPOSES.items() if not (model.parent / name).is_file()]


def companion_files(model: Path) -> list[Path]:
    """The companion files that do."""
    return [model.parent / name for name in PURPOSES if (model.parent / name).is_file()]


def read_mediapipe_points(model: Path) -> tuple[Array, SurfacePoints] | None:
    """Landmark numbers [n] and where they are."""
    path = model.parent / MEDIAPIPE
    if not path.is_file():
        return None
    arrays = read_npz(path, max_total_bytes=1 << 20)
    names = ("landmark_indices", "lmk_face_idx", "lmk_b_coords")
    if any(name not in arrays for name in names):
        raise MienError(f"{path}: expected {', '.join(names)}, got {', '.join(sorted(arrays))}; get the file again")
    landmarks = check_array(path, names[0], arrays[names[0]], (None,))
    if (
        landmarks.dtype.kind not in "iu"
        or not 0 <= landmarks.min(initial=0) <= landmarks.max(initial=0) < LANDMARK_COUNT
    ):
        raise MienError(f"{path}: expected landmarks 0 to {LANDMARK_COUNT - 1}; get the file again")
    return landmarks.astype(np.int64), _points(path, arrays[names[1]], arrays[names[2]], len(landmarks))


def read_contour_points(model: Path) -> SurfacePoints | None:
    """The 17 points of the jaw's outline, from the subject's right to left, of a face seen from the front."""
    path = model.parent / CONTOUR
    if not path.is_file():
        return None
    values = read_npy_object(path)
    names = ("full_lmk_faces_idx", "full_lmk_bary_coords")
    if not isinstance(values, Mapping) or any(name not in values for name in names):
        raise MienError(f"{path}: expected {' and '.join(names)}; get the file again")
    triangles, weights = (numbers_of(values[name], path, name) for name in names)
    if triangles.size not in (68, 70) or weights.size != 3 * triangles.size:  # 70 with two irises
        raise MienError(f"{path}: expected 68 landmarks, got {triangles.size}; get the file again")
    whole = _points(path, triangles.ravel(), weights.reshape(-1, 3), triangles.size)
    return SurfacePoints(whole.triangles[:17], whole.weights[:17])


def read_eyelids(model: Path, template: Array) -> dict[str, Array]:
    """Eyelid shapes [V, 3] by name, the side told by where the moving vertices are; both files or none."""
    paths = [model.parent / name for name in EYELIDS]
    if not all(path.is_file() for path in paths):
        return {}
    lids: dict[str, Array] = {}
    for path in paths:
        offsets = check_array(path, "offsets", read_npy(path), (VERTICES, 3)).astype(np.float64)
        reach = np.linalg.norm(offsets, axis=1)
        if not 0 < reach.max() < 0.05:
            raise MienError(f"{path}: expected offsets of millimetres, got up to {reach.max()} m; get the file again")
        lids["eyelidLeft" if reach @ template[:, 0] > 0 else "eyelidRight"] = offsets
    if len(lids) != 2:
        raise MienError(f"{paths[0]} and {paths[1].name} move the same eye; get both files again")
    return dict(sorted(lids.items()))


def read_uvs(model: Path, triangles: Array) -> tuple[Array, Array] | None:
    """Texture coordinates [U, 2] with the origin at the top left, and their triangles [F, 3]."""
    path = model.parent / UVS
    if not path.is_file():
        return None
    mesh = read_obj(path)
    if mesh.uv_triangles.shape != (TRIANGLES, 3):
        raise MienError(f"{path}: expected texture coordinates on {TRIANGLES} triangles, got {len(mesh.uv_triangles)}")
    if not np.array_equal(mesh.triangles, triangles):
        raise MienError(f"{path}: its triangles are not those of {model.name}; use FLAME's own head_template.obj")
    uvs = mesh.uvs.copy()
    uvs[:, 1] = 1 - uvs[:, 1]
    return uvs, mesh.uv_triangles


def read_masks(model: Path) -> dict[str, Array]:
    """Region -> vertex ids [n]."""
    path = model.parent / MASKS
    if not path.is_file():
        return {}
    values = read_pickle(path)
    if not isinstance(values, Mapping):
        raise MienError(f"{path}: expected regions by name; get the file again")
    regions = {}
    for name, value in values.items():
        ids = check_array(path, str(name), numbers_of(value, path, str(name)), (None,))
        if ids.dtype.kind not in "iu" or (len(ids) and not 0 <= ids.min() <= ids.max() < VERTICES):
            raise MienError(f"{path}: expected vertices 0 to {VERTICES - 1} in {name}; get the file again")
        regions[str(name)] = ids.astype(np.int64)
    return regions


def _points(path: Path, triangles: Array, weights: Array, count: int) -> SurfacePoints:
    triangles = check_array(path, "triangles of landmarks", triangles, (count,))
    weights = check_array(path, "weights of landmarks", weights, (count, 3)).astype(np.float64)
    if triangles.dtype.kind not in "iu" or not 0 <= triangles.min(initial=0) <= triangles.max(initial=0) < TRIANGLES:
        raise MienError(f"{path}: expected triangles 0 to {TRIANGLES - 1}; get the file again")
    if count and (np.abs(weights.sum(1) - 1).max() > 1e-3 or weights.min() < -0.1):
        raise MienError(f"{path}: expected weights that sum to 1 for each landmark; get the file again")
    return SurfacePoints(triangles.astype(np.int64), weights)
