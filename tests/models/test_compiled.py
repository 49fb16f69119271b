"""A compiled function is read from disk only while nothing of what it is made of has changed."""

import sys
from importlib import import_module
from pathlib import Path
from types import FunctionType
from typing import Any

import pytest

from models.compiled import compiled

CALLER = """
from models.compiled import compiled
from compiled_callee import ADDED, scaled

@compiled
def total(value):
    return through(value) + ADDED[0]

@compiled
def through(value):
    return scaled(value)
"""
CALLEE = """
from models.compiled import compiled

ADDED = ({added},)

@compiled
def scaled(value):
    return {factor} * value
"""
NAMES = CALLER_NAME, CALLEE_NAME = "compiled_caller", "compiled_callee"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "compiled_caller.py").write_text(CALLER)
    return tmp_path


def run(folder: Path, factor: float, added: float) -> tuple[float, bool]:
    """What a new process would get, and whether it came from disk."""
    (folder / "compiled_callee.py").write_text(CALLEE.format(factor=factor, added=added))
    for name in NAMES:
        sys.modules.pop(name, None)
    for stale in (folder / "__pycache__").glob("*.pyc"):  # of a file that was written within the same second
        stale.unlink()
    total: Any = import_module(CALLER_NAME).total
    value = total(10.0)
    return value, bool(total.stats.cache_hits)


def test_what_is_called_and_what_is_read_may_change_in_other_files(folder: Path) -> None:
    assert run(folder, 2.0, 1.0) == (21.0, False)
    assert run(folder, 2.0, 1.0) == (21.0, True)
    assert run(folder, 3.125, 1.0) == (32.25, False)
    assert run(folder, 3.125, 500.0) == (531.25, False)
    assert run(folder, 2.0, 1.0) == (21.0, True)


@compiled
def positive(value: float) -> bool:
    return value > 0


def test_what_a_named_tuple_holds_may_change_in_another_file(folder: Path) -> None:
    def first_of_two(fields: str) -> float:
        pair = f"from typing import NamedTuple\n\nclass Pair(NamedTuple):\n    {fields}: float\n"
        (folder / "compiled_callee.py").write_text(pair.replace(", ", ": float\n    "))
        for name in NAMES:
            sys.modules.pop(name, None)
        for stale in (folder / "__pycache__").glob("*.pyc"):
            stale.unlink()
        caller: Any = import_module(CALLER_NAME)
        return float(caller.first(import_module(CALLEE_NAME).Pair(one=1.0, other=2.0)))

    (folder / "compiled_caller.py").write_text(
        "from models.compiled import compiled\n\n@compiled\ndef first(pair):\n    return pair.one\n"
    )
    assert first_of_two("one, other") == 1
    assert first_of_two("other, one") == 1


def test_a_broken_number_is_told_from_a_whole_one() -> None:
    assert positive(1.0)
    assert not positive(float("nan"))


def test_what_cannot_be_kept_is_compiled_all_the_same() -> None:
    def double(value: int) -> int:
        return 2 * value

    nowhere = FunctionType(double.__code__.replace(co_filename="<nowhere>"), {}, "double")
    assert compiled(nowhere)(21) == 42
