"""Reading single `.npy` files from anywhere: a declared size is checked against the file before memory is taken."""

import io
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.npz import read_npy_header
from models.pickle_names import ArrayRecord
from models.types import MienError
from models.unpickle import read_bytes, unpickle

Array = NDArray[Any]
MAX_FILE_BYTES = 64 << 20  # the largest of FLAME's companions takes 0.4 MB


def read_npy(path: Path) -> Array:
    """The file's array of numbers."""
    shape, fortran, dtype, data = _parts(path)
    if dtype.hasobject or dtype.kind not in "biuf":
        raise MienError(f"{path}: expected an array of numbers, got type {dtype}; such a file is not read")
    if prod(shape) * dtype.itemsize != len(data):
        raise MienError(f"{path}: holds {len(data)} bytes of numbers, not what its header declares; get the file again")
    return np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C")


def read_npy_object(path: Path) -> object:
    """The one object that numpy pickled into the file, as `unpickle` gives it."""
    _, _, dtype, data = _parts(path)
    if not dtype.hasobject:
        raise MienError(f"{path}: expected a dictionary of arrays, got an array of type {dtype}")
    value = unpickle(data, path)
    if not isinstance(value, ArrayRecord) or not isinstance(value.data, list) or len(value.data) != 1:
        raise MienError(f"{path}: expected one dictionary of arrays, got something else; get the file again")
    return value.data[0]


def _parts(path: Path) -> tuple[tuple[int, ...], bool, np.dtype[Any], bytes]:
    """Shape, order, type and the bytes behind the header."""
    stream = io.BytesIO(read_bytes(path, MAX_FILE_BYTES))
    shape, fortran, dtype = read_npy_header(stream, path)
    return shape, fortran, dtype, stream.read()
