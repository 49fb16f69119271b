"""The arrays of a FLAME model file, `.pkl` as its makers give it or converted to `.npz`, and which FLAME they are."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.head_file import file_sha256
from models.npz import check_array, read_npz
from models.pickle_names import numbers_of
from models.sparse import dense_from_csc
from models.types import JOINT_NAMES, JOINT_PARENTS, MienError
from models.unpickle import read_pickle

Array = NDArray[Any]

VERTICES, TRIANGLES = 5023, 9976
IDENTITY, EXPRESSIONS = 300, 100
JOINTS = len(JOINT_NAMES)

KNOWN_FILES = {  # SHA-256 of the files as their makers give them
    "efcd14cc4a69f3a3d9af8ded80146b5b6b50df3bd74cf69108213b144eba725b": "FLAME 2020",
    "8fb1af0db1abb51053ead8fd1f2624a63d01c9602f4a4fb4ea23bd2c82017fa0": "FLAME 2023",
    "e75a0990728ba038c7da2a420ae4396f7ddd7781366c13026066c5b24f127623": "FLAME 2023 Open",
}
UNKNOWN = "FLAME, unknown version"
_BOUNDS_2023_M = ((-0.1098, -0.1872, -0.1532), (0.1078, 0.1321, 0.0751))  # of the template; 2020's are 6 mm off
_REQUIRED = ("v_template", "f", "shapedirs", "posedirs", "J_regressor", "kintree_table", "weights")
_STILL_M = 1e-5  # a vertex that no expression moves further than this does not move


@dataclass(frozen=True)
class FlameArrays:
    """A model file's content, checked, as it stands in the file."""

    version: str
    sha256: str
    template: Array  # [V, 3] metres
    triangles: Array  # [F, 3]
    shapes: Array  # [V, 3, 400] identity, then expression
    pose: Array  # [V, 3, 36]
    joint_regressor: Array  # [J, V]
    weights: Array  # [V, J]


def looks_like_flame(keys: object) -> bool:
    """Whether a file with these keys is FLAME's."""
    return isinstance(keys, Mapping) and {"v_template", "shapedirs", "posedirs"} <= set(keys)


def read_flame_arrays(path: Path) -> FlameArrays:
    values = read_npz(path) if path.suffix.lower() == ".npz" else read_pickle(path)
    if not isinstance(values, Mapping) or not looks_like_flame(values):
        raise MienError(f"{path}: expected a FLAME model, but it holds no template and shapes; choose its model file")
    missing = [key for key in _REQUIRED if key not in values and f"{key}_data" not in values]
    missing = [key for key in missing if f"{key}.data" not in values]
    if missing:
        raise MienError(f"{path}: expected a whole FLAME model, but it lacks {', '.join(missing)}; get the file again")

    def numbers(key: str, *shape: int | None) -> Array:
        return check_array(path, key, numbers_of(values[key], path, key), shape)

    shapes = numbers("shapedirs", VERTICES, 3, IDENTITY + EXPRESSIONS)
    _check_joint_tree(path, numbers("kintree_table", 2, JOINTS))
    template = numbers("v_template", VERTICES, 3)
    sha256 = file_sha256(path)
    return FlameArrays(
        version=KNOWN_FILES.get(sha256) or _version(values, template, shapes[:, :, IDENTITY:]),
        sha256=sha256,
        template=template,
        triangles=_triangles(path, numbers("f", TRIANGLES, 3)),
        shapes=shapes,
        pose=numbers("posedirs", VERTICES, 3, 36),
        joint_regressor=_joint_regressor(path, values),
        weights=_skinning(path, numbers("weights", VERTICES, JOINTS)),
    )


def _version(values: Mapping[str, object], template: Array, expressions: Array) -> str:
    """What the arrays tell: 2023 Open says so itself, 2019's expressions leave the back of the head still."""
    if "supr_expression_metadata" in values:
        return "FLAME 2023 Open"
    bounds = np.stack((template.min(0), template.max(0)))
    if np.abs(bounds - _BOUNDS_2023_M).max() < 2e-4:
        return "FLAME 2023 or 2023 Open"  # a conversion may lose what tells them apart
    moved = (np.abs(expressions).max(axis=(1, 2)) > _STILL_M).mean()
    if moved > 0.98:
        return "FLAME 2020"
    return "FLAME 2019" if moved < 0.75 else UNKNOWN


def _joint_regressor(path: Path, values: Mapping[str, object]) -> Array:
    """[J, V], from a sparse or dense array, or from the sparse one's parts under their own names."""
    if "J_regressor" in values:
        dense = numbers_of(values["J_regressor"], path, "J_regressor")
    else:
        parts = ("data", "indices", "indptr")
        separator = "_" if "J_regressor_data" in values else "."
        keys = [f"J_regressor{separator}{part}" for part in parts]
        missing = [key for key in keys if key not in values]
        if missing:
            raise MienError(f"{path}: expected {', '.join(missing)} beside {keys[0]}; convert the file again")
        try:
            data, indices, indptr = (numbers_of(values[key], path, key) for key in keys)
            dense = dense_from_csc(data, indices, indptr, (JOINTS, VERTICES))
        except ValueError as error:
            raise MienError(f"{path}: expected J_regressor in parts, but {error}; convert the file again") from None
    dense = check_array(path, "J_regressor", dense, (JOINTS, VERTICES))
    if np.abs(dense.sum(1) - 1).max() > 1e-2:
        raise MienError(f"{path}: expected rows of J_regressor that sum to 1; get the file again")
    return dense


def _check_joint_tree(path: Path, tree: Array) -> None:
    parents = [int(parent) for parent in tree[0]]
    if tuple(parents[1:]) != JOINT_PARENTS[1:]:
        raise MienError(f"{path}: expected FLAME's joints with parents {list(JOINT_PARENTS)}, got {parents}")


def _triangles(path: Path, triangles: Array) -> Array:
    if triangles.dtype.kind not in "iuf" or triangles.min() < 0 or triangles.max() >= VERTICES:
        raise MienError(f"{path}: expected triangles of vertices 0 to {VERTICES - 1} in f; get the file again")
    return triangles


def _skinning(path: Path, weights: Array) -> Array:
    if weights.min() < -1e-3 or np.abs(weights.sum(1) - 1).max() > 1e-2:
        raise MienError(f"{path}: expected skinning weights that sum to 1 for each vertex; get the file again")
    return weights
