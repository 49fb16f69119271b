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
        learned=lambda identity: None,
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
