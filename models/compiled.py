"""Loops that are too slow in Python and too small for torch: `@compiled` or `@quick` by numba, and kept on disk.

numba's own cache looks at a function's file alone, though what it calls and the constants it reads are compiled into
it. This one looks at all of them, so that compiled functions may live in files of their own.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from hashlib import sha256
from inspect import getfile
from pathlib import Path
from types import CodeType
from typing import Any, TypeVar

import numba
import numpy as np
from numba.core import caching
from numba.core.dispatcher import Dispatcher

FunctionCache: Any = caching.FunctionCache  # without types
Function = TypeVar("Function", bound=Callable[..., Any])

# Numbers may be summed in any order; but NaN keeps its meaning: comparisons with it must fail, so that a broken number
# costs its own triangles and nothing else.
KEEPING_NAN = frozenset({"contract", "reassoc", "nsz", "arcp", "afn"})
CONSTANTS = (bool, int, float, complex, str, bytes, tuple, np.generic, np.ndarray)


def compiling(fastmath: bool | frozenset[str], nogil: bool = True) -> Callable[[Function], Function]:
    """Division by zero gives inf or NaN. `nogil`: other threads run meanwhile, and a short call may wait for them."""
    flags = set(fastmath) if isinstance(fastmath, frozenset) else fastmath

    def compile_when_called(function: Function) -> Function:
        dispatcher: Any = numba.njit(function, error_model="numpy", fastmath=flags, nogil=nogil)
        with suppress(RuntimeError):  # nowhere may it be kept: each process compiles it anew
            dispatcher._cache = _Cache(function)
        return dispatcher  # type: ignore[no-any-return]

    return compile_when_called


compiled = compiling(KEEPING_NAN)
# For what each frame asks of numbers that are known to be numbers; so short that others may wait for it.
quick = compiling(fastmath=True, nogil=False)


class _Cache(FunctionCache):  # type: ignore[misc]
    def _index_key(self, sig: Any, codegen: Any) -> Any:
        return *super()._index_key(sig, codegen), made_of(self._py_func), _fields(sig)


def _fields(types: Any) -> tuple[Any, ...]:
    """Of the named tuples among the arguments, nested too: numba compiles their order in, and knows them by name."""
    return tuple((getattr(one, "fields", ()), _fields(getattr(one, "types", ()))) for one in types)


def made_of(function: Any) -> str:
    """Tells apart what a function may be compiled to: the files of all it calls, and the constants they read."""
    waiting, functions, parts = [function], set(), {Path(__file__).read_bytes()}
    while waiting:
        one = waiting.pop()
        functions.add(one)
        parts.add(Path(getfile(one)).read_bytes())
        for name in _names(one.__code__):
            value = one.__globals__.get(name)
            if isinstance(value, Dispatcher) and value.py_func not in functions:
                waiting.append(value.py_func)
            elif isinstance(value, CONSTANTS):
                parts.add(f"{name} = {value.tolist() if isinstance(value, np.ndarray) else value!r}".encode())
    digest = sha256()
    for part in sorted(sha256(part).digest() for part in parts):
        digest.update(part)
    return digest.hexdigest()


def _names(code: CodeType) -> Iterator[str]:
    """Globals that it may read, those of comprehensions in it too."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)
