"""Portraits: what is true of a plain picture is true of them, and everything is drawn where it belongs."""

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from models.builtin import load_builtin
from models.embedding.mesh import vertex_normals
from models.head import Head, embed
from models.ict import read_ict
from render.studio import Motion, Shot, film, random_person, random_stage
from render.studio.portrait import Portrait
from render.studio.portrait.kernels import draw_strands, shadow_at
from render.studio.portrait.strands import Skin, grow_hair, hair_grown
from render.studio.portrait.surface import PortraitSurface

IRISES = (468, 473)
SIZE = (320, 240)


@lru_cache(maxsize=1)
def builtin() -> Head:
    return load_builtin()


@lru_cache(maxsize=1)
def painter() -> Portrait:
    return Portrait(builtin(), random_person(builtin(), 2), random_stage(2, SIZE, face_px=120), texels=256)


def shoot(motion: Motion) -> list[Shot]:
    stage = random_stage(2, SIZE, face_px=120)
    return list(film(builtin(), random_person(builtin(), 2), stage, motion, maker=painter()))


def test_the_same_frames_give_the_same_pictures_and_the_truth_is_that_of_the_plain_ones() -> None:
    motion = Motion.still(2)
    motion.turn_degrees[1] = (3.0, 12.0, 2.0)
    one, again = shoot(motion), shoot(motion)
    assert all((a.image == b.image).all() for a, b in zip(one, again, strict=True))
    assert one[0].image.shape == (240, 320, 3)
    plain = film(builtin(), random_person(builtin(), 2), random_stage(2, SIZE, face_px=120), motion)
    for portrait, shot in zip(one, plain, strict=True):
        assert (portrait.landmarks_px == shot.landmarks_px).all()


def test_the_eyes_look_where_the_truth_says() -> None:
    motion = Motion.still(3)
    motion.look(np.array([0.0, 18.0, -18.0]), np.zeros(3))
    for shot in shoot(motion):
        grey = shot.image.astype(float).mean(2)
        for iris in IRISES:
            x, y = shot.landmarks_px[iris]
            radius = np.linalg.norm(shot.landmarks_px[iris + 1 : iris + 5] - (x, y), axis=1).mean()
            sides = [grey[int(y), int(x + 1.7 * side * radius)] for side in (-1, 1)]
            dark = grey[int(y - radius / 2) : int(y + radius / 2) + 1, int(x - radius / 2) : int(x + radius / 2) + 1]
            assert dark.min() < 0.7 * max(sides), "the iris is darker than the white beside it"


def test_a_broken_head_or_one_behind_the_camera_leaves_the_room() -> None:
    shot = shoot(Motion.still(1))[0]
    vertices = builtin().template.double().numpy()
    behind = replace(shot.camera, translation=-shot.camera.translation)
    empty = painter().draw(vertices, behind, 0)
    broken = painter().draw(np.full_like(vertices, np.nan), shot.camera, 0)
    x, y = shot.landmarks_px[4].astype(int)
    assert np.abs(shot.image[y, x].astype(int) - empty[y, x]).max() > 20
    assert (broken[:100] == empty[:100]).all()


def test_a_turning_head_takes_its_neck_along_and_leaves_its_shoulders() -> None:
    motion = Motion.still(2)
    motion.turn_degrees[1, 1] = 20
    rest, turned = (shot.image.astype(int) for shot in shoot(motion))
    change = np.abs(rest - turned).max(2) > 25
    assert change[60:160, 100:220].mean() > 0.15
    assert change[-6:].mean() < 0.05


def test_a_lamp_is_hidden_by_what_stands_before_it() -> None:
    wall = np.full((8, 8), -np.inf, np.float32)
    wall[:, :4] = 0.5  # on the left something stands half a metre nearer to the lamp
    points = np.array([[-0.5, 0, 0], [0.5, 0, 0], [-0.5, 0, 0.6], [5, 5, 0]])
    lit = np.empty(4, np.float32)
    axes = np.eye(3)
    shadow_at(points, axes[0], axes[1], axes[2], np.kron(wall, np.ones((8, 8), np.float32)), 1.0, 0.01, lit)
    assert lit == pytest.approx([0, 1, 1, 1])


