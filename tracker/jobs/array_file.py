"""An array that grows row by row on the disk, for what is too much to hold in memory."""

import os
import tempfile
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


class ArrayFile:
    """[T, ...], of which slices are read when asked for.

    The file has no name: it goes with the process, however that ends.
    """

    def __init__(self, folder: Path, dtype: str, row: tuple[int, ...]) -> None:
        """`row` is the shape of one row; `folder` is where there is room for all of them."""
        self.dtype = np.dtype(dtype)
        self._row = row
        self._bytes = prod(row) * self.dtype.itemsize
        self._count = 0
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 (closed by `close`)

    @property
    def shape(self) -> tuple[int, ...]:
        return (self._count, *self._row)

    def __len__(self) -> int:
        return self._count

    def append(self, row: ArrayLike) -> None:
        self._file.write(self._data(row))
        self._count += 1

    def __setitem__(self, place: int, row: ArrayLike) -> None:
        self._file.flush()
        os.pwrite(self._file.fileno(), self._data(row), place * self._bytes)

    def __getitem__(self, rows: slice) -> NDArray[Any]:
        start, stop, step = rows.indices(self._count)
        self._file.flush()
        data = os.pread(self._file.fileno(), max(stop - start, 0) * self._bytes, start * self._bytes)
        return np.frombuffer(data, self.dtype).reshape(-1, *self._row)[::step]

    def cut(self, count: int) -> None:
        """Keep the first rows alone."""
        self._file.flush()
        self._file.truncate(count * self._bytes)
        self._file.seek(0, os.SEEK_END)
        self._count = count

    def close(self) -> None:
        self._file.close()

    def _data(self, row: ArrayLike) -> bytes:
        return np.broadcast_to(np.asarray(row, self.dtype), self._row).tobytes()
