"""`mien serve` as a program: started, asked, stopped."""

import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stream.running import held_port

ROOT = Path(__file__).parents[2]


@pytest.fixture
def serving() -> Iterator[tuple[subprocess.Popen[str], int]]:
    with held_port() as port:
        yield from started(port)


def started(port: int) -> Iterator[tuple[subprocess.Popen[str], int]]:
    program = subprocess.Popen(
        [sys.executable, "mien.py", "serve", "--port", str(port)],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    yield program, port
    program.kill()
    program.communicate()


def test_it_says_what_to_open_and_stops_when_told(serving: tuple[subprocess.Popen[str], int]) -> None:
    program, port = serving
    assert program.stderr is not None
    said: list[str] = []
    while "Stop with Ctrl+C." not in (line := program.stderr.readline()):
        assert line, said
        said.append(line.strip())
    assert f"Open http://localhost:{port}/" in said
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=90) as answer:
        assert answer.status == 200
    program.send_signal(signal.SIGTERM)
    assert program.wait(90) == 0


def test_a_port_in_use_is_one_line() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        words = [sys.executable, "mien.py", "serve", "--port", str(port)]
        result = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert (
        result.stderr == f"mien: --port: expected a free port, got {port}, which another program uses; choose another\n"
    )
