"""Scripted lives of a session: what the tracker says, and that it never says anything wild."""

from collections.abc import Callable
from dataclasses import replace
from itertools import groupby

import numpy as np
import pytest
from numpy.typing import NDArray

from models.builtin import load_builtin
from models.types import Identity, Landmarks, MienError, State, TrackResult
from tests.tracker.actor import Actor, Pose, frame
from tracker.landmarks import LandmarkDetector
from tracker.tracker import HeadTracker

Script = Callable[[int], Landmarks | None]


class GivenLandmarks:
    """Stands where pictures would be looked at: these tests bring their own landmarks to `follow`."""

    name = "given"
    scores: NDArray[np.float32] | None = None

    def detect(self, image: object) -> Landmarks | None:
        raise AssertionError("no picture is looked at here")

    def close(self) -> None:
        pass


def tracker(identity: Identity | None = None) -> HeadTracker:
    detector: LandmarkDetector = GivenLandmarks()
    return HeadTracker(load_builtin(), detector, identity)


def play(who: HeadTracker, script: Script, start: int, stop: int) -> list[TrackResult]:
    return [who.follow(script(index), frame(index)) for index in range(start, stop)]


def states(results: list[TrackResult]) -> list[State]:
    return [state for state, _ in groupby(result.state for result in results)]


def errors(results: list[TrackResult]) -> list[float]:
    return [result.error_iod for result in results if result.error_iod is not None]


def talking(actor: Actor, turn: float = 12.0) -> Script:
    """Turns slowly, opens the mouth, blinks."""

    def script(index: int) -> Landmarks:
        time = index / 30
        pose = Pose(yaw=turn * np.sin(1.3 * time), pitch=5 * np.sin(0.9 * time), x_m=0.01 * np.sin(0.7 * time))
        blink = max(0.0, 1 - abs((index % 60) - 30) / 3)
        mouth = 0.4 * max(0.0, np.sin(5 * time))
        return actor.seen(pose, jawOpen=mouth, eyeBlinkLeft=blink, eyeBlinkRight=blink, mouthSmileLeft=0.3)

    return script


@pytest.fixture(scope="module")
def learned() -> tuple[HeadTracker, Actor, list[TrackResult]]:
    actor = Actor(1)
    who = tracker()
    return who, actor, play(who, talking(actor), 0, 120)


def test_a_face_is_found_learned_and_tracked(learned: tuple[HeadTracker, Actor, list[TrackResult]]) -> None:
    who, _, results = learned
    assert states(results) == [State.ENROLLING, State.TRACKING]
    assert results[0].params is not None  # parameters flow from the first frame on
    assert results[80].state is State.TRACKING  # within three seconds
    assert max(errors(results)) < 0.02
    assert np.median(errors(results)) < 0.006
    assert who.identity is not None


def test_before_any_face_it_searches() -> None:
    results = play(tracker(), lambda index: None, 0, 3)
    assert states(results) == [State.SEARCHING]
    assert results[0].params is None
    assert results[0].error_iod is None


def test_known_motion_is_told_apart(learned: tuple[HeadTracker, Actor, list[TrackResult]]) -> None:
    _, _, results = learned
    script_blink = [max(0.0, 1 - abs((index % 60) - 30) / 3) for index in range(120)]
    weights = np.stack([result.blendshapes for result in results if result.blendshapes is not None])
    assert weights.shape == (120, 52)
    assert np.corrcoef(weights[:, 0], script_blink)[0, 1] > 0.95  # eyeBlinkLeft stands first
    assert weights.min() >= 0
    assert weights.max() <= 1


def test_leaves_and_returns() -> None:
    actor, who = Actor(2), tracker()
    script = talking(actor)
    play(who, script, 0, 100)
    gone = play(who, lambda index: None, 100, 130)
    back = play(who, script, 130, 140)
    assert states(gone) == [State.LOST]
    assert states(back) == [State.TRACKING]  # from the first frame in which the face is back
    assert max(errors(back)) < 0.02


def test_lost_while_learning_goes_on_learning() -> None:
    actor, who = Actor(3), tracker()
    script = talking(actor)
    results = play(who, script, 0, 10) + play(who, lambda index: None, 10, 15) + play(who, script, 15, 120)
    assert states(results) == [State.ENROLLING, State.LOST, State.ENROLLING, State.TRACKING]


