"""The studio: what it says is true of a picture is what the picture shows, and the same seeds show the same."""

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from models.arkit_names import ARKIT_NAMES
from models.builtin import load_builtin
from models.head import Head
from models.ict import read_ict
from render.studio import Motion, Shot, film, random_person, random_stage
from render.studio.film import frozen
from render.studio.fine_surface import FineSurface
from render.studio.motion import SINGLE_MOTIONS, gaze_sweeps, head_sweeps, one_rise, talking
from render.studio.paint import sky_seen
from render.studio.people import SKINS, between

IRISES = (468, 473)


@lru_cache(maxsize=1)
def builtin() -> Head:
    return load_builtin()


def shoot(motion: Motion, seed: int = 1) -> list[Shot]:
    return list(film(builtin(), random_person(builtin(), seed), random_stage(seed), motion))


def test_the_same_seeds_give_the_same_pictures_and_others_give_others() -> None:
    motion = talking(3, 10.0, seed=1)
    one, again, other = shoot(motion), shoot(motion), shoot(motion, seed=2)
    assert all((a.image == b.image).all() for a, b in zip(one, again, strict=True))
    assert all((a.landmarks_m == b.landmarks_m).all() for a, b in zip(one, again, strict=True))
    assert np.abs(one[0].image.astype(int) - other[0].image).mean() > 5
    assert not torch.equal(random_person(builtin(), 1).identity, random_person(builtin(), 2).identity)


def test_the_eyes_are_drawn_where_the_truth_says() -> None:
    motion = Motion.still(4)
    motion.look(np.array([0.0, 20.0, -20.0, 0.0]), np.zeros(4))
    motion.turn_degrees[3] = (5.0, 20.0, -10.0)
    for shot in shoot(motion):
        grey = shot.image.astype(float).mean(2)
        for iris in IRISES:
            x, y = shot.landmarks_px[iris]
            rim = shot.landmarks_px[iris + 1 : iris + 5]
            radius = np.linalg.norm(rim - (x, y), axis=1).mean()
            sides = [grey[int(y), int(x + 1.7 * side * radius)] for side in (-1, 1)]
            assert grey[int(y), int(x)] < 0.7 * max(sides), "the pupil is darker than the white beside it"


def test_truth_is_told_in_the_camera_frame() -> None:
    motion = Motion.still(3)
    motion.turn_degrees[1] = (0.0, 30.0, 0.0)
    motion.look(np.array([0.0, 0.0, 25.0]), np.zeros(3))
    rest, turned, looking = shoot(motion)
    nose, left_corner = 1, 263
    assert turned.landmarks_m[nose, 0] - rest.landmarks_m[nose, 0] > 0.02  # to the subject's left: right in the picture
    assert turned.landmarks_m[left_corner, 2] > rest.landmarks_m[left_corner, 2]  # which is now farther away
    np.testing.assert_allclose(rest.gaze, [[0, 0, -1]] * 2, atol=1e-6)
    np.testing.assert_allclose(looking.gaze, [[np.sin(np.radians(25)), 0, -np.cos(np.radians(25))]] * 2, atol=1e-6)
    focal, centre = rest.camera.focal_px.item(), rest.camera.principal_px.numpy()
    flat = focal * rest.landmarks_m[:, :2] / rest.landmarks_m[:, 2:] + centre
    np.testing.assert_allclose(rest.landmarks_px, flat, atol=1e-9)


def test_a_face_fills_about_what_it_should() -> None:
    for seed in (1, 2, 3):
        shot = shoot(Motion.still(1), seed)[0]
        height = np.ptp(shot.landmarks_px[:468, 1])
        assert 140 < height < 260
        assert 0.4 <= shot.camera.translation[2] <= 0.95


def test_one_motion_moves_what_it_is_called_after() -> None:
    assert len(SINGLE_MOTIONS) == 36
    for name, shapes in SINGLE_MOTIONS.items():
        motion = one_rise(name)
        moved = {ARKIT_NAMES[k] for k in np.flatnonzero(motion.weights.max(0))}
        assert moved == set(shapes)
        assert motion.weights.max() == 1
        assert motion.weights[-1].max() == 0
        assert not motion.turn_degrees.any()


