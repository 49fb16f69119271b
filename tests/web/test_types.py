"""The page's types, by TypeScript: JSDoc in the modules, against the types generated from the wire."""

import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def test_the_page_keeps_its_types() -> None:
    compiler = HERE / "node_modules" / ".bin" / "tsc"
    if not compiler.exists() or shutil.which("node") is None:
        pytest.skip("needs TypeScript: `npm ci` in tests/web brings it")
    told = subprocess.run([compiler, "--project", HERE], capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stdout
