"""Set-up's decisions: which Python, which torch, what the system lacks, when there is nothing to do."""

import hashlib
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from scripts import look_for_rasterizer, set_up

ROOT = Path(__file__).parents[1]


# Torch.


@pytest.mark.parametrize(
    ("asked", "gpu", "build"),
    [
        ("auto", False, "cpu"),
        ("auto", True, "cuda"),
        ("cpu", True, "cpu"),
        ("cuda", False, "cuda"),
    ],
)
def test_the_build_follows_the_wish_then_the_machine(asked: str, gpu: bool, build: str) -> None:
    assert set_up.choose_torch(asked, gpu).build == build


def test_an_unknown_wish_is_refused_with_the_choices() -> None:
    with pytest.raises(set_up.SetUpError, match="auto, cpu or cuda; it is 'gpu'"):
        set_up.choose_torch("gpu", gpu=True)


@pytest.mark.parametrize(
    ("build", "have", "cpu_index", "asks_for"),
    [
        ("cpu", "", True, ["--index-url", set_up.CPU_INDEX, "torch==2.0+cpu"]),
        ("cpu", "2.0", True, ["--index-url", set_up.CPU_INDEX, "torch==2.0+cpu"]),  # replaces a CUDA build
        ("cpu", "", False, ["torch==2.0"]),
        ("cuda", "", False, ["torch==2.0"]),
        ("cuda", "2.0", False, ["torch==2.0"]),
        ("cuda", "2.0+cpu", False, ["--force-reinstall", "torch==2.0"]),
    ],
)
def test_pip_is_asked_for_the_build(build: str, have: str, cpu_index: bool, asks_for: list[str]) -> None:
    assert set_up.torch_requirement(build, have, "2.0", cpu_index) == asks_for


def test_torch_is_pinned_without_naming_a_build() -> None:
    assert "+" not in set_up.pinned_torch()


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ("2.13.0+cpu CPU", "torch 2.13.0+cpu, the CPU build"),
        ("2.13.0+cu130 13.0", "torch 2.13.0+cu130, the build for CUDA 13.0"),
    ],
)
def test_what_was_installed_is_said(answer: str, text: str) -> None:
    assert set_up.describe_torch(answer) == text


def test_a_broken_torch_is_not_called_ready() -> None:
    with pytest.raises(set_up.SetUpError, match="cannot be imported"):
        set_up.describe_torch("")


# Whether an index answers.


@pytest.fixture
def index() -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/torch/" else 404)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_an_index_that_has_torch_answers(index: str) -> None:
    assert set_up.answers(f"{index}/torch/", 5)
    assert not set_up.answers(f"{index}/other/", 5)


def test_a_silent_server_does_not_hold_up_set_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert not set_up.answers(f"http://127.0.0.1:{silent.getsockname()[1]}/", 0.2)


def test_nobody_there_is_no_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    assert not set_up.answers(f"http://127.0.0.1:{port}/", 5)


# The system.


@pytest.mark.parametrize(("system", "machine"), [("Darwin", "arm64"), ("Linux", "aarch64"), ("Windows", "AMD64")])
def test_another_machine_is_named(system: str, machine: str) -> None:
    with pytest.raises(set_up.SetUpError, match=f"this is {system} on {machine}"):
        set_up.check_system(system, machine)


def test_a_missing_library_gives_the_one_apt_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        set_up, "SYSTEM_LIBRARIES", {"libc.so.6": "libc6", "libnone.so.1": "libnone1", "libno.so": "no"}
    )
    with pytest.raises(set_up.SetUpError, match=r"apt-get install -y --no-install-recommends .*libnone1 no\n"):
        set_up.check_system("Linux", "x86_64")


