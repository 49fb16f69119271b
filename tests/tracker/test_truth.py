"""What `mien bench` says of the truth and of clips: each number against tracks whose faults are known."""

import math
from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from models.arkit_names import ARKIT_NAMES
from models.builtin import load_builtin
from models.camera import FACING
from models.head import Head
from models.types import Landmarks, State, TrackResult
from render.studio import Motion, film, random_person, random_stage
from render.studio.motion import SINGLE_MOTIONS, head_sweeps, one_rise, talking
from tracker.config import LiveConfig
from tracker.jobs.benchmarks import truth_metrics as metrics
from tracker.jobs.benchmarks.clips import Detected, new_tracker, person_changes, report_clip
from tracker.jobs.benchmarks.promises import PROMISES, keeps
from tracker.jobs.benchmarks.truth_metrics import Floats, TruthTrack
from tracker.jobs.benchmarks.truth_rig import Act, Filmed, track_session
from tracker.landmarks import open_detector
from tracker.metrics import LIPS
from tracker.pose import iod_px
from tracker.tracker import TrackerConfig


@lru_cache(maxsize=1)
def builtin() -> Head:
    return load_builtin()


def a_track(frames: int = 50) -> TruthTrack:
    """A perfect one."""
    random = np.random.default_rng(0)
    angles = np.radians(head_sweeps(frames).turn_degrees[:frames] + 5 * random.standard_normal((frames, 3)))
    turn = np.asarray(FACING) @ Rotation.from_euler("YXZ", angles[:, [1, 0, 2]]).as_matrix()
    points = 0.05 * random.standard_normal((478, 3)) @ turn.transpose(0, 2, 1) + (0, 0, 0.6)
    gaze = random.standard_normal((frames, 3)) * (0.2, 0.1, 0) - (0, 0, 1)
    gaze /= np.linalg.norm(gaze, axis=1, keepdims=True)
    weights = random.uniform(0, 1, (frames, len(ARKIT_NAMES)))
    return TruthTrack(turn, turn.copy(), points, points.copy(), gaze, gaze.copy(), weights, weights.copy())


def turned(degrees: float, axis: str) -> Floats:
    return np.asarray(Rotation.from_euler(axis, degrees, degrees=True).as_matrix())


def test_a_perfect_track_has_no_faults() -> None:
    track = a_track()
    assert metrics.rotation_errors(track).max() < 1e-5
    assert metrics.turn_slopes(track) == pytest.approx({"pitch": 1, "yaw": 1, "roll": 1})
    assert metrics.position_errors(track)[0].max() < 1e-9
    distance, size = metrics.shape_and_scale(track)
    assert distance.max() < 1e-9
    assert size == pytest.approx(np.ones(len(size)))
    assert np.nanmax(metrics.gaze_errors(track)) < 1e-5
    assert metrics.gaze_correlation(track) == pytest.approx(1)


def test_faults_are_told_as_large_as_they_are() -> None:
    track = a_track()
    off = replace(track, rotation_fit=track.rotation @ turned(4, "x"))
    assert metrics.rotation_errors(off) == pytest.approx(np.full(50, 4.0))
    angles = np.radians(metrics.turns(track.rotation)) * (0.6, 1.0, 1.2)
    weak = np.asarray(FACING) @ Rotation.from_euler("YXZ", angles[:, [1, 0, 2]]).as_matrix()
    assert metrics.turn_slopes(replace(track, rotation_fit=weak)) == pytest.approx(
        {"pitch": 0.6, "yaw": 1.0, "roll": 1.2}
    )
    grown = (track.landmarks_m - track.landmarks_m.mean(1, keepdims=True)) * 1.05 + (0, 0, 0.66)
    distance, size = metrics.shape_and_scale(replace(track, landmarks_m_fit=grown @ turned(10, "y")))
    assert distance.max() < 1e-9
    assert size == pytest.approx(np.full(50, 1.05))
    moved, deep = metrics.position_errors(replace(track, landmarks_m_fit=track.landmarks_m * 1.1))
    assert deep == pytest.approx(np.full(50, 10.0))
    assert moved.min() > 50
    aside = replace(track, gaze_fit=track.gaze @ turned(7, "z"))
    assert 0 < np.nanmedian(metrics.gaze_errors(aside)) < 7
    assert metrics.gaze_correlation(aside) < 0.999


def test_angles_are_those_of_the_studio() -> None:
    motion = Motion.still(4)
    motion.turn_degrees[:] = [(0, 0, 0), (20, 0, 0), (0, -30, 0), (10, 25, -15)]
    shots = film(builtin(), random_person(builtin(), 1), random_stage(1), motion)
    rotation = np.array([shot.camera.rotation.numpy() for shot in shots])
    np.testing.assert_allclose(metrics.turns(rotation), motion.turn_degrees, atol=1e-9)


def test_frames_that_were_not_tracked_count_for_nothing() -> None:
    track = a_track()
    track.rotation_fit[10:20] = np.nan
    track.landmarks_m_fit[10:20] = np.nan
    assert np.isnan(metrics.rotation_errors(track)[10:20]).all()
    assert metrics.turn_slopes(track)["yaw"] == pytest.approx(1)
    assert np.isnan(metrics.shape_and_scale(track)[0]).sum() == 10


def test_a_head_is_not_turned_against_itself() -> None:
    np.testing.assert_allclose(metrics.frames_apart(builtin(), builtin()), np.eye(3), atol=1e-9)