def test_who_comes_after_a_glimpse_of_another_is_learned_from_nothing() -> None:
    first, second, who = Actor(3), Actor(8), tracker()
    play(who, talking(first), 0, 5)
    play(who, lambda index: None, 5, 125)  # longer than learning takes
    results = play(who, talking(second), 125, 230)
    assert states(results) == [State.ENROLLING, State.TRACKING]
    assert len([result for result in results if result.state is State.ENROLLING]) > 25
    assert max(errors(results)) < 0.02


def test_learning_does_not_begin_with_what_makes_no_sense() -> None:
    actor, who = Actor(9), tracker()
    points = np.random.default_rng(0).uniform(0, 480, (478, 2)).astype(np.float32)
    assert who.follow(replace(actor.seen(Pose()), points_px=points), frame(0)).state is State.SEARCHING
    assert who.identity is None
    assert max(errors(play(who, talking(actor), 1, 30))) < 0.02


def test_what_makes_no_sense_is_tried_ever_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    actor, who = Actor(9), tracker()
    begin, tries = who._begin, [0]

    def counted(landmarks: Landmarks, time_s: float) -> None:
        tries[0] += 1
        begin(landmarks, time_s)

    monkeypatch.setattr(who, "_begin", counted)
    points = np.random.default_rng(0).uniform(0, 480, (478, 2)).astype(np.float32)
    nonsense = replace(actor.seen(Pose()), points_px=points)
    results = play(who, lambda index: nonsense, 0, 40)
    assert states(results) == [State.SEARCHING]
    assert 3 < tries[0] <= 8
    back = play(who, talking(actor), 40, 50)
    assert State.ENROLLING in states(back)
    assert [result.state for result in back].index(State.ENROLLING) < 8


def test_a_shaken_picture_blurs_the_face_and_nothing_is_lost() -> None:
    """While the camera is knocked the detector's points lag, smear together and tremble, then all is as before."""
    actor, who, random = Actor(5), tracker(), np.random.default_rng(5)
    script = talking(actor)
    before = play(who, script, 0, 120)

    def blurred(index: int) -> Landmarks:
        sharp, last = script(index), script(index - 1)
        assert sharp is not None
        assert last is not None
        shake = 12 * np.array((np.sin(2.5 * index), np.cos(1.9 * index)))
        smeared = 0.5 * (sharp.points_px + last.points_px) + shake + random.normal(0, 1.2, (478, 2))
        return replace(sharp, points_px=smeared.astype(np.float32))

    during = play(who, blurred, 120, 150)
    after = play(who, script, 150, 220)
    assert states(before)[-1:] == states(during) == states(after) == [State.TRACKING]  # nor taken for somebody else
    assert max(errors(during)) < 0.04
    assert max(errors(after)) < 0.02
    assert np.median(errors(after)) < 1.2 * np.median(errors(before))


def test_a_cut_to_elsewhere_is_followed_at_once() -> None:
    actor, who = Actor(4), tracker()
    play(who, talking(actor), 0, 100)
    results = play(who, lambda index: actor.seen(Pose(yaw=-25, roll=20, x_m=0.12, z_m=0.9)), 100, 104)
    assert states(results) == [State.TRACKING]
    assert max(errors(results)) < 0.02


def test_turns_to_profile_and_back() -> None:
    actor, who = Actor(5), tracker()
    play(who, talking(actor), 0, 100)
    results = play(who, lambda index: actor.seen(Pose(yaw=70 * np.sin((index - 100) / 60 * np.pi))), 100, 160)
    assert states(results) == [State.TRACKING]
    assert max(errors(results)) < 0.03
    turned = [result.camera.rotation[0, 0].item() for result in results if result.camera is not None]
    assert min(turned) < np.cos(np.radians(60))


def test_a_hand_over_the_mouth_does_not_bend_the_head() -> None:
    actor, who = Actor(6), tracker()
    before = play(who, talking(actor), 0, 100)[-1]
    lower = [p for p in range(468) if actor.seen(Pose()).points_px[p, 1] > actor.seen(Pose()).points_px[2, 1]]

    def covered(index: int) -> Landmarks:
        seen = actor.seen(Pose())
        points = seen.points_px.copy()
        points[lower] += (12, -10)  # the detector guesses, wrongly, where it sees a hand
        return replace(seen, points_px=points)

    clear = play(who, lambda index: actor.seen(Pose()), 100, 130)[-1]
    hidden = play(who, covered, 130, 160)[-1]
    assert before.camera is not None
    assert clear.camera is not None
    assert hidden.camera is not None
    turn = clear.camera.rotation.T @ hidden.camera.rotation
    assert np.degrees(np.arccos((np.trace(turn.numpy()) - 1) / 2)) < 4


