"""A face followed through a video: `step(frame) -> TrackResult`, synchronous and deterministic, without a clock.

    SEARCHING   no face yet                    -> ENROLLING  a face is there: it is followed from this frame on
                                               -> TRACKING   likewise, where an identity was given
    ENROLLING   followed, and being learned    -> TRACKING   the identity has settled
                                               -> LOST       no face, or none that makes sense
    TRACKING    followed                       -> LOST       likewise
                                               -> ENROLLING  it is somebody else
    LOST        the face was there             -> ENROLLING or TRACKING, where it left off, as the face returns
    any                                        -> SEARCHING  `re_enroll()` was called

Learning begins anew where the face was gone for more than a moment: who returns may be another.
Parameters flow in ENROLLING and TRACKING. One tracker follows one face; it is not for sharing between threads.
"""

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.camera import default_focal_px
from models.head import Head
from models.landmark_rows import LandmarkRows, fix_identity
from models.types import Frame, Identity, Landmarks, MienError, State, TrackResult
from tracker.blendshapes import BlendshapeReader
from tracker.calibration import Corrections, Told
from tracker.config import LiveConfig
from tracker.enroll import EnrolConfig, Enrolment
from tracker.fit import PersonFitter
from tracker.glide import Glide
from tracker.landmarks import LandmarkDetector, open_detector
from tracker.live import FrameFitter, LiveFit, Posterior, Seen
from tracker.neutral import LEARNED, NeutralFace
from tracker.person import PersonCheck, PersonConfig
from tracker.pose import first_camera, iod_px, motion_px

log = logging.getLogger(__name__)

NOTED_NEUTRAL = 0.01  # of a weight: a face at rest that has changed by more is told with the identity


@dataclass(frozen=True)
class TrackerConfig:
    live: LiveConfig = field(default_factory=LiveConfig)
    enrol: EnrolConfig = field(default_factory=EnrolConfig)
    person: PersonConfig = field(default_factory=PersonConfig)
    wild_error_iod: float = 0.08
    # No face that is seen misses by so much: the detector has hallucinated one, or the fit has gone astray.
    cut_iod: float = 0.6
    # A face that jumps so far between two frames is a cut, not a motion (30 % is the fastest promised).
    new_shape_iod: float = 0.02
    # Turning bends the figure of a face's firm points by a third of this from frame to frame; another face by more.
    stale_s: float = 0.5
    # Older than this, the last pose is no place to begin from.
    longest_wait: int = 8
    # Frames between two tries to begin with what makes no sense: learning's first step is dear.


class Fitter(Protocol):
    """Fits frames of one identity, as `FrameFitter` does: here, or for many heads together on a device."""

    def fit(self, seen: Seen, start: NDArray[np.float32], before: Posterior | None) -> LiveFit: ...


OpenFitter = Callable[[LandmarkRows, Tensor], Fitter]  # from the head with an identity [S] folded in, and that identity


