"""A session's tracking thread by itself: what it tells, in which order."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

import pytest
from av import VideoFrame

from models.types import Identity
from stream.engine import Engine
from stream.timing import StageTimes
from stream.worker import Arrived, Outputs, Worker
from tests.stream.clip import clip
from tracker.photometric.texture import TextureSolver
from tracker.photometric.view import View

SILENT = Outputs(
    tracked=lambda arrived, params, size_px, hint: None,
    learned=lambda identity, forgotten: None,
    textured=lambda texture: None,
    drawn=lambda arrived, overlay: None,
    failed=lambda what, final: None,
    ended=lambda: None,
)


def arrived(index: int, width: int = 640, height: int = 480) -> Arrived:
    pictures = clip()
    video = VideoFrame.from_ndarray(pictures[index % len(pictures)], format="rgb24")
    video = video.reformat(width, height, "yuv420p")
    video.pts, video.time_base = 3000 * index, Fraction(1, 90_000)
    return Arrived(video, None, True, index, 3000 * index, index / 30, 0.0)


def stopped(worker: Worker, ended: threading.Event) -> bool:
    """Its thread is gone, too: one that still frees tensors when the program ends would abort it."""
    worker.stop()
    told = ended.wait(90)
    worker._thread.join(90)
    return told


def test_parameters_leave_before_their_frame_is_drawn(engine: Engine) -> None:
    told: list[tuple[str, int]] = []
    drawn, ended = threading.Event(), threading.Event()

    def draw(arrived: Arrived, overlay: VideoFrame) -> None:
        told.append(("drawn", arrived.index))
        assert overlay.pts == arrived.video.pts
        drawn.set()

    outputs = replace(
        SILENT,
        tracked=lambda arrived, params, size_px, hint: told.append(("tracked", params.index)),
        drawn=draw,
        failed=lambda what, final: told.append((what, -1)),
        ended=ended.set,
    )
    worker = Worker(engine, "session", outputs, StageTimes())
    worker.overlay = "mesh"
    worker.start()
    for index in range(4):
        drawn.clear()
        worker.inbox.put(arrived(index))
        assert drawn.wait(90), told
    assert stopped(worker, ended)
    assert told == [(what, index) for index in range(4) for what in ("tracked", "drawn")]


def test_pictures_may_change_their_size_at_any_frame(engine: Engine) -> None:
    sizes = [(640, 480), (320, 240), (641, 479), (1280, 960), (480, 640), (640, 480)]
    told: list[tuple[tuple[int, int], tuple[int, int] | None]] = []
    failures: list[str] = []
    drawn, ended = threading.Event(), threading.Event()

    def draw(arrived: Arrived, overlay: VideoFrame) -> None:
        assert (overlay.width, overlay.height) == (arrived.video.width, arrived.video.height)
        drawn.set()

    outputs = replace(
        SILENT,
        tracked=lambda arrived, params, size, hint: told.append(
            (size, params.camera.size_px if params.camera else None)
        ),
        drawn=draw,
        failed=lambda what, final: failures.append(what),
        ended=ended.set,
    )
    worker = Worker(engine, "session", outputs, StageTimes())
    worker.overlay = "mesh"
    worker.start()
    for index, size in enumerate(sizes):
        drawn.clear()
        worker.inbox.put(arrived(index, *size))
        assert drawn.wait(90), failures
    assert stopped(worker, ended)
    assert not failures
    assert told == [(size, size) for size in sizes]


def test_what_the_frame_in_hand_learned_belongs_to_the_head_before(engine: Engine) -> None:
    told: list[int] = []
    worker: Worker
    tracked, ended = threading.Event(), threading.Event()

    def forget_after_the_first(arrived: Arrived, *rest: object) -> None:
        if arrived.index == 0:
            worker.re_enroll()

    outputs = replace(
        SILENT,
        tracked=forget_after_the_first,
        learned=lambda identity, forgotten: told.append(forgotten),
        drawn=lambda arrived, overlay: tracked.set(),
        failed=lambda what, final: told.append(-1),
        ended=ended.set,
    )
    worker = Worker(engine, "session", outputs, StageTimes())
    worker.overlay = "mesh"
    worker.start()
    for index in range(3):
        tracked.clear()
        worker.inbox.put(arrived(index))
        assert tracked.wait(90), told
    assert stopped(worker, ended)
    assert told[0] == 0
    assert told[1:]
    assert set(told[1:]) == {1}


def test_a_session_ends_while_its_skin_is_being_solved(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def endless(self: TextureSolver, identity: Identity, views: list[View]) -> Iterator[None]:
        begun.set()
        go_on.wait()
        yield None

    monkeypatch.setattr(TextureSolver, "slices", endless)
    ended = threading.Event()
    worker = Worker(engine, "session", replace(SILENT, ended=ended.set), StageTimes())
    worker.texture = True
    worker.start()
    try:
        for index in range(400):
            if begun.is_set():
                break
            worker.inbox.put(arrived(index))
            while worker.tracked <= index:
                assert not ended.wait(0.002)
        assert begun.wait(90), "no skin was begun"  # on a thread that lets all others go first
        assert stopped(worker, ended)
    finally:
        go_on.set()