def hair_over(depth_m: float) -> NDArray[np.float32]:
    """One hair a metre away across a grey picture whose surface is at that depth."""
    image, depth = np.full((20, 40, 3), 0.5, np.float32), np.full((20, 40), depth_m, np.float32)
    points = np.array([[[-0.1, 0.002, 1.0], [0.0, 0.002, 1.0], [0.1, 0.002, 1.0]]], np.float32)
    nothing = np.zeros((1, 3))
    draw_strands(
        points, np.zeros((1, 3), np.float32), np.zeros((1, 3), np.float32), np.array((100.0, 20.0, 10.0)),
        np.array([[0.0, 0, -1]]), nothing, 0.0, 0.02, np.ones(1, np.float32), depth, image,
    )  # fmt: skip
    return image


def test_a_hair_is_drawn_before_what_is_farther_and_hidden_by_what_is_nearer() -> None:
    drawn = hair_over(2.0)
    rows = np.unique(np.argwhere(drawn[..., 0] < 0.45)[:, 0])
    assert rows.tolist() in ([9, 10], [10], [10, 11], [9])
    assert (drawn[:, 15] < 0.2).any()
    assert (drawn[:, :9] == 0.5).all(), "it ends where it ends"
    assert (hair_over(0.5) == 0.5).all()


def test_hair_grows_on_the_head_and_stays_out_of_it() -> None:
    head = builtin()
    rest = head.template.double().numpy()
    landmarks = embed(head.embedding, head.template).double().numpy()
    skin = Skin.of(rest, head.triangles.numpy(), landmarks)
    person = replace(random_person(head, 2), hair_volume_m=0.012)
    grown = hair_grown(landmarks, landmarks, person)
    assert grown[[1, 152, 205, 425, 33, 263]].max() == 0, "no hair on nose, chin, cheeks and eyes"
    assert hair_grown(np.array([[0.0, rest[:, 1].max(), -0.04]]), landmarks, person) > 0.99
    hair = grow_hair(skin, np.zeros(0, np.int64), person, np.random.default_rng(0))
    assert hair is not None
    points, _ = hair.posed(rest)
    length = np.linalg.norm(np.diff(points, axis=1), axis=2).sum(1)
    assert 0.005 < np.median(length) < 0.08
    near = np.linalg.norm(points[::50, -1][:, None] - rest[None], axis=2).argmin(1)
    out = ((points[::50, -1] - rest[near]) * skin.normals[near]).sum(1)
    assert np.percentile(out, 10) > -0.004
    assert np.median(out) > 0.002
    assert grow_hair(skin, np.zeros(0, np.int64), replace(person, hair_volume_m=0.0), np.random.default_rng(0)) is None


def test_a_bent_surface_is_rounder_than_its_triangles() -> None:
    head = builtin()
    surface = PortraitSurface.of(head)
    assert len(surface.triangles) == 4 * len(head.triangles) == len(surface.uvs) == len(surface.material)
    middle, radius = np.array((0.0, 0.02, 0.0)), 0.1
    ball = head.template.double().numpy() - middle
    ball = ball / np.linalg.norm(ball, axis=1, keepdims=True)
    bent, normals = surface.bend(radius * ball, ball)
    flat = surface.lift(radius * ball)
    assert np.linalg.norm(normals, axis=1) == pytest.approx(1)
    off = [np.abs(np.linalg.norm(points, axis=1) - radius).mean() for points in (bent, flat)]
    assert off[0] < 0.5 * off[1]
    assert (vertex_normals(flat, surface.triangles) * vertex_normals(bent, surface.triangles)).sum(1).mean() > 0.9


def test_a_large_picture_of_a_head_without_eyeballs() -> None:
    blind = {name: ids for name, ids in builtin().regions.items() if not name.startswith("eyeball")}
    head = replace(builtin(), regions=blind)
    person, stage = random_person(head, 2), random_stage(2, (1920, 1080), face_px=320)
    shot = next(film(head, person, stage, Motion.still(1), maker=Portrait(head, person, stage, texels=128)))
    assert shot.image.shape == (1080, 1920, 3)
    assert shot.image.std() > 10


def test_another_model_can_be_portrayed(shared_dir: Path) -> None:
    head = read_ict(shared_dir / "ict_facekit_sample")
    person, stage = random_person(head, 1), random_stage(1, SIZE, face_px=120)
    shot = next(film(head, person, stage, Motion.still(1), maker=Portrait(head, person, stage, texels=256)))
    x, y = shot.landmarks_px[[205, 425]].mean(0).astype(int)
    assert shot.image[y - 3 : y + 3, x - 3 : x + 3].mean() > 25
    assert torch.isfinite(shot.params.jaw).all()
