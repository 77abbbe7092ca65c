"""Admission rules and limits, as clients of a server experience them."""

import asyncio
from typing import Any

import pytest
from p2p_tracker.admission.tokens import sign

from tests.tracker.clients import (
    DEADLINE,
    client,
    closed,
    exchange,
    get,
    tracker,
)
from tests.tracker.examples import OTHER_SWARM, SWARM, peer, wire_announce

pytestmark = pytest.mark.asyncio


@pytest.mark.parametrize(
    ("options", "connect_options", "code", "reason"),
    [
        ({"allow_origins": ("https://tv.example",)}, {"origin": "https://evil.example"}, 1008, "origin"),
        ({"deny_origins": ("*.evil.example",)}, {"origin": "https://www.evil.example"}, 1008, "origin"),
        ({"require_origin": True}, {}, 1008, "origin"),
        ({"token_secret": "s"}, {}, 1008, "token"),
    ],
)
async def test_a_connection_is_refused_with_code_and_reason(
    options: dict[str, Any], connect_options: dict[str, Any], code: int, reason: str
) -> None:
    async with tracker(**options) as server, client(server, **connect_options) as socket:
        observed = await closed(socket)
        assert observed[0] == code
        assert reason in observed[1]
        assert (await get(server, "/tracker/stats")).json()["connections_refused"] == 1
        assert server.tracker.next_deadline() is None


async def test_a_connection_from_an_allowed_origin_is_served() -> None:
    rules = {"allow_origins": ("https://*.tv.example",), "require_origin": True}
    async with tracker(**rules) as server, client(server, origin="https://a.tv.example") as socket:
        assert (await exchange(socket, wire_announce(1)))["incomplete"] == 1


async def test_the_limit_per_address_counts_open_connections() -> None:
    async with tracker(max_connections_per_address=2) as server, client(server) as one:
        async with client(server):
            async with client(server) as third:
                assert (await closed(third))[0] == 1008
            assert server.connection_count == 2
        async with asyncio.timeout(DEADLINE):
            while server.connection_count > 1:
                await asyncio.sleep(0.01)
        async with client(server) as again:
            assert (await exchange(again, wire_announce(2)))["incomplete"] == 1
            assert (await exchange(one, wire_announce(1)))["incomplete"] == 2


async def test_clients_behind_a_trusted_proxy_are_counted_by_their_own_address() -> None:
    rules = {"max_connections_per_address": 1, "trusted_proxies": ("127.0.0.1",)}
    async with tracker(**rules) as server:
        headers = [{"X-Forwarded-For": address} for address in ("192.0.2.1", "192.0.2.2", "192.0.2.2")]
        async with client(server, additional_headers=headers[0]) as one, client(server, additional_headers=headers[1]):
            assert (await exchange(one, wire_announce(1)))["incomplete"] == 1
            async with client(server, additional_headers=headers[2]) as third:
                assert (await closed(third))[0] == 1008


async def test_too_many_announces_are_refused_with_action_and_info_hash() -> None:
    async with tracker(announce_rate=0.001, announce_burst=2) as server, client(server) as one, client(server) as two:
        for socket in (one, two):
            assert "failure reason" not in await exchange(socket, wire_announce(1))
        refused = await exchange(one, wire_announce(1))
        assert (refused["action"], refused["info_hash"]) == ("announce", SWARM)
        assert "too many announces" in refused["failure reason"]
        assert "failure reason" not in await exchange(one, wire_announce(1, event="stopped"))


async def test_info_hashes_that_are_not_allowed_are_refused() -> None:
    async with tracker(allow_hashes=(SWARM,)) as server, client(server) as socket:
        assert "failure reason" not in await exchange(socket, wire_announce(1))
        for action in ("announce", "signal", "peers"):
            message = wire_announce(1, OTHER_SWARM, action=action, to_peer_id=peer(2), signal={})
            refused = await exchange(socket, message)
            assert (refused["action"], refused["info_hash"]) == (action, OTHER_SWARM)
            assert "not served" in refused["failure reason"]
        assert list(server.tracker.swarms) == [SWARM]
        assert (await exchange(socket, {"action": "scrape"}))["files"].keys() == {SWARM}


async def test_a_token_admits_to_its_swarms() -> None:
    async with tracker(token_secret="s") as server:
        token = sign("s", 4e9, [SWARM])
        async with client(server, f"/tracker/ws?token={token}") as socket:
            assert "failure reason" not in await exchange(socket, wire_announce(1))
            assert "token" in (await exchange(socket, wire_announce(1, OTHER_SWARM)))["failure reason"]
        old = sign("s", 1.0)
        async with client(server, f"/?token={old}") as socket:
            assert (await closed(socket))[0] == 1008
        assert (await get(server, "/tracker/ice")).status_code == 403
        assert (await get(server, f"/tracker/ice?token={token}")).status_code == 200
