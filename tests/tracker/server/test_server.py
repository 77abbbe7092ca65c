import asyncio
import gc
import json

import pytest
from p2p_tracker.config.options import ServerOptions
from p2p_tracker.errors import OptionError, PortInUseError
from p2p_tracker.server.server import TrackerServer, serve
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.tracker.clients import (
    DEADLINE,
    client,
    closed,
    exchange,
    get,
    receive,
    send,
    tracker,
    until,
)
from tests.tracker.examples import OTHER_SWARM, SWARM, peer, wire_announce

pytestmark = pytest.mark.asyncio


async def test_connections_beyond_max_connections_are_refused() -> None:
    async with tracker(max_connections=1) as server:
        assert (await get(server, "/ready")).status_code == 200
        async with client(server) as one, client(server) as two:
            assert await closed(two) == (1008, "the tracker is full")
            ready = await get(server, "/ready")
            assert (ready.status_code, ready.json()["reason"]) == (503, "the tracker is full")
            assert (await exchange(one, wire_announce(1)))["incomplete"] == 1


@pytest.mark.slow
async def test_above_max_memory_new_peers_are_refused_and_existing_ones_served() -> None:
    gc.collect()  # garbage of earlier tests must not be freed while this test measures memory
    async with tracker(max_memory=32.0, ping_interval=0.05) as server, client(server) as one:
        await exchange(one, wire_announce(1))
        ballast = bytes(range(256)) * 2**19  # the process grows by 128 MiB
        async with asyncio.timeout(DEADLINE):
            while (ready := await get(server, "/ready")).status_code == 200:
                await asyncio.sleep(0.05)
        assert ready.json()["reason"] == "the tracker is short of memory"
        async with client(server) as two:
            code, reason = await closed(two)
            assert code == 1008
            assert "memory" in reason
        refused = await exchange(one, wire_announce(2))
        assert (refused["action"], refused["info_hash"]) == ("announce", SWARM)
        assert "no room" in refused["failure reason"]
        assert (await exchange(one, wire_announce(1)))["incomplete"] == 1
        del ballast


async def test_a_client_with_too_many_refused_messages_is_closed() -> None:
    async with tracker(max_refusals=3) as server, client(server) as good, client(server) as bad:
        for _ in range(3):
            assert "peer_id" in (await exchange(bad, wire_announce(1, peer_id="short")))["failure reason"]
        await send(bad, wire_announce(1, peer_id="short"))
        code, reason = await closed(bad)
        assert code == 1008
        assert "peer_id" in reason
        for _ in range(5):
            assert (await exchange(good, wire_announce(1)))["incomplete"] == 1


async def test_extensions_list_peers_and_relay_signals() -> None:
    async with tracker() as server, client(server) as old, client(server) as new, client(server) as newer:
        await exchange(old, wire_announce(1))
        await exchange(new, wire_announce(2, accepts=["signal"]))
        assert "announce first" in (await exchange(newer, wire_announce(3, action="peers")))["failure reason"]
        await exchange(newer, wire_announce(3, left=0))
        listed = await exchange(newer, {"action": "peers", "info_hash": SWARM, "peer_id": peer(3)})
        assert (listed["action"], listed["info_hash"]) == ("peers", SWARM)
        assert sorted(item["peer_id"] for item in listed["peers"]) == [peer(1), peer(2)]
        candidate = {"candidate": "candidate:1 1 udp 1 192.0.2.1 9 typ host", "sdpMid": "0", "\u2028": None}
        signal = {"action": "signal", "info_hash": SWARM, "peer_id": peer(3), "signal": candidate}
        await newer.send(json.dumps({**signal, "to_peer_id": peer(2)}))
        assert await receive(new) == signal
        back = {**signal, "peer_id": peer(2)}
        await new.send(json.dumps({**back, "to_peer_id": peer(3)}))
        assert await receive(newer) == back
        # signals are not relayed to a client that does not support them: it would destroy its socket
        for target, reason in ((peer(1), "accept"), (peer(9), "not in"), (peer(3), "accept")):
            refused = await exchange(newer, {**signal, "to_peer_id": target})
            assert (refused["action"], refused["info_hash"]) == ("signal", SWARM)
            assert reason in refused["failure reason"]
        stranger = await exchange(newer, {**signal, "peer_id": peer(1), "to_peer_id": peer(2)})
        assert "announce first" in stranger["failure reason"]
        assert server.tracker.counts.signals == 2


async def test_draining_closes_connections_in_waves_and_can_be_skipped() -> None:
    async with asyncio.timeout(20):
        server = TrackerServer(ServerOptions(port=0, log_level="error", drain=8.0))
        await server.start()
        sockets = [await client(server).__aenter__() for _ in range(24)]
        closing = asyncio.create_task(server.close())
        await sockets[0].wait_closed()
        assert 0 < server.connection_count < 24
        ready = await get(server, "/ready")
        assert (ready.status_code, ready.json()["reason"]) == (503, "the tracker is shutting down")
        assert (await get(server, "/health")).status_code == 200
        async with client(server) as late:
            assert (await closed(late))[0] == 1001
        server.skip_drain()
        async with asyncio.timeout(2.5):
            await closing
        for socket in sockets:
            assert (await closed(socket))[0] == 1001


