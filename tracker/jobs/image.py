"""`mien fit`: pictures in; for each, or for all together as one person, the head that explains its landmarks."""

from pathlib import Path
from typing import Any

import numpy as np

from models.npz import write_npz
from models.types import MienError
from tracker.jobs.head_files import write_glb, write_posed
from tracker.jobs.options import FitOptions, check
from tracker.jobs.outputs import output_folder, png, write_whole
from tracker.jobs.photometric import gain_report
from tracker.jobs.picture_fitter import Fitted, Fitter, Seen, hash_file
from tracker.jobs.progress import progress_bar
from tracker.jobs.reading import find_pictures
from tracker.jobs.reports import LIMITS, identity_facts, read_report, write_report
from tracker.jobs.results import write_identity
from tracker.jobs.texture_files import skin_arrays, texture_space_facts, write_texture
from tracker.jobs.track_rows import TrackRows
from tracker.metrics import Series, landmark_errors
from tracker.still import sureness

MOST_SURE = 36.0  # beyond it, odds cannot be told from certainty
DOUBTFUL = 16.0  # below it, turns of filmed heads were off by 7 degrees and more


def fit(paths: tuple[Path, ...], options: FitOptions) -> None:
    check(options)
    pictures = find_pictures(paths)
    folder = output_folder(options.output)
    if options.same_person:
        fit_together(pictures, folder, Fitter.open(options))
    else:
        fit_each(pictures, folder, options)


def fit_each(paths: list[Path], folder: Path, options: FitOptions) -> None:
    """One folder a picture. Those done before, with the same head and detector, are left as they are."""
    folders = folder_names(paths)
    fitter: Fitter | None = None
    unread: list[str] = []
    skipped = 0
    with progress_bar("fitting", "pictures") as tell:
        for done, path in enumerate(paths):
            tell(done, len(paths))
            fitter = fitter or Fitter.open(options)
            try:
                if is_done(folder / folders[path], path, fitter):
                    skipped += 1
                    continue
                fit_one(path, folder / folders[path], fitter)
            except MienError as error:
                if len(paths) == 1:
                    raise
                unread.append(str(error))
        tell(len(paths), len(paths))
    if skipped:
        print(f"{skipped} of {len(paths)} pictures were done before")
    if unread:
        raise MienError(f"{len(unread)} of {len(paths)} pictures could not be used: " + "; ".join(unread[:5]))


def fit_one(path: Path, folder: Path, fitter: Fitter) -> None:
    seen = fitter.look(path)
    fitted = fitter.fit([seen])
    write_results(output_folder(folder), [seen], fitted, fitter)
    error = fitted.results[0].error_iod
    print(f"{path}: {'no face' if error is None else f'landmark error {100 * error:.2f} % of the IOD'}")
    sure = sureness_of(seen)
    if sure is not None and sure < DOUBTFUL:
        print(f"{path}: hard to read; its head's turn may be off by ten degrees or more")
    for line in fitted.lost:
        print(f"lost: {line}")


def fit_together(paths: list[Path], folder: Path, fitter: Fitter) -> None:
    """One identity out of all pictures of one person."""
    pictures, unread = [], []
    with progress_bar("looking", "pictures") as tell:
        for done, path in enumerate(paths):
            tell(done, len(paths))
            try:
                pictures.append(fitter.look(path))
            except MienError as error:
                unread.append(str(error))
        tell(len(paths), len(paths))
    if not pictures:
        raise MienError(f"none of {len(paths)} pictures could be used: " + "; ".join(unread[:5]))
    fitted = fitter.fit(pictures)
    write_results(folder, pictures, fitted, fitter)
    faces = [result for result in fitted.results if result.params is not None]
    print(f"{folder / 'track.npz'}: one person in {len(faces)} of {len(paths)} pictures")
    for line in fitted.lost:
        print(f"lost: {line}")
    if unread:
        raise MienError(f"{len(unread)} of {len(paths)} pictures could not be used: " + "; ".join(unread[:5]))


