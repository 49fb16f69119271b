"""What a client may say, in which order, and how often."""

import asyncio
from dataclasses import replace

import pytest

from stream.engine import Engine
from tests.stream.running import Running, running
from tests.stream.visitor import OFFER, visitor


def test_the_third_bad_message_closes(server: Running) -> None:
    async def visit() -> None:
        async with visitor(server.url) as guest:
            await guest.hello()
            for _ in range(3):
                await guest.socket.send("{}")
            assert await guest.closed() == 4400
            errors = guest.of("error")
            assert [error["code"] for error in errors] == ["bad_message"] * 3
            assert [error["fatal"] for error in errors] == [False, False, True]
            assert errors[0]["message"].startswith("expected a type out of")

    asyncio.run(visit())


@pytest.mark.parametrize(
    ("sdp", "code"),
    [
        ("", "bad_sdp"),
        ("v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n", "bad_sdp"),
        ("v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=rtpmap:96 VP8/90000\r\n", "bad_sdp"),
        ("v=0\r\n" + "a=x\r\n" * 5000, "bad_sdp"),
    ],
)
def test_offers_that_cannot_be_answered_are_explained(server: Running, sdp: str, code: str) -> None:
    async def visit() -> None:
        async with visitor(server.url) as guest:
            await guest.hello()
            await guest.say(type="offer", sdp=sdp)
            error = await guest.hear("error")
            assert error["code"] == code
            assert error["message"].startswith("expected")
            assert not error["fatal"]
            await guest.show_face()
            await guest.hear("params")

    asyncio.run(visit())


def test_an_offer_without_vp8_is_told_so(server: Running) -> None:
    async def visit() -> None:
        async with visitor(server.url) as guest:
            await guest.hello()
            await guest.show_face()
            assert guest.peer is not None
            lines = guest.peer.localDescription.sdp.replace("VP8", "VP9").replace("H264", "AV1")
            await guest.say(type="offer", sdp=lines)
            assert (await guest.hear("error"))["code"] == "codec"

    asyncio.run(visit())


def test_offers_that_get_no_answer_in_time_do_not_count(server: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    async def visit() -> None:
        async with visitor(server.url) as guest:
            await guest.hello()
            with monkeypatch.context() as hurry:
                hurry.setattr("stream.media.ANSWER_WITHIN_S", 0.0)
                for _ in range(4):
                    await guest.say(type="offer", sdp=OFFER)
                await guest.hear("error", 4)
            assert {error["code"] for error in guest.of("error")} == {"media_timeout"}
            await guest.show_face()
            await guest.hear("params")

    asyncio.run(visit())


def test_too_many_messages_are_not_heard(engine: Engine) -> None:
    with running(engine) as server:
        server.service.rules = replace(server.service.rules, per_second=1e-3)  # else a slow sender sends few enough

        async def visit() -> None:
            async with visitor(server.url) as guest:
                await guest.hello()
                for number in range(62):  # no more: who still speaks to a socket that is closed hears no more of it
                    await guest.say(type="ping", id=number)
                assert await guest.closed() == 4400
                assert [error["code"] for error in guest.of("error")] == ["too_many_messages"] * 3
                assert len(guest.of("pong")) == 59

        asyncio.run(visit())


def test_hello_comes_first(engine: Engine) -> None:
    with running(engine) as server:

        async def visit() -> None:
            async with visitor(server.url) as guest:
                await guest.say(type="ping", id=1)
                assert (await guest.hear("error"))["code"] == "order"
                await guest.hello()
            server.service.rules = replace(server.service.rules, hello_within_s=0.3)
            async with visitor(server.url) as guest:
                assert await guest.closed() == 4408
                assert guest.of("bye")[0]["reason"] == "silent"

        asyncio.run(visit())
