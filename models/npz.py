"""Reading `.npz` files from anywhere: no pickle is executed, nothing allocated before its size is known to be sane."""

import zipfile
import zlib
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from math import prod
from pathlib import Path
from tokenize import TokenError
from typing import IO, Any, Protocol

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from models.types import MienError

Array = NDArray[Any]
MAX_TOTAL_BYTES = 4 << 30  # FLAME's largest companion (a statistical albedo) takes 1.2 GB
_NUMBERS, TEXT = "biuf", "U"
_ROWS_WRITTEN_AT_ONCE = 256
_BYTES_AT_ONCE = 16 << 20
# What numpy's reader of headers, which is Python's own parser, raises on bytes that are none.
_BROKEN_HEADER = (ValueError, SyntaxError, TokenError, TypeError, KeyError, MemoryError, RecursionError, OverflowError)


def read_npz(
    path: Path, max_total_bytes: int = MAX_TOTAL_BYTES, names: Collection[str] | None = None
) -> dict[str, Array]:
    """All arrays of the file by name, or those named; numbers and text only."""
    with _opened(path) as archive:
        members = [m for m in _arrays(archive) if names is None or m.filename[:-4] in names]
        total = sum(member.file_size for member in members)
        if total > max_total_bytes:
            raise MienError(f"{path}: expected at most {max_total_bytes} bytes of arrays, got {total}")
        return {member.filename[:-4]: _read_member(archive, member, path) for member in members}


def npz_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """The arrays of the file by name, and what shapes they say they have."""
    with _opened(path) as archive:
        shapes = {}
        for member in _arrays(archive):
            _check_packing(member, path)
            with archive.open(member) as stream:
                shapes[member.filename[:-4]] = read_npy_header(stream, path)[0]
        return shapes


