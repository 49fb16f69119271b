"""The only names a pickle may use, each standing for an inert record: numpy, scipy's csc matrix, chumpy, torch tensors.

`numbers_of(value, ...)` turns a record into an array of numbers; until then a record is the file's own words.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.sparse import dense_from_csc
from models.torch_storage import read_storage
from models.types import MienError

Array = NDArray[Any]
_MAX_DEPTH = 8  # of chumpy within chumpy
_MAX_SPARSE_ELEMENTS = 1 << 24  # FLAME's joint regressor takes 25,115
_TYPE_CODE = re.compile(r"[<>|=]?([biufUSOV]\d{0,4}|\?)")


class Refused(Exception):
    """What a file asks for and shall not have."""


@dataclass(frozen=True)
class Name:
    """A name of the list, and what to make where the file calls it."""

    text: str
    make: Callable[..., object]


class Record:
    """Something a file describes piece by piece."""

    def set_state(self, state: Any) -> None:
        raise Refused(f"a state for {type(self).__name__}")

    def numbers(self, depth: int) -> Array:
        raise ValueError(f"it holds {type(self).__name__} where numbers belong")


_CHUMPY = (
    "chumpy.ch.Ch",
    *(f"chumpy.reordering.{name}" for name in ("Select", "Reshape", "reshape", "Ravel", "ravel")),
    *("chumpy.reordering.Transpose", "chumpy.reordering.transpose"),
)


def find_name(module: str, name: str) -> Name:
    text = f"{module}.{name}"
    modern = re.sub(r"^numpy\._core\.", "numpy.core.", text)
    if modern in _MAKERS:
        return Name(text, _MAKERS[modern])
    if text in _CHUMPY:
        return Name(text, lambda *_: ChumpyRecord(name.lower()))
    raise Refused(f"the name {text[:200]!r}")


def numbers_of(value: object, source: object, name: str) -> Array:
    """The array of numbers that `value` describes."""
    try:
        return _numbers(value, 0)
    except Refused as refused:
        raise MienError(f"{source}: expected numbers in {name}, but it asks for {refused}") from None
    except (ValueError, TypeError, KeyError, IndexError, OverflowError, RuntimeError, AttributeError) as error:
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise MienError(f"{source}: expected numbers in {name}, but {reason}; get the file again") from None


def _numbers(value: object, depth: int) -> Array:
    if depth > _MAX_DEPTH:
        raise ValueError("it is nested too deeply")
    if isinstance(value, Record):
        return value.numbers(depth)
    if isinstance(value, np.ndarray):
        return value
    if isinstance(value, (bool, int, float)):
        return np.array(value, dtype=np.float64 if isinstance(value, float) else np.int64)
    if isinstance(value, (list, tuple)) and all(isinstance(item, (int, float)) for item in value):
        return np.array(value)
    raise ValueError(f"it holds {type(value).__name__}")


@dataclass
class TypeRecord(Record):
    """numpy's dtype."""

    code: str
    order: str = "<"

    def __init__(self, code: object, *_: object) -> None:
        if not isinstance(code, str) or not _TYPE_CODE.fullmatch(code):
            raise Refused(f"an array type that is not plain ({_word(code)})")
        self.code = code

    def set_state(self, state: Any) -> None:
        if state[1] not in ("<", ">", "|", "=") or any(part is not None for part in state[2:5]):
            raise Refused("an array type with named fields")
        self.order = state[1]

    @property
    def is_object(self) -> bool:
        return self.code.lstrip("<>|=").startswith("O")

    def dtype(self) -> np.dtype[Any]:
        return np.dtype(self.code).newbyteorder(self.order)  # type: ignore[arg-type]


@dataclass
class ArrayRecord(Record):
    """numpy's ndarray, as its bytes or, of objects, as the list of them."""

    shape: tuple[int, ...] = ()
    type: TypeRecord | None = None
    fortran: bool = False
    data: object = b""

    def set_state(self, state: Any) -> None:
        _, self.shape, self.type, fortran, self.data = state
        self.fortran = bool(fortran)

    def item(self) -> object:
        """The one object in an array of one."""
        if not isinstance(self.data, list) or len(self.data) != 1:
            raise ValueError("expected one object")
        return self.data[0]

    def numbers(self, depth: int) -> Array:
        if not isinstance(self.type, TypeRecord) or not _is_shape(self.shape):
            raise ValueError("an array lacks its type or shape")
        if self.type.is_object:
            raise ValueError("it holds an array of objects")
        dtype, data = self.type.dtype(), _raw_bytes(self.data)
        if dtype.kind not in "biuf":
            raise ValueError(f"it holds type {dtype}")
        if prod(self.shape) * dtype.itemsize != len(data):
            raise ValueError(f"an array of shape {list(self.shape)} has {len(data)} bytes")
        return np.frombuffer(data, dtype).reshape(self.shape, order="F" if self.fortran else "C")


@dataclass
class SparseRecord(Record):
    """scipy's csc matrix."""

    state: Mapping[str, object] | None = None

    def set_state(self, state: Any) -> None:
        self.state = _plain_state(state)

    def numbers(self, depth: int) -> Array:
        if self.state is None:
            raise ValueError("a sparse matrix lacks its parts")
        shape: Any = self.state.get("_shape", self.state.get("shape"))
        if not _is_shape(shape) or len(shape) != 2 or prod(shape) > _MAX_SPARSE_ELEMENTS:
            raise ValueError("a sparse matrix has no sensible shape")
        data, indices, indptr = (_numbers(self.state[key], depth + 1) for key in ("data", "indices", "indptr"))
        return dense_from_csc(data, indices, indptr, (shape[0], shape[1]))


