"""Weights made into a moving face and found again, by name and from landmarks alone."""

import time
from functools import lru_cache

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from models.arkit import (
    FULL_LOOK,
    ArkitSolver,
    arkit_params,
    arkit_solver,
    geometric_responses,
    mirror_landmarks,
    named_weights,
    speaks_arkit,
)
from models.arkit_names import ARKIT_NAMES, mirror_name
from models.head import embed, pose_head, shape_head
from models.types import HeadParams, MienError
from tests.models.builtin import builtin_head
from tests.models.toy_head import toy_head

Floats = NDArray[np.float64]
Frames = tuple[Floats, Floats]  # weights [N, 52], landmarks [N, 478, 3]


def number(name: str) -> int:
    return ARKIT_NAMES.index(name)


EYES = [number(name) for name in ARKIT_NAMES if name.startswith("eyeLook")]


@lru_cache(maxsize=1)
def solver() -> ArkitSolver:
    return arkit_solver(builtin_head(), builtin_head().zero_identity(), builtin_head())


@lru_cache(maxsize=1)
def frames(count: int = 60) -> Frames:
    """Faces with up to five motions at once, seen as landmarks."""
    random = np.random.default_rng(0)
    head = builtin_head().to(dtype=torch.float64)
    shaped = shape_head(head, head.zero_identity())
    weights = np.zeros((count, len(ARKIT_NAMES)))
    for frame in weights:
        on = random.choice(len(ARKIT_NAMES), 5, replace=False)
        frame[on] = random.uniform(0.2, 1.0, 5)
        frame[number("tongueOut")] = 0
        frame[number("mouthClose")] = min(frame[number("mouthClose")], frame[number("jawOpen")])
    params = [arkit_params(head, torch.from_numpy(frame)) for frame in weights]
    landmarks = [embed(head.embedding, pose_head(shaped, one).vertices).numpy() for one in params]
    return weights, np.stack(landmarks)


def looks_of(weights: Floats) -> Floats:
    """Only the eyeLook of weights [..., 52]."""
    known = np.zeros_like(weights)
    known[..., EYES] = weights[..., EYES]
    return known


# By name.


def test_the_built_in_head_says_its_weights_itself() -> None:
    head = builtin_head()
    assert speaks_arkit(head)
    weights = torch.zeros(len(ARKIT_NAMES))
    for name, value in (("jawOpen", 0.5), ("mouthSmileLeft", 0.8), ("jawRight", 0.3), ("eyeLookInLeft", 0.6)):
        weights[number(name)] = value
    params = arkit_params(head, weights)
    assert params.jaw[0] == pytest.approx(0.5 * float(head.jaw_prior.high[0]))
    assert params.jaw[1] < 0  # to the subject's right
    assert params.eyes[0, 1] == pytest.approx(-0.6 * FULL_LOOK)  # the left eye looks inwards: to the right
    torch.testing.assert_close(named_weights(head, params), weights)


def test_named_weights_keep_to_0_and_1_and_do_not_know_the_tongue() -> None:
    head = builtin_head()
    wild = HeadParams.zeros(head.expression_size, (3,))
    params = wild.with_(expression=wild.expression + 1.7, jaw=wild.jaw - 0.8, eyes=wild.eyes + 1.1)
    weights = named_weights(head, params)
    assert weights.shape == (3, 52)
    assert weights.min() >= 0
    assert weights.max() <= 1
    assert weights[:, number("tongueOut")].eq(0).all()
    assert weights[:, number("jawOpen")].eq(0).all()


def test_a_head_of_another_language_is_not_taken_by_name() -> None:
    with pytest.raises(MienError, match="lacks"):
        named_weights(toy_head(), toy_head().zero_params())


# From landmarks.


def test_weights_are_found_again_from_landmarks() -> None:
    weights, landmarks = frames()
    found = solver().solve(landmarks, looks_of(weights))
    error = np.abs(found - weights)
    correlation = np.corrcoef(found.ravel(), weights.ravel())[0, 1]
    print(f"mean error {error.mean():.4f}, correlation {correlation:.3f}")
    assert correlation > 0.97
    assert error.mean() < 0.02
    hidden = [number(name) for name in solver().unseen]
    assert np.delete(error, hidden, axis=1)[weights.nonzero()[0][0]].max() < 0.3


def test_one_motion_at_a_time_is_found_alone() -> None:
    head = builtin_head().to(dtype=torch.float64)
    shaped = shape_head(head, head.zero_identity())
    blurred = []
    for name in ARKIT_NAMES:
        if name in solver().unseen or number(name) in EYES or name == "mouthClose":
            continue
        weights = torch.zeros(len(ARKIT_NAMES), dtype=torch.float64)
        weights[number(name)] = 0.9
        found = solver().solve(embed(head.embedding, pose_head(shaped, arkit_params(head, weights)).vertices).numpy())
        others = np.delete(found, number(name)).max()
        if not (found[number(name)] > 0.6 and others < 0.4 * found[number(name)]):
            blurred.append((name, round(float(found[number(name)]), 2), round(float(others), 2)))
    assert blurred == []


