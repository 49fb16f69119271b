"""Where results go: a folder or a file of the right name, and all of its content or nothing."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.types import MienError


def output_folder(path: Path) -> Path:
    """The folder, made where it was not."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise MienError(f"{path}: expected a folder to write to, but a file stands there") from None
    return path


def output_file(path: Path, *endings: str) -> Path:
    """Refused before the work where it could not be written after it."""
    if path.suffix.lower() not in endings:
        raise MienError(f"{path}: expected a name that ends in {', '.join(endings)}")
    if not path.parent.is_dir():
        raise MienError(f"{path}: expected an existing folder, but there is no {path.parent}; make it first")
    try:
        _part(path).touch()
        _part(path).unlink()
    except OSError as error:
        raise MienError(f"{path}: expected a place to write to, but: {error.strerror}; choose another") from error
    if path.is_dir():
        raise MienError(f"{path}: expected a file to write to, but a folder stands there; choose another name")
    return path


def write_whole(path: Path, content: bytes) -> None:
    """All or nothing: what is half-written never stands under the final name."""
    part = _part(path)
    try:
        part.write_bytes(content)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _part(path: Path) -> Path:
    return path.with_name(path.name + ".part")


def png(picture: NDArray[np.uint8]) -> bytes:
    """Of RGB. Runs of bytes alone are looked for: as small as with the usual search, and five times as fast."""
    import cv2  # here, so that the commands that write no picture need not wait for it

    how = [cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE]
    encoded, content = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), how)
    assert encoded
    return content.tobytes()
