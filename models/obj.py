"""Reading Wavefront OBJ files: positions, texture coordinates and faces of any number of corners, cut into triangles.

Fast enough for hundreds of files of 2.5 MB, and wary: sizes, numbers and indices are checked.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.types import MienError
from models.unpickle import read_bytes

MAX_FILE_BYTES = 512 << 20  # a scan of two million points takes 200 MB


@dataclass(frozen=True)
class ObjMesh:
    """A mesh in the file's own units and axes."""

    vertices: NDArray[np.float64]  # [V, 3]
    triangles: NDArray[np.int64]  # [F, 3]
    uvs: NDArray[np.float64]  # [U, 2], origin at the bottom left of the texture; [0, 2] where there are none
    uv_triangles: NDArray[np.int64]  # [F, 3], or [0, 3] where not every face has texture coordinates


def read_obj(path: Path) -> ObjMesh:
    lines = read_bytes(path, MAX_FILE_BYTES).splitlines()
    vertices = _rows(path, lines, b"v", 3)
    uvs = _rows(path, lines, b"vt", 2)
    faces = [line.split()[1:] for line in lines if line.startswith((b"f ", b"f\t"))]
    if not len(vertices) or not faces:
        raise MienError(f"{path}: expected a mesh, got {len(vertices)} vertices and {len(faces)} faces")
    triangles = _triangles(path, faces, 0, len(vertices))
    try:
        uv_triangles = _triangles(path, faces, 1, len(uvs))
    except _NoIndexError:
        uv_triangles = np.zeros((0, 3), np.int64)
    return ObjMesh(vertices, triangles, uvs, uv_triangles)


def read_obj_vertices(path: Path, data: bytes | None = None) -> NDArray[np.float64]:
    """The positions [V, 3] alone; `data` is the file's content where it has been read already."""
    return _rows(path, (read_bytes(path, MAX_FILE_BYTES) if data is None else data).splitlines(), b"v", 3)


class _NoIndexError(Exception):
    """A face's corner lacks the index asked for."""


def _rows(path: Path, lines: Sequence[bytes], keyword: bytes, width: int) -> NDArray[np.float64]:
    """The first `width` numbers of each line that starts with the keyword: [n, width]."""
    starts = (keyword + b" ", keyword + b"\t")
    texts = [line[len(keyword) + 1 :] for line in lines if line.startswith(starts)]
    if not texts:
        return np.zeros((0, width))
    lengths = {len(text.split()) for text in texts}
    if len(lengths) != 1 or min(lengths) < width:
        raise MienError(f"{path}: expected {width} numbers in each line {keyword.decode()!r}, got {_some(lengths)}")
    numbers = _parse(path, b" ".join(texts), len(texts) * lengths.pop())
    return np.ascontiguousarray(numbers.reshape(len(texts), -1)[:, :width])


def _parse(path: Path, text: bytes, count: int) -> NDArray[np.float64]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # numpy only warns where a word is not a number
        try:
            numbers = np.fromstring(text.decode("ascii"), dtype=np.float64, sep=" ")
        except (DeprecationWarning, ValueError):
            numbers = np.zeros(0)
    if len(numbers) != count or not np.isfinite(numbers).all():
        raise MienError(f"{path}: expected {count} finite numbers as coordinates; the file is damaged, get it again")
    return numbers


def _triangles(path: Path, faces: Sequence[Sequence[bytes]], part: int, count: int) -> NDArray[np.int64]:
    """Faces as fans of triangles [F, 3]; `part` 0 takes the corners' positions, 1 their texture coordinates."""
    sizes = np.array([len(face) for face in faces])
    if sizes.min() < 3:
        raise MienError(f"{path}: expected at least 3 corners in each face, got {sizes.min()}")
    flat = _indices(path, [corner for face in faces for corner in face], part, count)
    starts = np.concatenate(([0], np.cumsum(sizes)[:-1]))
    # Corner k of each fan: its first corner, then corners k and k + 1 of the face.
    owner = np.repeat(np.arange(len(sizes)), sizes - 2)
    step = np.arange(len(owner)) - np.repeat(np.cumsum(sizes - 2) - (sizes - 2), sizes - 2)
    first = starts[owner]
    triangles: NDArray[np.int64] = flat[np.stack((first, first + step + 1, first + step + 2), 1)]
    return triangles


def _indices(path: Path, corners: Sequence[bytes], part: int, count: int) -> NDArray[np.int64]:
    """Zero-based indices [n]; the file counts from 1, or from the end with negative numbers."""
    try:
        if part:
            corners = [corner.split(b"/")[part] for corner in corners]
        else:
            corners = [corner.partition(b"/")[0] for corner in corners]
        numbers = np.array([int(corner) for corner in corners], np.int64)
    except (IndexError, ValueError, OverflowError):
        if part:
            raise _NoIndexError from None
        raise MienError(f"{path}: expected whole numbers as the corners of faces; get the file again") from None
    numbers = np.where(numbers < 0, numbers + count, numbers - 1)
    if numbers.min() < 0 or numbers.max() >= count:
        raise MienError(
            f"{path}: expected corners of faces from 1 to {count}, got {numbers.min() + 1} to {numbers.max() + 1}"
        )
    return numbers


def _some(lengths: set[int]) -> str:
    return ", ".join(str(length) for length in sorted(lengths)[:4])
