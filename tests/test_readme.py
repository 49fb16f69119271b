"""What the README says: its Python runs, the targets, files and verbs it names are there."""

import re
from pathlib import Path

import pytest

from mien import VERBS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("program", re.findall(r"```python\n(.*?)```", README, re.DOTALL))
def test_python_runs(program: str) -> None:
    exec(program, {})  # noqa: S102  our own README


def test_make_targets_are_there() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = set(re.findall(r"\bmake ([a-z]+)\b", "\n".join(re.findall(r"```.*?```|`[^`\n]+`", README, re.DOTALL))))
    assert named
    assert named <= targets


def test_files_are_there() -> None:
    named = re.findall(r"`([a-z_]+(?:/[a-z_]+)*\.(?:py|md|txt))`", README) + re.findall(r"\]\(([^):#]+)[#)]", README)
    assert named
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_verbs_are_there() -> None:
    named = set(
        re.findall(r"\bmien ([a-z][a-z-]*)", "\n".join(re.findall(r"```\n.*?```|`[^`\n]+`", README, re.DOTALL)))
    )
    assert named
    assert named <= set(VERBS)
