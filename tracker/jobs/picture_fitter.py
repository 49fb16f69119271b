"""Pictures looked at and fitted, one by one or as one person's: landmarks, head, skin and, where wanted, pixels."""

import hashlib
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.head import Head
from models.library import load_head
from models.texture_space import TextureSpace
from models.types import Frame, Identity, Landmarks, MienError, State, TrackResult
from render.overlay import OverlayRenderer
from render.painter import open_painter
from render.texture import Texture
from tracker.blendshapes import BlendshapeReader
from tracker.calibration import Corrections, Told
from tracker.fit import PersonFit, PersonFitter
from tracker.jobs.options import FitOptions
from tracker.jobs.photometric import Gain, PicturesByPixels, VideoByPixels
from tracker.jobs.reading import read_picture
from tracker.jobs.results import Source
from tracker.jobs.texture_files import open_texture_space
from tracker.landmarks import LandmarkDetector, open_detector
from tracker.photometric.keyframes import view_of, worth
from tracker.photometric.texture import Solved, TextureSolver
from tracker.photometric.view import View

MOST_VIEWS = 6  # pictures that a texture is made of
FAR_APART_S = 10.0  # photos are taken to be, so that one's gaze says nothing of the next one's


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
class Skin:
    """One person's, and the light of each picture: photos are taken in different rooms."""

    solved: Solved
    lights: NDArray[np.float32]  # [T, 9, 3], NaN where no face is

    def texture(self, picture: int) -> Texture:
        light = self.lights[picture]
        return replace(self.solved.texture, light=light) if np.isfinite(light).all() else self.solved.texture


@dataclass(frozen=True)
class Fitted:
    """One identity for all pictures, and a result for each; those without a face have an empty one."""

    identity: Identity | None
    results: list[TrackResult]
    skin: Skin | None
    gains: list[Gain]  # by pixels
    lost: list[str]  # what was wanted and could not be done, in words


