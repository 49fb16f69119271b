"""Reading pickles from anywhere: a small machine that follows the opcodes, builds plain values and runs nothing.

Python's own unpickler imports and calls whatever a file names. This one knows a short list of names
(`models/pickle_names.py`), each an inert record of what the file says; any other name ends the reading with an error
that tells the name. Numbers stay bytes of the file until somebody asks a record for its array, so that no size a file
declares is ever allocated, and values that refer to each other are followed by nobody.
"""

import pickletools
from collections.abc import Callable
from pathlib import Path
from typing import Any

from models.pickle_names import Name, Record, Refused, find_name
from models.types import MienError

MAX_FILE_BYTES = 512 << 20  # FLAME's largest takes 103 MB
MAX_OPCODES = 200_000  # FLAME's files take a few hundred

_MARK = object()
_PLAIN_KEYS = (str, int, float, bool, type(None))


def read_pickle(path: Path, max_bytes: int = MAX_FILE_BYTES) -> object:
    """The value in the file: plain Python values, and records of arrays (see `numbers_of`)."""
    return unpickle(read_bytes(path, max_bytes), path)


def read_bytes(path: Path, max_bytes: int = MAX_FILE_BYTES) -> bytes:
    """The whole file, if it is a file and not absurdly large."""
    if not path.is_file():
        raise MienError(f"{path}: no such file")
    if path.stat().st_size > max_bytes:
        raise MienError(f"{path}: expected at most {max_bytes} bytes, got {path.stat().st_size}; this is another file")
    return path.read_bytes()


def unpickle(data: bytes, source: object) -> object:
    """The value pickled in `data`; `source` names it in errors."""
    machine = _Machine()
    try:
        for count, (opcode, argument, _) in enumerate(pickletools.genops(data)):
            if count > MAX_OPCODES:
                raise Refused(f"more than {MAX_OPCODES} steps")
            machine.step(opcode.name, argument)
        return machine.result()
    except Refused as refused:
        raise MienError(
            f"{source}: expected arrays alone, but the file asks for {refused}; nothing of it was run. "
            "Get the file from its makers again"
        ) from None
    except (ValueError, IndexError, KeyError, TypeError, AttributeError, OverflowError, EOFError) as error:
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise MienError(f"{source}: expected a whole pickle, but {reason}; get the file again") from None


