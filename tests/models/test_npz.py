"""`.npz` and `.npy` files from anywhere: what is written comes back, what lies or bursts ends in one clear error."""

import io
import os
import pickle
import struct
import tracemalloc
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from models import npz
from models.npy import read_npy, read_npy_object
from models.npz import TEXT, check_array, npz_shapes, read_npz, read_npz_columns, write_npz
from models.types import MienError

ARRAYS: dict[str, NDArray[Any]] = {
    "numbers": np.arange(12.0).reshape(3, 4),
    "fortran": np.asfortranarray(np.arange(12).reshape(3, 4)),
    "one": np.array(3, np.int16),
    "none": np.zeros((0, 3), np.float32),
    "text": np.array(["jawOpen", "e"]),
    "yes": np.array([True, False]),
}
HUGE = 10**10


def npy_bytes(header: str, data: bytes = b"", version: int = 1) -> bytes:
    raw = header.encode("latin-1")
    length = struct.pack("<H" if version == 1 else "<I", len(raw))
    return b"\x93NUMPY" + bytes((version, 0)) + length + raw + data


@contextmanager
def at_most(bytes_of_memory: int) -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < bytes_of_memory
    finally:
        tracemalloc.stop()


def npz_of(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


class Runs:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, (f"touch {self.marker}",)


def test_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    write_npz(path, ARRAYS)
    read = read_npz(path)
    assert read.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert read[name].dtype == array.dtype
        np.testing.assert_array_equal(read[name], array)
    assert list(tmp_path.iterdir()) == [path]  # no half-written file stays


def test_equal_arrays_give_equal_bytes(tmp_path: Path) -> None:
    write_npz(tmp_path / "a.npz", ARRAYS)
    write_npz(tmp_path / "b.npz", ARRAYS)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_what_numpy_writes_is_read(tmp_path: Path) -> None:
    for save in (np.savez, np.savez_compressed):
        save(tmp_path / "a.npz", **ARRAYS)
        np.testing.assert_array_equal(read_npz(tmp_path / "a.npz")["numbers"], ARRAYS["numbers"])


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    write_npz(path, ARRAYS)
    with pytest.raises(ValueError, match="Object arrays"):
        write_npz(path, {"bad": np.array([object()])})
    assert read_npz(path).keys() == ARRAYS.keys()
    assert list(tmp_path.iterdir()) == [path]


def test_objects_are_refused_and_not_run(tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    np.savez(tmp_path / "a.npz", x=np.array([Runs(marker)], dtype=object))
    np.save(tmp_path / "a.npy", np.array([Runs(marker)], dtype=object), allow_pickle=True)
    with pytest.raises(MienError, match="expected numbers or text in x, got type object"):
        read_npz(tmp_path / "a.npz")
    with pytest.raises(MienError, match="expected an array of numbers, got type object"):
        read_npy(tmp_path / "a.npy")
    with pytest.raises(MienError, match=r"the name 'posix\.system'"):
        read_npy_object(tmp_path / "a.npy")
    assert not marker.exists()


HEADERS = {
    "10 GB": npy_bytes(f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({HUGE},)}}"),
    "10 GB of nothing": npy_bytes(f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({HUGE}, 0)}}", b"x"),
    "overflowing shape": npy_bytes("{'descr': '<f8', 'fortran_order': False, 'shape': (9223372036854775807, 4)}"),
    "negative shape": npy_bytes("{'descr': '<f8', 'fortran_order': False, 'shape': (-1,)}", b"12345678"),
    "two negatives": npy_bytes("{'descr': '<f8', 'fortran_order': False, 'shape': (-1, -1)}", b"12345678"),
    "endless text": npy_bytes("{'descr': '<U2000000000', 'fortran_order': False, 'shape': (1,)}"),
    "void": npy_bytes("{'descr': '|V8', 'fortran_order': False, 'shape': (1,)}", b"12345678"),
    "fields": npy_bytes("{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': (1,)}", b"12345678"),
    "code": npy_bytes("{'descr': __import__('os').getcwd(), 'fortran_order': False, 'shape': (1,)}"),
    "open bracket": npy_bytes("{'descr': '<f8', 'shape': ("),
    "open quote": npy_bytes("{'descr': '''<f8"),
    "indented": npy_bytes("  {\n 'descr'"),
    "deep": npy_bytes("(" * 3000),
    "deep sums": npy_bytes("-" * 9000 + "1"),
    "long": npy_bytes(" " * 60000),
    "no dictionary": npy_bytes("3"),
    "bad type": npy_bytes("{'descr': '<q9', 'fortran_order': False, 'shape': (1,)}"),
    "shape of text": npy_bytes("{'descr': '<f8', 'fortran_order': False, 'shape': ('a',)}"),
    "shape of truth": npy_bytes("{'descr': '<f8', 'fortran_order': False, 'shape': (True,)}", b"123"),
    "null": npy_bytes("{'descr': '<f8\x00'}"),
    "version 2": npy_bytes("{'descr': '<f8', 'fortran_order': False, 'shape': (9,)}", b"", 2),
    "version 9": npy_bytes("{'descr': '<f8', 'fortran_order': False, 'shape': (0,)}", b"", 9),
    "no magic": b"hello world, this is text",
    "nothing": b"",
    "short": b"\x93NUMPY\x01",
}