class HeadTracker:
    """Follows one person's head. `identity` spares the enrolment, as saved by an earlier run with the same head."""

    def __init__(
        self,
        head: Head,
        detector: LandmarkDetector | str = "mesh",
        identity: Identity | None = None,
        config: TrackerConfig | None = None,
        open_fitter: OpenFitter | None = None,
    ) -> None:
        if identity is not None and identity.head_sha256 != head.sha256:
            raise MienError(
                f"expected an identity of the head '{head.name}', got one of '{identity.head}'; "
                "their codes do not mean the same: track with that head, or without the identity"
            )
        self.head = head
        self.detector = open_detector(detector) if isinstance(detector, str) else detector
        self._config = config or TrackerConfig()
        self._person_fitter = PersonFitter(head, self._config.live)
        self._state = State.SEARCHING
        self._given = identity
        self._identity: Identity | None = None
        self._enrolment: Enrolment | None = None  # while a person is being learned
        self._check: PersonCheck | None = None  # afterwards
        self._at_rest: NeutralFace | None = None  # likewise
        self._corrections = Corrections(head, self.detector.name)
        self._open_fitter = open_fitter or self._own_fitter
        self._fitter: Fitter | None = None
        self._posterior: Posterior | None = None
        self._seen_points: NDArray[np.float32] | None = None  # [L, 2] of the last frame that was fitted
        self._seen_size = (0, 0)  # and its width and height
        self._glide = Glide()
        self._refused = self._waiting = 0  # beginnings that made no sense, in a row; frames until the next try

    @property
    def state(self) -> State:
        return self._state

    @property
    def identity(self) -> Identity | None:
        """What is known of the person so far; settled once the state is TRACKING."""
        return self._identity

    def re_enroll(self) -> None:
        """Forget the person and learn whoever is seen next."""
        self._given = None
        self._refused = self._waiting = 0
        self._forget()
        self._enter(State.SEARCHING)

    def close(self) -> None:
        self.detector.close()

    def step(self, frame: Frame) -> TrackResult:
        """Detect, fit, and learn a little more."""
        started = perf_counter()
        landmarks = self.detector.detect(frame.image)
        detected = perf_counter()
        result = self.follow(landmarks, frame)
        return replace(
            result, detect_ms=1e3 * (detected - started), fit_ms=1e3 * (perf_counter() - detected)
        )  # the only use of a clock, and nothing depends on it

    def follow(self, landmarks: Landmarks | None, frame: Frame) -> TrackResult:
        """As `step`, from landmarks that were detected before."""
        if landmarks is None or not np.isfinite(landmarks.points_px).all() or iod_px(landmarks) < 1:
            return self._lose(frame, None)
        if self._enrolment is not None and self._state is State.LOST and self._is_stale(frame.time_s):
            self._forget()  # who was seen for a moment may not be who is here now
        if self._fitter is None:
            if self._waiting:
                self._waiting -= 1
                return self._lose(frame, landmarks)
            self._begin(landmarks, frame.time_s)
        fit = self._fit(landmarks, frame.time_s)
        if fit is None:
            if self._posterior is None:
                self._refuse_beginning()
            return self._lose(frame, landmarks)
        self._refused = 0
        self._posterior, self._seen_points, self._seen_size = fit.posterior, landmarks.points_px, landmarks.size_px
        self._enter(State.ENROLLING if self._enrolment is not None else State.TRACKING)
        result = self._result(frame, landmarks, fit)
        self._learn(landmarks, frame.time_s, fit.error_iod)
        return result

    # Beginning, losing, forgetting.

    def _forget(self) -> None:
        self._identity = None
        self._enrolment = None
        self._check = None
        self._at_rest = None
        self._corrections.forget()
        self._fitter = None
        self._posterior = None
        self._seen_points = None

    def _begin(self, landmarks: Landmarks, time_s: float) -> None:
        if self._given is not None:
            self._freeze(self._given)
            return
        self._enrolment = Enrolment(self._person_fitter, landmarks, time_s, self._config.enrol)
        self._adopt(self._enrolment.identity)

    def _refuse_beginning(self) -> None:
        """Nothing was learned yet, and what is seen makes no sense: look again, ever less often while it does not."""
        self._forget()
        self._waiting = min(2**self._refused, self._config.longest_wait) - 1
        self._refused += 1

    def _lose(self, frame: Frame, landmarks: Landmarks | None) -> TrackResult:
        if self._state is not State.SEARCHING:
            self._enter(State.LOST)
        size = frame.image.shape[1], frame.image.shape[0]
        return TrackResult.without_face(frame.index, frame.time_s, size, self._state, landmarks)

    def _enter(self, state: State) -> None:
        if state is not self._state:
            log.debug("%s -> %s", self._state.value, state.value)
            self._state = state

    # One frame.

    def _fit(self, landmarks: Landmarks, time_s: float) -> LiveFit | None:
        """From the last frame, or, if that leads nowhere, from nothing; None where even that makes no sense."""
        assert self._fitter is not None
        before, iod = self._posterior, iod_px(landmarks)
        jump, change = math.inf, math.inf  # of the face in the picture, and of the figure that its firm points form
        if self._seen_points is not None:
            jump, change = motion_px(self._seen_points, landmarks.points_px)
        is_cut = jump > self._config.cut_iod * iod
        if self._is_stale(time_s) or is_cut or landmarks.size_px != self._seen_size:
            before = None  # pictures of another size have another focal length
        if self._check is not None and (before is None or change > self._config.new_shape_iod * iod):
            self._check.break_at(time_s, gone=before is None)
        attempts = (None,) if before is None else (before, None)
        for last in attempts:
            expected = None if last is None else self._glide.expect(last, time_s)
            start = self._cold_start(landmarks) if expected is None else expected.state
            fit = self._fitter.fit(self._seen(landmarks, iod, time_s, start), start, expected)
            if fit.error_iod < self._config.wild_error_iod and fit.fitted_m[:, 2].min() > 0.02:
                self._glide.note(fit.posterior, expected)
                return fit
        return None

    def _is_stale(self, time_s: float) -> bool:
        return self._posterior is not None and time_s - self._posterior.time_s > self._config.stale_s

    def _cold_start(self, landmarks: Landmarks) -> NDArray[np.float32]:
        assert self._identity is not None
        camera = first_camera(self._neutral, landmarks, focal_px(self._identity, landmarks.size_px))
        return self._layout.pack(self.head.zero_params((1,)), camera)[0].numpy()

    def _seen(self, landmarks: Landmarks, iod: float, time_s: float, start: NDArray[np.float32]) -> Seen:
        rotation = self._layout.rotation_of(start)
        weights = self._person_fitter.weights.at(rotation, landmarks.points_px)
        width, height = landmarks.size_px
        centre = np.array((width / 2, height / 2), np.float32)
        return Seen(landmarks.points_px, iod, weights, centre, time_s)

    def _result(self, frame: Frame, landmarks: Landmarks, fit: LiveFit) -> TrackResult:
        width, height = landmarks.size_px
        params, camera = self._layout.read(fit.posterior.state, (width / 2, height / 2))
        told = self._corrections.apply(
            Told(params, camera, fit.fitted_m), fit.fitted_px, landmarks.points_px, frame.time_s
        )
        weights = self._blendshapes.read(told.params, camera, fit.fitted_m, landmarks)
        if self._at_rest is not None:
            self._at_rest.observe(weights, fit.fitted_m)
            weights = self._at_rest.relative(weights)
        return TrackResult(
            index=frame.index,
            time_s=frame.time_s,
            size_px=landmarks.size_px,
            state=self._state,
            params=told.params,
            camera=told.camera,
            seen_camera=camera,
            landmarks=landmarks,
            fitted_px=fit.fitted_px,
            fitted_m=told.fitted_m,
            blendshapes=weights,
            error_iod=fit.error_iod,
            detect_ms=0.0,
            fit_ms=0.0,
            hint=None if self._enrolment is None else self._enrolment.hint,
        )

    # Learning.

    def _learn(self, landmarks: Landmarks, time_s: float, error_iod: float) -> None:
        """Enrolment's slice of work, or the question whether it is still the same person."""
        if self._enrolment is not None:
            if self._enrolment.settled(time_s):
                self._freeze(self._enrolment.identity)
            elif self._enrolment.advance(landmarks, self._whole_state(), error_iod):
                self._adopt(self._enrolment.identity)
        elif self._check is not None and self._check.is_due(time_s):
            if self._check.somebody_else(landmarks, self._whole_state(), time_s):
                log.info("another person: learning anew")
                self._given = None
                self._forget()
            else:
                self._note_neutral()

    def _note_neutral(self) -> None:
        """Let the identity hold the face at rest as learned by now. It is a new one only where that has changed."""
        if self._at_rest is None or self._identity is None:
            return
        known = 0.0 if self._identity.neutral is None else self._identity.neutral.numpy()
        if np.abs(self._at_rest.weights - known).max() > NOTED_NEUTRAL:
            neutral = torch.from_numpy(self._at_rest.weights)
            self._identity = replace(self._identity, neutral=neutral, neutral_known=LEARNED)

    def _freeze(self, identity: Identity) -> None:
        self._enrolment = None
        self._adopt(identity)
        self._check = PersonCheck(self._person_fitter, identity, self._config.person)
        self._at_rest = NeutralFace(None if identity.neutral is None else identity.neutral.numpy())

    def _adopt(self, identity: Identity) -> None:
        """Follow with this identity from now on; the last pose stays a good start."""
        rows = fix_identity(self._person_fitter.rows, identity.shape)
        self._layout = self._person_fitter.layout.without_identity()
        self._fitter = self._open_fitter(rows, identity.shape)
        self._neutral = self._person_fitter.neutral_of(identity.shape)
        self._blendshapes = BlendshapeReader(self.head, identity)
        if self._posterior is not None and self._identity is not None:
            state = self._layout.with_focal(self._posterior.state, focal_px(identity, self._seen_size))
            self._posterior = replace(self._posterior, state=state)
        self._identity = identity

    def _own_fitter(self, rows: LandmarkRows, shape: Tensor) -> "Fitter":
        return FrameFitter(self.head, rows, self._config.live)

    def _whole_state(self) -> Tensor:
        """The last fit with the identity among its unknowns: [1, D]."""
        assert self._posterior is not None
        assert self._identity is not None
        state = torch.from_numpy(self._posterior.state)
        expressions = self.head.expression_size
        return torch.cat((state[:expressions], self._identity.shape, state[expressions:]))[None]


def focal_px(identity: Identity, size_px: tuple[int, int]) -> float:
    """The known focal length for pictures of this size, should it have changed."""
    return identity.focal_px * default_focal_px(*size_px) / default_focal_px(*identity.size_px)
