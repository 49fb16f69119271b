"""The pickle machine reads what numpy, scipy, chumpy and torch write, and runs nothing else."""

import collections
import io
import os
import pickle
import resource
import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.pickle_names import find_name, numbers_of
from models.types import MienError
from models.unpickle import MAX_OPCODES, read_pickle, unpickle
from tests.models.flame_writer import old_pickle

PROTOCOLS = (2, 3, 4, 5)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    "array",
    [
        np.arange(12.0).reshape(3, 4),
        np.asfortranarray(np.arange(12.0).reshape(3, 4)),
        np.arange(6, dtype=">i4"),
        np.zeros((0, 3), np.float32),
        np.array(3.5),
        np.arange(24).reshape(2, 3, 4)[:, ::2],
        np.array([True, False]),
    ],
    ids=["c", "fortran", "big-endian", "empty", "scalar", "strided", "bool"],
)
def test_arrays_come_back_bit_by_bit(array: np.ndarray[Any, Any], protocol: int) -> None:
    read = numbers_of(unpickle(pickle.dumps(array, protocol), "x"), "x", "array")
    assert read.dtype == array.dtype
    np.testing.assert_array_equal(read, array)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_plain_values_come_back(protocol: int) -> None:
    values = {"a": [1, 2.5, None, True, "text", b"bytes"], "b": {"c": ()}, "n": -(10**12), 3: "three"}
    read: Any = unpickle(pickle.dumps(values, protocol), "x")
    assert read == values


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_sparse_matrices_and_numpy_scalars(protocol: int) -> None:
    dense = np.where(np.random.default_rng(0).random((5, 40)) < 0.2, 1.5, 0.0)
    values: Any = unpickle(pickle.dumps({"m": scipy.sparse.csc_matrix(dense), "s": np.float64(2.5)}, protocol), "x")
    np.testing.assert_array_equal(numbers_of(values["m"], "x", "m"), dense)
    assert numbers_of(values["s"], "x", "s") == 2.5


def test_modules_of_old_and_new_numpy_and_scipy() -> None:
    data = pickle.dumps({"a": np.arange(3), "m": scipy.sparse.csc_matrix(np.eye(3))}, protocol=2)
    for old, new in ((b"numpy.core.", b"numpy._core."), (b"scipy.sparse._csc", b"scipy.sparse.csc")):
        assert old in data or new in data
        for text in (data.replace(old, new), data.replace(new, old)):
            values: Any = unpickle(text, "x")
            np.testing.assert_array_equal(numbers_of(values["a"], "x", "a"), np.arange(3))
            np.testing.assert_array_equal(numbers_of(values["m"], "x", "m"), np.eye(3))


def test_python_2_and_chumpy() -> None:
    array = np.arange(600.0).reshape(10, 20, 3)
    data = old_pickle({"shapedirs": array, "J_regressor": scipy.sparse.csc_matrix(np.eye(2)), "name": "caf\xe9"})
    assert b"cchumpy.ch\nCh\n" in data
    assert b"cscipy.sparse.csc\ncsc_matrix\n" in data
    assert pickle.BINSTRING in data  # Python 2's strings
    values: Any = unpickle(data, "x")
    np.testing.assert_array_equal(numbers_of(values["shapedirs"], "x", "shapedirs"), array)
    assert values["name"] == "caf\xe9"


def chumpy(kind: str, **state: object) -> Any:
    record: Any = find_name(*kind.rsplit(".", 1)).make()
    record.set_state(state)
    return record


def test_reordered_and_nested_chumpy() -> None:
    array = np.arange(12.0).reshape(3, 4)
    inner = chumpy("chumpy.ch.Ch", x=chumpy("chumpy.ch.Ch", x=array))
    picked = chumpy("chumpy.reordering.Select", a=inner, idxs=np.array([5, 0, 11, 3]), preferred_shape=(2, 2))
    turned = chumpy("chumpy.reordering.transpose", a=inner, axes=(1, 0))
    flat = chumpy("chumpy.reordering.ravel", a=inner)
    reshaped = chumpy("chumpy.reordering.reshape", a=inner, newshape=(4, 3))
    np.testing.assert_array_equal(numbers_of(picked, "x", "a"), [[5, 0], [11, 3]])
    np.testing.assert_array_equal(numbers_of(turned, "x", "a"), array.T)
    np.testing.assert_array_equal(numbers_of(flat, "x", "a"), array.ravel())
    np.testing.assert_array_equal(numbers_of(reshaped, "x", "a"), array.reshape(4, 3))


