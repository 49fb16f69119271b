"""`mien watch` against a running session: printed, and recorded in both forms."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.typing import Subprotocol

from models.types import MienError
from stream.follow import listen
from stream.protocol import JSON_SUBPROTOCOL
from stream.watch import watch_url
from tests.stream.running import Running
from tests.stream.visitor import visitor

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("http://localhost:8080", "ws://localhost:8080/watch/latest"),
        ("localhost:8080", "ws://localhost:8080/watch/latest"),
        ("https://mien.example/watch/abc?ticket=t", "wss://mien.example/watch/abc?ticket=t"),
        ("ws://[::1]:80/watch/abc", "ws://[::1]:80/watch/abc"),
        ("https://mien.example/#token=x", "wss://mien.example/watch/latest"),
    ],
)
def test_addresses_as_people_paste_them(given: str, url: str) -> None:
    assert watch_url(given) == url


@pytest.mark.parametrize("given", ["ftp://localhost", "http://[::1", "localhost:99999", "http://localhost:abc", ""])
def test_other_addresses_are_explained(given: str) -> None:
    with pytest.raises(MienError, match="expected an address such as http"):
        watch_url(given)


@pytest.mark.parametrize("message", ["hello", b"\x00\xff", '{"type": "params"}', '{"type": "of another version"}'])
def test_another_program_there_is_told_from_mien(message: str | bytes) -> None:
    async def watch_it() -> None:
        async def answer(socket: ServerConnection) -> None:
            await socket.send(message)
            await socket.wait_closed()

        async with serve(answer, "127.0.0.1", 0, subprotocols=[Subprotocol(JSON_SUBPROTOCOL)]) as other:
            port = next(iter(other.sockets)).getsockname()[1]
            async for _ in listen(f"ws://127.0.0.1:{port}/watch/latest"):
                pass

    with pytest.raises(MienError, match="expected messages of"):
        asyncio.run(watch_it())


def test_a_session_is_recorded_and_printed(server: Running, tmp_path: Path) -> None:
    """Three programs follow one session at once."""

    async def visit() -> list[tuple[int | None, bytes]]:
        async with visitor(server.url) as guest:
            welcome = await guest.hello(overlay="off")
            await guest.show_face()
            await guest.until(lambda: guest.of("identity"))
            address = f"{server.http}/watch/{welcome['session']}"
            outputs: tuple[list[str], ...] = (
                ["-o", str(tmp_path / "take.npz")],
                ["-o", str(tmp_path / "take.jsonl")],
                [],
            )
            programs = [
                await asyncio.create_subprocess_exec(
                    sys.executable,
                    "mien.py",
                    "watch",
                    address,
                    "--frames",
                    "12",
                    *output,
                    cwd=ROOT,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                )
                for output in outputs
            ]
            said = [await asyncio.wait_for(program.communicate(), 240) for program in programs]
            return [(program.returncode, out + err) for program, (out, err) in zip(programs, said, strict=True)]

    ends = asyncio.run(visit())
    assert [code for code, _ in ends] == [0, 0, 0], ends
    with np.load(tmp_path / "take.npz", allow_pickle=False) as take:
        assert take["expression"].shape == (12, len(take["expression_names"]))
        assert take["rotation"].shape == (12, 3, 3)
        with_face = np.isfinite(take["focal_px"])
        assert with_face.any()
        turned = take["rotation"][with_face]
        np.testing.assert_allclose(
            turned @ turned.transpose(0, 2, 1), np.broadcast_to(np.eye(3), turned.shape), atol=1e-4
        )
        assert np.isfinite(take["identity"]).all()
    for text in ((tmp_path / "take.jsonl").read_text(), ends[2][1].decode()):
        kinds = [json.loads(line)["type"] for line in text.splitlines()]
        assert kinds[0] == "welcome"
        assert kinds.count("params") == 12


def test_nobody_there_is_one_line(tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "mien.py", "watch", "http://127.0.0.1:9"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 2
    assert len(result.stderr.splitlines()) == 1
    assert "expected a Mien server there" in result.stderr
