"""Whether it is still the same person: evidence gathered over frames, held against what is usual."""

import pytest
import torch

from models.builtin import load_builtin
from models.types import Identity
from tests.tracker.actor import Actor, Pose
from tracker.fit import PersonFitter
from tracker.person import PersonCheck, PersonConfig

CHECK_S = 0.2
CHECKS = PersonConfig().checks_before_verdict
EXPRESSIONS = ({"jawOpen": 0.4}, {"mouthSmileLeft": 0.7, "mouthSmileRight": 0.7}, {"browInnerUp": 0.8})


@pytest.fixture(scope="module")
def fitter() -> PersonFitter:
    return PersonFitter(load_builtin())


class Watched:
    """A check of one person's head, shown others: every frame is fitted with the head that was learned."""

    def __init__(self, fitter: PersonFitter, learned: torch.Tensor) -> None:
        self._fitter, self._learned = fitter, learned
        self.check = PersonCheck(fitter, Identity(learned, 554.0, (640, 480), "", ""))
        self.time_s = 0.0

    def shows(self, actor: Actor, checks: int) -> bool:
        """Does the check say that this is somebody else?"""
        return sum(self._shows(actor, index) for index in range(checks)) > 0

    def _shows(self, actor: Actor, index: int) -> bool:
        self.time_s += CHECK_S
        landmarks = actor.seen(Pose(yaw=12.0 * (index % 3 - 1)), **EXPRESSIONS[index % 3])
        state = self._fitter.first_state(landmarks, self._learned, 554.0)
        for _ in range(6):
            normal = self._fitter.energy(self._fitter.observe([landmarks], state), shared_by=1)(state)
            own = torch.ones(normal.gradient.shape[1], dtype=torch.bool)
            own[self._fitter.layout.shared()] = False
            step = torch.zeros_like(normal.gradient)
            step[0, own] = torch.linalg.solve(normal.hessian[0][own][:, own], -normal.gradient[0, own])
            state = self._fitter.layout.retract(state, step)
        return self.check.is_due(self.time_s) and self.check.somebody_else(landmarks, state, self.time_s)


def test_who_was_learned_stays_who_they_are(fitter: PersonFitter) -> None:
    actor = Actor(1)
    watched = Watched(fitter, actor.shape)
    assert not watched.shows(actor, 8)
    watched.check.break_at(watched.time_s, gone=True)
    assert not watched.shows(actor, 8)
    assert watched.check.gain < 3


def test_a_head_learned_with_errors_is_no_other_person(fitter: PersonFitter) -> None:
    actor = Actor(2)
    error = 0.4 * torch.randn(actor.shape.shape, generator=torch.Generator().manual_seed(0))
    watched = Watched(fitter, actor.shape + error)
    watched.shows(actor, 4)
    watched.check.break_at(watched.time_s, gone=True)
    watched.shows(actor, CHECKS)
    unusual = watched.check.gain
    watched = Watched(fitter, actor.shape + error)
    watched.shows(actor, 20)
    watched.check.break_at(watched.time_s, gone=True)
    watched.shows(actor, CHECKS)
    assert watched.check.gain < 0.6 * unusual  # what is usual with a person counts for nothing


def test_another_person_is_noticed_within_two_seconds_of_a_break(fitter: PersonFitter) -> None:
    watched = Watched(fitter, Actor(3).shape)
    assert not watched.shows(Actor(3), 8)
    watched.check.break_at(watched.time_s, gone=True)
    assert watched.shows(Actor(4), 9)


def test_no_verdict_falls_on_a_moment(fitter: PersonFitter) -> None:
    watched = Watched(fitter, Actor(3).shape)
    watched.check.break_at(watched.time_s, gone=True)
    assert not watched.shows(Actor(4), 4)


def test_a_figure_that_keeps_changing_does_not_begin_anew(fitter: PersonFitter) -> None:
    watched = Watched(fitter, Actor(3).shape)
    watched.shows(Actor(3), 8)
    watched.check.break_at(watched.time_s, gone=True)
    found = False
    for _ in range(9):
        watched.check.break_at(watched.time_s, gone=False)
        found |= watched.shows(Actor(4), 1)
    assert found
