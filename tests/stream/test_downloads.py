"""The learned head as a file, for those who may have it."""

import asyncio
import io
import json
import struct
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from models.types import Identity
from stream.engine import Engine
from tests.stream.fetching import fetch
from tests.stream.running import Running, running, soon
from tests.stream.visitor import visitor


def test_the_head_can_be_downloaded_by_token_and_by_ticket(engine: Engine) -> None:
    with running(engine, token="the-right-token") as server:

        async def visit() -> None:
            async with visitor(server.url, subprotocols=("mien.v1", "mien.token.the-right-token")) as guest:
                welcome = await guest.hello(overlay="off")
                path = f"/sessions/{welcome['session']}/head.glb"
                by_token = {"Authorization": "Bearer the-right-token"}
                assert (await asyncio.to_thread(fetch, server, path, **by_token))[0] == 404
                await guest.show_face()
                assert (await guest.hear("identity"))["glb"] == path
                assert (await asyncio.to_thread(fetch, server, path))[0] == 401
                status, content, headers = await asyncio.to_thread(fetch, server, path, **by_token)
                assert status == 200
                assert headers["content-type"] == "model/gltf-binary"
                check_glb(content)
                await guest.say(type="ticket", purpose="head.glb")
                link = (await guest.hear("ticket"))["path"]
                assert (await asyncio.to_thread(fetch, server, link))[0] == 200
                assert (await asyncio.to_thread(fetch, server, link))[0] == 401, "a ticket is for one use"

        asyncio.run(visit())


def test_a_head_that_cannot_be_exported_is_told(engine: Engine) -> None:
    broken = torch.full((engine.head.identity_size,), torch.nan)
    with running(engine) as server:

        async def visit() -> None:
            async with visitor(server.url) as guest:
                name = (await guest.hello(overlay="off"))["session"]
                found = server.hub.find(name)
                assert found is not None
                found.identity = Identity(broken, 500.0, (640, 480), engine.head.name, engine.head.sha256)
                status, said, _ = await asyncio.to_thread(fetch, server, f"/sessions/{name}/head.glb")
                assert (status, b"finite numbers as the identity" in said) == (409, True)

        asyncio.run(visit())


def test_the_skin_can_be_downloaded_and_is_worn_by_the_head(server: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tracker.photometric.aside.NICENESS", 0)  # beside other tests it would hardly get on

    async def visit() -> None:
        async with visitor(server.url) as guest:
            session = (await guest.hello(overlay="off"))["session"]
            path = f"/sessions/{session}/texture.png"
            assert (await asyncio.to_thread(fetch, server, path))[0] == 404
            await guest.show_face()
            identity = await guest.hear("identity")
            assert identity["texture"] == path
            assert (await asyncio.to_thread(fetch, server, path, method="HEAD"))[0] == 202
            status = 503
            while status == 503:  # asked again, as the answer says
                status, content, headers = await asyncio.to_thread(fetch, server, path)
            assert status == 200, content
            assert headers["content-type"] == "image/png"
            with Image.open(io.BytesIO(content)) as picture:
                assert picture.size[0] >= 512
                assert np.ptp(np.asarray(picture)) > 100
            _, glb, _ = await asyncio.to_thread(fetch, server, identity["glb"])
            assert check_glb(glb)["images"][0]["mimeType"] == "image/png"
            await guest.say(type="control", re_enroll=True)
            await soon(lambda: server.hub.find(session).texture is None)  # type: ignore[union-attr]
            await guest.say(type="bye")

    asyncio.run(visit())


def check_glb(content: bytes) -> dict[str, Any]:
    magic, version, length = struct.unpack_from("<4sII", content)
    assert (magic, version, length) == (b"glTF", 2, len(content))
    (size,) = struct.unpack_from("<I", content, 12)
    document = json.loads(content[20 : 20 + size])
    assert len(document["meshes"][0]["primitives"][0]["targets"]) == 52
    return document  # type: ignore[no-any-return]