# The script that finds a Python and knows when nothing is to be done.


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    for name in ("pyproject.toml", "constraints.txt", "scripts/set_up.sh", "scripts/set_up.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def shell(clone: Path, what: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if name not in ("MIEN_TORCH", "PYTHON")}
    command = ["sh", str(clone / "scripts" / "set_up.sh"), what]
    return subprocess.run(command, env=kept | environment, capture_output=True, text=True, check=False)


def fake_python(folder: Path, version: str) -> str:
    """A program that answers as that Python would, and tells what it is asked to run."""
    program = folder / f"fake{version}"
    program.write_text(
        f'#!/bin/sh\ncase "$*" in *version_info*) echo {version};; *ensurepip*) ;; *) echo "ran $1";; esac\n'
    )
    program.chmod(0o755)
    return str(program)


def write_stamp(clone: Path, what: str, torch: str) -> None:
    (clone / ".venv" / "bin").mkdir(parents=True, exist_ok=True)
    (clone / ".venv" / "bin" / "python").symlink_to("/bin/sh")
    made_from = hashlib.sha256(f"{clone}\n".encode())
    for name in ("pyproject.toml", "constraints.txt", "scripts/set_up.py"):
        made_from.update((clone / name).read_bytes())
    (clone / ".venv" / f"mien-{what}").write_text(f"{made_from.hexdigest()} {torch}\n")


def test_other_pythons_are_refused_by_version(clone: Path) -> None:
    result = shell(clone, "run", PYTHON=fake_python(clone, "3.13"))
    assert result.returncode == 2
    assert "needs Python 3.11 or 3.12" in result.stderr
    assert "fake3.13 is 3.13" in result.stderr


@pytest.mark.parametrize("version", ["3.11", "3.12"])
def test_a_fitting_python_is_handed_the_work(clone: Path, version: str) -> None:
    result = shell(clone, "run", PYTHON=f"{fake_python(clone, '3.10')} {fake_python(clone, version)}")
    assert (result.returncode, result.stdout) == (0, "ran scripts/set_up.py\n")


@pytest.mark.parametrize(
    ("stamped", "what", "torch", "ready"),
    [
        ("run", "run", "", True),
        ("dev", "dev", "", True),
        ("dev", "run", "", True),  # the tests' packages include the others
        ("run", "dev", "", False),
        ("run", "run", "cpu", True),
        ("run", "run", "cuda", False),
    ],
)
def test_a_second_run_does_nothing(clone: Path, stamped: str, what: str, torch: str, ready: bool) -> None:
    write_stamp(clone, stamped, "cpu")
    result = shell(clone, what, PYTHON=fake_python(clone, "3.11"), MIEN_TORCH=torch)
    assert result.returncode == 0
    assert result.stdout == ("" if ready else "ran scripts/set_up.py\n")


def test_changed_pins_are_installed(clone: Path) -> None:
    write_stamp(clone, "run", "auto")
    with (clone / "constraints.txt").open("a") as constraints:
        constraints.write("newcomer==1.0\n")
    assert shell(clone, "run", PYTHON=fake_python(clone, "3.11")).stdout == "ran scripts/set_up.py\n"


def test_a_failure_half_way_leaves_no_stamp(clone: Path) -> None:
    result = shell(
        clone, "run", PIP_NO_INDEX="1", PIP_FIND_LINKS=str(clone), PIP_CONFIG_FILE=os.devnull, MIEN_TORCH="cuda"
    )
    assert result.returncode == 1
    assert "Run again to go on" in result.stderr
    assert (clone / ".venv" / "bin" / "python").exists()
    assert not list((clone / ".venv").glob("mien-*"))


# Other rasterisers.


def test_a_missing_rasteriser_is_told_with_all_that_it_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = {look_for_rasterizer.TORCH_AND_TOOLKIT: "12.8 /opt/no-such-cuda"}
    monkeypatch.setattr(look_for_rasterizer, "ask_venv", lambda program: answers.get(program, "/no/headers"))
    monkeypatch.setattr(look_for_rasterizer, "gpu_is_seen", lambda: False)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(set_up.SetUpError) as error:
        look_for_rasterizer.main("cuda")
    for words in (
        "install -y git",
        "install -y g++",
        "python3-dev",
        "no NVIDIA GPU",
        "install version 12.8",
        "nvdiffrast/#installation",
    ):
        assert words in str(error.value)


def test_a_cuda_toolkit_of_another_version_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    nvcc = tmp_path / "bin" / "nvcc"
    nvcc.parent.mkdir()
    nvcc.write_text("#!/bin/sh\necho 'Cuda compilation tools, release 11.8, V11.8.89'\n")
    nvcc.chmod(0o755)
    monkeypatch.setattr(look_for_rasterizer, "ask_venv", lambda program: f"12.8 {tmp_path}")
    monkeypatch.setattr(look_for_rasterizer, "gpu_is_seen", lambda: True)
    assert look_for_rasterizer.missing_for_cuda() == [
        "the CUDA toolkit is version 11.8, but torch was built with 12.8: install that one"
    ]
