"""A skin saved with an identity: it comes back as it was, is worn without being solved again, and by nobody else."""

from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
import torch

import mien
from models.head import Head
from models.library import load_head
from models.npz import Array, read_npz, write_npz
from models.types import Identity, MienError
from render.texture import Texture
from tests.tracker.people import swaying, write_video
from tracker.jobs.known_skin import KnownSkin, read_known_skin
from tracker.jobs.results import read_identity, write_identity


@pytest.fixture(scope="module")
def head() -> Head:
    return load_head()


@pytest.fixture
def identity(head: Head) -> Identity:
    return Identity(torch.zeros(head.identity_size), 512.5, (640, 480), head.name, head.sha256)


def checked(side: int = 64) -> Texture:
    """A pattern that nobody's skin has."""
    squares = np.indices((side, side)).sum(0) // 4 % 2
    albedo = np.where(squares[..., None] == 0, (40, 230, 60), (230, 40, 220)).astype(np.uint8)
    light = np.zeros((9, 3), np.float32)
    light[0] = 3.0
    return Texture(albedo, light)


def test_a_skin_comes_back_as_it_was(head: Head, identity: Identity, tmp_path: Path) -> None:
    file, skin = tmp_path / "identity.npz", checked()
    write_identity(file, identity, skin)
    read = read_known_skin(file, read_identity(file, head))
    assert read is not None
    assert np.array_equal(read.texture.albedo, skin.albedo)
    assert np.array_equal(read.texture.light, skin.light)
    write_identity(file, identity)
    assert read_known_skin(file, identity) is None


def test_nobody_else_wears_it(identity: Identity) -> None:
    known = KnownSkin(identity, checked())
    assert known.on(replace(identity, focal_px=700.0)) is known.texture
    assert known.on(replace(identity, shape=identity.shape.clone())) is None
    assert known.on(None) is None


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("texture", None),
        ("light", None),
        ("texture", np.zeros((4, 4), np.uint8)),
        ("texture", np.zeros((4, 4, 4), np.uint8)),
        ("texture", np.zeros((4, 4, 3), np.float32)),
        ("texture", np.zeros((0, 4, 3), np.uint8)),
        ("texture", np.zeros((5000, 4, 3), np.uint8)),
        ("texture", np.array("skin")),
        ("light", np.zeros((9, 4), np.float32)),
        ("light", np.zeros((9, 3), np.int64)),
        ("light", np.full((9, 3), np.nan, np.float32)),
        ("light", np.full((9, 3), 1e30)),
    ],
)
def test_what_is_no_skin_is_refused(identity: Identity, tmp_path: Path, key: str, value: Array | None) -> None:
    file = tmp_path / "identity.npz"
    write_identity(file, identity, checked())
    arrays = read_npz(file)
    arrays.pop(key)
    write_npz(file, arrays if value is None else {**arrays, key: value})
    with pytest.raises(MienError, match=r"identity\.npz: expected a (texture|light)"):
        read_known_skin(file, identity)


def test_a_video_is_drawn_with_it_from_the_first_frame_on(head: Head, tmp_path: Path) -> None:
    """Frames of a person in a pattern that only the file can have brought."""
    clip, first, second = write_video(tmp_path / "clip.mp4", swaying(20)), tmp_path / "first", tmp_path / "second"
    mien.parse(["track", str(clip), "-o", str(first), "--no-overlay"])()
    saved = first / "identity.npz"
    assert read_known_skin(saved, read_identity(saved, head)) is not None
    worn = checked()
    write_npz(saved, {**read_npz(saved), "texture": worn.albedo, "light": worn.light})
    words = ["--identity", str(saved), "--overlay-mode", "textured"]
    mien.parse(["track", str(clip), "-o", str(second), *words])()
    with av.open(str(second / "overlay.mp4")) as overlay:
        drawn = next(frame.to_ndarray(format="rgb24").astype(int) for frame in overlay.decode(video=0))
    green, pink = ((np.abs(drawn - colour).max(2) < 60).sum() for colour in ((40, 230, 60), (230, 40, 220)))
    assert min(green, pink) > 500
    again = read_npz(second / "identity.npz")
    assert np.array_equal(again["texture"], worn.albedo)
    assert np.array_equal(read_npz(second / "track.npz")["light"][0], worn.light)
    assert b"\x89PNG" in (second / "head.glb").read_bytes()
