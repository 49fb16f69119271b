"""Learned heads kept between visits, where the operator asks for it (`--keep-identities DIR`).

A head returns by a random id that its browser keeps, never by recognising a face. The file's name is a hash of that id:
who reads the folder cannot ask for a head with it.
"""

import hashlib
from pathlib import Path

from models.head import Head
from models.types import Identity, MienError
from stream.logs import event
from tracker.jobs.results import read_identity, write_identity


class IdentityStore:
    """A folder of small files, one a browser."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def knows(self, keep: str) -> bool:
        return self._path(keep).is_file()

    def load(self, keep: str, head: Head) -> Identity | None:
        """None for what cannot be used with this head, which the log then says."""
        try:
            return read_identity(self._path(keep), head)
        except MienError as error:
            event("kept_identity_unusable", level="warning", error=str(error))
            return None

    def save(self, keep: str, identity: Identity) -> None:
        try:
            write_identity(self._path(keep), identity)
        except OSError as error:
            event("identity_not_kept", level="error", error=str(error))

    def forget(self, keep: str) -> None:
        self._path(keep).unlink(missing_ok=True)

    def _path(self, keep: str) -> Path:
        return self._folder / f"{hashlib.sha256(keep.encode()).hexdigest()[:40]}.npz"
