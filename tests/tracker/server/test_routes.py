import re
from pathlib import Path

import httpx
import pytest
from p2p_tracker.config.options import ServerOptions
from p2p_tracker.server.server import TrackerServer

from tests.tracker.clients import (
    DEADLINE,
    client,
    exchange,
    get,
    tracker,
)
from tests.tracker.examples import SWARM, peer, wire_announce

pytestmark = pytest.mark.asyncio


async def test_every_path_in_the_troubleshooting_page_is_served() -> None:
    text = (Path(__file__).parents[3] / "docs" / "troubleshooting.md").read_text("utf-8")
    paths = set(re.findall(r"`(?:GET )?(/[a-z./]*)`", text))
    assert paths >= {"/", "/health", "/ready", "/tracker/stats"}
    async with tracker() as server, httpx.AsyncClient(base_url=server.http_url, timeout=DEADLINE) as http:
        assert {path: (await http.get(path)).status_code for path in paths} == dict.fromkeys(paths, 200)


async def test_routes_respond_as_documented() -> None:
    async with tracker() as server, client(server) as socket:
        await exchange(socket, wire_announce(1))
        async with httpx.AsyncClient(base_url=server.http_url, timeout=DEADLINE) as http:
            health = await http.get("/health")
            assert health.json() == {"status": "ok"}
            assert health.headers["access-control-allow-origin"] == "*"
            for path in ("/tracker/stats", "/stats.json", "/tracker/stats?x=1"):
                stats = (await http.get(path)).json()
                assert (stats["connections"], stats["swarms"], stats["peers"], stats["announces"]) == (1, 1, 1, 1)
                assert stats["largest"][0]["info_hash"] == SWARM.encode().hex()
            for text in (SWARM, SWARM.encode().hex()):
                listing = (await http.get(f"/tracker/peers/{text}")).json()
                assert listing["peers"] == [{"peer_id": peer(1).encode().hex(), "name": peer(1), "complete": False}]
                assert listing["incomplete"] == 1
            statuses = {
                path: (await http.get(path)).status_code
                for path in ("/tracker/peers/x", "/tracker/peers/" + "x" * 20, "/no")
            }
            assert list(statuses.values()) == [400, 404, 404]
            head = await http.head("/health")
            assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", "17")
            assert (await http.post("/health", content=b"x" * 1000)).status_code == 405
            assert (await http.get("/health", headers={"Upgrade": "h2c"})).status_code == 200
            assert (await http.get("/", headers={"Upgrade": "websocket"})).status_code == 400
            preflight = await http.options("/tracker/stats", headers={"Access-Control-Request-Headers": "x-custom"})
            assert preflight.status_code == 204
            assert preflight.headers["access-control-allow-headers"] == "x-custom"
            assert "GET" in preflight.headers["access-control-allow-methods"]


async def test_turn_servers_are_listed_with_passwords_that_expire() -> None:
    options = ServerOptions(
        port=0, stun_urls=("stun:s",), turn_urls=("turn:t",), turn_secret="north", turn_lifetime=60.0
    )
    server = TrackerServer(options, wall_clock=lambda: 1000.0)
    await server.start()
    try:
        response = (await get(server, "/tracker/ice")).json()
    finally:
        await server.close()
    assert response["lifetime"] == 60
    stun, turn = response["iceServers"]
    assert stun == {"urls": ["stun:s"]}
    assert turn["username"] == "1060:viewer"


async def test_swarms_can_be_kept_private() -> None:
    async with tracker(publish_swarms=False) as server, client(server) as socket:
        await exchange(socket, wire_announce(1))
        statistics = (await get(server, "/tracker/stats")).json()
        assert statistics["peers"] == 1
        assert "largest" not in statistics
        assert (await get(server, f"/tracker/peers/{SWARM}")).status_code == 403
        assert (await exchange(socket, {"action": "scrape"}))["files"] == {}
        assert (await exchange(socket, {"action": "scrape", "info_hash": SWARM}))["files"].keys() == {SWARM}