async def test_offers_and_answers_are_relayed_between_two_peers() -> None:
    async with (
        tracker(interval=30, interval_jitter=0) as server,
        client(server) as one,
        client(server, "/any/path") as two,
    ):
        assert await exchange(one, wire_announce(1)) == {
            "action": "announce",
            "interval": 30,
            "info_hash": SWARM,
            "complete": 0,
            "incomplete": 1,
        }
        sent = wire_announce(2, count=5)
        await send(two, sent)
        assert (await receive(two))["incomplete"] == 2
        offer = await receive(one)
        assert offer == {"action": "announce", "info_hash": SWARM, "peer_id": peer(2), **sent["offers"][0]}
        answer = {"type": "answer", "sdp": "v=0\r\n\u2028"}
        fields = {"action": "announce", "info_hash": SWARM, "peer_id": peer(1), "offer_id": offer["offer_id"]}
        await send(one, {**fields, "to_peer_id": peer(2), "answer": answer})
        assert await receive(two) == {**fields, "answer": answer}


async def test_ids_of_any_bytes_are_accepted() -> None:
    swarm, one_id, two_id = "\xff\x00" * 10, "\x80" * 20, "\xe9\n" * 10
    async with tracker() as server, client(server) as one, client(server) as two:
        await exchange(one, wire_announce(1, swarm, peer_id=one_id))
        await exchange(two, wire_announce(2, swarm, peer_id=two_id, count=1))
        offer = await receive(one)
        assert (offer["info_hash"], offer["peer_id"]) == (swarm, two_id)


async def test_an_invalid_message_gets_a_failure_and_the_connection_stays_open() -> None:
    async with tracker() as server, client(server) as socket:
        for fields in ({"peer_id": "x"}, {"event": "boom"}, {"action": "dance"}, {"info_hash": "short"}):
            reply = await exchange(socket, wire_announce(1) | fields)
            assert reply["action"] == "announce"
            assert reply["info_hash"] == fields.get("info_hash", SWARM)
            assert reply["failure reason"]
        assert "failure reason" not in await exchange(socket, wire_announce(1))


async def test_closing_a_connection_removes_all_its_peers() -> None:
    async with tracker() as server:
        async with client(server) as page:
            for number in range(3):
                await exchange(page, wire_announce(number))
                await exchange(page, wire_announce(number, OTHER_SWARM))
            assert server.tracker.counts.peers == 6
        await until(lambda: not server.tracker.swarms)
        assert server.connection_count == 0


async def test_a_scrape_is_answered() -> None:
    async with tracker() as server, client(server) as socket:
        await exchange(socket, wire_announce(1, left=0))
        await send(socket, {"action": "scrape", "info_hash": [SWARM]})
        reply = await receive(socket)
        assert reply == {"action": "scrape", "files": {SWARM: {"complete": 1, "incomplete": 0, "downloaded": 0}}}


@pytest.mark.slow
async def test_connections_without_pongs_are_closed_and_others_stay() -> None:
    async with tracker(heartbeat_timeout=1.5, ping_interval=0.5) as server, client(server) as alive:
        await exchange(alive, wire_announce(1))
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(
            b"GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n"
        )
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 ")
        assert b"extensions" not in head.lower()
        assert server.connection_count == 2
        received = b""
        async with asyncio.timeout(2 * DEADLINE):
            while b"\x88" not in received:
                received += await reader.read(100)
        assert received.startswith(b"\x89\x00")
        assert b"\x03\xe9" in received
        writer.close()
        assert server.connection_count == 1
        assert (await exchange(alive, wire_announce(1)))["incomplete"] == 1


async def test_shutdown_closes_with_code_1001() -> None:
    async with asyncio.timeout(20):
        async with serve(ServerOptions(port=0, log_level="error")) as server:
            socket = await client(server).__aenter__()
            await exchange(socket, wire_announce(1))
        with pytest.raises(ConnectionClosed) as caught:
            await receive(socket)
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 1001
        with pytest.raises(OSError):
            await asyncio.open_connection("127.0.0.1", server.port)


async def test_a_port_in_use_and_an_unknown_host_are_named_in_the_error() -> None:
    async with tracker() as server:
        with pytest.raises(PortInUseError, match=str(server.port)):
            await TrackerServer(ServerOptions(port=server.port)).start()
    with pytest.raises(OptionError, match="no such host"):
        await TrackerServer(ServerOptions(host="no such host", port=0)).start()


async def test_ipv6_addresses_are_supported() -> None:
    async with asyncio.timeout(20), serve(ServerOptions(host="::1", port=0, log_level="error")) as server:
        assert server.url.startswith("ws://[::1]:")
        async with connect(server.url) as socket:
            assert (await exchange(socket, wire_announce(1)))["incomplete"] == 1
