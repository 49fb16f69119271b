"""`mien fit`: pictures in; for each, or for all together as one person, the head that explains its landmarks."""

import hashlib
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.head import Head
from models.library import load_head
from models.npz import write_npz
from models.types import Frame, Identity, Landmarks, MienError, State, TrackResult
from render.modes import OverlayMode
from render.overlay import OverlayRenderer
from tracker.blendshapes import BlendshapeReader
from tracker.calibration import Corrections, Told
from tracker.fit import PersonFit, PersonFitter
from tracker.jobs.head_files import write_glb, write_posed
from tracker.jobs.modes import FitMode
from tracker.jobs.photometric import Gain, PicturesByPixels, VideoByPixels, gain_report
from tracker.jobs.progress import progress_bar
from tracker.jobs.reading import find_pictures, read_picture
from tracker.jobs.results import (
    Source,
    output_folder,
    read_report,
    track_arrays,
    write_identity,
    write_report,
)
from tracker.jobs.texture_files import write_texture
from tracker.jobs.video import LIMITS, check_device, identity_facts, series
from tracker.landmarks import LandmarkDetector, open_detector
from tracker.metrics import landmark_errors
from tracker.photometric.keyframes import view_of, worth
from tracker.photometric.texture import Solved, TextureSolver

MOST_VIEWS = 6  # pictures that a texture is made of
FAR_APART_S = 10.0  # photos are taken to be, so that one's gaze says nothing of the next one's


@dataclass(frozen=True)
class FitOptions:
    head: str
    face: str
    detector: str
    device: str
    overlay: OverlayMode  # off: none is written
    same_person: bool
    texture: bool = True
    mode: FitMode = "landmark"


@dataclass(frozen=True)
class Seen:
    """One picture, looked at."""

    path: Path
    sha256: str
    image: NDArray[np.uint8]
    landmarks: Landmarks | None
    scores: NDArray[np.float32] | None
    detect_ms: float


@dataclass(frozen=True)
class Fitter:
    """What fitting takes, loaded once for all pictures."""

    head: Head
    detector: LandmarkDetector
    person: PersonFitter
    renderer: OverlayRenderer
    skin: TextureSolver | None
    options: FitOptions
    gains: list[Gain] = field(default_factory=list)  # by pixels, of the pictures fitted last

    @staticmethod
    def open(options: FitOptions) -> "Fitter":
        head = load_head(options.head)
        detector = open_detector(options.detector, still=True, face=options.face)
        skin = TextureSolver(head) if options.texture or options.mode == "photometric" else None
        return Fitter(head, detector, PersonFitter(head), OverlayRenderer(head), skin, options)

    @property
    def source(self) -> Source:
        return Source(self.head, self.options.detector)

    def look(self, path: Path) -> Seen:
        sha256 = hash_file(path)
        image = read_picture(path)
        started = time.perf_counter()
        landmarks = self.detector.detect(image)
        return Seen(path, sha256, image, landmarks, self.detector.scores, 1e3 * (time.perf_counter() - started))

    def fit(self, pictures: list[Seen]) -> tuple[Identity | None, list[TrackResult]]:
        """One identity for all pictures, and a result for each; those without a face have an empty one."""
        self.gains.clear()
        faces = [seen.landmarks for seen in pictures if seen.landmarks is not None]
        if not faces:
            return None, [empty_result(i, seen) for i, seen in enumerate(pictures)]
        started = time.perf_counter()
        fit = self.person.fit(faces)
        fit_ms = 1e3 * (time.perf_counter() - started) / len(faces)
        if self.options.mode == "photometric" and len(faces) == 1:
            fit = self._by_pixels(fit, next(seen for seen in pictures if seen.landmarks is not None))
            fit_ms += sum(gain.fit_ms for gain in self.gains)  # without what it takes to tell how good it is
        rows = iter(range(len(faces)))
        results = [
            empty_result(i, seen) if seen.landmarks is None else self.result(i, seen, fit, next(rows), fit_ms)
            for i, seen in enumerate(pictures)
        ]
        if self.options.mode == "photometric" and len(faces) > 1:
            results = self._motion_by_pixels(pictures, results, fit.identity)
        return fit.identity, results

    def _by_pixels(self, fit: PersonFit, seen: Seen) -> PersonFit:
        assert self.skin is not None
        assert seen.landmarks is not None
        try:
            refined, gain = PicturesByPixels(self.person, self.skin).refine(fit, 0, seen.image, seen.landmarks)
        except MienError:  # too little of the face is in view: the landmarks' answer stands
            return fit
        self.gains.append(gain)
        return refined

    def _motion_by_pixels(
        self, pictures: list[Seen], results: list[TrackResult], identity: Identity
    ) -> list[TrackResult]:
        """One person's shape, skin and light are known from all pictures: what moves is fitted in each."""
        solved = self.texture(pictures, results, identity)
        if solved is None or self.skin is None:
            return results
        video = VideoByPixels(self.person, self.skin, identity, solved, self.detector.name)
        frames = (Frame(seen.image, FAR_APART_S * index, index) for index, seen in enumerate(pictures))
        refined = [video.refine(frame, result) for frame, result in zip(frames, results, strict=True)]
        self.gains.extend(video.gains)
        return refined

    def texture(self, pictures: list[Seen], results: list[TrackResult], identity: Identity | None) -> Solved | None:
        """Of the pictures that show the face best; None where none does, or none is wanted."""
        if self.skin is None or identity is None:
            return None
        faces = [(seen, result) for seen, result in zip(pictures, results, strict=True) if result.params is not None]
        faces.sort(key=lambda face: -worth(face[1]))
        try:
            return self.skin.solve(identity, [view_of(seen.image, result) for seen, result in faces[:MOST_VIEWS]])
        except MienError:  # too little of it is in view: the fit is still worth keeping
            return None

    def result(self, index: int, seen: Seen, fit: PersonFit, row: int, fit_ms: float) -> TrackResult:
        assert seen.landmarks is not None
        fitted_px, plain = fit.fitted_px[row].numpy(), Told(fit.params[row], fit.camera[row], fit.fitted_m[row].numpy())
        corrections = Corrections(self.head, self.detector.name)
        told = corrections.apply(plain, fitted_px, seen.landmarks.points_px, time_s=0.0)
        weights = BlendshapeReader(self.head, fit.identity).read(told.params, plain.camera, plain.fitted_m)
        return TrackResult(
            index=index,
            time_s=0.0,
            size_px=picture_size(seen),
            state=State.TRACKING,
            params=told.params,
            camera=told.camera,
            seen_camera=plain.camera,
            landmarks=seen.landmarks,
            fitted_px=fitted_px,
            fitted_m=told.fitted_m,
            blendshapes=weights,
            error_iod=float(fit.error_iod[row]),
            detect_ms=seen.detect_ms,
            fit_ms=fit_ms,
        )


