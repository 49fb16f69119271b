"""Photos that are not upright, and heads that are turned far in them."""

from functools import lru_cache

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from models.builtin import load_builtin
from models.types import Landmarks
from render.studio import Motion, Shot, film, random_person, random_stage
from tests.tracker.actor import Actor, Pose
from tracker.calibration import Corrections, Told
from tracker.fit import PersonFitter
from tracker.landmarks import open_detector


@lru_cache(maxsize=1)
def shots() -> tuple[Shot, Shot]:
    """Somebody who looks at the camera, and 60 degrees aside."""
    motion = Motion.still(2)
    motion.turn_degrees[1] = (0, 60, 0)
    ahead, aside = film(load_builtin(), random_person(load_builtin(), 72), random_stage(72), motion)
    return ahead, aside


def detect(image: NDArray[np.uint8], face: str = "largest") -> Landmarks:
    detector = open_detector("mesh", still=True, face=face)
    try:
        found = detector.detect(image)
    finally:
        detector.close()
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("quarters", "face"), [(1, "largest"), (2, "largest"), (3, "largest"), (1, "1"), (2, "1"), (3, "1")]
)
def test_a_photo_that_lies_on_its_side_is_read_as_an_upright_one(quarters: int, face: str) -> None:
    image = shots()[0].image
    upright = detect(image)
    found = detect(np.ascontiguousarray(np.rot90(image, quarters)), face)
    x, y = (upright.points_px - np.array((image.shape[1], image.shape[0])) / 2).T
    for _ in range(quarters):
        x, y = y, -x
    middle = np.array(found.size_px) / 2
    missed = np.linalg.norm(found.points_px - middle - np.stack((x, y), 1), axis=1).mean()
    eyes = np.linalg.norm(upright.points_px[33] - upright.points_px[263])
    assert missed < 0.05 * eyes


def test_a_head_turned_far_in_a_photo_is_told_turned_far() -> None:
    aside, head = shots()[1], load_builtin()
    seen = detect(aside.image)
    fit = PersonFitter(head).fit([seen], depth_tells_turn=True)
    plain = Told(fit.params[0], fit.camera[0], fit.fitted_m[0].numpy())
    told = Corrections(head, "mesh").apply(plain, fit.fitted_px[0].numpy(), seen.points_px, 0.0)
    apart = told.camera.rotation.double().T @ aside.camera.rotation
    degrees = float(torch.rad2deg(torch.acos(((apart.trace() - 1) / 2).clamp(-1, 1))))
    assert degrees < 14, "the points alone would tell 20 and more"


def test_depth_says_nothing_of_a_head_that_looks_at_the_camera() -> None:
    fitter = PersonFitter(load_builtin())
    ahead, aside = (fitter.fit([Actor(3).seen(Pose(yaw=yaw))], True) for yaw in (10, 60))
    assert float(ahead.info.normal.error_by_term["depth"][0]) == 0
    assert float(aside.info.normal.error_by_term["depth"][0]) > 0