def read_npz_columns(path: Path, name: str, count: int) -> NDArray[np.float32]:
    """The first `count` of an array's last axis, in float32: of a large one the whole is never in memory."""
    with _opened(path) as archive:
        member = next(m for m in _arrays(archive) if m.filename == f"{name}.npy")
        _check_packing(member, path)
        with archive.open(member) as stream:
            shape, fortran, dtype = read_npy_header(stream, path)
            if dtype.kind not in "iuf" or not shape or member.file_size > MAX_TOTAL_BYTES:
                raise MienError(f"{path}: expected {name} to be an array of numbers, got {dtype} {list(shape)}")
            if stream.tell() + prod(shape) * dtype.itemsize != member.file_size:
                raise MienError(f"{path}: {name} is not of the size that its header declares; get the file again")
            rows, columns = prod(shape[:-1]), shape[-1]
            kept = np.empty((rows, min(count, columns)), np.float32)

            def numbers(many: int) -> Array:
                data = stream.read(many * dtype.itemsize)
                if len(data) != many * dtype.itemsize:
                    raise MienError(f"{path}: {name} ends early; get the file again")
                return np.frombuffer(data, dtype)

            if fortran:
                for column in range(kept.shape[1]):
                    kept[:, column] = numbers(rows).reshape(shape[:-1], order="F").ravel()
            else:
                step = max(1, _BYTES_AT_ONCE // max(1, columns * dtype.itemsize))
                for start in range(0, rows, step):
                    part = kept[start : start + step]
                    part[:] = numbers(len(part) * columns).reshape(len(part), columns)[:, : kept.shape[1]]
    if not np.isfinite(kept).all():
        raise MienError(f"{path}: expected finite numbers in {name}, got NaN or infinity; get the file again")
    return kept.reshape(*shape[:-1], -1)


def _arrays(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    found = [member for member in archive.infolist() if member.filename.endswith(".npy")]
    if len({member.filename for member in found}) < len(found):  # which one is meant?
        raise MienError(f"{archive.filename}: expected each array once, got two of one name; get the file again")
    return found


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except (FileNotFoundError, NotADirectoryError):
        raise MienError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise MienError(f"{path}: expected a .npz file, but this is a folder") from None
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, NotImplementedError, RuntimeError) as error:
        raise MienError(
            f"{path}: expected a whole .npz file, but {_first_line(error)}; get or write it again"
        ) from error


class Rows(Protocol):
    """An array [T, ...] whose rows are read a slice at a time: it may be too long for the memory. Or any array."""

    @property
    def dtype(self) -> np.dtype[Any]: ...
    @property
    def shape(self) -> tuple[int, ...]: ...
    def __getitem__(self, rows: slice, /) -> Array: ...


def write_npz(path: Path, arrays: Mapping[str, Rows]) -> None:
    """Write all or nothing: a half-written file never stands under the final name. Equal arrays give equal bytes."""
    part = path.with_name(path.name + ".part")
    try:
        with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, array in arrays.items():
                entry = zipfile.ZipInfo(f"{name}.npy")  # of no time, where the archive itself would write now
                entry.compress_type = zipfile.ZIP_DEFLATED
                with archive.open(entry, "w", force_zip64=True) as member:
                    _write_rows(member, array)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _write_rows(stream: IO[bytes], array: Rows) -> None:
    if isinstance(array, np.ndarray):
        npy.write_array(stream, array, allow_pickle=False)  # type: ignore[no-untyped-call]
        return
    header = {"descr": array.dtype.str, "fortran_order": False, "shape": array.shape}
    npy.write_array_header_1_0(stream, header)  # type: ignore[no-untyped-call]
    for start in range(0, array.shape[0], _ROWS_WRITTEN_AT_ONCE):
        stream.write(array[start : start + _ROWS_WRITTEN_AT_ONCE].tobytes())


def check_array(source: object, name: str, array: Array, shape: tuple[int | None, ...], kinds: str = _NUMBERS) -> Array:
    """The array if its shape fits (None stands for any length) and it holds finite numbers, or what else is wanted."""
    fits = len(array.shape) == len(shape) and all(w is None or w == g for w, g in zip(shape, array.shape, strict=True))
    if not fits:
        wanted = ", ".join("any" if length is None else str(length) for length in shape)
        raise MienError(f"{source}: expected {name} of shape [{wanted}], got {list(array.shape)}")
    if array.dtype.kind not in kinds:
        wanted = "numbers" if kinds == _NUMBERS else "text"
        raise MienError(f"{source}: expected {wanted} in {name}, got type {array.dtype}; get the file again")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise MienError(f"{source}: expected finite numbers in {name}, got NaN or infinity; get the file again")
    return array


def read_npy_header(stream: IO[bytes], source: object) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, whether in Fortran's order, and type of the `.npy` data that follows in the stream."""
    try:
        version = npy.read_magic(stream)  # type: ignore[no-untyped-call]
        if version[0] > 3:
            raise ValueError
        read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, fortran, dtype = read_header(stream)  # type: ignore[no-untyped-call]
    except _BROKEN_HEADER:
        raise MienError(f"{source}: expected an array in numpy's format, but its header is broken") from None
    if any(type(length) is not int or length < 0 for length in shape):
        raise MienError(f"{source}: expected an array in numpy's format, got one of shape {shape}")
    return shape, fortran, dtype


def _read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path) -> Array:
    _check_packing(member, path)
    with archive.open(member) as stream:
        shape, fortran, dtype = read_npy_header(stream, path)
        if dtype.hasobject or dtype.kind not in _NUMBERS + TEXT:
            raise MienError(
                f"{path}: expected numbers or text in {member.filename[:-4]}, got type {dtype}; such a file is not read"
            )
        size = prod(shape) * dtype.itemsize
        if stream.tell() + size != member.file_size:
            raise MienError(
                f"{path}: {member.filename} holds {member.file_size} bytes, not the {size} that its header declares"
            )
        data = stream.read(size)  # never all that a lying archive would unpack to
    if len(data) != size:
        raise MienError(f"{path}: {member.filename} ends early; get or write the file again")
    array: Array = np.frombuffer(data, dtype=dtype).copy()
    return array.reshape(shape, order="F" if fortran else "C")


def _check_packing(member: zipfile.ZipInfo, path: Path) -> None:
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):  # others unpack without a limit
        raise MienError(f"{path}: {member.filename} is packed in a way that numpy does not use")


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
