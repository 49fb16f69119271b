"""A head as one `.npz`. Bases are held as int16 steps, one size of step a column: about a micrometre lost at most."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from models.head import Head
from models.npz import TEXT, Array, check_array, read_npz, write_npz
from models.types import JOINT_NAMES, LANDMARK_COUNT, Embedding, MienError, Prior

SCHEMA = 1
FINEST_STEP_M = 2e-6  # smaller steps would only pack noise
_LARGEST = 1e6  # nothing in a head comes near
_BASES = ("identity_basis", "expression_basis", "pose_basis")
_PLAIN = ("template", "joint_regressor", "skinning_weights", "triangles", "uvs", "uv_triangles", "colours")
_PRIORS = ("expression_prior", "jaw_prior", "eyes_prior")


def save_head(head: Head, path: Path) -> None:
    arrays: dict[str, Array] = {
        "schema": np.array(SCHEMA),
        "name": np.array(head.name),
        "licence": np.array(head.licence),
    }
    arrays["sha256"] = np.array(head.sha256)
    arrays["expression_names"] = np.array(head.expression_names)
    for key in _PLAIN:
        arrays[key] = _to_numpy(getattr(head, key))
    for key in _BASES:
        arrays[key], arrays[f"{key}_scale"] = quantise(getattr(head, key).cpu().double().numpy())
    arrays["embedding_vertices"] = _to_numpy(head.embedding.vertices)
    arrays["embedding_weights"] = _to_numpy(head.embedding.weights)
    for key in _PRIORS:
        prior: Prior = getattr(head, key)
        arrays[key] = _to_numpy(torch.stack((prior.std, prior.low, prior.high)))
    for region, vertices in head.regions.items():
        arrays[f"region_{region}"] = _to_numpy(vertices)
    write_npz(path, arrays)


def read_head(path: Path) -> Head:
    """The head in the file, in float32 on the CPU. A file without a recorded origin is its own origin."""
    arrays = read_npz(path, max_total_bytes=1 << 30)
    missing = [key for key in ("schema", "name", "template", "triangles", "embedding_vertices") if key not in arrays]
    if missing:
        raise MienError(
            f"{path}: expected a head saved by Mien, but it lacks {', '.join(missing)}; "
            "make one with `mien heads import`"
        )
    if arrays["schema"].shape != () or arrays["schema"].item() != SCHEMA:
        raise MienError(
            f"{path}: expected a head of schema {SCHEMA}, got another one; import the head again with this version"
        )
    try:
        return _head_from_arrays(path, arrays)
    except KeyError as missing_key:
        raise MienError(
            f"{path}: expected {missing_key} in a head file, but it is missing; import the head again"
        ) from None


def file_sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def quantise(basis: Array) -> tuple[Array, Array]:
    """[V, 3, K] -> int16 [V, 3, K] and the value [K] of one step in each column."""
    peak = np.abs(basis).max(axis=(0, 1), initial=0.0)
    scale = np.maximum(peak / 32767, FINEST_STEP_M).astype(np.float32)
    # Column by column in the file, where neighbours are alike: it packs to half.
    return np.asfortranarray(np.rint(basis / scale).astype(np.int16)), scale


def dequantise(steps: Array, scale: Array) -> Array:
    """Row by row again, as every product wants it: else each use would copy the whole basis."""
    values = steps.astype(np.float32, order="C")
    values *= scale  # in place: they may be hundreds of megabytes
    return values


def _head_from_arrays(path: Path, arrays: Mapping[str, Array]) -> Head:
    vertices = len(check_array(path, "template", arrays["template"], (None, 3)))
    triangles = len(check_array(path, "triangles", arrays["triangles"], (None, 3)))
    joints = len(JOINT_NAMES)

    def numbers(key: str, *shape: int | None) -> Tensor:
        array = check_array(path, key, arrays[key], shape)
        if array.dtype.kind != "f":
            raise MienError(f"{path}: expected numbers in {key}, got type {array.dtype}")
        if np.abs(array).max(initial=0) > _LARGEST:
            raise MienError(f"{path}: expected metres, radians or weights in {key}, got {np.abs(array).max():g}")
        return torch.from_numpy(array.astype(np.float32))

    def indices(key: str, limit: int, *shape: int | None) -> Tensor:
        array = check_array(path, key, arrays[key], shape)
        if array.dtype.kind not in "iu" or (array.size and not 0 <= array.min() <= array.max() < limit):
            raise MienError(f"{path}: expected whole numbers from 0 to {limit - 1} in {key}")
        return torch.from_numpy(array.astype(np.int64))

    def basis(key: str) -> Tensor:
        steps = check_array(path, key, arrays[key], (vertices, 3, None))
        scale = check_array(path, f"{key}_scale", arrays[f"{key}_scale"], (steps.shape[2],))
        if steps.dtype != np.int16 or scale.dtype != np.float32 or np.abs(scale).max(initial=0) > 1:
            raise MienError(f"{path}: expected {key} in int16 steps of metres, got {steps.dtype} of {scale.dtype}")
        return torch.from_numpy(dequantise(steps, scale))

    expression_basis, pose_basis = basis("expression_basis"), basis("pose_basis")
    if pose_basis.shape[2] not in (0, 9 * (joints - 1)):
        raise MienError(f"{path}: expected 0 or {9 * (joints - 1)} pose correctives, got {pose_basis.shape[2]}")
    count = expression_basis.shape[2]
    names = check_array(path, "expression_names", arrays["expression_names"], (count,), TEXT)

    return Head(
        name=str(arrays["name"]),
        licence=str(arrays["licence"]),
        sha256=str(arrays["sha256"]) or file_sha256(path),
        template=numbers("template", vertices, 3),
        identity_basis=basis("identity_basis"),
        expression_basis=expression_basis,
        expression_names=tuple(str(name) for name in names),
        joint_regressor=_shares(path, "joint_regressor", numbers("joint_regressor", joints, vertices)),
        skinning_weights=_shares(path, "skinning_weights", numbers("skinning_weights", vertices, joints)),
        pose_basis=pose_basis,
        triangles=indices("triangles", vertices, triangles, 3),
        uvs=numbers("uvs", None, 2),
        uv_triangles=indices("uv_triangles", len(numbers("uvs", None, 2)), triangles, 3),
        embedding=Embedding(
            indices("embedding_vertices", vertices, LANDMARK_COUNT, 3),
            _shares(path, "embedding_weights", numbers("embedding_weights", LANDMARK_COUNT, 3)),
        ),
        expression_prior=_prior(path, "expression_prior", numbers("expression_prior", 3, len(names))),
        jaw_prior=_prior(path, "jaw_prior", numbers("jaw_prior", 3, 3)),
        eyes_prior=_prior(path, "eyes_prior", numbers("eyes_prior", 3, 3)),
        regions={key[7:]: indices(key, vertices, None) for key in arrays if key.startswith("region_")},
        colours=numbers("colours", vertices, 3),
    )


def _prior(path: Path, key: str, rows: Tensor) -> Prior:
    std, low, high = rows
    if not bool((std > 0).all()) or not bool((low <= high).all()):
        raise MienError(f"{path}: expected spreads above 0 and limits in order in {key}; import the head again")
    return Prior(std, low, high)


def _shares(path: Path, key: str, rows: Tensor) -> Tensor:
    if float((rows.sum(1) - 1).abs().max()) > 1e-2:
        raise MienError(f"{path}: expected rows that sum to 1 in {key}; import the head again")
    return rows


def _to_numpy(tensor: Tensor) -> Array:
    array: Array = tensor.detach().cpu().numpy()
    if array.dtype.kind == "f":
        return array.astype(np.float32)
    return array.astype(np.int32)
