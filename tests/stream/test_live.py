"""The whole way, on loopback: a client sends a face by WebRTC and gets parameters and the overlay back."""

import asyncio

import numpy as np

from stream.binary import unpack_params
from stream.protocol import RTP_WRAP
from tests.stream.clip import CELLS
from tests.stream.running import Running
from tests.stream.visitor import STEP, ClipTrack, Visitor, visitor


def test_parameters_and_overlay_come_back_in_step_with_the_frames(server: Running) -> None:
    async def visit() -> None:
        async with visitor(server.url) as guest:
            welcome = await guest.hello()
            await guest.show_face()
            await guest.until(lambda: len(guest.overlays) >= 30 and guest.of("params")[-1]["state"] == "TRACKING")
            check_params(guest, welcome)
            check_frames(guest)

    asyncio.run(visit())


def check_params(guest: Visitor, welcome: dict) -> None:  # type: ignore[type-arg]
    params = guest.of("params")
    assert np.all(np.diff([message["index"] for message in params]) > 0)
    assert np.all(np.diff([message["time_s"] for message in params]) > 0)
    with_face = [message for message in params if message["camera"] is not None]
    assert len(with_face) > 0.9 * len(params)
    last = with_face[-1]
    assert len(last["expression"]) == len(welcome["head"]["expression_names"])
    assert len(last["blendshapes"]) == len(welcome["head"]["blendshape_names"]) == 52
    assert np.isclose(np.linalg.norm(last["camera"]["rotation"]), 1, atol=1e-4)
    assert last["camera"]["size_px"] == [640, 480]
    assert 0.2 < last["camera"]["translation"][2] < 3
    assert last["error_iod"] < 0.05
    assert len(guest.of("identity")[-1]["shape"]) == welcome["head"]["shape_size"]


def check_frames(guest: Visitor) -> None:
    """Each returned frame joins to the params of the frame that it shows, and to the frame that was sent."""
    state = guest.of("state")[-1]
    arrivals = {m["rtp_time"]: when for when, m in guest.messages if isinstance(m, dict) and m["type"] == "params"}
    origins, late = set(), 0
    for when, rtp, number in guest.overlays:
        rtp_time = (rtp - state["overlay_rtp_offset"]) % RTP_WRAP
        assert rtp_time in arrivals
        late += arrivals[rtp_time] > when
        origins.add((rtp_time + state["camera_rtp_offset"] - number * STEP) % RTP_WRAP)
    assert len(origins) == 1, "the number seen in a frame is not that of the frame it is joined to"
    assert late <= 0.05 * len(guest.overlays), "parameters came after the frames drawn from them"
    assert guest.peer is not None
    sender = guest.peer.getSenders()[0]
    sent = (sender._RTCRtpSender__rtp_timestamp - origins.pop()) % RTP_WRAP  # type: ignore[attr-defined]
    assert sent % STEP == 0
    assert sent // STEP < len(guest.camera.sent) < 1 << CELLS  # type: ignore[union-attr]


def test_binary_records_say_the_same_as_json(server: Running) -> None:
    async def visit() -> None:
        async with visitor(server.url, subprotocols=("mien.v1.bin",)) as guest:
            welcome = await guest.hello()
            async with visitor(server.url, f"/watch/{welcome['session']}") as watcher:
                await watcher.hear("welcome")
                await guest.show_face()
                await watcher.until(lambda: len([m for m in watcher.of("params") if m["camera"]]) >= 10)
            assert not guest.of("params")
            records = [unpack_params(m) for _, m in guest.messages if isinstance(m, bytes)]
            by_index = {record.index: record for record in records}
            shared = [(m, by_index[m["index"]]) for m in watcher.of("params") if m["index"] in by_index and m["camera"]]
            assert len(shared) >= 5
            for text, record in shared:
                assert record.camera is not None
                assert record.rtp_time == text["rtp_time"]
                assert record.state == text["state"]
                np.testing.assert_allclose(record.expression or [], text["expression"], atol=1e-5)
                np.testing.assert_allclose(record.camera.translation, text["camera"]["translation"], atol=1e-5)
                np.testing.assert_allclose(record.eyes or [], text["eyes"], atol=1e-5)

    asyncio.run(visit())


def test_overlay_and_pause_follow_control(server: Running) -> None:
    async def visit() -> None:
        async with visitor(server.url) as guest:
            await guest.hello(overlay="off")
            await guest.show_face()
            await guest.until(lambda: len(guest.of("params")) >= 10)
            assert not guest.overlays
            await guest.say(type="control", overlay="landmarks")
            await guest.until(lambda: len(guest.overlays) >= 3)
            await guest.say(type="control", paused=True)
            await guest.until(lambda: guest.of("state")[-1]["paused"])
            await asyncio.sleep(0.3)
            before = len(guest.of("params"))
            await asyncio.sleep(0.5)
            assert len(guest.of("params")) == before
            await guest.say(type="control", paused=False, re_enroll=True)
            await guest.until(lambda: len(guest.of("params")) > before)
            assert guest.of("params")[before]["state"] in ("SEARCHING", "ENROLLING")

    asyncio.run(visit())


def test_timestamps_may_wrap_around(server: Running) -> None:
    """RTP time is 32 bits: a day of video passes its end twice."""

    async def visit() -> None:
        async with visitor(server.url) as guest:
            await guest.hello()
            camera = ClipTrack(start_pts=0)
            await guest.show_face(camera)
            await guest.until(lambda: guest.of("state")[-1]["overlay_rtp_offset"] is not None)
            camera._start_pts = RTP_WRAP - 30_000  # what comes next seems hours later, and is soon past the end
            await guest.until(lambda: guest.of("params")[-1]["time_s"] > RTP_WRAP / 90_000 + 1)
            check_frames_after_a_jump(guest)

    asyncio.run(visit())


def check_frames_after_a_jump(guest: Visitor) -> None:
    state = guest.of("state")[-1]
    known = {message["rtp_time"] for message in guest.of("params")}
    assert all(0 <= rtp_time < RTP_WRAP for rtp_time in known)
    joined = [(rtp - state["overlay_rtp_offset"]) % RTP_WRAP in known for _, rtp, _ in guest.overlays]
    assert all(joined)


def test_a_new_offer_replaces_the_connection_and_keeps_the_head(server: Running) -> None:
    async def visit() -> None:
        async with visitor(server.url) as guest:
            await guest.hello()
            await guest.show_face()
            await guest.until(lambda: guest.of("params") and guest.of("params")[-1]["state"] == "TRACKING")
            before = guest.of("params")[-1]
            await guest.show_face()
            after = await guest.until(lambda: [m for m in guest.of("params") if m["index"] > before["index"] + 15])
            assert after[-1]["state"] == "TRACKING"
            assert after[-1]["time_s"] > before["time_s"]
            await guest.until(lambda: guest.of("state")[-1]["overlay_rtp_offset"] is not None)

    asyncio.run(visit())
