"""Says whether nvdiffrast or pytorch3d can draw here, and what lacks: `make cuda`, `make pytorch3d`.

Neither is needed (docs/backends.md), and each is installed into `.venv` by its own project's instructions.
"""

import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from scripts.set_up import VENV, SetUpError, ask_venv, gpu_is_seen, say


@dataclass(frozen=True)
class Library:
    name: str
    module: str  # what proves that it works
    instructions: str
    licence: str


LIBRARIES = {
    "cuda": Library(
        "nvdiffrast",
        "nvdiffrast.torch",
        "https://nvlabs.github.io/nvdiffrast/#installation",
        "NVIDIA's source code licence: research and evaluation only",
    ),
    "pytorch3d": Library(
        "pytorch3d",
        "pytorch3d.renderer.mesh.rasterize_meshes",
        "https://github.com/facebookresearch/pytorch3d/blob/main/INSTALL.md",
        "BSD",
    ),
}
TORCH_AND_TOOLKIT = (
    "import torch; from torch.utils.cpp_extension import CUDA_HOME; print(torch.version.cuda or '-', CUDA_HOME or '-')"
)


def main(name: str) -> None:
    library = LIBRARIES[name]
    if ask_venv(f"import {library.module}; print('works')") == "works":
        say(f"{library.name} is there: MIEN_RASTERIZER={name} draws with it, and the tests compare it with the others")
        return
    lacking = missing_tools() + (missing_for_cuda() if name == "cuda" else [])
    raise SetUpError(
        f"{library.name} (licence: {library.licence}) is not in .venv\n"
        + "".join(f"  compiling it here would fail: {lack}\n" for lack in lacking)
        + f"  it is installed into .venv by its own instructions: {library.instructions}"
    )


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
