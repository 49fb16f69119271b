"""The built-in head: made by `tracker/jobs/builtin_head` from statistics, free to use, always there."""

from functools import lru_cache
from pathlib import Path

from models.head import Head
from models.head_file import read_head

HEAD_FILE = Path(__file__).parent / "head.npz"


@lru_cache(maxsize=1)
def load_builtin() -> Head:
    """Read once; shared by all callers, whose `Head.to` gives them their own."""
    return read_head(HEAD_FILE)
