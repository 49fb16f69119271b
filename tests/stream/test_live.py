"""The whole way, on loopback: a client sends a face by WebRTC and gets parameters and the overlay back."""

import asyncio

import numpy as np

from stream.binary import unpack_params
from stream.protocol import RTP_HZ, RTP_WRAP, Params
from tests.stream.clip import CELLS
from tests.stream.running import Running, soon
from tests.stream.visitor import STEP, ClipTrack, Message, Visitor, visitor


def test_parameters_and_overlay_come_back_in_step_with_the_frames(server: Running) -> None:
    async def visit() -> None:
        async with visitor(server.url) as guest:
            welcome = await guest.hello()
            await guest.show_face()
            await guest.until(lambda: len(joined(guest)) >= 30 and guest.of("state")[-1]["state"] == "TRACKING")
            check_params(guest, welcome)
            check_frames(guest)
            hints = {message["state"]: message["hint"] for message in guest.of("state")}
            assert hints["ENROLLING"] in ("turn_left", "turn_right")  # this face only ever looks ahead
            assert hints["TRACKING"] is None

    asyncio.run(visit())


def check_params(guest: Visitor, welcome: Message) -> None:
    params = guest.of("params")
    assert np.all(np.diff([message["index"] for message in params]) > 0)
    assert np.all(np.diff([message["time_s"] for message in params]) > 0)
    last = [message for message in params if message["camera"] is not None][-1]
    assert len(last["expression"]) == len(welcome["head"]["expression_names"])
    assert len(last["blendshapes"]) == len(welcome["head"]["blendshape_names"]) == 52
    assert np.isclose(np.linalg.norm(last["camera"]["rotation"]), 1, atol=1e-4)
    assert last["camera"]["size_px"] == [640, 480]
    assert 0.2 < last["camera"]["translation"][2] < 3
    assert last["error_iod"] < 0.05
    assert len(guest.of("identity")[-1]["shape"]) == welcome["head"]["shape_size"]


def joined(guest: Visitor) -> list[tuple[Message, int]]:
    """Parameters and the barcode of the returned frame that belongs to them; a frame whose parameters were overtaken by
    newer ones, or are still on their way, has none."""
    offset = guest.of("state")[-1]["overlay_rtp_offset"] if guest.of("state") else None
    if offset is None:
        return []
    params = {message["rtp_time"]: message for message in guest.of("params")}
    times = [((rtp - offset) % RTP_WRAP, number) for _, rtp, number in guest.overlays]
    return [(params[rtp_time], number) for rtp_time, number in times if rtp_time in params]


def check_frames(guest: Visitor) -> None:
    """Each returned frame joins to the params of the frame that it shows, and to the frame that was sent."""
    offset = guest.of("state")[-1]["camera_rtp_offset"]
    origins = {(params["rtp_time"] + offset - number * STEP) % RTP_WRAP for params, number in joined(guest)}
    assert len(origins) == 1, "the number seen in a frame is not that of the frame it is joined to"
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
                await watcher.until(lambda: len(both_forms(guest, watcher)) >= 8)
            assert not guest.of("params")
            for text, record in both_forms(guest, watcher):
                assert record.camera is not None
                assert record.rtp_time == text["rtp_time"]
                assert record.state == text["state"]
                np.testing.assert_allclose(record.expression or [], text["expression"], atol=1e-5)
                np.testing.assert_allclose(record.camera.translation, text["camera"]["translation"], atol=1e-5)
                np.testing.assert_allclose(record.eyes or [], text["eyes"], atol=1e-5)

    asyncio.run(visit())


def both_forms(guest: Visitor, watcher: Visitor) -> list[tuple[Message, Params]]:
    """The frames with a face of which both have heard."""
    records = {record.index: record for _, m in guest.messages if isinstance(m, bytes) and (record := unpack_params(m))}
    return [(m, records[m["index"]]) for m in watcher.of("params") if m["camera"] and m["index"] in records]


def test_overlay_and_pause_follow_control(server: Running) -> None:
    async def visit() -> None:
        async with visitor(server.url) as guest:
            welcome = await guest.hello(overlay="off")
            await guest.show_face()
            await guest.until(lambda: len(guest.of("params")) >= 10)
            assert not guest.overlays
            await guest.say(type="control", overlay="landmarks")
            await guest.until(lambda: len(guest.overlays) >= 3)
            await guest.say(type="control", paused=True)
            await guest.until(lambda: guest.of("state")[-1]["paused"])
            session = server.hub.find(welcome["session"])
            assert session is not None
            await soon(lambda: session._worker.busy_since_s is None)  # the frame in hand is finished
            tracked, received = session._worker.tracked, session._frames
            await soon(lambda: session._frames >= received + 15)
            assert session._worker.tracked <= tracked + 1, "one may have been taken just before"
            await guest.say(type="control", paused=False, re_enroll=True)
            anew = await guest.until(lambda: [m for m in guest.of("params") if m["index"] >= received + 15])
            assert anew[0]["state"] in ("SEARCHING", "ENROLLING")

    asyncio.run(visit())


def test_nothing_is_drawn_for_a_client_that_takes_no_video(server: Running) -> None:
    async def visit() -> None:
        async with visitor(server.url) as guest:
            await guest.hello(overlay="mesh")
            await guest.show_face(direction="sendonly")
            await guest.until(lambda: len(guest.of("params")) >= 10)
            stages = (await guest.hear("stats", len(guest.of("stats")) + 1))["stages_ms"]
            assert "track" in stages
            assert "draw" not in stages
            await guest.show_face()
            await guest.until(lambda: guest.overlays and "draw" in guest.of("stats")[-1]["stages_ms"])

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
            await guest.until(lambda: len(past_the_end(guest)) >= 5)
            assert all(0 <= message["rtp_time"] < RTP_WRAP for message in guest.of("params"))

    asyncio.run(visit())


def past_the_end(guest: Visitor) -> list[Message]:
    """Of the frames joined to their parameters, those whose time has run over."""
    return [params for params, _ in joined(guest) if params["time_s"] > RTP_WRAP / RTP_HZ]


def test_a_new_offer_replaces_the_connection_and_keeps_the_head(server: Running) -> None:
    async def visit() -> None:
        async with visitor(server.url) as guest:
            await guest.hello()
            await guest.show_face()
            await guest.until(lambda: guest.of("params") and guest.of("params")[-1]["state"] == "TRACKING")
            before = guest.of("params")[-1]

            def later() -> list[Message]:
                return [message for message in guest.of("params") if message["index"] > before["index"]]

            await guest.show_face()
            await guest.until(lambda: [m for m in later() if m["state"] == "TRACKING"][10:])
            assert all(message["state"] != "ENROLLING" for message in later())
            assert all(message["time_s"] > before["time_s"] for message in later())
            await guest.until(lambda: guest.of("state")[-1]["overlay_rtp_offset"] is not None)

    asyncio.run(visit())
