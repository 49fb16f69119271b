"""Mien's public face: the names a user imports, and the command `mien`.

    from mien import HeadTracker, load_head

A verb of the command is a frozen dataclass of options with `run()`. A run ends with exit code 0, or with one line on
stderr and exit code 2 (something a user can repair) or 1 (a fault of ours).
"""

import errno
import gc
import importlib
import io
import os
import re
import signal
import sys
import traceback
from collections.abc import Callable
from contextlib import redirect_stderr
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from models.head import Head as Head
    from models.library import load_head as load_head
    from models.types import Frame as Frame
    from models.types import MienError as MienError
    from tracker.tracker import HeadTracker as HeadTracker

# numpy reads this once, as it is first imported. Its products are small here: shared out to threads they take longer.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# Imported when first asked for: torch takes seconds to import, and `mien -h` needs none of it.
PUBLIC = {
    "Frame": "models.types",
    "Head": "models.head",
    "HeadTracker": "tracker.tracker",
    "MienError": "models.types",
    "load_head": "models.library",
}

# The verbs of the command: modules that are quick to import, and import the work when a verb runs.
VERBS = {
    "serve": "stream.serve:Serve",
    "watch": "stream.watch:Watch",
    "track": "tracker.jobs.commands:Track",
    "fit": "tracker.jobs.commands:Fit",
    "export": "tracker.jobs.commands:Export",
    "texture-space": "tracker.jobs.commands:TextureSpace",
    "heads": "tracker.jobs.commands:Heads",
    "bench": "tracker.jobs.commands:Bench",
    "demo": "tracker.jobs.commands:Demo",
}


class Verb(Protocol):
    def run(self) -> None: ...


def __getattr__(name: str) -> Any:
    if name in PUBLIC:
        return load(f"{PUBLIC[name]}:{name}")
    raise AttributeError(f"module 'mien' has no attribute {name!r}")


def main() -> int:
    """The command `mien`: its exit code comes back, except from `-h` and from words that are no command."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: what was done is kept
    # Torch's threads wait by spinning: with one core taken by others, a photo by its pixels took forty times as long.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    gc.set_threshold(700, 100, 100)  # modules stay: to look through all of them as they load takes half a second
    return finish(lambda: parse(sys.argv[1:])())


def parse(arguments: list[str]) -> Callable[[], None]:
    """What the words on the command line ask for."""
    import tyro
    from tyro.conf import FlagCreatePairsOff, OmitSubcommandPrefixes

    said = io.StringIO()
    try:
        with redirect_stderr(said):
            verb: Verb = tyro.extras.subcommand_cli_from_dict(
                {name: load(place) for name, place in VERBS.items()},
                prog="mien",
                description="A live head tracker.",
                args=arguments,
                config=(OmitSubcommandPrefixes, FlagCreatePairsOff),
            )
    except SystemExit as ending:
        if ending.code:
            print(f"mien: {without_box(said.getvalue())}", file=sys.stderr)
        raise
    return verb.run


def load(place: str) -> Any:
    """What stands at module:name."""
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(module), name)


def without_box(text: str) -> str:
    """A message that tyro drew in a coloured box over several lines, as one plain line."""
    plain = re.sub(r"\x1b\[[\d;]*m|[─-╿]|-{3,}", " ", text)
    title, _, words = plain.strip().partition("\n")
    words = re.sub(r"Got errors:.*(?=For full helptext)", "", words, flags=re.DOTALL)  # of types: words for programmers
    return " ".join(f"{title.strip()}: {words}".split())


def finish(run: Callable[[], None]) -> int:
    """Run to the end; whatever goes wrong becomes one line and an exit code. MIEN_DEBUG=1 shows the traceback too."""
    from tracker.jobs.interrupts import plain_interrupts

    try:
        with plain_interrupts():
            run()
        sys.stdout.flush()
        return 0
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader has seen enough (`mien heads list | head -1`)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if os.environ.get("MIEN_DEBUG"):
            traceback.print_exc()
        code, text = judge(error)
        print(f"mien: {text}", file=sys.stderr)
        return code


def judge(error: Exception) -> tuple[int, str]:
    """The exit code and the line for an error."""
    from models.types import MienError

    if isinstance(error, MienError):
        return 2, str(error)
    if isinstance(error, OSError) and error.filename is not None:  # no such file, no permission, disk full
        return 2, f"{error.filename}: {error.strerror}"
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return 2, f"a file could not be written: {error.strerror}; make room on the disk, or write elsewhere"
    return 1, f"a fault of ours: {type(error).__name__}: {error} (MIEN_DEBUG=1 shows where)"


if __name__ == "__main__":
    sys.exit(main())
