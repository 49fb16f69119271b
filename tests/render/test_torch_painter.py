"""Which painter draws where, and that the one for GPUs keeps them busy: nothing on the way waits for the device.

What it draws: `test_overlay.py`, with the other painter's.
"""

from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from render.compiled_painter import CompiledPainter
from render.overlay import MESH, SOLID, WIREFRAME
from render.painter import Painter, Picture, open_painter, posed
from render.rasterizer import CHOICE, missing
from render.torch_painter import TorchPainter
from tests.render.test_overlay import HEAD, IDENTITY, POSES, SIZE, SKIN, picture, surface

LOOKS = {"mesh": (MESH, None), "lines": (WIREFRAME, None), "solid": (SOLID, None), "skin": (MESH, SKIN)}
# What must see numbers before it can go on, or takes them from a list of Python's.
WAITING = ("_local_scalar_dense", "nonzero", "masked_select", "_unique2", "lift_fresh", "equal")


class Waits(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes which operators would make the program wait for a GPU."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.seen: list[str] = []

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = function.overloadpacket.__name__
        by_mask = name == "index" and any(index is not None and index.dtype == torch.bool for index in args[1])
        if name in WAITING or by_mask:
            self.seen.append(name)
        return function(*args, **(kwargs or {}))


def test_such_operators_are_noticed() -> None:
    numbers = torch.arange(3)
    for wait in (
        lambda: numbers[numbers > 1],
        lambda: int(numbers[0]),
        lambda: numbers.nonzero(),
        lambda: numbers.new_tensor((1, 2)),
    ):
        with Waits() as waits:
            wait()
        assert waits.seen


@pytest.mark.parametrize("look", LOOKS)
def test_nothing_waits_between_the_way_up_and_the_way_down(monkeypatch: pytest.MonkeyPatch, look: str) -> None:
    """The CPU's rasteriser and what is here already are no part of it."""
    painter = TorchPainter(HEAD, surface(), "cpu", backend="cpu")
    draw_once(painter, look)  # what does not change from frame to frame is carried over now
    monkeypatch.setattr(painter, "_rasterize", unnoticed(painter._rasterize))
    monkeypatch.setattr(painter._lift, "up", unnoticed(painter._lift.up))
    with Waits() as waits:
        draw_once(painter, look)
    assert not waits.seen


def draw_once(painter: Painter, look: str) -> Picture:
    canvas, result = picture(), POSES["speaking"]
    assert result.params is not None
    assert result.camera is not None
    style, texture = LOOKS[look]
    painter.draw(canvas, posed(IDENTITY, result.params, result.camera), (100, 0, *SIZE), style, texture)
    assert (canvas != picture()).any()
    return canvas


def unnoticed(function: Any) -> Any:
    def call(*given: Any) -> Any:
        with torch.utils._python_dispatch._disable_current_modes():
            return function(*given)

    return call


def test_the_cpu_draws_where_no_gpu_can(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(CHOICE, raising=False)
    assert isinstance(open_painter(HEAD, "cpu", surface()), CompiledPainter)
    kind = CompiledPainter if missing("cuda") else TorchPainter
    assert isinstance(open_painter(HEAD, "cuda", surface()), kind)
    monkeypatch.setenv(CHOICE, "cpu")
    assert isinstance(open_painter(HEAD, "cuda", surface()), CompiledPainter)


@pytest.mark.skipif(bool(missing("cuda")), reason=str(missing("cuda")))
@pytest.mark.parametrize("look", LOOKS)
def test_a_gpu_is_waited_for_once(look: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """torch names every wait but the one that is asked for; the rasteriser's own are not torch's."""
    monkeypatch.delenv(CHOICE, raising=False)
    painter = open_painter(HEAD, "cuda", surface())
    draw_once(painter, look)
    torch.cuda.set_sync_debug_mode("error")
    try:
        drawn = draw_once(painter, look)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    expected = draw_once(open_painter(HEAD, "cpu", surface()), look)
    assert (np.abs(drawn.astype(int) - expected).max(2) > 8).mean() < 0.01
