"""The line of dependencies, `models ← render ← tracker ← stream`, read from the source with `ast`."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

LAYERS = ("models", "render", "tracker", "stream")  # each may import those before it

# A library that only the named files (or, with a trailing slash, folders) may import.
ROOMS = {
    "mediapipe": ("tracker/landmarks.py",),
    "numba": ("models/compiled.py",),
    "nvdiffrast": ("render/cuda.py",),
    "pytorch3d": ("render/pytorch3d_reference.py",),
    "asyncio": ("stream/",),
}


def offences(root: Path) -> list[str]:
    """Every import under `root` that breaks a rule, as `file:line: what`."""
    found = []
    for package in LAYERS:
        for path in sorted((root / package).rglob("*.py")):
            name = path.relative_to(root).as_posix()
            for line, module in imported_modules(path):
                complaint = judge(name, module)
                if complaint:
                    found.append(f"{name}:{line}: {complaint}")
    return found


def judge(name: str, module: str) -> str | None:
    layer, top = name.split("/")[0], module.split(".")[0]
    if top == "mien":
        return f"imports mien, which stands above {layer}"
    if top in LAYERS and LAYERS.index(top) > LAYERS.index(layer):
        return f"{layer} must not import {module}"
    if top in ROOMS and not name.startswith(ROOMS[top]):
        return f"{top} may be imported in {', '.join(ROOMS[top])} only"
    return None


def imported_modules(path: Path) -> Iterator[tuple[int, str]]:
    """Line and dotted name of everything a file imports, inside functions too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.lineno, node.module
        elif isinstance(node, ast.Call) and dynamic_import(node):
            argument = node.args[0]
            if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                yield node.lineno, argument.value


def dynamic_import(call: ast.Call) -> bool:
    """`import_module("x")` or `__import__("x")`, however they are reached."""
    called = call.func
    name = called.attr if isinstance(called, ast.Attribute) else called.id if isinstance(called, ast.Name) else ""
    return name in ("import_module", "__import__") and bool(call.args)


def test_imports_keep_to_the_line() -> None:
    assert offences(ROOT) == []


def test_relative_imports_stay_inside_their_package() -> None:
    """`from .. import x` could climb out of a package unseen by the rule above."""
    climbing = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for package in LAYERS
        for path in (ROOT / package).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.level >= len(path.relative_to(ROOT).parts)
    ]
    assert climbing == []


PLANTED = [
    ("models/head.py", "import render.cpu", "models must not import render.cpu"),
    ("models/head.py", "from tracker import fit", "models must not import tracker"),
    (
        "render/shading.py",
        "def draw():\n    from stream.session import Session",
        "render must not import stream.session",
    ),
    ("tracker/fit.py", "import mediapipe as mp", "mediapipe may be imported in tracker/landmarks.py only"),
    ("tracker/fit.py", "import mien", "imports mien, which stands above tracker"),
    ("tracker/jobs/scan.py", "from numba import njit", "numba may be imported in models/compiled.py only"),
    ("tracker/tracker.py", "import asyncio", "asyncio may be imported in stream/ only"),
    ("render/shading.py", "import nvdiffrast.torch", "nvdiffrast may be imported in render/cuda.py only"),
    ("tracker/tracker.py", "import importlib\nimportlib.import_module('nvdiffrast.torch')", "nvdiffrast may be"),
]


@pytest.mark.parametrize(("name", "source", "complaint"), PLANTED)
def test_a_planted_offence_is_found_at_its_line(tmp_path: Path, name: str, source: str, complaint: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(parents=True)
    path.write_text('"""A docstring."""\n' + source + "\n")
    line = 1 + len(source.splitlines())
    found = offences(tmp_path)
    assert len(found) == 1
    assert found[0].startswith(f"{name}:{line}: {complaint}")


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("stream/session.py", "import asyncio, models.types, render.overlay, tracker.tracker"),
        ("tracker/landmarks.py", "import mediapipe, numpy, models.types"),
        ("models/compiled.py", "from numba import njit"),
        ("models/head.py", "import torch"),
    ],
)
def test_what_is_allowed_is_not_reported(tmp_path: Path, name: str, source: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(parents=True)
    path.write_text(source + "\n")
    assert offences(tmp_path) == []
