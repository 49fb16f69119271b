"""What is imported is declared, what is declared is used, and all of it is pinned."""

import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

from tests.test_layers import LAYERS, ROOT, imported_modules

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

# Brought by a package that cannot do without.
BROUGHT = {"cv2": "mediapipe", "google": "mediapipe", "aioice": "aiortc", "ifaddr": "aiortc"}
KNOWN = packages_distributions()
OPTIONAL = {"nvdiffrast", "pytorch3d"}  # used where a user has built them
UNSEEN = {"uvloop", "websockets"}  # uvicorn takes them by itself; the names say which of its choices we mean


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def declared(requirements: list[str]) -> set[str]:
    return {normal(re.split(r"[\[<>=~! ;]", requirement)[0]) for requirement in requirements}


def imported(*folders: Path) -> set[str]:
    """Top-level modules of others that the files import."""
    ours = {*LAYERS, "mien", "tests", "scripts"}
    files = [path for folder in folders for path in folder.rglob("*.py") if "node_modules" not in path.parts]
    modules = {module.split(".")[0] for path in files for _, module in imported_modules(path)}
    return modules - ours - set(sys.stdlib_module_names) - OPTIONAL


def distributions(modules: set[str]) -> set[str]:
    return {normal(BROUGHT.get(module) or KNOWN.get(module, [module])[0]) for module in modules}


CODE = (*(ROOT / layer for layer in LAYERS), ROOT / "scripts")


def test_what_the_code_imports_is_declared() -> None:
    assert distributions(imported(*CODE)) - declared(PROJECT["dependencies"]) == set()


def test_what_is_declared_is_imported() -> None:
    assert declared(PROJECT["dependencies"]) - distributions(imported(*CODE)) - UNSEEN == set()


def test_what_the_tests_import_is_declared() -> None:
    everything = declared(PROJECT["dependencies"] + PROJECT["optional-dependencies"]["dev"])
    assert distributions(imported(ROOT / "tests")) - everything == set()


def test_all_of_it_is_pinned() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = {normal(line.partition("==")[0]) for line in lines if "==" in line}
    everything = declared(PROJECT["dependencies"] + PROJECT["optional-dependencies"]["dev"])
    assert everything - pinned == set()
