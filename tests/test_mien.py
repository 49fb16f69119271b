"""The command `mien`: how it helps, how it ends, and the public names."""

import errno
import subprocess
import sys
from pathlib import Path

import pytest

import mien
from models.types import MienError

ROOT = Path(__file__).parents[1]
HEAD_VERBS = ("heads list", "heads info", "heads import", "heads get")
VERBS = (*HEAD_VERBS, *(verb for verb in mien.VERBS if verb != "heads"))


def command(words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "mien.py", *words.split()], cwd=ROOT, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("verb", VERBS)
def test_help_shows_an_example(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ending:
        mien.parse([*verb.split(), "-h"])
    assert ending.value.code == 0
    assert f"Example: mien {verb}" in capsys.readouterr().out


def test_help_does_not_wait_for_torch() -> None:
    program = "import mien, sys\ntry: mien.parse(['-h'])\nexcept SystemExit: pass\nassert 'torch' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("dance", "Unrecognized options: dance"),
        ("heads info", "Required options: Missing from mien heads info"),
        ("export out -o a.csv --frame x", "could be instantiated from ['x']. For full helptext"),
        ("bench --jason", "Unrecognized options: --jason"),
        ("", "Expected one of {"),
    ],
)
def test_words_it_does_not_know_end_in_one_line(words: str, said: str) -> None:
    result = command(words)
    assert (result.returncode, result.stdout) == (2, "")
    assert len(result.stderr.splitlines()) == 1
    assert said in result.stderr


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (MienError("expected this, got that"), 2, "mien: expected this, got that"),
        (OSError(errno.ENOSPC, "No space left on device", "out/head.npz"), 2, "mien: out/head.npz: No space left on"),
        (OSError(errno.ENOSPC, "No space left on device"), 2, "mien: a file could not be written: No space left on"),
        (IndexError("list index"), 1, "mien: a fault of ours: IndexError: list index (MIEN_DEBUG=1 shows where)"),
    ],
)
def test_an_error_ends_in_one_line(
    error: Exception, code: int, line: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MIEN_DEBUG", raising=False)

    def fail() -> None:
        raise error

    assert mien.finish(fail) == code
    said = capsys.readouterr().err
    assert said.startswith(line)
    assert said.count("\n") == 1


def test_the_traceback_is_there_for_who_asks(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MIEN_DEBUG", "1")

    def fail() -> None:
        raise IndexError("list index")

    assert mien.finish(fail) == 1
    assert "Traceback" in capsys.readouterr().err


def test_interrupting_is_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    assert mien.finish(interrupted) == 130
    assert capsys.readouterr().err == ""


def test_a_coloured_message_becomes_plain() -> None:
    title, words = "\x1b[31m╭─ Invalid choice ──╮\x1b[0m", "│ 'x' is none. │\n│ ──── │\n│ Got errors: <class 'int'> │"
    boxed = f"{title}\n{words}\n│ For full helptext, run -h │\n╰──╯"
    assert mien.without_box(boxed) == "Invalid choice: 'x' is none. For full helptext, run -h"


def test_interrupting_compiled_code_is_none_either(capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted() -> None:
        raise SystemError("CPUDispatcher returned a result with an exception set") from KeyboardInterrupt()

    def broken() -> None:
        raise SystemError("something else")

    assert mien.finish(interrupted) == 130
    assert capsys.readouterr().err == ""
    assert mien.finish(broken) == 1


@pytest.mark.parametrize("name", sorted(mien.PUBLIC))
def test_public_names_are_there(name: str) -> None:
    assert getattr(mien, name).__name__ == name


def test_other_names_are_not() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = mien.nothing