def test_somebody_else_is_noticed_and_learned() -> None:
    first, second, who = Actor(7), Actor(8), tracker()
    play(who, talking(first), 0, 120)
    play(who, lambda index: None, 120, 140)
    results = play(who, talking(second), 140, 320)
    assert State.ENROLLING in states(results)
    noticed = next(result.index for result in results if result.state is State.ENROLLING)
    assert noticed - 140 <= 60  # within two seconds
    assert results[-1].state is State.TRACKING
    assert np.median(errors(results[-30:])) < 0.008


def test_the_same_person_coming_back_is_not_somebody_else() -> None:
    actor, who = Actor(7), tracker()
    play(who, talking(actor), 0, 120)
    play(who, lambda index: None, 120, 140)
    assert states(play(who, talking(actor), 140, 260)) == [State.TRACKING]


def test_nonsense_is_never_followed() -> None:
    actor, who = Actor(9), tracker()
    play(who, talking(actor), 0, 100)
    random = np.random.default_rng(0)
    wild = actor.seen(Pose())
    noise = replace(wild, points_px=random.uniform(0, 480, (478, 2)).astype(np.float32))
    broken = replace(wild, points_px=np.full((478, 2), np.nan, np.float32))
    point = replace(wild, points_px=np.full((478, 2), 100, np.float32), depth_px=np.zeros(478, np.float32))
    for landmarks in (noise, broken, point):
        result = who.follow(landmarks, frame(100))
        assert result.state is State.LOST
        assert result.params is None
    assert who.follow(actor.seen(Pose()), frame(101)).state is State.TRACKING


def test_the_same_video_twice_gives_equal_numbers() -> None:
    runs = [play(tracker(), talking(Actor(10)), 0, 90) for _ in range(2)]
    for one, other in zip(*runs, strict=True):
        assert one.fitted_px is not None
        assert other.fitted_px is not None
        np.testing.assert_array_equal(one.fitted_px, other.fitted_px)
        np.testing.assert_array_equal(one.blendshapes, other.blendshapes)


def test_a_given_identity_spares_the_enrolment(learned: tuple[HeadTracker, Actor, list[TrackResult]]) -> None:
    who, actor, _ = learned
    results = play(tracker(who.identity), talking(actor), 0, 10)
    assert states(results) == [State.TRACKING]
    assert max(errors(results)) < 0.02


def test_an_identity_of_another_head_is_refused(learned: tuple[HeadTracker, Actor, list[TrackResult]]) -> None:
    identity = learned[0].identity
    assert identity is not None
    with pytest.raises(MienError, match="expected an identity of the head"):
        tracker(replace(identity, head_sha256="another"))


def test_learning_anew_on_request() -> None:
    actor, who = Actor(11), tracker()
    play(who, talking(actor), 0, 100)
    who.re_enroll()
    assert who.state is State.SEARCHING
    assert who.identity is None
    assert states(play(who, talking(actor), 100, 103)) == [State.ENROLLING]


def test_the_picture_may_change_its_size() -> None:
    actor, who = Actor(12), tracker()
    before = play(who, talking(actor), 0, 100)[-1].camera
    small = Actor(12, size=(320, 240))
    results = [who.follow(small.seen(Pose()), frame(index, (320, 240))) for index in range(100, 105)]
    assert states(results) == [State.TRACKING]
    assert max(errors(results)) < 0.02
    after = results[-1].camera
    assert before is not None
    assert after is not None
    assert after.translation[2].item() == pytest.approx(before.translation[2].item(), rel=0.03)


def test_few_frames_a_second_are_enough_to_learn() -> None:
    actor, who = Actor(13), tracker()
    script = talking(actor)
    results = [who.follow(script(index), frame(index)) for index in range(0, 300, 20)]  # three in two seconds
    assert states(results) == [State.ENROLLING, State.TRACKING]