@pytest.mark.parametrize("data", HEADERS.values(), ids=HEADERS.keys())
def test_headers_that_lie(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.npy").write_bytes(data)
    npz_of(tmp_path / "a.npz", {"x.npy": data})
    with at_most(8 << 20):
        with pytest.raises(MienError, match=r"a\.npz"):
            read_npz(tmp_path / "a.npz")
        for read in (read_npy, read_npy_object):
            with pytest.raises(MienError, match=r"a\.npy"):
                read(tmp_path / "a.npy")


def test_a_zip_that_bursts(tmp_path: Path) -> None:
    """Thirty thousand bytes that unpack to 30 MB, where 1 MB is expected; and one that lies about it."""
    header = npy_bytes(f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({30 << 20},)}}")
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", header + bytes(30 << 20))
    with pytest.raises(MienError, match="expected at most 1048576 bytes of arrays"):
        read_npz(path, max_total_bytes=1 << 20)
    lying = path.read_bytes().replace(struct.pack("<I", len(header) + (30 << 20)), struct.pack("<I", 1000))
    path.write_bytes(lying)
    with at_most(8 << 20), pytest.raises(MienError):
        read_npz(path, max_total_bytes=1 << 20)


def test_no_file(tmp_path: Path) -> None:
    for read in (read_npz, read_npy, read_npy_object):
        with pytest.raises(MienError, match="no such file"):
            read(tmp_path / "none.npz")
    with pytest.raises(MienError):
        read_npz(tmp_path)


def test_encrypted_and_odd_archives(tmp_path: Path) -> None:
    path = npz_of(tmp_path / "a.npz", {"x.npy": npy_bytes("{}")})
    data = bytearray(path.read_bytes())
    for place in (data.find(b"PK\x03\x04") + 6, data.find(b"PK\x01\x02") + 8):
        data[place] |= 1  # says that it is encrypted
    path.write_bytes(data)
    with pytest.raises(MienError):
        read_npz(path)


@pytest.mark.parametrize("shape", [(3,), (3, 5), (None, 5), (3, 4, 1)])
def test_shapes_are_checked(shape: tuple[int | None, ...]) -> None:
    with pytest.raises(MienError, match=r"head: expected template of shape"):
        check_array("head", "template", ARRAYS["numbers"], shape)


def test_numbers_are_checked() -> None:
    for bad in (np.nan, np.inf, -np.inf):
        with pytest.raises(MienError, match="expected finite numbers in weights"):
            check_array("head", "weights", np.array([0.0, bad]), (2,))


def test_kinds_are_checked() -> None:
    with pytest.raises(MienError, match="expected numbers in names, got type <U7"):
        check_array("head", "names", ARRAYS["text"], (2,))
    with pytest.raises(MienError, match="expected text in numbers, got type float64"):
        check_array("head", "numbers", ARRAYS["numbers"], (3, 4), TEXT)
    assert check_array("head", "names", ARRAYS["text"], (2,), TEXT) is ARRAYS["text"]


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_arrays_of_one_name_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w") as archive:
        for shape in ("(9,)", "(1,)"):
            archive.writestr(
                "x.npy", npy_bytes(f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}}}", bytes(9))
            )
    for read in (read_npz, npz_shapes, lambda path: read_npz_columns(path, "x", 1)):
        with pytest.raises(MienError, match=r"a\.npz: expected each array once"):
            read(path)


def test_of_long_rows_a_part_is_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(npz, "_BYTES_AT_ONCE", 100_000)
    wide = np.arange(100)[:, None] + np.zeros((100, 1 << 14), np.float32)  # 6.5 MB
    np.savez(tmp_path / "a.npz", x=wide)
    with at_most(2 << 20):
        read = read_npz_columns(tmp_path / "a.npz", "x", 3)
    np.testing.assert_array_equal(read, wide[:, :3])


WHOLE = io.BytesIO()
np.savez(WHOLE, **{name: ARRAYS[name] for name in ("numbers", "text")})
OBJECT = io.BytesIO()
np.save(OBJECT, np.array({"a": np.arange(3)}, dtype=object), allow_pickle=True)


@settings(max_examples=300)
@given(st.data())
def test_damaged_files_give_one_kind_of_error(tmp_path_factory: pytest.TempPathFactory, data: Any) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged"
    kind = data.draw(st.sampled_from(("npz", "npy", "object")))
    whole = {"npz": WHOLE.getvalue(), "object": OBJECT.getvalue()}.get(kind) or npy_bytes(
        "{'descr': '<f8', 'fortran_order': False, 'shape': (2,)}", bytes(16)
    )
    changed = bytearray(whole)
    for place, value in data.draw(st.lists(st.tuples(st.integers(0, len(whole) - 1), st.integers(0, 255)), max_size=4)):
        changed[place] = value
    path.write_bytes(bytes(changed[: data.draw(st.one_of(st.just(len(whole)), st.integers(0, len(whole))))]))
    read: Any = {"npz": read_npz, "npy": read_npy, "object": read_npy_object}[kind]
    try:
        read(path)
    except MienError:
        return


def test_pickled_dictionary(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", {"a": [1, 2]}, allow_pickle=True)  # type: ignore[arg-type]
    assert read_npy_object(tmp_path / "a.npy") == {"a": [1, 2]}
    np.save(tmp_path / "b.npy", np.array([{}, {}]), allow_pickle=True)
    with pytest.raises(MienError, match="expected one dictionary"):
        read_npy_object(tmp_path / "b.npy")
    (tmp_path / "c.npy").write_bytes(OBJECT.getvalue()[:128] + pickle.dumps(3))
    with pytest.raises(MienError):
        read_npy_object(tmp_path / "c.npy")
