"""Who comes in, and what a server tells of itself."""

import asyncio
import json

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from stream.engine import Engine
from tests.stream.fetching import get
from tests.stream.running import Running, running
from tests.stream.visitor import visitor


def test_health_metrics_and_configuration(server: Running) -> None:
    assert get(server, "/healthz")[:2] == (200, "ok\n")
    assert get(server, "/readyz")[:2] == (200, "ready\n")
    assert "mien_sessions 0.0" in get(server, "/metrics")[1]
    assert json.loads(get(server, "/config")[1]) == {"ice_servers": [], "media": "lan"}
    status, _, headers = get(server, "/")
    assert status == 200
    assert "default-src 'none'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert "server" not in headers


def test_other_hosts_and_origins_get_nothing(server: Running) -> None:
    assert get(server, "/config", Host="evil.example")[0] == 403
    assert get(server, "/config", Origin="https://evil.example")[0] == 403

    async def knock(origin: str) -> int:
        try:
            async with connect(server.url + "/session", subprotocols=["mien.v1"], origin=origin, proxy=None):  # type: ignore[list-item,arg-type]
                return 101
        except InvalidStatus as refusal:
            return refusal.response.status_code

    assert asyncio.run(knock("https://evil.example")) == 403
    assert asyncio.run(knock(server.http)) == 101


def test_a_socket_without_our_subprotocol_is_refused(server: Running) -> None:
    async def knock() -> None:
        with pytest.raises(InvalidStatus) as refusal:
            await connect(server.url + "/session", proxy=None)
        assert refusal.value.response.status_code == 400

    asyncio.run(knock())


def test_with_a_token_only_those_who_have_it_come_in(engine: Engine) -> None:
    with running(engine, token="the-right-token") as server:
        assert get(server, "/metrics")[0] == get(server, "/config")[0] == 401
        assert get(server, "/config", Authorization="Bearer the-right-token")[0] == 200
        assert get(server, "/healthz")[0] == 200

        async def visit() -> None:
            for offered in ((), ("mien.token.the-wrong-token",)):
                async with visitor(server.url, subprotocols=("mien.v1", *offered)) as guest:
                    assert (await guest.hear("error"))["code"] == "denied"
                    assert await guest.closed() == 4401
            async with visitor(server.url, subprotocols=("mien.v1", "mien.token.the-right-token")) as guest:
                welcome = await guest.hello()
                async with visitor(server.url, f"/watch/{welcome['session']}") as stranger:
                    assert await stranger.closed() == 4401
                await guest.say(type="ticket", purpose="watch")
                path = (await guest.hear("ticket"))["path"]
                async with visitor(server.url, path) as watcher:
                    assert (await watcher.hear("welcome"))["resume"] is None
                async with visitor(server.url, path) as late:
                    assert await late.closed() == 4401

        asyncio.run(visit())