@dataclass(frozen=True)
class Fitter:
    """What fitting takes, loaded once for all pictures."""

    head: Head
    detector: LandmarkDetector
    person: PersonFitter
    renderer: OverlayRenderer
    skin: TextureSolver | None
    textures: TextureSpace | None
    options: FitOptions

    @staticmethod
    def open(options: FitOptions) -> "Fitter":
        head = load_head(options.head)
        detector = open_detector(options.detector, still=True, face=options.face)
        textures = open_texture_space(options.texture_space, head)
        skin = TextureSolver(head, textures=textures) if options.wants_skin else None
        renderer = OverlayRenderer(head, open_painter(head, options.device))
        return Fitter(head, detector, PersonFitter(head), renderer, skin, textures, options)

    @property
    def source(self) -> Source:
        return Source(self.head, self.options.detector)

    def look(self, path: Path) -> Seen:
        sha256 = hash_file(path)
        image = read_picture(path)
        started = time.perf_counter()
        try:
            landmarks = self.detector.detect(image)
        except MienError as error:  # far too small
            raise MienError(f"{path}: {error}") from error
        return Seen(path, sha256, image, landmarks, self.detector.scores, 1e3 * (time.perf_counter() - started))

    def fit(self, pictures: list[Seen]) -> Fitted:
        faces = [seen for seen in pictures if seen.landmarks is not None]
        if not faces:
            return Fitted(None, [empty_result(i, seen) for i, seen in enumerate(pictures)], None, [], [])
        started = time.perf_counter()
        fit = self.person.fit([seen.landmarks for seen in faces if seen.landmarks is not None], depth_tells_turn=True)
        fit_ms = 1e3 * (time.perf_counter() - started) / len(faces)
        gains: list[Gain] = []
        lost: list[str] = []
        solved = None
        if self.options.mode == "photometric" and len(faces) == 1:
            try:
                fit, gain, solved = self._by_pixels(fit, faces[0])
                gains.append(gain)
                fit_ms += gain.fit_ms  # without what it takes to tell how good it is
            except MienError as error:  # too little of the face is in view: the landmarks' answer stands
                lost.append(f"pixels of {faces[0].path.name} were not fitted: {error}")
        rows = iter(range(len(faces)))
        results = [
            empty_result(i, seen) if seen.landmarks is None else self.result(i, seen, fit, next(rows), fit_ms)
            for i, seen in enumerate(pictures)
        ]
        skin = self._skin_of(pictures, results, fit.identity, solved)
        if self.options.mode == "photometric" and len(faces) > 1:
            if skin is None:
                lost.append("pixels were not fitted: too little of the face is in view")
            else:
                results, gains = self._motion_by_pixels(pictures, results, fit.identity, skin)
        return Fitted(fit.identity, results, skin, gains, lost)

    def _by_pixels(self, fit: PersonFit, seen: Seen) -> tuple[PersonFit, Gain, Solved]:
        assert self.skin is not None
        assert seen.landmarks is not None
        return PicturesByPixels(self.person, self.skin).refine(fit, 0, seen.image, seen.landmarks)

    def _motion_by_pixels(
        self, pictures: list[Seen], results: list[TrackResult], identity: Identity, skin: Skin
    ) -> tuple[list[TrackResult], list[Gain]]:
        """One person's shape and skin are known: what moves is fitted in each picture, and its light."""
        assert self.skin is not None
        motion = VideoByPixels(self.person, self.skin, identity, skin.solved, self.detector.name)
        refined = [
            motion.refine(Frame(seen.image, FAR_APART_S * index, index), result)
            for index, (seen, result) in enumerate(zip(pictures, results, strict=True))
        ]
        return refined, motion.gains

    def _skin_of(
        self, pictures: list[Seen], results: list[TrackResult], identity: Identity, solved: Solved | None
    ) -> Skin | None:
        """Of the pictures that show the face best, the light of each; None where none does, or none is wanted.
        `solved`: a single picture's, where it is known."""
        if self.skin is None:
            return None
        views: dict[int, View] = {}
        places = (place for place, result in enumerate(results) if result.params is not None)
        for place in sorted(places, key=lambda place: -worth(results[place])):
            with suppress(MienError):  # too little of it is in view: the others are worth no less
                views[place] = view_of(pictures[place].image, results[place])
        lights = np.full((len(results), 9, 3), np.nan, np.float32)
        best = list(views)[:MOST_VIEWS]
        try:
            solved = solved or self.skin.solve(identity, [views[k] for k in best], one_room=len(best) == 1)
        except MienError:  # the fit is still worth keeping
            return None
        lights[best] = solved.lighting.lights
        for place in list(views)[MOST_VIEWS:]:
            with suppress(MienError):
                lights[place] = self.skin.light_in(views[place], identity, solved.lighting)
        return Skin(solved, lights)

    def result(self, index: int, seen: Seen, fit: PersonFit, row: int, fit_ms: float) -> TrackResult:
        assert seen.landmarks is not None
        fitted_px, plain = fit.fitted_px[row].numpy(), Told(fit.params[row], fit.camera[row], fit.fitted_m[row].numpy())
        corrections = Corrections(self.head, self.detector.name)
        told = corrections.apply(plain, fitted_px, seen.landmarks.points_px, time_s=0.0)
        weights = BlendshapeReader(self.head, fit.identity).read(
            told.params, plain.camera, plain.fitted_m, seen.landmarks
        )
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


def hash_file(path: Path) -> str:
    if path.is_dir():
        raise MienError(f"{path}: expected a picture, but this is a folder")
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except FileNotFoundError:
        raise MienError(f"{path}: no such file") from None
    except OSError as error:
        raise MienError(f"{path}: expected a picture that may be read, but: {error.strerror}") from error


def empty_result(index: int, seen: Seen) -> TrackResult:
    return TrackResult.without_face(index, 0.0, picture_size(seen), State.SEARCHING, detect_ms=seen.detect_ms)


def picture_size(seen: Seen) -> tuple[int, int]:
    return seen.image.shape[1], seen.image.shape[0]
