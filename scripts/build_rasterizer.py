"""Builds nvdiffrast or pytorch3d into `.venv`: `make cuda`, `make pytorch3d`. Neither is needed (docs/backends.md).

Both are compiled from their public repositories, at commits they were read or tried at, against the torch that is
there. What compiling needs of the system is looked for first, and told in one message.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass, field
from pathlib import Path

from scripts.set_up import CONSTRAINTS, VENV, SetUpError, ask_venv, gpu_is_seen, pip, say


@dataclass(frozen=True)
class Library:
    name: str
    module: str  # what proves that it works
    address: str
    licence: str
    environment: dict[str, str] = field(default_factory=dict)


LIBRARIES = {
    "cuda": Library(
        "nvdiffrast 0.4.0",
        "nvdiffrast.torch",
        "git+https://github.com/NVlabs/nvdiffrast.git@253ac4fcea7de5f396371124af597e6cc957bfae",
        "NVIDIA's source code licence: research and evaluation only",
    ),
    "pytorch3d": Library(
        "pytorch3d 0.7.9",
        "pytorch3d.renderer.mesh.rasterize_meshes",
        "git+https://github.com/facebookresearch/pytorch3d.git@9381c4016376345bb795b97c45a6c2de66db354a",
        "BSD",
        {"PYTORCH3D_FORCE_NO_CUDA": "1"},
    ),
}
TORCH_AND_TOOLKIT = (
    "import torch; from torch.utils.cpp_extension import CUDA_HOME; print(torch.version.cuda or '-', CUDA_HOME or '-')"
)


def main(name: str) -> None:
    library = LIBRARIES[name]
    lacking = missing_tools() + (missing_for_cuda() if name == "cuda" else [])
    if lacking:
        raise SetUpError(f"{library.name} cannot be built here:\n  " + "\n  ".join(lacking))
    say(f"building {library.name} from {library.address.partition('@')[0]} (licence: {library.licence})")
    os.environ.update(library.environment)
    pip("install", "-c", str(CONSTRAINTS), "setuptools", "wheel", "ninja")
    pip("install", "--no-build-isolation", "--no-deps", library.address)
    if ask_venv(f"import {library.module}; print('works')") != "works":
        raise SetUpError(
            f"{library.name} was built but cannot be imported; .venv/bin/python -c 'import {library.module}'"
        )
    say(f"{library.name} is there: MIEN_RASTERIZER={name} draws with it, and the tests compare it with the others")


def missing_tools() -> list[str]:
    """What any compiling needs, one line each."""
    found = []
    for tool, package in (("git", "git"), ("c++", "g++")):
        if shutil.which(tool) is None:
            found.append(f"{tool} is missing: apt-get install -y {package}")
    headers = ask_venv("import sysconfig; print(sysconfig.get_paths()['include'])")
    if not (Path(headers or sysconfig.get_paths()["include"]) / "Python.h").exists():
        found.append(f"Python's headers are missing in {headers}: apt-get install -y python3-dev")
    return found


def missing_for_cuda() -> list[str]:
    found = [] if gpu_is_seen() else ["no NVIDIA GPU is seen, and nvdiffrast draws on nothing else"]
    cuda, _, toolkit = ask_venv(TORCH_AND_TOOLKIT).partition(" ")
    if cuda in ("", "-"):
        return [*found, "torch is the CPU build: run `MIEN_TORCH=cuda make serve` once, which installs the other"]
    release = nvcc_release(Path(toolkit) / "bin" / "nvcc")
    if release is None:
        found.append(
            f"no CUDA toolkit is found (nvcc, or CUDA_HOME): install version {cuda}, which torch was built with"
        )
    elif release.split(".")[0] != cuda.split(".")[0]:
        found.append(f"the CUDA toolkit is version {release}, but torch was built with {cuda}: install that one")
    return found


def nvcc_release(nvcc: Path) -> str | None:
    """As 12.8, or None where there is no compiler."""
    try:
        told = subprocess.run([nvcc, "--version"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    return told.partition("release ")[2].partition(",")[0] or None


if __name__ == "__main__":
    if not (VENV / "bin" / "python").exists():
        sys.exit("set-up: expected .venv, which `make serve` makes")
    try:
        main(*sys.argv[1:])
    except SetUpError as error:
        sys.exit(f"set-up: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
