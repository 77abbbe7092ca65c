import asyncio
import json
import re
from pathlib import Path

import httpx
import pytest
from p2p_tracker.config.options import ServerOptions
from p2p_tracker.errors import OptionError, PortInUseError
from p2p_tracker.server.server import TrackerServer, serve
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.tracker.clients import DEADLINE, client, receive, send, tracker
from tests.tracker.examples import OTHER_SWARM, SWARM, peer, wire_announce

pytestmark = pytest.mark.asyncio


async def join(socket, number: int, swarm: str = SWARM, **fields) -> dict:
    await send(socket, wire_announce(number, swarm, **fields))
    return await receive(socket)


async def until(condition) -> None:
    async with asyncio.timeout(DEADLINE):
        while not condition():
            await asyncio.sleep(0.005)


async def test_two_peers_find_each_other():
    async with (
        tracker(interval=30, interval_jitter=0) as server,
        client(server) as one,
        client(server, "/any/path") as two,
    ):
        assert await join(one, 1) == {
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


async def test_ids_of_any_bytes_pass():
    swarm, one_id, two_id = "\xff\x00" * 10, "\x80" * 20, "\xe9\n" * 10
    async with tracker() as server, client(server) as one, client(server) as two:
        await join(one, 1, swarm, peer_id=one_id)
        await join(two, 2, swarm, peer_id=two_id, count=1)
        offer = await receive(one)
        assert (offer["info_hash"], offer["peer_id"]) == (swarm, two_id)


async def test_a_message_in_fragments_and_in_binary_is_one_message():
    async with tracker() as server, client(server) as socket:
        text = json.dumps(wire_announce(1, count=3))
        await socket.send([text[:10], text[10:2000], text[2000:]])
        assert (await receive(socket))["incomplete"] == 1
        await socket.send(text.encode())
        assert (await receive(socket))["incomplete"] == 1


async def test_errors_are_answered_and_the_connection_lives():
    async with tracker() as server, client(server) as socket:
        for fields in ({"peer_id": "x"}, {"event": "boom"}, {"action": "dance"}, {"info_hash": "short"}):
            reply = await join(socket, 1, **fields)
            assert reply["action"] == "announce"
            assert reply["info_hash"] == fields.get("info_hash", SWARM)
            assert reply["failure reason"]
        assert "failure reason" not in await join(socket, 1)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("null", 1008),
        ("{", 1008),
        ("[]", 1008),
        ('{"action":"announce"}', 1008),
        ("x" * 300_000, 1009),
        (b"\xff", 1007),
    ],
)
async def test_what_cannot_be_answered_is_closed_with_a_code(text, code):
    async with tracker() as server, client(server) as good, client(server) as bad:
        await join(good, 1)
        await bad.send(text, text=True)
        with pytest.raises(ConnectionClosed) as caught:
            await receive(bad)
        assert caught.value.rcvd.code == code
        assert (await join(good, 1))["incomplete"] == 1


async def test_closing_a_socket_removes_all_its_peers():
    async with tracker() as server:
        async with client(server) as page:
            for number in range(3):
                await join(page, number)
                await join(page, number, OTHER_SWARM)
            assert server.tracker.counts.peers == 6
        await until(lambda: not server.tracker.swarms)
        assert server.connection_count == 0


async def test_scrape():
    async with tracker() as server, client(server) as socket:
        await join(socket, 1, left=0)
        await send(socket, {"action": "scrape", "info_hash": [SWARM]})
        reply = await receive(socket)
        assert reply == {"action": "scrape", "files": {SWARM: {"complete": 1, "incomplete": 0, "downloaded": 0}}}


async def test_silent_sockets_are_dropped_and_answering_ones_stay():
    async with tracker(heartbeat_timeout=1.5, ping_interval=0.5) as server, client(server) as alive:
        await join(alive, 1)
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
        rest = b""
        async with asyncio.timeout(2 * DEADLINE):
            while b"\x88" not in rest:
                rest += await reader.read(100)
        assert rest.startswith(b"\x89\x00")
        assert b"\x03\xe9" in rest
        writer.close()
        assert server.connection_count == 1
        assert (await join(alive, 1))["incomplete"] == 1