def test_lids_follow_the_eyes_which_is_no_blink() -> None:
    motion = Motion.still(2)
    motion.look(np.zeros(2), np.array([0.0, 20.0]))
    assert motion.weight("eyeBlinkLeft").max() == 0
    shown = motion.with_lids_following()
    assert shown[1, ARKIT_NAMES.index("eyeBlinkLeft")] == pytest.approx(0.2, abs=0.01)
    assert shown[0].max() == 0


def test_motions_reach_as_far_as_promised() -> None:
    sweeps = head_sweeps()
    assert np.abs(sweeps.turn_degrees[:, 1]).max() == pytest.approx(35, abs=0.5)
    assert sweeps.weights.max() == 0
    looks = gaze_sweeps()
    assert looks.weight("eyeLookOutLeft").max() == pytest.approx(25 / 30, abs=0.01)
    assert np.abs(looks.turn_degrees).max() < 2
    gentle, turning = talking(200, 6.0, 1), talking(200, 25.0, 1)
    assert np.abs(gentle.turn_degrees).max() <= 6 < np.abs(turning.turn_degrees).max() <= 25
    for motion in (gentle, turning):
        assert (motion.weights.max(0) > 0.2).sum() > 35, "nearly everything moves"
        assert 0 <= motion.weights.min() <= motion.weights.max() <= 1
        assert motion.weights[[0, -1]].max() == 0, "it sets out from rest and comes back to it"


def test_a_frozen_picture_changes_by_its_noise_alone() -> None:
    stage = replace(random_stage(1), exposure=0.5)  # nothing so bright or dark that noise is cut off
    shot = next(iter(film(builtin(), random_person(builtin(), 1), stage, Motion.still(1))))
    held = [again.image.astype(float) for again in frozen(shot, stage, 8, 2.0)]
    middle = np.stack(held)[:, 100:300, 200:400]
    assert middle.std(0).mean() == pytest.approx(2.0, rel=0.15)


def test_the_refined_surface_lies_on_the_head() -> None:
    head = builtin()
    surface = FineSurface.of(head)
    rest = head.template.double().numpy()
    fine = surface.lift(rest)
    assert (fine[: head.vertex_count] == rest).all()

    def area(vertices: NDArray[np.float64], triangles: NDArray[np.int64]) -> float:
        a, b, c = (vertices[triangles[:, k]] for k in range(3))
        return float(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum())

    assert area(fine, surface.triangles) == pytest.approx(area(rest, head.triangles.numpy()), rel=1e-9)
    assert len(surface.triangles) > 1.5 * len(head.triangles)
    ids = head.regions["lips_upper"].numpy()
    assert surface.lift_set(ids, head.vertex_count).sum() > len(ids)


def test_less_sky_is_seen_from_nostrils_than_from_the_forehead() -> None:
    head = builtin()
    sky = sky_seen(head.template.double().numpy(), head.triangles.numpy())
    nostrils = sky[head.regions["nostril_passage_left"].numpy()].mean()
    forehead = sky[head.embedding.vertices[151, 0]]
    assert nostrils < 0.5 * forehead
    assert 0.1 < sky.min() < sky.max() <= 1.001


def test_skins_lie_between_the_lightest_and_the_darkest() -> None:
    assert between(SKINS, 0.0) == pytest.approx(SKINS[0])
    assert between(SKINS, len(SKINS) - 1.0) == pytest.approx(SKINS[-1])
    assert SKINS[1][0] < between(SKINS, 0.5)[0] < SKINS[0][0]


def test_another_model_can_play(shared_dir: Path) -> None:
    head = read_ict(shared_dir / "ict_facekit_sample")
    motion = Motion.still(2)
    for name in ("jawOpen", "cheekPuff"):  # the sample has no cheekPuff
        motion.weight(name)[1] = 1.0
    rest, opened = film(head, random_person(head, 1), random_stage(1), motion)
    gap = [np.linalg.norm(shot.landmarks_m[13] - shot.landmarks_m[14]) for shot in (rest, opened)]
    assert gap[1] > gap[0] + 0.02
    moved = {ARKIT_NAMES[k] for k in np.flatnonzero(opened.weights)}
    assert moved == {"jawOpen"}, "what the head cannot show is not true either"
    assert np.ptp(opened.image.astype(int).mean(2)) > 100
