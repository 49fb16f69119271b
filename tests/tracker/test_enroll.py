"""A person learned in slices: nearer to the truth than from the first frame, and always the same way."""

import pytest
import torch

from models.builtin import load_builtin
from models.types import Hint, Landmarks
from tests.tracker.actor import Actor, Pose
from tracker.enroll import EnrolConfig, Enrolment
from tracker.fit import PersonFitter

FRAMES = 60

FITS = 0.005  # an ordinary landmark error


@pytest.fixture(scope="module")
def fitter() -> PersonFitter:
    return PersonFitter(load_builtin())


def video(actor: Actor) -> list[Landmarks]:
    """Looks around, opening the mouth."""
    return [
        actor.seen(Pose(yaw=2.0 * (k % 30 - 15), pitch=0.4 * (k - 30)), jawOpen=(k % 20) / 50) for k in range(FRAMES)
    ]


def learn(fitter: PersonFitter, frames: list[Landmarks], config: EnrolConfig | None = None) -> Enrolment:
    """As the tracker does, but that each frame's own fit is a whole one."""
    enrolment = Enrolment(fitter, frames[0], 0.0, config)
    for landmarks in frames[1:]:
        enrolment.advance(landmarks, live_state(fitter, landmarks, enrolment), FITS)
    return enrolment


def live_state(fitter: PersonFitter, landmarks: Landmarks, enrolment: Enrolment) -> torch.Tensor:
    known = enrolment.identity
    return fitter.first_state(landmarks, known.shape, known.focal_px)


def shape_error_m(fitter: PersonFitter, enrolment: Enrolment, actor: Actor) -> float:
    missed = fitter.neutral_of(enrolment.identity.shape) - fitter.neutral_of(actor.shape)
    return float(missed.norm(dim=1).mean())


def test_keyframes_tell_more_than_the_first_frame(fitter: PersonFitter) -> None:
    actor = Actor(2)
    frames = video(actor)
    first = Enrolment(fitter, frames[0], 0.0)
    learned = learn(fitter, frames)
    assert shape_error_m(fitter, learned, actor) < 0.8 * shape_error_m(fitter, first, actor)
    assert shape_error_m(fitter, learned, actor) < 0.003


def test_a_face_that_does_not_move_adds_no_keyframe(fitter: PersonFitter) -> None:
    actor = Actor(3)
    enrolment = Enrolment(fitter, actor.seen(Pose()), 0.0)
    # With one keyframe every other frame ends a pass.
    moved = [enrolment.advance(actor.seen(Pose()), enrolment.state, FITS) for _ in range(4)]
    assert moved == [False, True, False, True]


def test_a_pass_takes_a_frame_for_each_keyframe_and_one_to_move(fitter: PersonFitter) -> None:
    actor = Actor(4)
    enrolment = Enrolment(fitter, actor.seen(Pose()), 0.0, EnrolConfig(keyframes=3))
    moved = []
    for k in range(12):
        landmarks = actor.seen(Pose(yaw=20.0 * (k % 4)))
        moved.append(enrolment.advance(landmarks, live_state(fitter, landmarks, enrolment), FITS))
    assert moved[-8:].count(True) == 2


def test_it_settles_by_itself_or_by_the_clock(fitter: PersonFitter) -> None:
    actor = Actor(5)
    enrolment = learn(fitter, [actor.seen(Pose())] * 12)
    assert not enrolment.settled(0.9)  # too soon, whatever it has learned
    assert enrolment.settled(2.5)
    moving = Enrolment(fitter, actor.seen(Pose()), 10.0)
    assert not moving.settled(11.5)
    assert moving.settled(12.5)


def test_the_same_frames_give_the_same_identity(fitter: PersonFitter) -> None:
    frames = video(Actor(6))[:20]
    one, other = (learn(fitter, frames).identity for _ in range(2))
    assert torch.equal(one.shape, other.shape)
    assert one.focal_px == other.focal_px


def test_a_frame_of_another_size_is_no_keyframe(fitter: PersonFitter) -> None:
    enrolment = Enrolment(fitter, Actor(7).seen(Pose()), 0.0)
    small = Actor(7, size=(320, 240)).seen(Pose(yaw=30))
    moved = [enrolment.advance(small, live_state(fitter, small, enrolment), FITS) for _ in range(2)]
    assert moved == [False, True]  # still one keyframe


def test_a_frame_that_fits_badly_teaches_nothing(fitter: PersonFitter) -> None:
    actor = Actor(6)
    frames = video(actor)
    clean, disturbed = (Enrolment(fitter, frames[0], 0.0) for _ in range(2))
    for landmarks in frames[1:20]:
        clean.advance(frames[0], clean.state, FITS)
        disturbed.advance(landmarks, live_state(fitter, landmarks, disturbed), 0.05)
    torch.testing.assert_close(disturbed.identity.shape, clean.identity.shape)


def test_it_asks_for_the_side_that_it_has_not_seen(fitter: PersonFitter) -> None:
    actor = Actor(8)
    enrolment = Enrolment(fitter, actor.seen(Pose()), 0.0)
    hints = [enrolment.hint]
    for yaw in (15.0, -15.0):
        for _ in range(3):
            landmarks = actor.seen(Pose(yaw=yaw))
            enrolment.advance(landmarks, live_state(fitter, landmarks, enrolment), FITS)
        hints.append(enrolment.hint)
    assert hints == [Hint.TURN_LEFT, Hint.TURN_RIGHT, None]