def fit(paths: tuple[Path, ...], output: Path, options: FitOptions) -> None:
    check_device(options.device)
    pictures = find_pictures(paths)
    folder = output_folder(output)
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
                fit_one(path, output_folder(folder / folders[path]), fitter)
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
    identity, results = fitter.fit([seen])
    write_results(folder, [seen], results, identity, fitter)
    error = results[0].error_iod
    print(f"{path}: {'no face' if error is None else f'landmark error {100 * error:.2f} % of the IOD'}")


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
    identity, results = fitter.fit(pictures)
    write_results(folder, pictures, results, identity, fitter)
    faces = [result for result in results if result.params is not None]
    print(f"{folder / 'track.npz'}: one person in {len(faces)} of {len(paths)} pictures")
    if unread:
        raise MienError(f"{len(unread)} of {len(paths)} pictures could not be used: " + "; ".join(unread[:5]))


def write_results(
    folder: Path, pictures: list[Seen], results: list[TrackResult], identity: Identity | None, fitter: Fitter
) -> None:
    """The report comes last: with it the result is complete."""
    arrays = track_arrays(results, fitter.source, identity, [seen.scores for seen in pictures])
    arrays["images"] = np.array([seen.path.name for seen in pictures], np.str_)
    solved = fitter.texture(pictures, results, identity) if fitter.options.texture else None
    texture = None if solved is None else solved.texture
    if texture is not None:
        arrays["light"] = texture.light[None]
    write_npz(folder / "track.npz", arrays)
    if identity is not None:
        write_identity(folder / "identity.npz", identity)
    else:
        (folder / "identity.npz").unlink(missing_ok=True)
    mode = fitter.options.overlay
    if mode != "off":
        for number, (seen, result) in enumerate(zip(pictures, results, strict=True), 1):
            drawn = fitter.renderer.draw(seen.image, result, identity, mode, texture=texture)
            name = "overlay.png" if len(pictures) == 1 else f"overlay_{number:03d}.png"
            Image.fromarray(drawn).save(folder / name)
    exported = write_glb(folder, fitter.head, identity, results, arrays, write_texture(folder, texture))
    if identity is not None and len(results) == 1:
        write_posed(folder, fitter.head, identity, results[0])
    write_report(folder / "report.json", {**picture_report(pictures, results, identity, fitter), "head_glb": exported})


def picture_report(
    pictures: list[Seen], results: list[TrackResult], identity: Identity | None, fitter: Fitter
) -> dict[str, Any]:
    return {
        "schema": 1,
        "pictures": [{"file": seen.path.name, "sha256": seen.sha256} for seen in pictures],
        "head": fitter.source.head_label,
        "detector": fitter.options.detector,
        "face": fitter.options.face,
        "texture": fitter.options.texture,
        "mode": fitter.options.mode,
        "with_face": sum(result.params is not None for result in results),
        "identity": identity_facts(identity),
        "photometric": gain_report(fitter.gains),
        "metrics": landmark_errors(series(results)),
        "speed": {
            "detect_ms_median": float(np.median([result.detect_ms for result in results])),
            "fit_ms_median": float(np.median([result.fit_ms for result in results])),
        },
        "limits": LIMITS,
    }


def is_done(folder: Path, path: Path, fitter: Fitter) -> bool:
    """Does the folder hold the whole result of this very picture, fitted in this way?"""
    report = read_report(folder / "report.json")
    if report is None or not (folder / "track.npz").is_file():
        return False
    wanted = {
        "pictures": [{"file": path.name, "sha256": hash_file(path)}],
        "head": fitter.source.head_label,
        "detector": fitter.options.detector,
        "face": fitter.options.face,
        "texture": fitter.options.texture,
        "mode": fitter.options.mode,
    }
    return all(report.get(key) == value for key, value in wanted.items())


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


def hash_file(path: Path) -> str:
    if path.is_dir():
        raise MienError(f"{path}: expected a picture, but this is a folder")
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except FileNotFoundError:
        raise MienError(f"{path}: no such file") from None


def empty_result(index: int, seen: Seen) -> TrackResult:
    return TrackResult.without_face(index, 0.0, picture_size(seen), State.SEARCHING, detect_ms=seen.detect_ms)


def picture_size(seen: Seen) -> tuple[int, int]:
    return seen.image.shape[1], seen.image.shape[0]