def test_chumpy_that_contains_itself_ends() -> None:
    record = chumpy("chumpy.ch.Ch")
    record.set_state({"x": record})
    with pytest.raises(MienError, match="nested too deeply"):
        numbers_of(record, "x", "a")


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_torch_tensors(protocol: int) -> None:
    tensors = {
        "whole": torch.arange(79 * 17).reshape(79, 17),
        "double": torch.rand(7, 3, dtype=torch.float64),
        "turned": torch.arange(12.0).reshape(3, 4).T,
        "part": torch.arange(20.0)[5:9],
    }
    values: Any = unpickle(pickle.dumps(tensors, protocol), "x")
    for name, tensor in tensors.items():
        np.testing.assert_array_equal(numbers_of(values[name], "x", name), tensor.numpy())


# What must not run.


class Calls:
    """Pickles to a call of anything."""

    def __init__(self, function: Callable[..., object], *arguments: object) -> None:
        self.function, self.arguments = function, arguments

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return self.function, self.arguments


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("where", ["top", "value", "array", "state"])
def test_calls_are_refused_by_name_and_not_made(tmp_path: Path, protocol: int, where: str) -> None:
    marker = tmp_path / "ran"
    call = Calls(os.system, f"touch {marker}")
    values: object = {
        "top": call,
        "value": {"v_template": np.zeros(3), "x": call},
        "array": np.array([call], dtype=object),
        "state": {"a": Calls(np.dtype, "f8"), "b": [call]},
    }[where]
    with pytest.raises(MienError, match=r"the name '(posix|nt)\.system'; nothing of it was run"):
        unpickle(pickle.dumps(values, protocol), "model.pkl")
    assert not marker.exists()


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        (eval, ("__import__('os')",)),
        (exec, ("x = 1",)),
        (getattr, ("text", "upper")),
        (__import__, ("os",)),
        (open, ("/etc/hostname",)),
        (bytearray, (10**10,)),
        (np.load, ("x.npy",)),
        (np.fromfile, ("x",)),
        (torch.load, ("x",)),
        (torch.zeros, (10**10,)),
        (collections.defaultdict, (list,)),
        (scipy.sparse.load_npz, ("x",)),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_names_off_the_list(function: Callable[..., object], arguments: tuple[object, ...]) -> None:
    with pytest.raises(MienError, match="asks for the name"):
        unpickle(pickle.dumps(Calls(function, *arguments), 2), "x")


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("dotted attribute of an allowed name", b"\x80\x04\x8c\x05numpy\x8c\x0endarray.tofile\x93."),
        ("old class instance", b"(ios\nsystem\n."),
        ("object", b"(cos\nsystem\no."),
        ("persistent id", b"Pwhatever\n."),
        ("binary persistent id", b"\x80\x02K\x01Q."),
        ("extension 1", b"\x80\x02\x82\x01."),
        ("extension 2", b"\x80\x02\x83\x01\x00."),
        ("extension 4", b"\x80\x02\x84\x01\x00\x00\x00."),
        ("buffer outside the file", b"\x80\x05\x97."),
        ("call of a value", b"\x80\x02K\x01)R."),
        ("call of an array", b"\x80\x02cnumpy\nndarray\n)R)R."),
        ("state of a value", b"\x80\x02}}b."),
        ("state of a name", b"\x80\x02cnumpy\ndtype\n}b."),
        ("unhashable key", b"\x80\x02}]K\x01s."),
        ("structured type", pickle.dumps(np.zeros(2, [("a", "f8"), ("b", "i4")]), 2)),
        ("date type", pickle.dumps(np.zeros(2, "M8[s]"), 2)),
        ("new object with keywords", b"\x80\x04\x8c\x05numpy\x8c\x07ndarray\x93)}\x92."),
    ],
)
def test_refused(name: str, data: bytes) -> None:
    with pytest.raises(MienError, match=r"asks for|expected numbers"):
        numbers_of(unpickle(data, "x"), "x", name)