async def test_shutdown_says_goodbye():
    async with asyncio.timeout(20):
        async with serve(ServerOptions(port=0, log_level="error")) as server:
            socket = await client(server).__aenter__()
            await join(socket, 1)
        with pytest.raises(ConnectionClosed) as caught:
            await receive(socket)
        assert caught.value.rcvd.code == 1001
        with pytest.raises(OSError):
            await asyncio.open_connection("127.0.0.1", server.port)


async def test_every_path_that_troubleshooting_names_is_served():
    text = (Path(__file__).parents[3] / "docs" / "troubleshooting.md").read_text("utf-8")
    paths = set(re.findall(r"`(?:GET )?(/[a-z./]*)`", text))
    assert paths >= {"/", "/health", "/ready", "/tracker/stats"}
    async with tracker() as server, httpx.AsyncClient(base_url=server.http_url, timeout=DEADLINE) as http:
        assert {path: (await http.get(path)).status_code for path in paths} == dict.fromkeys(paths, 200)


async def test_http_endpoints():
    async with tracker() as server, client(server) as socket:
        await join(socket, 1)
        async with httpx.AsyncClient(base_url=server.http_url, timeout=DEADLINE) as http:
            health = await http.get("/health")
            assert health.json() == {"status": "ok"}
            assert health.headers["access-control-allow-origin"] == "*"
            for path in ("/tracker/stats", "/stats.json", "/tracker/stats?x=1"):
                stats = (await http.get(path)).json()
                assert (stats["connections"], stats["swarms"], stats["peers"], stats["announces"]) == (1, 1, 1, 1)
                assert stats["largest"][0]["info_hash"] == SWARM.encode().hex()
            for text in (SWARM, SWARM.encode().hex()):
                found = (await http.get(f"/tracker/peers/{text}")).json()
                assert found["peers"] == [{"peer_id": peer(1).encode().hex(), "name": peer(1), "complete": False}]
                assert found["incomplete"] == 1
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


async def test_raw_http():
    async with tracker(request_timeout=0.5) as server:

        async def ask(data: bytes) -> bytes:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(data)
            async with asyncio.timeout(DEADLINE):
                answer = await reader.read()
            writer.close()
            return answer

        assert (await ask(b"GET /health HTTP/1.0\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
        assert (await ask(b"nonsense\r\n\r\n")).startswith(b"HTTP/1.1 400 ")
        assert (await ask(b"GET / HTTP/1.1\r\nx: " + b"y" * 20_000)).startswith(b"HTTP/1.1 431 ")
        assert (await ask(b"GET / HT")).startswith(b"HTTP/1.1 408 ")
        assert await ask(b"") == b""
        assert server.connection_count == 0


async def test_a_peer_that_never_reads_is_dropped_and_disturbs_nobody():
    async with (
        tracker(max_backlog=200_000) as server,
        client(server) as good,
        client(server, max_queue=1, close_timeout=0.1) as lazy,
    ):
        await join(lazy, 1)
        text = "x" * 60_000
        offers = [{"offer": {"type": "offer", "sdp": text}, "offer_id": "i" * 20}]
        async with asyncio.timeout(2 * DEADLINE):
            while server.connection_count == 2:
                reply = await join(good, 2, offers=offers, numwant=1)
                assert reply["action"] == "announce"
        assert server.tracker.counts.peers == 1


async def test_a_taken_port_and_a_wrong_host_are_told_clearly():
    async with tracker() as server:
        with pytest.raises(PortInUseError, match=str(server.port)):
            await TrackerServer(ServerOptions(port=server.port)).start()
    with pytest.raises(OptionError, match="no such host"):
        await TrackerServer(ServerOptions(host="no such host", port=0)).start()


async def test_ipv6_is_spoken():
    async with asyncio.timeout(20), serve(ServerOptions(host="::1", port=0, log_level="error")) as server:
        assert server.url.startswith("ws://[::1]:")
        async with connect(server.url) as socket:
            assert (await join(socket, 1))["incomplete"] == 1
