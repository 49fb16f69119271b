"""One frame's fit: what a warm start spares, and time as a prior that holds what is still and lets go what moves."""

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from models.builtin import load_builtin
from models.camera import default_focal_px
from models.landmark_rows import landmark_rows
from models.types import Landmarks
from tests.tracker.actor import SIZE, Actor, Pose
from tracker.config import LiveConfig
from tracker.fit import PersonFitter
from tracker.live import FrameFitter, LiveFit, Posterior, Seen
from tracker.pose import first_camera, iod_px
from tracker.unknowns import Layout


class Follower:
    """Fits an actor's frames, whose identity and lens are known."""

    def __init__(self, actor: Actor, config: LiveConfig | None = None) -> None:
        head = load_builtin()
        rows = landmark_rows(head, actor.shape)
        self._fitter = FrameFitter(head, rows, config or LiveConfig())
        self._layout = Layout(rows.columns)
        self._neutral = person_fitter().neutral_of(actor.shape)
        self._rest = head.zero_params((1,))

    def fit(self, landmarks: Landmarks, before: Posterior | None = None, time_s: float = 0.0) -> LiveFit:
        if before is None:
            camera = first_camera(self._neutral, landmarks, default_focal_px(*SIZE))
            start = self._layout.pack(self._rest, camera)[0].numpy()
        else:
            start = before.state
        weights = person_fitter().weights.at(self._layout.rotation_of(start), landmarks.points_px)
        centre = np.array((SIZE[0] / 2, SIZE[1] / 2), np.float32)
        return self._fitter.fit(Seen(landmarks.points_px, iod_px(landmarks), weights, centre, time_s), start, before)

    def follow(self, frames: list[Landmarks]) -> list[LiveFit]:
        fits: list[LiveFit] = []
        for index, landmarks in enumerate(frames):
            fits.append(self.fit(landmarks, fits[-1].posterior if fits else None, index / 30))
        return fits


@lru_cache(maxsize=1)
def person_fitter() -> PersonFitter:
    return PersonFitter(load_builtin())


def error_iod(fit: LiveFit, landmarks: Landmarks) -> float:
    return float(np.linalg.norm(fit.fitted_px - landmarks.points_px, axis=1).mean()) / iod_px(landmarks)


@pytest.mark.parametrize("seed", range(4))
def test_random_parameters_are_found_again(seed: int) -> None:
    actor, random = Actor(seed, noise_px=0.1), np.random.default_rng(seed)
    yaw, pitch, roll = random.uniform(-25, 25, 3)
    pose = Pose(yaw, pitch, roll, x_m=random.uniform(-0.08, 0.08), z_m=random.uniform(0.45, 0.8))
    named = {"jawOpen": random.uniform(0, 0.8), "mouthSmileLeft": random.uniform(0, 1), "browInnerUp": 0.8}
    landmarks = actor.seen(pose, **named)
    fit = Follower(actor).fit(landmarks)
    assert error_iod(fit, landmarks) < 0.004
    head, state = load_builtin(), torch.from_numpy(fit.posterior.state)
    assert float(state[head.expression_size]) == pytest.approx(
        named["jawOpen"] * float(head.jaw_prior.high[0]), abs=0.06
    )
    truth = actor.camera(pose)
    turned = truth.rotation.T @ state[head.expression_size + 9 : head.expression_size + 18].reshape(3, 3)
    assert np.degrees(np.arccos(np.clip((float(turned.trace()) - 1) / 2, -1, 1))) < 3


def test_a_warm_start_needs_fewer_steps_for_the_same_answer() -> None:
    actor = Actor(1)
    first, second = actor.seen(Pose(yaw=10), jawOpen=0.3), actor.seen(Pose(yaw=11), jawOpen=0.35)
    follower = Follower(actor)
    warm = follower.fit(second, follower.fit(first).posterior, 1 / 30)
    cold = follower.fit(second)
    assert warm.iterations < cold.iterations
    assert warm.iterations <= 4
    assert error_iod(warm, second) < 1.1 * error_iod(cold, second)


