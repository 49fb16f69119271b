"""Options that may also come from the environment, as MIEN_NAME: the defaults of a dataclass that is a command line."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar, get_args

T = TypeVar("T")


@dataclass(frozen=True)
class Kind(Generic[T]):
    """How a variable's text is read; `read` raises ValueError for what it is not."""

    expected: str
    read: Callable[[str], T]


TEXT: Kind[str] = Kind("a text", str)
NUMBER: Kind[int] = Kind("a whole number", int)
PATH: Kind[Path] = Kind("a path", Path)
SEVERAL: Kind[tuple[str, ...]] = Kind("texts with commas between", lambda text: tuple(text.replace(",", " ").split()))


def one_of(choices: Any) -> Kind[Any]:
    """A word out of a Literal."""
    words = get_args(choices)
    return Kind(f"one of {', '.join(words)}", lambda text: words[words.index(text)])


def setting(name: str, default: T, kind: Kind[Any]) -> T:
    """A field whose default is from the environment, if it is set there."""

    def value() -> T:
        text = os.environ.get(f"MIEN_{name}")
        if not text:  # an empty one, too, as `MIEN_TOKEN=` in a file of settings is how one leaves it out
            return default
        try:
            return kind.read(text)  # type: ignore[no-any-return]
        except ValueError:
            from models.types import MienError  # brings torch, which `mien -h` need not wait for

            raise MienError(f"MIEN_{name}: expected {kind.expected}, got '{text}'") from None

    return field(default_factory=value)
