"""What `mien track` and `mien fit` are asked for: what contradicts itself is refused before anything is done."""

from pathlib import Path

import pytest

from models.types import MienError
from tracker.jobs.options import Options, check

HERE = Path()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (Options(output=HERE, overlay_mode="textured", no_texture=True), "leave one out"),
        (Options(output=HERE, texture_space="a.npz", no_texture=True), "leave that out"),
    ],
)
def test_what_contradicts_itself_is_refused(options: Options, says: str) -> None:
    with pytest.raises(MienError, match=says):
        check(options)


@pytest.mark.parametrize(
    ("options", "drawn"),
    [
        (Options(output=HERE), "mesh"),
        (Options(output=HERE, no_overlay=True), "off"),
        (Options(output=HERE, no_overlay=True, no_texture=True, overlay_mode="textured"), "off"),
        (Options(output=HERE, no_texture=True, overlay_mode="textured", mode="photometric"), "textured"),
        (Options(output=HERE, texture_space="a.npz", no_texture=True, mode="photometric"), "mesh"),
    ],
)
def test_what_does_not_is_not(options: Options, drawn: str) -> None:
    check(options)
    assert options.drawn == drawn
