"""Heads by name or by file: the built-in one, and those whose files the user keeps in `$MIEN_HOME/models`.

FLAME and ICT-FaceKit take seconds to read and to lay landmarks on; the result is kept in `$MIEN_HOME/cache` and used
again as long as no file behind it changes (in name, size or time, as `make` judges).
"""

import glob
import hashlib
import logging
import os
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from models.flame import read_flame
from models.flame_companions import PURPOSES, companion_files
from models.head import Head
from models.head_file import read_head, save_head
from models.ict import read_ict
from models.ict_files import Progress, missing_shapes, model_folder
from models.types import MienError
from models.unpickle import read_bytes

BUILTIN_NAME = "builtin"
BUILTIN_FILE = Path(__file__).parent / "builtin" / "head.npz"
CACHE_VERSION = 1  # another number: everything is read anew

log = logging.getLogger(__name__)


class Kind(Enum):
    BUILTIN = "built-in head"
    SAVED = "head saved by Mien"
    FLAME = "FLAME"
    ICT = "ICT-FaceKit"
    MESH = "mesh"


@dataclass(frozen=True)
class Source:
    """A head that can be loaded."""

    name: str
    kind: Kind
    path: Path


def home() -> Path:
    """Where the user's models and Mien's cache live."""
    chosen = os.environ.get("MIEN_HOME")
    if chosen:
        return _expanded(chosen)
    data = os.environ.get("XDG_DATA_HOME")
    return (Path(data) if data else _expanded("~/.local/share")) / "mien"


def _expanded(path: str | Path) -> Path:
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise MienError(
            f"{path}: expected ~ to stand for a home, but nobody's is known by that; write it out"
        ) from None


def models_folder() -> Path:
    return home() / "models"


def load_head(name_or_file: str | Path = BUILTIN_NAME, progress: Progress | None = None) -> Head:
    """The head of that name or in that file."""
    source = find_source(name_or_file)
    if source.kind is Kind.BUILTIN or source.kind is Kind.SAVED:
        return read_head(source.path)
    if source.kind is Kind.MESH:
        raise MienError(
            f"{source.path}: is a mesh; make a head of it with `mien heads import {source.path} -o head.npz`"
        )
    return _through_cache(source, progress)


def find_source(name_or_file: str | Path) -> Source:
    """What a name or a file stands for. A file beats a name of the library."""
    name = str(name_or_file) or "no name"
    if name == BUILTIN_NAME:
        return Source(BUILTIN_NAME, Kind.BUILTIN, BUILTIN_FILE)
    path = _expanded(name)
    complaint: MienError | None = None
    for candidate in (path, *(models_folder() / f"{name}{ending}" for ending in ("", ".npz", ".pkl"))):
        if candidate.exists():
            try:
                return Source(name, _kind(candidate), candidate)
            except MienError as error:
                complaint = complaint or error
    if complaint:
        raise complaint
    known = ", ".join(source.name for source in list_sources())
    kin = next((model for model in ("flame", "ict") if model in name.lower()), "")
    hint = f"`mien heads get {kin}`" if kin else "`mien heads list`"
    raise MienError(f"expected a head's file or one of {known}; got '{name}', which is neither ({hint})")


def find_texture_space(name_or_file: str | Path) -> Path:
    """A texture space's file, or one of that name in the library's folder."""
    path = _expanded(name_or_file)
    places = (path, models_folder() / path, models_folder() / f"{path}.npz")
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        raise MienError(f"{path}: no such file, nor is there one of that name in {models_folder()}")
    return found


def list_sources() -> list[Source]:
    """The built-in head, and every model in the library's folder and the folders in it."""
    return [Source(BUILTIN_NAME, Kind.BUILTIN, BUILTIN_FILE), *_in_library(models_folder(), 2)]


def _in_library(folder: Path, depth: int) -> Iterator[Source]:
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.name in PURPOSES or path.suffix.lower() not in ("", ".npz", ".pkl"):
            continue
        name = path.relative_to(models_folder())
        try:
            yield Source(str(name if path.is_dir() else name.with_suffix("")), _kind(path), path)
        except MienError:  # another file, or a folder of models
            if path.is_dir() and depth > 1:
                yield from _in_library(path, depth - 1)


def _kind(path: Path) -> Kind:
    """What a file or folder is, told by a glance into it."""
    if path.is_dir():
        if model_folder(path) is None:
            raise MienError(f"{path}: expected ICT-FaceKit's folder or a head's file, got another folder")
        return Kind.ICT
    suffix = path.suffix.lower()
    if suffix == ".obj":
        return Kind.MESH
    try:
        if suffix == ".npz":
            with zipfile.ZipFile(path) as archive:
                names = set(archive.namelist())
            if {"schema.npy", "template.npy"} <= names:
                return Kind.SAVED
            if "v_template.npy" in names:
                return Kind.FLAME
        if suffix == ".pkl" and b"v_template" in read_bytes(path):
            return Kind.FLAME
    except (zipfile.BadZipFile, OSError) as error:
        raise MienError(f"{path}: expected a head's file, but {error}; get it again") from None
    raise MienError(
        f"{path}: expected a head (a .npz saved by Mien, FLAME's .pkl or .npz, ICT-FaceKit's folder, or a mesh), "
        "got another file"
    )


# The cache.


def _through_cache(source: Source, progress: Progress | None) -> Head:
    path = _cache_path(source)
    if path.is_file():
        try:
            return read_head(path)
        except MienError as error:
            log.warning("%s; reading the model again", error)
    head = _read(source, progress)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for old in path.parent.glob(f"{glob.escape(path.stem.rpartition('-')[0])}-*.npz"):
            old.unlink(missing_ok=True)
        own = path.with_name(f"{path.stem}.{os.getpid()}.npz")  # two programs may read the same model at once
        save_head(head, own)
        own.replace(path)
        return read_head(path)  # not `head`: a model gives the same numbers from its first use on
    except OSError as error:
        log.warning("cannot keep the model in %s: %s", path.parent, error.strerror)
        return head


def _read(source: Source, progress: Progress | None) -> Head:
    if source.kind is Kind.FLAME:
        return read_flame(source.path, progress)
    missing = missing_shapes(source.path)
    if missing:
        log.warning("%s: %d of the kit's files are missing, and left out", source.path, len(missing))
    return read_ict(source.path, progress)


def _cache_path(source: Source) -> Path:
    """A file's place in the cache tells which model it is of, then in which state."""
    place = hashlib.sha256(str(source.path.resolve()).encode()).hexdigest()[:8]
    state = hashlib.sha256(f"{CACHE_VERSION}".encode())
    for file in (BUILTIN_FILE, *_files_behind(source)):
        if file.is_file():
            facts = file.stat()
            state.update(f"{file.name} {facts.st_size} {facts.st_mtime_ns}\n".encode())
    return home() / "cache" / f"{source.path.stem}-{place}-{state.hexdigest()[:16]}.npz"


def _files_behind(source: Source) -> list[Path]:
    if source.kind is Kind.FLAME:
        return [source.path, *companion_files(source.path)]
    return sorted((model_folder(source.path) or source.path).glob("*.obj"))
