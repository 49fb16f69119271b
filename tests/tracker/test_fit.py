"""Pictures of one person: the pose from anything that a face may do before a camera, and one identity for all."""

import numpy as np
import pytest
import torch

from models.builtin import load_builtin
from models.types import Camera
from tests.tracker.actor import Actor, Pose
from tracker.fit import PersonFitter


@pytest.fixture(scope="module")
def fitter() -> PersonFitter:
    return PersonFitter(load_builtin())


def degrees_between(one: torch.Tensor, other: torch.Tensor) -> float:
    return float(np.degrees(np.arccos(np.clip((np.trace((one.T @ other).numpy()) - 1) / 2, -1, 1))))


@pytest.mark.parametrize(
    "pose",
    [
        Pose(yaw=60),
        Pose(yaw=-60, roll=-45),
        Pose(yaw=30, pitch=25, roll=45),
        Pose(pitch=-25, x_m=0.15, z_m=1.2),
        Pose(roll=45, x_m=-0.05, z_m=0.35),
    ],
)
def test_the_pose_is_found_from_any_pose(fitter: PersonFitter, pose: Pose) -> None:
    actor = Actor(3)
    fit = fitter.fit([actor.seen(pose, jawOpen=0.3)])
    truth = actor.camera(pose)
    assert degrees_between(fit.camera.rotation[0], truth.rotation) < 4
    assert float(fit.error_iod[0]) < 0.008
    # Depth and focal length trade against each other; their ratio does not.
    assert view_size(fit.camera[0]) == pytest.approx(view_size(truth), rel=0.08)


def view_size(camera: Camera) -> float:
    return float(camera.focal_px / camera.translation[2])


def test_several_pictures_tell_more_of_a_person_than_one(fitter: PersonFitter) -> None:
    actor = Actor(4)
    poses = [Pose(), Pose(yaw=35), Pose(yaw=-35), Pose(pitch=20)]
    pictures = [actor.seen(pose, jawOpen=0.2 * index) for index, pose in enumerate(poses)]
    truth = fitter.neutral_of(actor.shape)

    def missed(shape: torch.Tensor) -> float:
        return float((fitter.neutral_of(shape) - truth).norm(dim=1).mean())

    together = fitter.fit(pictures)
    assert missed(together.identity.shape) < missed(fitter.fit(pictures[:1]).identity.shape)
    assert missed(together.identity.shape) < 0.003
    assert float(together.error_iod.max()) < 0.008


def test_pictures_of_different_sizes_have_lenses_of_their_own(fitter: PersonFitter) -> None:
    small, large = Actor(5, size=(320, 240)), Actor(5, size=(1280, 960))
    fit = fitter.fit([small.seen(Pose()), large.seen(Pose(yaw=20))])
    assert float(fit.camera.focal_px[1] / fit.camera.focal_px[0]) == pytest.approx(4, rel=0.25)
    assert float(fit.error_iod.max()) < 0.01


def test_the_same_picture_twice_gives_equal_numbers(fitter: PersonFitter) -> None:
    picture = Actor(6).seen(Pose(yaw=20))
    one, other = fitter.fit([picture]), fitter.fit([picture])
    assert torch.equal(one.fitted_px, other.fitted_px)
    assert torch.equal(one.identity.shape, other.identity.shape)