def test_what_is_no_pickle() -> None:
    for data in (b"", b".", b"hello", b"\x80\x02", b"\x80\x02(.", b"\x80\x02((.", b"\x80\x02tK\x01.", b"N0.", b"NN."):
        with pytest.raises(MienError, match="expected a whole pickle"):
            unpickle(data, "x")


# What must not grow.

HUGE = 10**10
HUGE_SHAPE = b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\n\x8a\x05" + struct.pack("<q", HUGE)[:5]
BOMBS = {
    "bytes of 10 GB": b"\x80\x04\x8e" + struct.pack("<Q", HUGE) + b"x.",
    "bytearray of 10 GB": b"\x80\x05\x96" + struct.pack("<Q", HUGE) + b"x.",
    "text of 10 GB": b"\x80\x04\x8d" + struct.pack("<Q", HUGE) + b"x.",
    "Python 2 text of 2 GB": b"\x80\x02T" + struct.pack("<i", 2**31 - 1) + b"x.",
    "negative length": b"\x80\x02T" + struct.pack("<i", -1) + b"x.",
    "whole number of 2 GB": b"\x80\x02\x8b" + struct.pack("<i", 2**31 - 1) + b"x.",
    "whole number of many digits": b"L" + b"9" * 100_000 + b"L\n.",
    "array reconstructed at 10 GB": HUGE_SHAPE + b"\x85U\x01b\x87R.",
    "memory at a high place": b"\x80\x02Nr"
    + struct.pack("<I", 2**32 - 1)
    + b"0j"
    + struct.pack("<I", 2**32 - 2)
    + b".",
    "many steps": b"\x80\x02" + b"N0" * MAX_OPCODES + b"N.",
    "billion laughs": b"\x80\x02N" + b"2\x862\x86" * 500 + b"cnumpy\ndtype\n\x85R.",
    "billion laughs as a key": b"\x80\x02}" + b"N" + b"2\x86" * 500 + b"Ns.",
    "billion laughs as a type": b"\x80\x02cnumpy\ndtype\nN" + b"2\x86" * 500 + b"\x85R.",
    "billion laughs of arrays": b"\x80\x02cnumpy\nndarray\nN" + b"2\x86" * 500 + b"\x85R(K\x01K\x02tb.",
    "deep list": b"\x80\x02" + b"]" * 90_000 + b"a" * 90_000 + b".",
    "deep list as a type": b"\x80\x02cnumpy\ndtype\n" + b"]" * 50_000 + b"a" * 49_999 + b"\x85R.",
}


@pytest.mark.parametrize("data", BOMBS.values(), ids=BOMBS.keys())
def test_bombs_end_small(data: bytes) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(MienError):
        numbers_of(unpickle(data, "x"), "x", "array")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # kB


def rewritten_array(shape: tuple[int, ...], data: bytes) -> bytes:
    """The pickle of an array that declares another shape than its bytes have."""
    reduced: Any = np.zeros(2).__reduce__()
    state = (1, shape, np.dtype("f8"), False, data)

    class Lies:
        def __reduce__(self) -> Any:
            return reduced[0], reduced[1], state

    return pickle.dumps(Lies(), 2)


@pytest.mark.parametrize("shape", [(HUGE,), (2**40, 2**40), (-1,), (3,), (0, HUGE)])
def test_declared_shapes_are_checked_against_the_bytes(shape: tuple[int, ...]) -> None:
    data = rewritten_array(shape, b"12345678" * 2)
    tracemalloc.start()
    try:
        with pytest.raises(MienError):
            numbers_of(unpickle(data, "x"), "x", "array")
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "change",
    [
        {"_shape": (10**9, 10**9)},
        {"_shape": (2, 3)},
        {"_shape": "5"},
        {"indices": np.array([0, 9, 1])},
        {"indices": np.array([0, -1, 1])},
        {"indices": np.array([0.0, 1, 1])},
        {"indptr": np.array([0, 3, 1, 3])},
        {"indptr": np.array([0, 1, 2, 99])},
        {"data": np.zeros((3, 1))},
        {"data": "x"},
    ],
    ids=str,
)
def test_sparse_matrices_that_lie(change: dict[str, object]) -> None:
    record: Any = find_name("scipy.sparse", "csc_matrix").make()
    good = {"_shape": (3, 3), "data": np.ones(3), "indices": np.arange(3), "indptr": np.arange(4)}
    record.set_state(good)
    np.testing.assert_array_equal(numbers_of(record, "x", "m"), np.eye(3))
    record.set_state({**good, **change})
    with pytest.raises(MienError):
        numbers_of(record, "x", "m")


