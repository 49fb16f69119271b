"""A session's tracking thread by itself: what it tells, in which order."""

import threading
from fractions import Fraction

from av import VideoFrame

from stream.engine import Engine
from stream.timing import StageTimes
from stream.worker import Arrived, Outputs, Worker
from tests.stream.clip import clip


def test_parameters_leave_before_their_frame_is_drawn(engine: Engine) -> None:
    told: list[tuple[str, int]] = []
    drawn, ended = threading.Event(), threading.Event()

    def draw(arrived: Arrived, overlay: VideoFrame) -> None:
        told.append(("drawn", arrived.index))
        assert overlay.pts == arrived.video.pts
        drawn.set()

    outputs = Outputs(
        tracked=lambda arrived, params, size_px, hint: told.append(("tracked", params.index)),
        learned=lambda identity, forgotten: None,
        textured=lambda texture: None,
        drawn=draw,
        failed=lambda what, final: told.append((what, -1)),
        ended=ended.set,
    )
    worker = Worker(engine, "session", outputs, StageTimes())
    worker.overlay = "mesh"
    worker.start()
    for index in range(4):
        video = VideoFrame.from_ndarray(clip()[index], format="rgb24").reformat(format="yuv420p")
        video.pts, video.time_base = 3000 * index, Fraction(1, 90_000)
        drawn.clear()
        worker.inbox.put(Arrived(video, None, index, 3000 * index, index / 30, 0.0))
        assert drawn.wait(90), told
    worker.stop()
    assert ended.wait(90)
    assert told == [(what, index) for index in range(4) for what in ("tracked", "drawn")]


def test_what_the_frame_in_hand_learned_belongs_to_the_head_before(engine: Engine) -> None:
    told: list[int] = []
    worker: Worker
    tracked, ended = threading.Event(), threading.Event()

    def forget_after_the_first(arrived: Arrived, *rest: object) -> None:
        if arrived.index == 0:
            worker.re_enroll()

    outputs = Outputs(
        tracked=forget_after_the_first,
        learned=lambda identity, forgotten: told.append(forgotten),
        textured=lambda texture: None,
        drawn=lambda arrived, overlay: tracked.set(),
        failed=lambda what, final: told.append(-1),
        ended=ended.set,
    )
    worker = Worker(engine, "session", outputs, StageTimes())
    worker.overlay = "mesh"
    worker.start()
    for index in range(3):
        video = VideoFrame.from_ndarray(clip()[index], format="rgb24").reformat(format="yuv420p")
        video.pts, video.time_base = 3000 * index, Fraction(1, 90_000)
        tracked.clear()
        worker.inbox.put(Arrived(video, None, index, 3000 * index, index / 30, 0.0))
        assert tracked.wait(90), told
    worker.stop()
    assert ended.wait(90)
    assert told[0] == 0
    assert told[1:]
    assert set(told[1:]) == {1}