class _Machine:
    """A pickle's stack and its memory of earlier values."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def step(self, opcode: str, argument: Any) -> None:
        if opcode in _IGNORED:
            return
        if opcode in _LITERALS:
            self.stack.append(argument)
            return
        act = _ACTIONS.get(opcode)
        if act is None:
            raise Refused(f"the pickle opcode {opcode}, which no model file needs")
        act(self, argument)

    def result(self) -> object:
        if len(self.stack) != 1 or self.stack[0] is _MARK:
            raise ValueError("it ends with something left over")
        return self.stack[0]

    # Taking values from the stack.

    def pop(self) -> Any:
        value = self.stack.pop()
        if value is _MARK:
            raise ValueError("a value is missing")
        return value

    def top(self) -> Any:
        value = self.stack[-1]
        if value is _MARK:
            raise ValueError("a value is missing")
        return value

    def pop_to_mark(self) -> list[Any]:
        for start in range(len(self.stack) - 1, -1, -1):
            if self.stack[start] is _MARK:
                values = self.stack[start + 1 :]
                del self.stack[start:]
                return values
        raise ValueError("a mark is missing")

    def push_tuple(self, length: int) -> None:
        values = [self.pop() for _ in range(length)]
        self.stack.append(tuple(reversed(values)))

    # Containers. Only plain keys: hashing nested tuples of a hostile file could take for ever.

    def extend_list(self, values: list[Any]) -> None:
        target = self.top()
        if not isinstance(target, list):
            raise ValueError("it adds to something that is not a list")
        target.extend(values)

    def fill_dict(self, values: list[Any]) -> None:
        target = self.top()
        if not isinstance(target, dict) or len(values) % 2:
            raise ValueError("it sets keys of something that is not a dictionary")
        for key, value in zip(values[::2], values[1::2], strict=True):
            if not isinstance(key, _PLAIN_KEYS):
                raise Refused("a dictionary key that is neither text nor a number")
            target[key] = value

    def pop_pair(self) -> list[Any]:
        value = self.pop()
        return [self.pop(), value]

    # Names, and the records they stand for.

    def push_name(self, text: str) -> None:
        module, _, name = text.partition(" ")
        self.stack.append(find_name(module, name))

    def push_stack_name(self) -> None:
        name, module = self.pop(), self.pop()
        if not isinstance(module, str) or not isinstance(name, str):
            raise ValueError("a name is not text")
        self.stack.append(find_name(module, name))

    def make(self) -> None:
        arguments, name = self.pop(), self.pop()
        if not isinstance(name, Name) or not isinstance(arguments, tuple):
            raise Refused(f"a call of something that is not a known name ({type(name).__name__})")
        self.stack.append(name.make(*arguments))

    def set_state(self) -> None:
        state, record = self.pop(), self.top()
        if not isinstance(record, Record):
            raise Refused(f"a state for something that has none ({type(record).__name__})")
        record.set_state(state)

    # Memory.

    def remember(self, index: int) -> None:
        self.memo[index] = self.top()


_Action = Callable[[_Machine, Any], None]

_IGNORED = frozenset({"PROTO", "FRAME", "STOP"})

_LITERALS = frozenset(
    (
        *("NONE", "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
        *("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
        *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
    )
)

_ACTIONS: dict[str, _Action] = {
    "NEWTRUE": lambda m, _: m.stack.append(True),
    "NEWFALSE": lambda m, _: m.stack.append(False),
    "EMPTY_TUPLE": lambda m, _: m.stack.append(()),
    "TUPLE1": lambda m, _: m.push_tuple(1),
    "TUPLE2": lambda m, _: m.push_tuple(2),
    "TUPLE3": lambda m, _: m.push_tuple(3),
    "TUPLE": lambda m, _: m.stack.append(tuple(m.pop_to_mark())),
    "EMPTY_LIST": lambda m, _: m.stack.append([]),
    "LIST": lambda m, _: m.stack.append(m.pop_to_mark()),
    "APPEND": lambda m, _: m.extend_list([m.pop()]),
    "APPENDS": lambda m, _: m.extend_list(m.pop_to_mark()),
    "EMPTY_DICT": lambda m, _: m.stack.append({}),
    "DICT": lambda m, _: _new_dict(m, m.pop_to_mark()),
    "SETITEM": lambda m, _: m.fill_dict(m.pop_pair()),
    "SETITEMS": lambda m, _: m.fill_dict(m.pop_to_mark()),
    "EMPTY_SET": lambda m, _: m.stack.append([]),  # chumpy keeps an empty set; nobody reads it
    "ADDITEMS": lambda m, _: m.extend_list(m.pop_to_mark()),
    "MARK": lambda m, _: m.stack.append(_MARK),
    "POP": lambda m, _: _drop(m.stack.pop()),
    "POP_MARK": lambda m, _: _drop(m.pop_to_mark()),
    "DUP": lambda m, _: m.stack.append(m.top()),
    "GLOBAL": lambda m, text: m.push_name(text),
    "STACK_GLOBAL": lambda m, _: m.push_stack_name(),
    "REDUCE": lambda m, _: m.make(),
    "NEWOBJ": lambda m, _: m.make(),
    "BUILD": lambda m, _: m.set_state(),
    "MEMOIZE": lambda m, _: m.remember(len(m.memo)),
    **{opcode: lambda m, index: m.remember(index) for opcode in ("PUT", "BINPUT", "LONG_BINPUT")},
    **{opcode: lambda m, index: m.stack.append(m.memo[index]) for opcode in ("GET", "BINGET", "LONG_BINGET")},
}


def _new_dict(machine: _Machine, values: list[Any]) -> None:
    machine.stack.append({})
    machine.fill_dict(values)


def _drop(_: object) -> None:
    """A value the file takes back."""
