"""What the detector saw in a folder of clips and pictures, kept in a cache since detecting takes minutes."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.types import MienError

Floats = NDArray[np.float32]

CLIPS, PICTURES = "clips", "images"
MEASURING_ONLY = "metrical_"  # files of this source may be measured with, but nothing is derived from them


@dataclass(frozen=True)
class Observation:
    """One clip or picture; only frames with a face."""

    name: str  # file name without its ending
    is_clip: bool
    points: Floats  # [T, L, 3] pixels: x right, y down, depth (smaller is nearer)
    scores: Floats  # [T, 52] expression scores in the order of `ARKIT_NAMES`
    digest: str  # of the file, so that a picture stored twice counts once


def observe(faces: Path, scores_model: Path, cache: Path | None, say: Callable[[str], None]) -> list[Observation]:
    """Everything under `faces` that statistics may be derived from: clips first, sorted by name."""
    stored = cache / "observations.npz" if cache else None
    if stored and stored.exists():
        return _worth_counting(_load(stored))
    found = _watch_all(faces, scores_model, say)
    if stored:
        stored.parent.mkdir(parents=True, exist_ok=True)
        _save(stored, found)
    return _worth_counting(found)


def keep(observations: list[Observation], leave_out: str | None) -> list[Observation]:
    """Without those whose name starts with the prefix."""
    kept = [seen for seen in observations if not (leave_out and seen.name.startswith(leave_out))]
    if sum(seen.is_clip for seen in kept) < 2:
        raise MienError(f"expected at least 2 clips to remain without '{leave_out}', got {len(kept)} files")
    return kept


def _watch_all(faces: Path, scores_model: Path, say: Callable[[str], None]) -> list[Observation]:
    from tracker.jobs.builtin_head.watching import watch  # with a cache the detectors need not be installed

    files = [f for kind in (CLIPS, PICTURES) for f in sorted((faces / kind).glob("*.*"))]
    files = [f for f in files if not f.name.startswith(MEASURING_ONLY)]
    if not files:
        raise MienError(f"expected clips/ and images/ with faces in {faces}, found none")
    found = []
    for i, file in enumerate(files):
        found.append(watch(file, scores_model))
        say(f"{i + 1}/{len(files)} {file.name}: {len(found[-1].points)} frames with a face")
    return found


def _worth_counting(found: list[Observation]) -> list[Observation]:
    """Without files where no face was seen, and without pictures that are there twice."""
    firsts = {seen.digest: seen for seen in reversed(found) if len(seen.points)}
    return sorted(firsts.values(), key=lambda seen: (not seen.is_clip, seen.name))


def _save(file: Path, found: list[Observation]) -> None:
    arrays: dict[str, NDArray[np.generic]] = {}
    for seen in found:
        key = f"{CLIPS if seen.is_clip else PICTURES}/{seen.name}"
        arrays |= {f"{key}/points": seen.points, f"{key}/scores": seen.scores, f"{key}/digest": np.array(seen.digest)}
    partial = file.with_suffix(".part.npz")
    with partial.open("wb") as stream:
        np.savez(stream, **arrays)
    partial.rename(file)


def _load(file: Path) -> list[Observation]:
    with np.load(file, allow_pickle=False) as arrays:
        keys = sorted({key.rpartition("/")[0] for key in arrays.files})
        return [
            Observation(
                key.partition("/")[2],
                key.startswith(CLIPS),
                arrays[f"{key}/points"],
                arrays[f"{key}/scores"],
                str(arrays[f"{key}/digest"]),
            )
            for key in keys
        ]