def storage_bytes(count: int) -> bytes:
    stream = io.BytesIO()
    torch.save(torch.zeros(4).untyped_storage(), stream, _use_new_zipfile_serialization=False)
    del stream
    whole = pickle.dumps(torch.zeros(4), 2)
    values: Any = unpickle(whole, "x")
    return values.storage.replace(b"K\x04Nt", b"J" + struct.pack("<i", count) + b"Nt")  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    "change",
    [
        {"size": (10**10,), "stride": (0,)},
        {"size": (5,), "stride": (1,)},
        {"size": (4,), "stride": (-1,)},
        {"size": (2, 2), "stride": (1,)},
        {"offset": 3},
        {"offset": -1},
        {"storage": b"nothing"},
        {"storage": pickle.dumps(Calls(os.getcwd), 2) * 5},
        {"storage": storage_bytes(2**31 - 1)},
        {"storage": b""},
    ],
    ids=lambda change: f"{next(iter(change))} {str(next(iter(change.values())))[:12]}",
)
def test_tensors_that_lie(change: dict[str, object]) -> None:
    record: Any = unpickle(pickle.dumps(torch.arange(4.0), 2), "x")
    np.testing.assert_array_equal(numbers_of(record, "x", "t"), np.arange(4.0))
    for name, value in change.items():
        setattr(record, name, value)
    with pytest.raises(MienError):
        numbers_of(record, "x", "t")


def test_large_files_are_not_opened(tmp_path: Path) -> None:
    path = tmp_path / "large.pkl"
    with path.open("wb") as stream:
        stream.truncate(1 << 40)  # sparse: takes no room
    with pytest.raises(MienError, match="expected at most"):
        read_pickle(path)
    with pytest.raises(MienError, match="no such file"):
        read_pickle(tmp_path)


# Anything at all.

SMALL = old_pickle(
    {
        "shapedirs": np.arange(6.0).reshape(1, 2, 3),
        "J_regressor": scipy.sparse.csc_matrix(np.eye(3)),
        "f": np.arange(3, dtype=np.uint32),
        "tensor": np.float64(1.5),
    }
)
MODERN = pickle.dumps({"a": np.arange(3.0), "m": scipy.sparse.csc_matrix(np.eye(2)), "t": torch.arange(3)}, 5)


def read_everything(data: bytes) -> None:
    values = unpickle(data, "x")
    for value in values.values() if isinstance(values, dict) else (values,):
        try:
            numbers_of(value, "x", "value")
        except MienError:
            continue


@settings(max_examples=400)
@given(st.data())
def test_damaged_files_give_one_kind_of_error(data: Any) -> None:
    whole = data.draw(st.sampled_from((SMALL, MODERN)))
    changed = bytearray(whole)
    for place, value in data.draw(
        st.lists(st.tuples(st.integers(0, len(whole) - 1), st.integers(0, 255)), min_size=1, max_size=4)
    ):
        changed[place] = value
    cut = data.draw(st.one_of(st.just(len(whole)), st.integers(0, len(whole))))
    try:
        read_everything(bytes(changed[:cut]))
    except MienError:
        return


@settings(max_examples=200)
@given(st.binary(max_size=200))
def test_any_bytes_give_one_kind_of_error(data: bytes) -> None:
    try:
        read_everything(b"\x80\x02" + data)
    except MienError:
        return


def test_every_truncation_is_told() -> None:
    for length in range(len(SMALL)):
        with pytest.raises(MienError):
            unpickle(SMALL[:length], "x")