def test_a_still_face_is_held_stiller_than_it_is_seen() -> None:
    actor = Actor(2, noise_px=0.3)
    frames = [actor.seen(Pose(yaw=5)) for _ in range(40)]
    held = np.stack([fit.fitted_px for fit in Follower(actor).follow(frames)[10:]])
    follower = Follower(actor)
    alone = np.stack([follower.fit(landmarks).fitted_px for landmarks in frames[10:]])
    assert held.std(0).mean() < 0.8 * alone.std(0).mean()


def test_a_face_that_trembles_as_a_whole_is_held() -> None:
    actor, random = Actor(2, noise_px=0.0), np.random.default_rng(2)
    still = actor.seen(Pose(yaw=5))
    shifts = random.normal(0, 0.05, (40, 1, 2)).astype(np.float32)
    frames = [replace(still, points_px=still.points_px + shift) for shift in shifts]
    held, let_go = (
        np.stack([fit.fitted_px.mean(0) for fit in Follower(actor, config).follow(frames)[10:]]).std(0).mean()
        for config in (LiveConfig(), replace(LiveConfig(), stirred_noise=0.2, hold=0.0))
    )
    assert held < 0.25 * shifts[10:].std()
    assert held < 0.5 * let_go


def test_a_face_that_stirs_is_followed_closer_than_one_at_rest() -> None:
    actor = Actor(5, noise_px=0.1)
    frames = [actor.seen(Pose(yaw=8 * np.sin(k / 5)), jawOpen=0.2 + 0.15 * np.sin(k / 3)) for k in range(40)]
    stirred, as_at_rest = (
        np.mean([fit.error_iod for fit in Follower(actor, config).follow(frames)[10:]])
        for config in (LiveConfig(), replace(LiveConfig(), stirred_noise=0.0))
    )
    assert stirred < 0.95 * as_at_rest


def test_a_fast_face_is_believed_at_once() -> None:
    actor = Actor(3)
    follower = Follower(actor)
    still = follower.follow([actor.seen(Pose()) for _ in range(20)])[-1]
    away = actor.seen(Pose(yaw=8, x_m=0.03), jawOpen=0.4)  # 30 % of the distance between the eyes
    moved = follower.fit(away, still.posterior, 20 / 30)
    assert error_iod(moved, away) < 0.008


def test_a_blink_of_one_frame_closes_the_lids_as_far_as_seen() -> None:
    actor = Actor(4)
    follower = Follower(actor)
    still = follower.follow([actor.seen(Pose()) for _ in range(20)])[-1]
    seen = actor.seen(Pose(), eyeBlinkLeft=1, eyeBlinkRight=1)
    shut = follower.fit(seen, still.posterior, 20 / 30)
    assert lid_gap(shut.fitted_px) == pytest.approx(lid_gap(seen.points_px), abs=0.6)
    assert lid_gap(shut.fitted_px) < 0.4 * lid_gap(still.fitted_px)


def lid_gap(points_px: NDArray[np.float32]) -> float:
    return float(np.linalg.norm(points_px[[159, 386]] - points_px[[145, 374]], axis=1).mean())


def test_frames_may_come_at_any_rate() -> None:
    actor = Actor(5)
    follower = Follower(actor)
    before = follower.fit(actor.seen(Pose())).posterior
    now = actor.seen(Pose(yaw=1))
    sure = [follower.fit(now, before, time_s).posterior.variance.mean() for time_s in (0.0, 0.033, 0.4)]
    assert sure[0] <= sure[1] <= sure[2]
    assert np.isfinite(sure).all()


def test_noise_from_everywhere_stays_finite() -> None:
    actor, random = Actor(6), np.random.default_rng(0)
    follower = Follower(actor)
    before: Posterior | None = None
    for index in range(20):
        seen = actor.seen(Pose())
        wild = Landmarks(
            random.uniform(-1e4, 1e4, (478, 2)).astype(np.float32), seen.depth_px, seen.size_px, seen.presence
        )
        fit = follower.fit(wild, before, index / 30)
        assert np.isfinite(fit.posterior.state).all()
        assert np.isfinite(fit.posterior.variance).all()
        before = fit.posterior