def write_results(folder: Path, pictures: list[Seen], fitted: Fitted, fitter: Fitter) -> None:
    """The report comes last: with it the result is complete, and without it nothing of an earlier one is."""
    identity, results, skin = fitted.identity, fitted.results, fitted.skin
    (folder / "report.json").unlink(missing_ok=True)
    with TrackRows(folder, fitter.source) as rows:
        for seen, result in zip(pictures, results, strict=True):
            rows.add(result, seen.scores)
        arrays = rows.arrays(identity)
        arrays["images"] = np.array([seen.path.name for seen in pictures], np.str_)
        if skin is not None:
            arrays |= skin_arrays(skin.solved.lighting, skin.lights)
        write_npz(folder / "track.npz", arrays)
        texture = None if skin is None or fitter.options.no_texture else skin.solved.texture
        exported = write_glb(folder, fitter.head, identity, arrays, write_texture(folder, texture))
    if identity is not None:
        write_identity(folder / "identity.npz", identity, texture)
    else:
        (folder / "identity.npz").unlink(missing_ok=True)
    mode = fitter.options.drawn
    for earlier in (*folder.glob("overlay.png"), *folder.glob("overlay_[0-9][0-9][0-9].png")):
        earlier.unlink()
    if mode != "off":
        for number, (seen, result) in enumerate(zip(pictures, results, strict=True), 1):
            worn = skin.texture(number - 1) if skin is not None else None
            drawn = fitter.renderer.draw(seen.image, result, identity, mode, texture=worn)
            name = "overlay.png" if len(pictures) == 1 else f"overlay_{number:03d}.png"
            write_whole(folder / name, png(drawn))
    if identity is not None and len(results) == 1:
        write_posed(folder, fitter.head, identity, results[0])
    write_report(folder / "report.json", {**picture_report(pictures, fitted, fitter), "head_glb": exported})


def picture_report(pictures: list[Seen], fitted: Fitted, fitter: Fitter) -> dict[str, Any]:
    results = fitted.results
    return {
        "schema": 1,
        **what_was_done([(seen.path, seen.sha256) for seen in pictures], fitter),
        "sureness": [sureness_of(seen) for seen in pictures],
        "with_face": sum(result.params is not None for result in results),
        "lost": fitted.lost,
        "identity": identity_facts(fitted.identity),
        "photometric": gain_report(fitted.gains),
        "metrics": landmark_errors(Series.of(results)),
        "speed": {
            "detect_ms_median": float(np.median([result.detect_ms for result in results])),
            "fit_ms_median": float(np.median([result.fit_ms for result in results])),
        },
        "limits": LIMITS,
    }


def sureness_of(seen: Seen) -> float | None:
    """The detector's: the logarithm of its odds that it reads a face. None where it found none."""
    return None if seen.landmarks is None else min(sureness(seen.landmarks.presence), MOST_SURE)


def is_done(folder: Path, path: Path, fitter: Fitter) -> bool:
    """Does the folder hold the whole result of this very picture, fitted in this way?"""
    report = read_report(folder / "report.json")
    if report is None or not (folder / "track.npz").is_file():
        return False
    wanted = what_was_done([(path, hash_file(path))], fitter)
    return all(report.get(key) == value for key, value in wanted.items())


def what_was_done(pictures: list[tuple[Path, str]], fitter: Fitter) -> dict[str, Any]:
    """Equal where doing it again would give the same; pictures with their SHA-256."""
    return {
        "pictures": [{"file": path.name, "sha256": sha256} for path, sha256 in pictures],
        "head": fitter.source.head_label,
        "detector": fitter.options.detector,
        "face": fitter.options.face,
        "overlay": fitter.options.drawn,
        "texture": not fitter.options.no_texture,
        "mode": fitter.options.mode,
        "texture_space": texture_space_facts(fitter.textures),
    }


def folder_names(paths: list[Path]) -> dict[Path, str]:
    """Each picture's stem; where two are alike, the whole name."""
    stems = [path.stem for path in paths]
    names = {path: path.stem if stems.count(path.stem) == 1 else path.name for path in paths}
    twice = next((name for name in names.values() if list(names.values()).count(name) > 1), None)
    if twice is not None:
        raise MienError(
            f"expected pictures of different names, got '{twice}' twice: each is written to a folder of its name; "
            "rename one, or fit them into different folders"
        )
    return names