def a_rise(own: float, other: float) -> metrics.Rise:
    """A smile whose right side comes out at `own`, with a dimple of `other`."""
    motion = one_rise("mouthSmile")
    shown = np.zeros_like(motion.weights)
    rise = motion.weight("mouthSmileLeft")
    for name, height in (("mouthSmileLeft", 0.9), ("mouthSmileRight", own), ("mouthDimpleLeft", other)):
        shown[:, ARKIT_NAMES.index(name)] = height * rise
    still = a_track(len(motion))
    track = replace(still, weights=motion.weights, weights_fit=shown)
    return metrics.rise_of(track, SINGLE_MOTIONS["mouthSmile"])


def test_a_shape_is_alive_and_clean_by_its_weaker_side_and_loudest_other() -> None:
    good = a_rise(0.5, 0.3)
    assert good.clean
    assert good.loudest_other == "mouthDimpleLeft"
    assert 0.45 < good.own <= 0.5
    faint = a_rise(0.25, 0.0)
    assert not faint.alive
    assert not faint.clean
    muddled = a_rise(0.5, 0.45)
    assert muddled.alive
    assert not muddled.clean


def test_a_shape_never_reported_has_no_correlation() -> None:
    track = a_track()
    column = ARKIT_NAMES.index("cheekPuff")
    track.weights_fit[:, column] = 0.1
    found = metrics.mixed_correlation(track, ("cheekPuff", "jawOpen"))
    assert found == pytest.approx({"cheekPuff": 0.0, "jawOpen": 1.0})


def test_promises_are_kept_or_not() -> None:
    assert keeps(0.59, "<= 0.6")
    assert not keeps(0.61, "<= 0.6")
    assert keeps(0.95, ">= 0.95")
    assert keeps(-0.1, "-0.2 to 0.2")
    assert not keeps(0.3, "-0.2 to 0.2")
    assert keeps(math.nan, "")
    assert not any(keeps(math.nan, text) for text in ("<= 1", ">= 1", "0 to 1"))
    for key, promise in PROMISES.items():
        for text in (promise.must, promise.aim):
            assert keeps(0.0, text) in (True, False), key


# Filmed, detected, tracked.


@lru_cache(maxsize=1)
def filmed() -> Filmed:
    """A short session through the real detector."""
    acts = (Act("enrolment", talking(30, 12.0, 1, liveliness=0.5)), Act("head", head_sweeps(60).part(0, 60)))
    motion = Motion.joined([act.motion for act in acts])
    detector = open_detector("mesh")
    shots, landmarks = [], []
    for shot in film(builtin(), random_person(builtin(), 1), random_stage(1), motion):
        landmarks.append(detector.detect(shot.image))
        shots.append(replace(shot, image=np.zeros((0, 0, 3), np.uint8)))
    detector.close()
    return Filmed("built-in", 1, acts, tuple(shots), tuple(landmarks), (landmarks[-1],) * 45, (640, 480))


def test_the_detector_sees_the_studio_as_it_sees_people() -> None:
    for shot, seen in zip(filmed().shots, filmed().landmarks, strict=True):
        assert seen is not None
        assert seen.presence > 0.9
        missed = np.linalg.norm(seen.points_px - shot.landmarks_px, axis=1) / iod_px(seen)
        assert np.median(missed) < 0.06


def test_a_session_is_tracked_and_cut_into_its_acts() -> None:
    session = track_session(filmed(), new_tracker(builtin()), np.eye(3))
    assert list(session.acts) == ["enrolment", "head"]
    head = session.acts["head"]
    assert len(head.rotation) == 60
    assert head.tracked.all()
    assert np.median(metrics.rotation_errors(head)) < 10
    assert metrics.turn_slopes(head)["yaw"] == pytest.approx(1, abs=0.25)
    assert session.frozen_spread < 5e-4, "the same landmarks again and again: at most a slow approach to them"


def as_clip() -> Detected:
    times = tuple(shot.time_s for shot in filmed().shots)
    return Detected("filmed", filmed().landmarks, times, filmed().size_px)


def test_a_clip_is_measured_every_way() -> None:
    report = report_clip(builtin(), as_clip())
    assert 0.1 < report.metrics["error_median"] < 2
    assert report.hidden_lips > report.metrics["error_lips"] > 0
    assert report.hidden_lids > 0
    assert report.faces_kept == 100
    assert report.first_parameters == 0
    assert report.recovery_ms == 0
    assert report.changes == 0


def test_hidden_landmarks_have_no_say() -> None:
    fits = []
    for spoilt in (0.0, 0.4):
        tracker = new_tracker(builtin(), config=TrackerConfig(live=LiveConfig(unseen=LIPS)))
        for seen, frame in zip(filmed().landmarks[:8], as_clip().frames(), strict=False):
            assert seen is not None
            points = seen.points_px.copy()
            points[list(LIPS)] += spoilt * iod_px(seen)
            result = tracker.follow(Landmarks(points, seen.depth_px, seen.size_px, seen.presence), frame)
        assert result.fitted_px is not None
        fits.append(result.fitted_px)
    moved = np.linalg.norm(fits[1] - fits[0], axis=1).max()
    assert moved < 1.0, "pixel; the lips were moved by dozens"


def test_giving_up_a_settled_person_is_a_change() -> None:
    params = builtin().zero_params()

    def result(state: State, with_face: bool = True) -> TrackResult:
        rest = (None,) * 6
        return TrackResult(0, 0.0, (1, 1), state, params if with_face else None, *rest, 0.0, 0.0)

    enrolling, tracking, lost = (result(state) for state in (State.ENROLLING, State.TRACKING, State.LOST))
    assert person_changes([enrolling, tracking, tracking]) == 0
    assert person_changes([enrolling, tracking, enrolling, tracking]) == 1
    assert person_changes([tracking, result(State.LOST, with_face=False), enrolling]) == 1
    assert person_changes([lost]) == 0
