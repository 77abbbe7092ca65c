"""Connections of a server: framing, HTTP, TLS, and clients that do not read."""

import asyncio
import json
import ssl
from contextlib import suppress
from pathlib import Path

import pytest
from p2p_tracker.config.options import ServerOptions
from p2p_tracker.errors import OptionError
from p2p_tracker.server.server import TrackerServer
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.tracker.clients import (
    DEADLINE,
    client,
    exchange,
    get,
    raw_http,
    receive,
    tracker,
)
from tests.tracker.examples import wire_announce
from tests.tracker.hostile_frames import UPGRADE, text

pytestmark = pytest.mark.asyncio


async def test_a_message_in_fragments_and_in_binary_is_one_message() -> None:
    async with tracker() as server, client(server) as socket:
        text = json.dumps(wire_announce(1, count=3))
        await socket.send([text[:10], text[10:2000], text[2000:]])
        assert (await receive(socket))["incomplete"] == 1
        await socket.send(text.encode())
        assert (await receive(socket))["incomplete"] == 1


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
async def test_a_message_that_cannot_be_replied_to_closes_with_a_code(text: str | bytes, code: int) -> None:
    async with tracker() as server, client(server) as good, client(server) as bad:
        await exchange(good, wire_announce(1))
        await bad.send(text, text=True)
        with pytest.raises(ConnectionClosed) as caught:
            await receive(bad)
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == code
        assert (await exchange(good, wire_announce(1)))["incomplete"] == 1


@pytest.mark.slow
async def test_requests_are_answered_with_a_status_even_if_malformed_or_incomplete() -> None:
    async with tracker(request_timeout=0.5) as server:
        assert (await raw_http(server, b"GET /health HTTP/1.0\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
        assert (await raw_http(server, b"nonsense\r\n\r\n")).startswith(b"HTTP/1.1 400 ")
        assert (await raw_http(server, b"GET / HTTP/1.1\r\nx: " + b"y" * 20_000)).startswith(b"HTTP/1.1 431 ")
        assert (await raw_http(server, b"GET / HT")).startswith(b"HTTP/1.1 408 ")
        assert await raw_http(server, b"") == b""
        assert server.connection_count == 0


async def test_a_client_that_never_reads_is_dropped_and_others_are_served() -> None:
    async with (
        tracker(max_backlog=200_000) as server,
        client(server) as good,
        client(server, max_queue=1, close_timeout=0.1) as lazy,
    ):
        await exchange(lazy, wire_announce(1))
        text = "x" * 60_000
        offers = [{"offer": {"type": "offer", "sdp": text}, "offer_id": "i" * 20}]
        async with asyncio.timeout(2 * DEADLINE):
            while server.connection_count == 2:
                reply = await exchange(good, wire_announce(2, offers=offers, numwant=1))
                assert reply["action"] == "announce"
        assert server.tracker.counts.peers == 1


async def test_unread_replies_to_many_scrapes_cost_only_the_client_that_sent_them() -> None:
    async with tracker(max_backlog=200_000) as server, client(server) as good:
        for number in range(999):
            await exchange(good, wire_announce(1, f"{number:020d}"))
        before = server.metrics()["bytes_sent"]
        _, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=1024)
        writer.write(UPGRADE + 300 * text(b'{"action":"scrape"}'))  # 25 MB of replies
        async with asyncio.timeout(DEADLINE):
            while server.tracker.counts.scrapes < 20 or server.connection_count > 1:
                await asyncio.sleep(0.01)
        assert (await exchange(good, wire_announce(1)))["incomplete"] == 1
        assert server.metrics()["bytes_sent"] - before < 1e7  # little more than the socket buffers of the system
        writer.close()


async def test_tls_connections_carry_websocket_and_http(tmp_path: Path) -> None:
    certificate, key = str(tmp_path / "cert.pem"), str(tmp_path / "key.pem")
    process = await asyncio.create_subprocess_exec(
        *f"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost "
        f"-addext subjectAltName=IP:127.0.0.1 -keyout {key} -out {certificate}".split(),
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert await process.wait() == 0
    trust = ssl.create_default_context(cafile=certificate)
    async with tracker(tls_certificate=certificate, tls_key=key) as server:
        assert server.url.startswith("wss://127.0.0.1:")
        async with connect(server.url, ssl=trust) as one, connect(server.url, ssl=trust) as two:
            await exchange(one, wire_announce(1))
            # larger than a TLS record and than one read
            offers = [{"offer": {"type": "offer", "sdp": "x" * 200_000}, "offer_id": "i" * 20}]
            await two.send(json.dumps(wire_announce(2, offers=offers, numwant=1)))
            assert len((await receive(one))["offer"]["sdp"]) == 200_000
        assert (await get(server, "/health", verify=trust)).json() == {"status": "ok"}
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET / HTTP/1.1\r\n\r\n")  # not TLS
        async with asyncio.timeout(DEADLINE):
            with suppress(ConnectionResetError):
                await reader.read()
        writer.close()
        assert (await get(server, "/health", verify=trust)).status_code == 200
    with pytest.raises(OptionError, match="tls_certificate"):
        TrackerServer(ServerOptions(tls_certificate="/no/such/file", tls_key="/no/such/file"))
