"""`--mode photometric` of `fit` and `track`: the landmarks' answer refined on the pixels, and what that brought."""

import math
import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from models.types import Frame, Identity, Landmarks, MienError, TrackResult
from tracker.blendshapes import BlendshapeReader
from tracker.calibration import Corrections, Told
from tracker.fit import PersonFit, PersonFitter
from tracker.neutral import NeutralFace
from tracker.photometric.fit import KnownLooks, PhotometricFit, PhotometricFitter
from tracker.photometric.keyframes import view_of
from tracker.photometric.texture import Solved, TextureSolver
from tracker.photometric.view import View
from tracker.pose import iod_px


@dataclass(frozen=True)
class Gain:
    """One picture before and after. Errors of pixels are percent of the range, of landmarks percent of the IOD."""

    pixel_error_before: float  # of the landmarks' geometry, with albedo and light solved in the same way
    pixel_error: float
    textured_error_before: float  # the same with the skin's detail
    textured_error: float
    landmark_error_before: float
    landmark_error: float
    fit_ms: float


class PicturesByPixels:
    """For `fit`: everything about one picture. (What moves in several of one person: VideoByPixels.)"""

    def __init__(self, person: PersonFitter, skin: TextureSolver) -> None:
        self._skin = skin
        self._fitter = PhotometricFitter(person, skin)

    def refine(
        self, fit: PersonFit, row: int, image: NDArray[np.uint8], seen: Landmarks
    ) -> tuple[PersonFit, Gain, Solved]:
        """`fit` of one picture, refined, and the skin that goes with it."""
        started = time.perf_counter()
        view = View.cut(image, fit.params[row], fit.camera[row], fit.fitted_px[row].numpy(), iod_px(seen))
        found = self._fitter.fit(view, seen, fit.identity)
        fit_ms = 1e3 * (time.perf_counter() - started)
        identity = replace(fit.identity, shape=found.shape, focal_px=float(found.camera.focal_px))
        refined = replace(
            fit,
            identity=identity,
            params=found.params[None],
            camera=found.camera[None],
            fitted_px=found.fitted_px[None],
            fitted_m=found.fitted_m[None],
            error_iod=torch.tensor([found.error_iod]),
        )
        return refined, *self._gain(view, seen, fit.identity, identity, found, fit_ms)

    def _gain(
        self, view: View, seen: Landmarks, before: Identity, after: Identity, found: PhotometricFit, fit_ms: float
    ) -> tuple[Gain, Solved]:
        start = self._fitter.fit(view, seen, before, geometry=False)
        now = replace(view, params=found.params, camera=view.moved(found.camera))
        skins = self._skin.solve(before, [view]), self._skin.solve(after, [now])
        textured = (
            self._fitter.pixel_error(view, before.shape, start.appearance, skins[0].texture),
            self._fitter.pixel_error(now, after.shape, found.appearance, skins[1].texture),
        )
        gain = Gain(
            pixel_error_before=start.pixel_error,
            pixel_error=found.pixel_error,
            textured_error_before=textured[0],
            textured_error=textured[1],
            landmark_error_before=100 * found.landmark_error_iod,
            landmark_error=100 * found.error_iod,
            fit_ms=fit_ms,
        )
        return gain, skins[1]


class VideoByPixels:
    """Motion and light, frame by frame, of a person whose skin is known from all of a video, or from all pictures."""

    def __init__(self, person: PersonFitter, skin: TextureSolver, identity: Identity, solved: Solved, detector: str):
        self._fitter = PhotometricFitter(person, skin)
        self._identity, self._texture = identity, solved.texture
        self._known: KnownLooks = self._fitter.known(solved.lighting, solved.texture)
        self._blendshapes = BlendshapeReader(person.head, identity)
        self._rest = NeutralFace(None if identity.neutral is None else identity.neutral.numpy())
        self._corrections = Corrections(person.head, detector)
        self.gains: list[Gain] = []

    def refine(self, frame: Frame, result: TrackResult) -> TrackResult:
        """The frame's result with the motion that its pixels tell; unchanged where they show too little of a face."""
        seen, camera = result.landmarks, result.picture_camera
        if result.params is None or camera is None or seen is None or result.fitted_px is None:
            return result
        started = time.perf_counter()
        try:
            view = view_of(frame.image, result)
            found = self._fitter.fit(view, seen, self._identity, self._known)
        except MienError:
            return result
        fit_ms = 1e3 * (time.perf_counter() - started)
        self.gains.append(self._gain(view, found, fit_ms))
        fitted_px, fitted_m = found.fitted_px.numpy(), found.fitted_m.numpy()
        plain = Told(found.params, found.camera, fitted_m)
        told = self._corrections.apply(plain, fitted_px, seen.points_px, frame.time_s)
        weights = self._rest.relative(self._blendshapes.read(told.params, found.camera, fitted_m, seen))
        return replace(
            result,
            params=told.params,
            camera=told.camera,
            seen_camera=found.camera,
            fitted_px=fitted_px,
            fitted_m=told.fitted_m,
            blendshapes=weights,
            error_iod=found.error_iod,
            fit_ms=result.fit_ms + fit_ms,
        )

    def _gain(self, view: View, found: PhotometricFit, fit_ms: float) -> Gain:
        now = replace(view, params=found.params, camera=view.moved(found.camera))
        appearance, shape = found.appearance, self._identity.shape
        texture = replace(self._texture, light=appearance.light.numpy())
        errors = [
            self._fitter.pixel_error(one, shape, appearance, skin) for skin in (None, texture) for one in (view, now)
        ]
        return Gain(
            pixel_error_before=errors[0],
            pixel_error=errors[1],
            textured_error_before=errors[2],
            textured_error=errors[3],
            landmark_error_before=100 * found.landmark_error_iod,
            landmark_error=100 * found.error_iod,
            fit_ms=fit_ms,
        )


def gain_report(gains: list[Gain]) -> dict[str, Any] | None:
    """How many pictures were refined, and medians over them."""
    if not gains:
        return None
    medians = {name: _median([getattr(gain, name) for gain in gains]) for name in Gain.__dataclass_fields__}
    saved = [_saved(gain.pixel_error_before, gain.pixel_error) for gain in gains]
    saved_textured = [_saved(gain.textured_error_before, gain.textured_error) for gain in gains]
    worse = [gain.landmark_error - gain.landmark_error_before for gain in gains]
    return {
        "pictures": len(gains),
        **medians,
        "pixel_error_saved": _median(saved),
        "textured_error_saved": _median(saved_textured),
        "landmarks_worse_at_most": float(np.max(worse)),
    }


def _saved(before: float, after: float) -> float:
    """NaN where nothing was left to save: a picture that is white all over is explained at once."""
    return 1 - after / before if before > 0 else math.nan


def _median(values: list[float]) -> float:
    known = [value for value in values if math.isfinite(value)]
    return float(np.median(known)) if known else math.nan
