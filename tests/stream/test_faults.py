"""Faults inside a session stay inside it, and hostile words harm nobody."""

import asyncio
import contextlib
import json
import random
from pathlib import Path
from typing import Any

import pytest
import torch
from websockets.exceptions import ConnectionClosed

from models.types import Frame, Identity, TrackResult
from render import borrowed
from stream.engine import Engine
from stream.media import MediaSettings
from stream.metrics import Metrics
from stream.protocol import Control, Params, TimesMs
from stream.session import Session
from tests.stream.running import PATIENT, Running, running, soon, tracking_threads
from tests.stream.visitor import OFFER, Message, Visitor, visitor
from tracker.tracker import HeadTracker


class FaultyTracker(HeadTracker):
    """Fails on every frame, or on its 20th."""

    every = False

    def step(self, frame: Frame) -> TrackResult:
        self.steps = getattr(self, "steps", 0) + 1
        if self.every or self.steps == 20:
            raise ZeroDivisionError("a fault")
        return super().step(frame)


def faulty(engine: Engine, every: bool) -> Engine:
    def open_tracker(identity: Any) -> FaultyTracker:
        tracker = FaultyTracker(engine.head, identity=identity)
        tracker.every = every
        return tracker

    return Engine(engine.head, open_tracker, "mesh", "cpu")


