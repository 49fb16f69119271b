"""One person fitted through the batch of a device, against the fit that is made for one on the CPU."""

import numpy as np
import pytest
import torch

from models.builtin import load_builtin
from models.types import Identity, State, TrackResult
from tests.tracker.actor import SIZE, Actor, frame
from tests.tracker.test_tracker import GivenLandmarks, talking
from tracker.device import fitters_on
from tracker.tracker import HeadTracker

FRAMES, GONE = 30, (14, 15)


def follow(actor: Actor, device: str | None) -> list[TrackResult]:
    """A known person who is gone for a moment."""
    head, script = load_builtin(), talking(actor)
    identity = Identity(actor.shape, 554.0, SIZE, head.name, head.sha256)
    opened = None if device is None else fitters_on(device, head)
    who = HeadTracker(head, GivenLandmarks(), identity, open_fitter=opened)
    return [who.follow(None if index in GONE else script(index), frame(index)) for index in range(FRAMES)]


@pytest.mark.parametrize(
    "device",
    [
        "cpu",
        pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")),
    ],
)
def test_a_person_is_followed_alike_on_a_device(device: str) -> None:
    wanted, got = follow(Actor(3, noise_px=0.1), None), follow(Actor(3, noise_px=0.1), device)
    assert [result.state for result in got] == [result.state for result in wanted]
    assert State.LOST in [result.state for result in got]
    for one, other in zip(wanted, got, strict=True):
        if one.fitted_px is None:
            continue
        assert other.fitted_px is not None
        assert one.camera is not None and other.camera is not None  # noqa: PT018
        assert np.linalg.norm(one.fitted_px - other.fitted_px, axis=1).mean() < 0.3
        torch.testing.assert_close(other.camera.rotation, one.camera.rotation, atol=0.01, rtol=0)
