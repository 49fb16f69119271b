"""An array that grows row by row on the disk, for what is too much to hold in memory."""

import os
import tempfile
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.types import MienError

_READ_AT_ONCE = 1 << 30  # bytes: systems read no more than 2 GB, and say so by reading less


class ArrayFile:
    """[T, ...], of which slices are read when asked for.

    The file has no name: it goes with the process, however that ends.
    """

    def __init__(self, folder: Path, dtype: str, row: tuple[int, ...]) -> None:
        """`row` is the shape of one row; `folder` is where there is room for all of them."""
        self.dtype = np.dtype(dtype)
        self._row = row
        self.row_bytes = prod(row) * self.dtype.itemsize
        self._count = 0
        self._folder = folder
        # Unbuffered: a row is written when it is added, or fails then, and nothing is left to fail later.
        self._file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115 (closed by `close`)

    @property
    def shape(self) -> tuple[int, ...]:
        return (self._count, *self._row)

    def __len__(self) -> int:
        return self._count

    def append(self, row: ArrayLike) -> None:
        self._write(self._count, row)
        self._count += 1

    def __setitem__(self, place: int, row: ArrayLike) -> None:
        self._write(place, row)

    def __getitem__(self, rows: slice) -> NDArray[Any]:
        start, stop, step = rows.indices(self._count)
        if step < 1:
            raise ValueError(f"expected rows in their order, a step of at least 1, got {step}")
        count = max(stop - start, 0)
        data = np.empty(count * self.row_bytes, np.uint8)
        self._read(data.data, start * self.row_bytes)
        return data.view(self.dtype).reshape(count, *self._row)[::step]

    def cut(self, count: int) -> None:
        """Keep the first rows alone."""
        self._count = min(count, self._count)

    def close(self) -> None:
        self._file.close()

    def _write(self, place: int, row: ArrayLike) -> None:
        data = memoryview(np.broadcast_to(np.asarray(row, self.dtype), self._row).tobytes())
        at = place * self.row_bytes
        try:
            while data:  # a disk takes a part of it where the rest has no room
                written = os.pwrite(self._file.fileno(), data, at)
                data, at = data[written:], at + written
        except OSError as error:
            raise MienError(
                f"{self._folder}: no more rows could be written: {error.strerror}; "
                "make room there, or write elsewhere (-o)"
            ) from error

    def _read(self, data: memoryview, at: int) -> None:
        while data:
            read = os.preadv(self._file.fileno(), [data[:_READ_AT_ONCE]], at)
            if read == 0:
                raise MienError(
                    f"{self._folder}: rows written before cannot be read again; see whether the disk is sound"
                )
            data, at = data[read:], at + read