def test_a_tracker_that_fails_is_started_again(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = faulty(engine, every=False)
    monkeypatch.setattr(broken, "warm_up", lambda: None)
    with running(broken) as server:

        async def visit() -> None:
            async with visitor(server.url) as guest:
                await guest.hello()
                await guest.show_face()
                assert not (await guest.hear_error("tracking"))["fatal"]
                await guest.until(lambda: len(after_the_fault(guest)) > 5)
            await soon(lambda: tracking_threads() == 0)

        asyncio.run(visit())


def after_the_fault(guest: Visitor) -> list[Message]:
    """Parameters that came later than the first word of it, however late that was read here."""
    told = [message for _, message in guest.messages if isinstance(message, dict)]
    first = next(at for at, message in enumerate(told) if message.get("code") == "tracking")
    return [message for message in told[first:] if message["type"] == "params"]


def test_a_tracker_that_always_fails_ends_its_session_alone(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = faulty(engine, every=True)
    monkeypatch.setattr(broken, "warm_up", lambda: None)
    with running(broken) as server:

        async def visit() -> None:
            async with visitor(server.url) as bystander, visitor(server.url) as guest:
                await bystander.hello()
                await guest.hello()
                await guest.show_face()
                await guest.closed()
                assert guest.of("error")[-1]["fatal"]
                assert [error["code"] for error in guest.of("error")].count("tracking") == 4
                await bystander.say(type="ping", id=5)
                assert (await bystander.hear("pong"))["id"] == 5
            await soon(lambda: tracking_threads() == 0)

        asyncio.run(visit())


def test_a_session_that_cannot_be_looked_after_ends_alone(server: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    async def visit() -> None:
        async with visitor(server.url) as bystander, visitor(server.url) as guest:
            await bystander.hello()
            found = server.hub.find((await guest.hello())["session"])

            def fail() -> None:
                raise ZeroDivisionError

            monkeypatch.setattr(found, "tick", fail)
            await guest.closed()
            assert guest.of("bye")[-1]["reason"] == "ended"
            await bystander.hear("stats", len(bystander.of("stats")) + 2)
            await bystander.say(type="bye")
            await bystander.hear("bye")
        await soon(lambda: not server.hub.sessions)

    asyncio.run(visit())


def test_identities_return_by_an_id_and_are_forgotten_when_asked(engine: Engine, tmp_path: Path) -> None:
    with running(engine, keep_identities=tmp_path / "kept") as server:

        async def visit() -> None:
            async with visitor(server.url) as guest:
                keep = (await guest.hello())["keep"]
                await guest.show_face()
                await guest.until(lambda: guest.of("params") and guest.of("params")[-1]["state"] == "TRACKING")
                await soon(lambda: list((tmp_path / "kept").glob("*.npz")))
                await guest.say(type="bye")
                await guest.hear("bye")
            async with visitor(server.url) as guest:
                assert (await guest.hello(keep=keep))["keep"] == keep
                await guest.show_face()
                params = await guest.until(lambda: [m for m in guest.of("params") if m["camera"]])
                assert params[0]["state"] == "TRACKING", "known from the first frame on"
                borrowed._kept.get("what a download made of this face", lambda: engine.head)
                await guest.say(type="control", forget=True)
                await soon(lambda: not list((tmp_path / "kept").glob("*.npz")))
                await soon(lambda: not borrowed._kept._made)
            async with visitor(server.url) as stranger:
                assert (await stranger.hello(keep=keep))["keep"] != keep

        asyncio.run(visit())


def test_an_identity_is_kept_that_was_told_before_a_frame_was_tracked_with_it(engine: Engine) -> None:
    identity = Identity(torch.zeros(engine.head.identity_size), 500.0, (640, 480), engine.head.name, engine.head.sha256)

    async def learn() -> list[Identity]:
        kept: list[Identity] = []
        session = Session(engine, MediaSettings(), PATIENT, "off", Metrics())
        session.on_identity = kept.append
        session._learned(identity, 0)
        session.tick()
        assert not kept, "it may still change"
        session._state = "TRACKING"
        session.tick()
        session.tick()
        return kept

    (kept,) = asyncio.run(learn())
    assert kept is identity


def test_a_head_begun_anew_is_not_kept_before_it_is_learned(engine: Engine) -> None:
    """Even where it is told after its connection has gone."""
    identity = Identity(torch.zeros(engine.head.identity_size), 500.0, (640, 480), engine.head.name, engine.head.sha256)
    nothing = dict.fromkeys(("expression", "jaw", "eyes", "neck", "camera", "blendshapes", "error_iod"))

    async def begin_anew() -> list[Identity]:
        kept: list[Identity] = []
        session = Session(engine, MediaSettings(), PATIENT, "off", Metrics())
        session.on_identity = kept.append
        session._state = "TRACKING"
        session.control(Control(re_enroll=True))
        params = Params(index=0, rtp_time=0, time_s=0.0, state="ENROLLING", times_ms=TimesMs(0.0, 0.0, 0.0), **nothing)
        session._publish(object(), params, (640, 480), None)
        session._learned(identity, session._worker.forgotten)
        session._keep_identity()
        return kept

    assert not asyncio.run(begin_anew())


# Hostile words.


def test_changed_offers_never_stop_the_server(server: Running) -> None:
    """Lines of a real offer are dropped, doubled, swapped and spoiled, in the same ways each time."""

    async def visit() -> None:
        for seed in range(60):
            async with visitor(server.url) as hostile:
                await hostile.hello()
                await hostile.say(type="offer", sdp=spoiled(OFFER, seed))
                await hostile.until(lambda hostile=hostile: hostile.of("answer") or hostile.of("error"))  # type: ignore[misc]
                await hostile.say(type="bye")
                await hostile.hear("bye")
        await still_serves(server)

    asyncio.run(visit())


def spoiled(offer: str, seed: int) -> str:
    dice = random.Random(seed)
    lines = offer.splitlines()
    for _ in range(dice.randint(1, 6)):
        at = dice.randrange(len(lines))
        match dice.randrange(5):
            case 0:
                del lines[at]
            case 1:
                lines.insert(at, lines[dice.randrange(len(lines))])
            case 2:
                lines[at] = lines[at][: dice.randrange(len(lines[at]) + 1)]
            case 3:
                lines[at] = lines[at].replace("1", dice.choice(["-1", "99999999999999999999", "é", "\x00", " "]))
            case 4:
                lines[at] = lines[at][:2] + "".join(chr(dice.randrange(32, 0x300)) for _ in range(30))
    return "\r\n".join(lines)


def test_noise_on_the_socket_never_stops_the_server(server: Running) -> None:
    async def visit() -> None:
        for seed in range(25):
            dice = random.Random(seed)
            async with visitor(server.url) as hostile:
                if dice.random() < 0.7:
                    await hostile.hello()
                for _ in range(6):
                    await say_noise(hostile, dice)
        await still_serves(server)

    asyncio.run(visit())


async def say_noise(hostile: Visitor, dice: random.Random) -> None:
    kind = dice.choice(["hello", "offer", "candidate", "control", "ping", "ticket", "?"])
    values: list[Any] = [
        None,
        "",
        "x" * 70_000,
        "a b",
        -1,
        2**80,
        1.5,
        [],
        {},
        True,
        "candidate:1 1 udp 1 999.1.1.1 9 typ host",
        "off",
    ]
    names = ["sdp", "candidate", "sdp_mid", "overlay", "resume", "id", "purpose", "paused"]
    body = {name: dice.choice(values) for name in dice.sample(names, dice.randint(0, 3))}
    if hostile.close_code is None:
        with contextlib.suppress(ConnectionClosed):
            await hostile.socket.send(json.dumps({"type": kind, **body}) if dice.random() < 0.8 else dice.randbytes(50))


async def still_serves(server: Running) -> None:
    async with visitor(server.url) as guest:
        await guest.hello()
        await guest.show_face()
        await guest.hear("params", 3)
    await soon(lambda: not server.hub.sessions and tracking_threads() == 0)
