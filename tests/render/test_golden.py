"""Small pictures as they were when somebody last looked at them, so that no change of the overlay goes unseen.

Where one is meant: `python -m tests.render.golden_pictures` draws them anew.
"""

from functools import lru_cache

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests.render.golden_pictures import DRAWN, FOLDER, POSES, golden_pictures

NAMES = [f"{mode}_{pose}" for pose in POSES for mode in DRAWN]

# Compilers round differently: an edge may change its pixel, nothing else may change by more than can be seen.
MEAN = 0.5  # of 255, over the picture
FAR, FAR_SHARE = 10, 0.005  # at most this share of the pixels differs by more

drawn = lru_cache(maxsize=1)(golden_pictures)


def differences(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> NDArray[np.int64]:
    return np.asarray(np.abs(one.astype(np.int64) - other).max(-1))


def alike(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> bool:
    away = differences(one, other)
    return bool(away.mean() < MEAN and (away > FAR).mean() < FAR_SHARE)


@pytest.mark.parametrize("name", NAMES)
def test_the_overlay_looks_as_it_did(name: str) -> None:
    kept = np.asarray(Image.open(FOLDER / f"{name}.png"))
    away = differences(drawn()[name], kept)
    assert alike(drawn()[name], kept), (
        f"{name} differs by {away.mean():.2f} of 255 on average, most {away.max()}; "
        "if that is meant: python -m tests.render.golden_pictures, and look at them"
    )


def test_a_change_that_can_be_seen_is_found() -> None:
    """Half a pixel aside, or a little darker: the tolerance is no free pass."""
    for name in NAMES:
        picture = drawn()[name]
        assert not alike(np.asarray((picture * 0.98).astype(np.uint8)), picture)
        aside = (picture.astype(float) + np.roll(picture, 1, 1)) / 2
        assert not alike(aside.astype(np.uint8), picture)


def test_they_take_little_room() -> None:
    files = sorted(FOLDER.glob("*.png"))
    assert [file.stem for file in files] == sorted(NAMES)
    assert sum(file.stat().st_size for file in files) < 100_000
