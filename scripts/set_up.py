"""Makes `.venv` ready for Mien; called by set_up.sh, with a fitting Python, when its stamp is not current.

The steps: check what only the system can bring, make the venv, choose and install torch, install the rest as
constraints.txt pins it, write the stamp. A step that fails leaves no stamp, and the next run goes on from there.

Torch is the one package with a choice, made by the variable MIEN_TORCH:
    auto   (default) the CUDA build where an NVIDIA GPU is seen, else the CPU build
    cpu    the CPU build, some 200 MB
    cuda   the default build of the package index, with CUDA: some gigabytes
The CPU build comes from PyTorch's own index; where that does not answer, from whatever index pip is set up with.
"""

import ctypes
import importlib.util
import os
import platform
import re
import shutil
import subprocess
import sys
import threading
import urllib.request
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
CONSTRAINTS = ROOT / "constraints.txt"
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
CPU_INDEX_WAIT_S = 4.0

# What OpenCV's wheel expects of the system, and the package of Debian and Ubuntu that has it.
SYSTEM_LIBRARIES = {"libGL.so.1": "libgl1", "libgthread-2.0.so.0": "libglib2.0-0"}


class SetUpError(Exception):
    """Something the user can repair: the text says what to do."""


@dataclass(frozen=True)
class TorchChoice:
    build: str  # cpu or cuda
    reason: str


def main(what: str, made_from: str) -> None:
    check_system(platform.system(), platform.machine())
    asked = os.environ.get("MIEN_TORCH") or "auto"
    choice = choose_torch(asked, gpu_is_seen())
    make_venv()
    install_torch(choice)
    say("installing the pinned packages")
    pip("install", "-c", str(CONSTRAINTS), "-e", f"{ROOT}[dev]" if what == "dev" else str(ROOT))
    say(f"ready with {describe_torch(installed_torch_build())}; {choice.reason}")
    (VENV / f"mien-{what}").write_text(f"{made_from} {asked}\n")


# What only the system can bring.


def check_system(system: str, machine: str) -> None:
    if (system, machine) != ("Linux", "x86_64"):
        raise SetUpError(
            f"Mien's pinned packages exist for Linux on x86_64; this is {system} on {machine}. "
            "A container or virtual machine with Linux x86_64 will do."
        )
    missing = missing_packages()
    if missing:
        raise SetUpError(f"the system lacks a few packages; install them with\n  {apt_line(missing)}\nand run again.")


def missing_packages() -> list[str]:
    missing = []
    if importlib.util.find_spec("venv") is None or importlib.util.find_spec("ensurepip") is None:
        missing.append(f"python{sys.version_info.major}.{sys.version_info.minor}-venv")
    return missing + [package for library, package in SYSTEM_LIBRARIES.items() if not can_load(library)]


def can_load(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def apt_line(packages: list[str]) -> str:
    sudo = "" if os.geteuid() == 0 else "sudo "
    return f"{sudo}apt-get install -y --no-install-recommends {' '.join(packages)}"


# The venv.


def make_venv() -> None:
    if works(VENV / "bin" / "python", "-m", "pip", "--version"):
        return
    say(f"making .venv with Python {platform.python_version()}")
    run(sys.executable, "-m", "venv", "--clear", str(VENV))


def works(*command: str | Path) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


# Torch.


def choose_torch(asked: str, gpu: bool) -> TorchChoice:
    if asked in ("cpu", "cuda"):
        return TorchChoice(asked, f"MIEN_TORCH={asked} asks for it")
    if asked != "auto":
        raise SetUpError(f"MIEN_TORCH may be auto, cpu or cuda; it is {asked!r}.")
    if gpu:
        return TorchChoice("cuda", "an NVIDIA GPU is here (MIEN_TORCH=cpu takes the CPU build all the same)")
    return TorchChoice("cpu", "no NVIDIA GPU is seen (MIEN_TORCH=cuda takes the CUDA build all the same)")


def gpu_is_seen() -> bool:
    if Path("/proc/driver/nvidia/version").exists():
        return True
    smi = shutil.which("nvidia-smi")
    return smi is not None and works(smi, "-L")


def install_torch(choice: TorchChoice) -> None:
    """Torch alone and first, because only it may come from another index; its dependencies follow with the rest."""
    say(f"torch: the {'CPU' if choice.build == 'cpu' else 'CUDA'} build, because {choice.reason}")
    have, pinned = installed_torch(), pinned_torch()
    if choice.build == "cpu" and have == f"{pinned}+cpu":
        return
    cpu_index = choice.build == "cpu" and answers(f"{CPU_INDEX}/torch/", CPU_INDEX_WAIT_S)
    if choice.build == "cpu" and not cpu_index:
        say(f"{CPU_INDEX} does not answer: taking torch from pip's own package index, whichever build that has")
    pip("install", "--no-deps", *torch_requirement(choice.build, have, pinned, cpu_index))


def torch_requirement(build: str, have: str, pinned: str, cpu_index: bool) -> list[str]:
    """What to ask pip for, where `have` is installed so far (or nothing: an empty text)."""
    if build == "cpu" and cpu_index:
        return ["--index-url", CPU_INDEX, f"torch=={pinned}+cpu"]
    if build == "cuda" and have.endswith("+cpu"):  # satisfies the pin, so pip would leave it in place
        return ["--force-reinstall", f"torch=={pinned}"]
    return [f"torch=={pinned}"]


def pinned_torch() -> str:
    match = re.search(r"^torch==(\S+)$", CONSTRAINTS.read_text(), re.MULTILINE)
    if match is None:
        raise SetUpError(
            f"{CONSTRAINTS.name} has no line torch==VERSION; restore it with: git checkout {CONSTRAINTS.name}"
        )
    return match[1]


def installed_torch() -> str:
    """The installed distribution's version, as 2.13.0+cpu, or an empty text."""
    return ask_venv("import importlib.metadata as m; print(m.version('torch'))")


def installed_torch_build() -> str:
    return ask_venv("import torch; print(torch.__version__, torch.version.cuda or 'CPU')")


def describe_torch(version_and_cuda: str) -> str:
    version, _, cuda = version_and_cuda.partition(" ")
    if not cuda:
        raise SetUpError("torch was installed but cannot be imported; remove .venv and run again.")
    return f"torch {version}, the " + ("CPU build" if cuda == "CPU" else f"build for CUDA {cuda}")


def answers(url: str, wait_s: float) -> bool:
    """Whether `url` answers in time; looking up a name has no time-out of its own, hence the thread."""
    good: list[bool] = []

    def ask() -> None:
        try:
            with urllib.request.urlopen(url, timeout=wait_s) as reply:
                good.append(reply.status == 200)
        except (OSError, ValueError):
            pass

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(wait_s)
    return any(good)


# Commands.


def pip(*arguments: str) -> None:
    run(str(VENV / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", *arguments)


def run(*command: str) -> None:
    if subprocess.run(command, cwd=ROOT, check=False).returncode != 0:
        raise SetUpError(f"this command failed, its own message stands above: {' '.join(command)}\nRun again to go on.")


def ask_venv(program: str) -> str:
    answer = subprocess.run([VENV / "bin" / "python", "-c", program], capture_output=True, text=True, check=False)
    return answer.stdout.strip()


def say(text: str) -> None:
    print(f"set-up: {text}", flush=True)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except SetUpError as error:
        sys.exit(f"set-up: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