def test_moving_turning_and_growing_a_face_changes_no_weight() -> None:
    weights, landmarks = frames()
    random = np.random.default_rng(1)
    for frame in range(4):
        axis = 0.02 * random.normal(size=3)
        turned = landmarks[frame] + np.cross(axis, landmarks[frame])
        moved = 1.01 * turned + 0.004 * random.normal(size=3)
        still = solver().solve(landmarks[frame], looks_of(weights[frame]))
        assert np.abs(solver().solve(moved, looks_of(weights[frame])) - still).max() < 0.06


def test_a_hand_before_the_brow_does_not_move_the_mouth() -> None:
    weights, landmarks = frames()
    mouth = [number(name) for name in ARKIT_NAMES if name.startswith(("mouth", "jaw"))]
    disturbed = landmarks[:6].copy()
    disturbed[:, (105, 66, 107, 55, 65, 52)] += (0.01, -0.02, 0.0)
    clean = solver().solve(landmarks[:6], looks_of(weights[:6]))
    found = solver().solve(disturbed, looks_of(weights[:6]))
    assert np.abs(found - clean)[:, mouth].max() < 0.1


def test_bounds_are_kept_whatever_the_landmarks_are() -> None:
    random = np.random.default_rng(2)
    noise = solver().rest + 0.02 * random.normal(size=(20, *solver().rest.shape))
    found = solver().solve(noise)
    assert found.min() >= 0
    assert found.max() <= 1


def test_a_mirrored_face_has_mirrored_weights() -> None:
    weights, landmarks = frames()
    partner = [number(mirror_name(name)) for name in ARKIT_NAMES]
    order = np.concatenate([mirror_landmarks(), np.arange(468, 478)])
    for frame in range(5):
        motion = landmarks[frame] - solver().rest
        mirrored = solver().rest + motion[order] * (-1, 1, 1)
        here = solver().solve(landmarks[frame], looks_of(weights[frame]))
        there = solver().solve(mirrored, looks_of(weights[frame])[partner])
        np.testing.assert_allclose(there, here[partner], atol=1e-6)


def test_starting_from_the_frame_before_takes_fewer_sweeps() -> None:
    weights, landmarks = frames()
    cold = warm = 0
    for frame, points in zip(weights, landmarks, strict=True):
        found, sweeps = solver().solve_one(points, looks_of(frame), None)
        again, fewer = solver().solve_one(points, looks_of(frame), found)
        cold, warm = cold + sweeps, warm + fewer
        np.testing.assert_allclose(again, found, atol=0.01)
    assert warm < 0.6 * cold
    start = time.process_time()
    for frame, points in zip(weights, landmarks, strict=True):
        solver().solve_one(points, looks_of(frame), frame)
    print(f"{1000 * (time.process_time() - start) / len(weights):.3f} ms a frame, started from the frame before")


# What the responses are.


def test_the_mouth_closes_over_an_open_jaw() -> None:
    responses, rest = geometric_responses(builtin_head())
    gap = rest[13] - rest[14]
    opened = gap + responses[number("jawOpen"), 13] - responses[number("jawOpen"), 14]
    closing = responses[number("mouthClose"), 13] - responses[number("mouthClose"), 14]
    assert np.linalg.norm(opened) > 0.3
    assert np.linalg.norm(opened + closing) < 0.03


def test_what_landmarks_cannot_tell_is_named() -> None:
    responses, _ = geometric_responses(builtin_head())
    assert solver().unseen[-1] == "tongueOut"
    silenced = responses.copy()
    silenced[number("cheekPuff")] *= 0.01
    silenced[number("mouthPucker")] = silenced[number("mouthFunnel")]
    unseen = arkit_solver(builtin_head(), builtin_head().zero_identity(), builtin_head(), silenced).unseen
    assert {"cheekPuff", "mouthPucker", "mouthFunnel"} <= set(unseen)
    assert "jawOpen" not in unseen


def test_another_person_and_another_size_are_understood() -> None:
    head = builtin_head().to(dtype=torch.float64)
    identity = torch.randn(head.identity_size, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    shaped = shape_head(head, identity)
    weights = torch.zeros(len(ARKIT_NAMES), dtype=torch.float64)
    weights[number("mouthSmileLeft")], weights[number("browInnerUp")] = 0.8, 0.7
    landmarks = embed(head.embedding, pose_head(shaped, arkit_params(head, weights)).vertices).numpy()
    found = arkit_solver(head, identity, builtin_head()).solve(landmarks)
    assert found[number("mouthSmileLeft")] > 0.6
    assert found[number("browInnerUp")] > 0.5
    assert found[number("mouthSmileRight")] < 0.1
    larger = ArkitSolver.of(2 * solver().rest, geometric_responses(builtin_head())[0])
    one = frames()[1][0]
    np.testing.assert_allclose(larger.solve(2 * one), solver().solve(one), atol=1e-9)


def test_responses_of_another_shape_are_refused() -> None:
    with pytest.raises(MienError, match=r"\[52, 478, 3\]"):
        ArkitSolver.of(np.zeros((478, 3)), np.zeros((51, 478, 3)))
