"""A person of the studio filmed through a whole session, and the session tracked: truth and answer side by side."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from models.arkit_names import ARKIT_NAMES
from models.head import Head
from models.types import Camera, Frame, HeadParams, Landmarks, TrackResult
from render.studio import Motion, Shot, film, random_person, random_stage
from render.studio.film import FPS, frozen, gaze_directions, playable
from render.studio.motion import SINGLE_MOTIONS, gaze_sweeps, head_sweeps, one_rise, talking
from tracker.jobs.benchmarks.truth_metrics import Floats, TruthTrack
from tracker.landmarks import open_detector
from tracker.metrics import frozen_spread
from tracker.pose import iod_px
from tracker.tracker import HeadTracker

FROZEN_FRAMES, FROZEN_NOISE = 45, 2.0  # levels of 255
FROZEN_SETTLING = 15  # frames before the spread is taken


@dataclass(frozen=True)
class Act:
    """A part of the session with a name."""

    name: str
    motion: Motion


def session(head: Head, seed: int, quick: bool = False) -> list[Act]:
    """Getting to know each other, head, eyes, every shape that the head has by itself, then all at once."""
    frames = 150 if quick else 300
    rises = [Act(f"rise {name}", one_rise(name)) for name, shapes in SINGLE_MOTIONS.items() if shows(head, shapes)]
    return [
        Act("enrolment", talking(100, 18.0, seed, liveliness=0.6)),
        Act("head", head_sweeps(40 if quick else 60)),
        Act("gaze", gaze_sweeps(100 if quick else 150)),
        *rises,
        Act("gentle", talking(frames, 6.0, seed + 1)),
        Act("turning", talking(frames, 25.0, seed + 2)),
    ]


def shows(head: Head, shapes: tuple[str, ...]) -> bool:
    return all(playable(head)[ARKIT_NAMES.index(name)] for name in shapes)


@dataclass(frozen=True)
class Session:
    """What became of it."""

    person: str
    acts: dict[str, TruthTrack]
    frozen_spread: float  # of the IOD
    states: tuple[str, ...]  # of every frame, by name

    @property
    def rises(self) -> dict[str, TruthTrack]:
        return {name.removeprefix("rise "): track for name, track in self.acts.items() if name.startswith("rise ")}


@dataclass(frozen=True)
class Filmed:
    """A session as it was played and as the detector saw it; pictures are not kept."""

    head: str
    seed: int
    acts: tuple[Act, ...]
    shots: tuple[Shot, ...]  # without their pictures
    landmarks: tuple[Landmarks | None, ...]
    held: tuple[Landmarks | None, ...]  # of the last picture, again and again with other noise
    size_px: tuple[int, int]


def film_session(head: Head, seed: int, quick: bool = False) -> Filmed:
    """The head plays a random person through a session."""
    return film_acts(head, seed, session(head, seed, quick))


def film_acts(head: Head, seed: int, acts: Sequence[Act]) -> Filmed:
    """The head plays a random person."""
    stage = random_stage(seed)
    detector = open_detector("mesh")
    try:
        shots: list[Shot] = []
        landmarks: list[Landmarks | None] = []
        for shot in film(head, random_person(head, seed), stage, Motion.joined([act.motion for act in acts])):
            landmarks.append(detector.detect(shot.image))
            shots.append(replace(shot, image=np.zeros((0, 0, 3), np.uint8)))
        held = [detector.detect(again.image) for again in frozen(shot, stage, FROZEN_FRAMES, FROZEN_NOISE)]
    finally:
        detector.close()
    return Filmed(head.name, seed, tuple(acts), tuple(shots), tuple(landmarks), tuple(held), stage.size_px)


def track_session(filmed: Filmed, tracker: HeadTracker, apart: Floats) -> Session:
    """`apart` is `frames_apart` of the two heads."""
    results = follow_film(filmed, tracker)
    played = results[: len(filmed.shots)]
    whole = truth_track(list(filmed.shots), played, apart)
    return Session(
        f"{filmed.head} {filmed.seed}",
        {act.name: whole[part] for act, part in zip(filmed.acts, _parts(filmed.acts), strict=True)},
        _spread(results[len(filmed.shots) :]),
        tuple(result.state.value for result in played),
    )


def follow_film(filmed: Filmed, tracker: HeadTracker) -> list[TrackResult]:
    """Of every shot, and of the last picture held."""
    times = [shot.time_s for shot in filmed.shots]
    times += [times[-1] + (k + 1) / FPS for k in range(len(filmed.held))]
    seen = (*filmed.landmarks, *filmed.held)
    picture = np.broadcast_to(np.uint8(0), (filmed.size_px[1], filmed.size_px[0], 3))  # its size alone is looked at
    frames = [Frame(picture, time_s, index) for index, time_s in enumerate(times)]
    return [tracker.follow(landmarks, frame) for landmarks, frame in zip(seen, frames, strict=True)]


def truth_track(shots: list[Shot], results: list[TrackResult], apart: Floats) -> TruthTrack:
    """`apart` [3, 3]: from the tracked head's frame to the true one's."""
    return TruthTrack(
        rotation=np.array([shot.camera.rotation.numpy() for shot in shots]),
        rotation_fit=np.array([_rotation(result, apart) for result in results]),
        landmarks_m=np.array([shot.landmarks_m for shot in shots]),
        landmarks_m_fit=np.array([_or_nan(result.fitted_m, (478, 3)) for result in results]),
        gaze=np.array([_between(shot.gaze) for shot in shots]),
        gaze_fit=np.array([_gaze(result.params, result.camera) for result in results]),
        weights=np.array([shot.weights for shot in shots]),
        weights_fit=np.array([_or_nan(result.blendshapes, (len(ARKIT_NAMES),)) for result in results]),
    )


def _parts(acts: Sequence[Act]) -> Iterator[slice]:
    ends = itertools.accumulate((len(act.motion) for act in acts), initial=0)
    return (slice(start, stop) for start, stop in itertools.pairwise(ends))


def _rotation(result: TrackResult, apart: Floats) -> Floats:
    return np.full((3, 3), np.nan) if result.camera is None else result.camera.rotation.double().numpy() @ apart.T


def _gaze(params: HeadParams | None, camera: Camera | None) -> Floats:
    if params is None or camera is None:
        return np.full(3, np.nan)
    return _between(gaze_directions(params.eyes.double(), camera).numpy())


def _between(directions: Floats) -> Floats:
    """[2, 3] -> the unit direction between them."""
    mean = directions.mean(0)
    return np.asarray(mean / np.linalg.norm(mean))


def _or_nan(values: object, shape: tuple[int, ...]) -> Floats:
    return np.full(shape, np.nan) if values is None else np.asarray(values, np.float64)


def _spread(held: list[TrackResult]) -> float:
    """Of the fitted landmarks on the frozen picture; NaN should the face have been lost."""
    points = [result.fitted_px for result in held[FROZEN_SETTLING:] if result.fitted_px is not None]
    if len(points) < FROZEN_FRAMES - FROZEN_SETTLING:
        return float("nan")
    landmarks = held[-1].landmarks
    assert landmarks is not None
    return frozen_spread(np.array(points, np.float64), iod_px(landmarks))
