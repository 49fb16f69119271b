"""Progress of work longer than a second: a bar on a terminal, a plain line every tenth elsewhere, both on stderr."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress_bar(title: str, unit: str = "") -> Iterator[Callable[[int, int], None]]:
    """Gives a function to be told what is done, and of how much."""
    if sys.stderr.isatty():
        with _bar(title) as tell:
            yield tell
    else:
        yield _plain(title, unit)


@contextmanager
def _bar(title: str) -> Iterator[Callable[[int, int], None]]:
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(title, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def _plain(title: str, unit: str) -> Callable[[int, int], None]:
    said = -1

    def tell(done: int, total: int) -> None:
        nonlocal said
        tenth = 10 * done // max(total, 1)
        if tenth > said:
            said = tenth
            print(f"{title}: {10 * tenth} %" + (f" of {total} {unit}" if unit else ""), file=sys.stderr)

    return tell
