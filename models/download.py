"""Downloads that go on where they were broken off, each file checked against what it must be before it gets its name.

Nothing is downloaded unless the user asks for it (`mien heads get`).
"""

import errno
import hashlib
import http.client
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Lock

from models import ict_manifest
from models.types import MienError

Progress = Callable[[int, int], None]  # bytes done, bytes in all

ICT_URL = f"https://raw.githubusercontent.com/{ict_manifest.REPOSITORY}/{ict_manifest.COMMIT}"
LANDMARKER_URL = "https://storage.googleapis.com/mediapipe-models/face_landmarker/face_landmarker/float16/1"
ATTEMPTS, PAUSE_S, TIMEOUT_S = 3, 0.5, 20.0
_WORKERS = 4  # many small files: waiting for one answer after another would take three times as long
_BLOCK = 1 << 16


@dataclass(frozen=True)
class Item:
    """One file to have."""

    path: str  # below the base address, and below the folder
    size: int  # bytes
    check: str  # "git:" and its blob id, or "sha256:" and its hash


LANDMARKER = Item(
    "face_landmarker.task", 3758596, "sha256:64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff"
)


def ict_items() -> list[Item]:
    rows = (line.split() for line in ict_manifest.FILES.splitlines())
    return [Item(path, int(size), f"git:{blob}") for blob, size, path in rows]


def download(items: Sequence[Item], base_url: str, folder: Path, progress: Progress | None = None) -> None:
    """Have every item in the folder. Whole files are kept as they are, broken ones continued."""
    tally = _Tally(sum(item.size for item in items), progress)
    with ThreadPoolExecutor(_WORKERS) as pool:
        jobs = [pool.submit(_have, item, base_url, folder, tally) for item in items]
        try:
            for job in jobs:
                job.result()
        except BaseException:  # of whatever kind, an interrupt too: the others need not go on
            tally.stop.set()
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def is_whole(path: Path, item: Item) -> bool:
    """Whether the file is there and is what it must be."""
    if not path.is_file() or path.stat().st_size != item.size:
        return False
    kind, _, wanted = item.check.partition(":")
    if kind == "git":
        digest = hashlib.sha1(f"blob {item.size}\0".encode(), usedforsecurity=False)
    else:
        digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest() == wanted


class _Tally:
    """Bytes of all files together, and the word to stop."""

    def __init__(self, total: int, progress: Progress | None) -> None:
        self.total, self.progress = total, progress
        self.done: dict[str, int] = {}
        self.lock, self.stop = Lock(), Event()

    def note(self, item: Item, have: int) -> None:
        with self.lock:
            self.done[item.path] = have
            if self.progress:
                self.progress(sum(self.done.values()), self.total)


def _have(item: Item, base_url: str, folder: Path, tally: _Tally) -> None:
    path = folder / item.path
    if is_whole(path, item):
        tally.note(item, item.size)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    _fetch(item, f"{base_url}/{urllib.parse.quote(item.path)}", part, tally)
    if tally.stop.is_set():
        return
    if not is_whole(part, item):
        part.unlink(missing_ok=True)
        raise MienError(f"{item.path}: expected {item.check}, but other bytes came from {base_url}; try again later")
    part.replace(path)


def _fetch(item: Item, url: str, part: Path, tally: _Tally) -> None:
    """Fill `part` up to the item's size; what earlier attempts brought is kept."""
    for attempt in range(ATTEMPTS):
        try:
            while not tally.stop.is_set():
                if _continue(item, url, part, tally):
                    return
            return
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == 416:  # what is here is not a beginning of the file
                part.unlink(missing_ok=True)
            elif error.code < 500 and error.code != 429:
                raise MienError(f"{url}: expected the file, got '{error.code} {error.reason}'") from None
            reason = f"{error.code} {error.reason}"
        except (OSError, http.client.HTTPException) as error:  # URLError, time-outs and broken connections
            _raise_if_local(error, part)
            reason = str(getattr(error, "reason", None) or error or type(error).__name__)
        if attempt + 1 < ATTEMPTS:
            time.sleep(PAUSE_S * 2**attempt)
    host = urllib.parse.urlsplit(url).netloc
    raise MienError(f"cannot reach {host} ({reason}); check the network and run this again, what has come is kept")


def _raise_if_local(error: Exception, part: Path) -> None:
    """A full disk is not the network's fault."""
    if isinstance(error, OSError) and (error.filename is not None or error.errno in (errno.ENOSPC, errno.EDQUOT)):
        raise MienError(f"{part}: {error.strerror}; make room or choose another place with MIEN_HOME") from None


def _continue(item: Item, url: str, part: Path, tally: _Tally) -> bool:
    """One request for what is missing; True when nothing is missing any more."""
    have = part.stat().st_size if part.is_file() else 0
    if have >= item.size:
        return True
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
        if answer.status != 206:
            have = 0  # the server sends everything again
        with part.open("r+b" if have else "wb") as stream:
            stream.seek(have)
            while have < item.size and not tally.stop.is_set():
                block = answer.read(min(_BLOCK, item.size - have))
                if not block:
                    raise http.client.IncompleteRead(b"", item.size - have)
                stream.write(block)
                have += len(block)
                tally.note(item, have)
    return have == item.size
