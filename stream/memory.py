"""Keeping the process as small as its sessions, and Python's garbage collector from holding frames up.

What a session leaves behind is tied in knots that only a collection frees, and what is freed stays in the C library's
arenas, one a thread. So, after each session: collect, then return free memory to the system. A collection would take
a tenth of a second with all that the libraries have loaded; what is there before the first session is therefore
exempted from it for good.
"""

import ctypes
import functools
import gc

M_ARENA_MAX = -8  # of mallopt(3)
ARENAS = 2


@functools.cache
def _libc() -> ctypes.CDLL | None:
    """glibc, where it is the one."""
    libc = ctypes.CDLL(None)
    return libc if hasattr(libc, "malloc_trim") and hasattr(libc, "mallopt") else None


def keep_small() -> None:
    """For the whole process; best before threads are started."""
    libc = _libc()
    if libc is not None:
        libc.mallopt(M_ARENA_MAX, ARENAS)


def settle() -> None:
    """Once everything is loaded: what is there now stays, and no collection looks at it again."""
    gc.collect()
    gc.freeze()


def give_back() -> None:
    """After a session. Some milliseconds, of which the collection alone holds Python up."""
    gc.collect()
    trim()


def trim() -> None:
    """After much has been read: what reading needed goes back to the system."""
    libc = _libc()
    if libc is not None:
        libc.malloc_trim(0)