@dataclass
class ChumpyRecord(Record):
    """An array of chumpy, FLAME's first home; `Select` and its like point at another array."""

    kind: str
    state: Mapping[str, object] | None = None

    def set_state(self, state: Any) -> None:
        self.state = _plain_state(state)

    def numbers(self, depth: int) -> Array:
        state = self.state or {}
        if "x" in state:
            return _numbers(state["x"], depth + 1)
        base = _numbers(state["a"], depth + 1)
        if self.kind == "select":
            picked = base.ravel()[_numbers(state["idxs"], depth + 1).astype(np.int64)]
            return picked.reshape(_shape_of(state["preferred_shape"])) if "preferred_shape" in state else picked
        if self.kind == "reshape":
            return base.reshape(_shape_of(state["newshape"]))
        if self.kind == "ravel":
            return base.ravel()
        if self.kind == "transpose":
            axes = state.get("axes")
            return base.transpose(None if axes is None else _shape_of(axes))
        raise ValueError(f"it holds chumpy's {self.kind}, which Mien does not know")


@dataclass
class TensorRecord(Record):
    """A torch tensor: bytes of a storage, and how to walk over them."""

    storage: object
    offset: object
    size: object
    stride: object

    def __init__(self, storage: object, offset: object, size: object, stride: object, *_: object) -> None:
        self.storage, self.offset, self.size, self.stride = storage, offset, size, stride

    def numbers(self, depth: int) -> Array:
        size, stride = _shape_of(self.size), _shape_of(self.stride)
        if not isinstance(self.storage, bytes) or not isinstance(self.offset, int) or len(size) != len(stride):
            raise ValueError("a tensor is not whole")
        flat = read_storage(self.storage)
        last = self.offset + sum((length - 1) * step for length, step in zip(size, stride, strict=True))
        if not (_is_shape(size) and _is_shape(stride) and 0 < prod(size) <= len(flat) and 0 <= self.offset <= last):
            raise ValueError(f"a tensor has shape {list(size)}")
        if last >= len(flat):
            raise ValueError(f"a tensor of shape {list(size)} has {len(flat)} numbers")
        steps = tuple(step * flat.itemsize for step in stride)
        return np.lib.stride_tricks.as_strided(flat[self.offset :], size, steps).copy()


# What each name makes.


def _frombuffer(data: object, dtype: TypeRecord, shape: Any, order: str) -> ArrayRecord:
    return ArrayRecord(shape, dtype, order == "F", data)


def _scalar(dtype: TypeRecord, data: object) -> ArrayRecord:
    return ArrayRecord((), dtype, False, data)


def _encode(text: str, encoding: str) -> bytes:
    """How Python 3 writes bytes in the protocols of Python 2."""
    if encoding not in ("latin1", "latin-1"):
        raise Refused(f"the encoding {_word(encoding)}")
    return text.encode("latin-1")


_MAKERS: dict[str, Callable[..., object]] = {
    "numpy.core.multiarray._reconstruct": lambda *_: ArrayRecord(),
    "numpy.core.multiarray.scalar": _scalar,
    "numpy.core.numeric._frombuffer": _frombuffer,
    "numpy.ndarray": lambda *_: ArrayRecord(),
    "numpy.dtype": TypeRecord,
    "scipy.sparse.csc.csc_matrix": lambda *_: SparseRecord(),
    "scipy.sparse._csc.csc_matrix": lambda *_: SparseRecord(),
    "scipy.sparse.csc_matrix": lambda *_: SparseRecord(),
    "torch._utils._rebuild_tensor_v2": TensorRecord,
    "torch.storage._load_from_bytes": lambda data: data,
    "collections.OrderedDict": lambda *_: {},
    "_codecs.encode": _encode,
    "__builtin__.bytes": lambda: b"",  # how Python 3 writes none of them in the protocols of Python 2
    "__builtin__.set": lambda *_: [],  # chumpy's bookkeeping, which nobody reads
    "builtins.set": lambda *_: [],
}


def _word(value: object) -> str:
    """A value of the file in a message: text alone, for anything else can be endless."""
    return repr(value[:40]) if isinstance(value, str) else type(value).__name__


def _plain_state(state: Any) -> Mapping[str, object]:
    if not isinstance(state, dict):
        raise ValueError("a state is not a dictionary")
    return state


def _is_shape(shape: Any) -> bool:
    return isinstance(shape, tuple) and all(type(length) is int and 0 <= length < 1 << 40 for length in shape)


def _shape_of(value: Any) -> tuple[int, ...]:
    if not isinstance(value, (tuple, list)):
        value = _numbers(value, 0).ravel().tolist()
    shape = tuple(value)
    if len(shape) > 32 or not all(type(length) is int for length in shape):
        raise ValueError("a shape is not made of whole numbers")
    return shape


def _raw_bytes(data: object) -> bytes:
    """An array's bytes; Python 2 wrote them as text."""
    if isinstance(data, str):
        return data.encode("latin-1")
    if isinstance(data, (bytes, bytearray)):
        return bytes(data)
    raise ValueError(f"an array's bytes are {type(data).__name__}")
