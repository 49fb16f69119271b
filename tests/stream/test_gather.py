"""Sessions that share a device: each gets its own fit, whoever else is there."""

import threading
from typing import Any

import numpy as np
import pytest
import torch

from models.builtin import load_builtin
from models.camera import default_focal_px
from models.landmark_rows import fix_identity, landmark_rows
from models.types import Frame, Landmarks, State
from stream.engine import gathering_engine
from stream.gather import Gatherer, Seat
from tests.stream.clip import clip
from tests.tracker.actor import Actor, Pose
from tracker.config import LiveConfig
from tracker.device import DeviceBatch
from tracker.fit import PersonFitter
from tracker.live import FrameFitter, Posterior, Seen
from tracker.pose import first_camera, iod_px

CONFIG = LiveConfig(small_gain=0.0)  # as many steps for one as for many
DEVICES = [
    "cpu",
    pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")),
]


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stream.gather.DONE_WITHIN_S", 240.0)  # else a busy machine is taken for a device that has died


def video(person: int, frames: int = 6) -> list[Landmarks]:
    actor = Actor(person)
    return [actor.seen(Pose(yaw=3.0 * index, z_m=0.5 + 0.05 * person), jawOpen=0.05 * index) for index in range(frames)]


def follow(fitter: FrameFitter | Seat, landmarks: list[Landmarks]) -> list[Posterior]:
    person = PersonFitter(load_builtin())
    posterior: Posterior | None = None
    history = []
    for index, seen_now in enumerate(landmarks):
        camera = first_camera(person.neutral, seen_now, default_focal_px(*seen_now.size_px))
        cold = person.layout.without_identity().pack(load_builtin().zero_params((1,)), camera)[0].numpy()
        centre = np.array((320, 240), np.float32)
        seen = Seen(seen_now.points_px, iod_px(seen_now), np.ones(478, np.float32), centre, index / 30)
        fit = fitter.fit(seen, cold if posterior is None else posterior.state, posterior)
        posterior = fit.posterior
        assert fit.fitted_px.shape == (478, 2)
        history.append(posterior)
    return history


@pytest.mark.parametrize("device", DEVICES)
def test_each_session_gets_the_fit_it_would_get_alone(device: str) -> None:
    rows = landmark_rows(load_builtin())
    gatherer = Gatherer(load_builtin(), device, CONFIG)
    got: dict[int, list[Posterior]] = {}

    def session(person: int) -> None:
        seat = gatherer.seat().with_identity(Actor(person).shape)
        got[person] = follow(seat, video(person))
        seat.leave()

    threads = [threading.Thread(target=session, args=(person,)) for person in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(240)
    gatherer.close()
    assert gatherer.fits == 18
    for person in range(3):
        alone = follow(FrameFitter(load_builtin(), fix_identity(rows, Actor(person).shape), CONFIG), video(person))
        for one, other in zip(got[person], alone, strict=True):
            np.testing.assert_allclose(one.state, other.state, atol=2e-2)


def test_trackers_share_a_device() -> None:
    """The server's own way there, with a face in the picture."""
    engine = gathering_engine(load_builtin(), "mesh", "cpu")
    trackers = [engine.new_tracker() for _ in range(2)]
    for index, image in enumerate(clip()[:25]):
        results = [tracker.step(Frame(image, index / 10, index)) for tracker in trackers]
    assert [result.state for result in results] == [State.TRACKING] * 2
    assert all(result.error_iod is not None and result.error_iod < 0.05 for result in results)
    for tracker in trackers:
        tracker.close()
    engine.close()
    assert "gathered-fits" not in [thread.name for thread in threading.enumerate()]


def test_seats_are_given_again_and_sixty_four_are_all() -> None:
    gatherer = Gatherer(load_builtin(), "cpu")
    seats = [gatherer.seat() for _ in range(64)]
    with pytest.raises(Exception, match="at most 64 sessions"):
        gatherer.seat()
    seats[5].leave()
    seats[5].leave()
    assert gatherer.seat()._place == 5
    gatherer.close()
    with pytest.raises(RuntimeError, match="ended"):
        follow(seats[0], video(0, 1))
    assert "gathered-fits" not in [thread.name for thread in threading.enumerate()]


def fit_one(gatherer: Gatherer) -> list[Posterior | str]:
    """On a thread of its own, which ends with what came of it."""
    told: list[Posterior | str] = []

    def session() -> None:
        try:
            told.extend(follow(gatherer.seat().with_identity(Actor(0).shape), video(0, 1)))
        except RuntimeError as error:
            told.append(str(error))

    thread = threading.Thread(target=session)
    thread.start()
    thread.join(240)
    assert not thread.is_alive()
    return told


def test_making_the_device_ready_is_not_counted_as_its_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    waited, go_on = threading.Event(), threading.Event()

    class SlowBatch(DeviceBatch):
        def __init__(self, *given: Any) -> None:
            assert go_on.wait(240)
            super().__init__(*given)

    def make_ready() -> None:
        assert not waited.wait(0.3), "it was given up"
        monkeypatch.setattr("stream.gather.DONE_WITHIN_S", 240.0)
        go_on.set()

    monkeypatch.setattr("stream.gather.DeviceBatch", SlowBatch)
    monkeypatch.setattr("stream.gather.DONE_WITHIN_S", 0.01)
    gatherer = Gatherer(load_builtin(), "cpu", CONFIG)
    readying = threading.Thread(target=make_ready)
    readying.start()
    (fitted,) = fit_one(gatherer)
    waited.set()
    readying.join()
    gatherer.close()
    assert isinstance(fitted, Posterior), fitted


@pytest.mark.parametrize("part", ["__init__", "fit"])
def test_a_device_that_fails_is_told_at_once(monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    def fail(*given: object) -> None:
        raise ZeroDivisionError("a fault")

    monkeypatch.setattr(DeviceBatch, part, fail)
    monkeypatch.setattr("stream.gather.DONE_WITHIN_S", 1e6)
    gatherer = Gatherer(load_builtin(), "cpu", CONFIG)
    (told,) = fit_one(gatherer)
    assert isinstance(told, str)
    assert "a fault" in told
    monkeypatch.setattr("stream.gather.DONE_WITHIN_S", 240.0)
    gatherer.close()
