"""Clients that violate the protocol: the server neither crashes nor leaks, and serves the others."""

import asyncio
import gc
import json
import os
import random
import resource
import socket
import struct
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from p2p_tracker.config.options import ServerOptions
from p2p_tracker.core.swarm import Client, Membership
from p2p_tracker.server.connections import Connection
from p2p_tracker.server.server import TrackerServer, serve
from websockets.asyncio.client import connect
from websockets.frames import Frame, Opcode

from tests.tracker.examples import wire_announce
from tests.tracker.hostile_frames import HOSTILE, UPGRADE, mutated, text

pytestmark = pytest.mark.asyncio

Check: TypeAlias = Callable[[], Awaitable[None]]
"""Checks that the good client is served."""

DEADLINE = 5.0


@asynccontextmanager
async def watched_tracker(**options: Any) -> AsyncIterator[tuple[TrackerServer, Check]]:
    """Run a tracker with a good client, which must be served before, during and after the block."""
    async with asyncio.timeout(60), serve(ServerOptions(port=0, log_level="error", **options)) as server:
        async with connect(server.url) as good:

            async def check() -> None:
                await good.send(json.dumps(wire_announce(1)))
                async with asyncio.timeout(DEADLINE):
                    while "interval" not in json.loads(await good.recv()):
                        pass

            await check()
            yield server, check
            await check()
        async with asyncio.timeout(DEADLINE):
            while server.connection_count:
                await asyncio.sleep(0.01)
        assert not server.tracker.swarms
        assert server.tracker.counts.peers == 0
        assert server.tracker.next_deadline() is None


async def send_raw(server: TrackerServer, data: bytes, *, is_reset: bool = False) -> bytes:
    """Send bytes on a fresh connection; return what is received until the tracker closes it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    answer = b""
    with suppress(ConnectionError, TimeoutError):
        writer.write(data)
        async with asyncio.timeout(0.2):
            while block := await reader.read(65536):
                answer += block
    if is_reset:
        linger = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.close()
    return answer


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_hostile_message_does_not_affect_others(name: str) -> None:
    async with watched_tracker() as (server, check):
        answer = await send_raw(server, UPGRADE + text(HOSTILE[name]))
        assert answer.startswith(b"HTTP/1.1 101 ")
        # there is always a reply or a close frame
        assert len(answer.partition(b"\r\n\r\n")[2]) > 2
        await check()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/1.1\r\n",
        b"\r\n\r\n",
        b"\x00" * 50_000,
        b"GET /" + b"a" * 50_000,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        UPGRADE.replace(b"13", b"99"),
        UPGRADE + UPGRADE,
        UPGRADE + b"\x81\xff" + b"\xff" * 12,
        UPGRADE + b"\x81\xfe\xff",
        UPGRADE + b"\x89\x80abcd" * 5000,
        UPGRADE + b"\x01\x80abcd" + b"\x00\x80abcd" * 5000,
        UPGRADE + b"\x88\x80abcd" + b"\x81\x80abcd" * 10,
    ],
)
@pytest.mark.parametrize("is_reset", [False, True])
async def test_hostile_bytes_do_not_affect_others(data: bytes, is_reset: bool) -> None:
    async with watched_tracker(request_timeout=0.5) as (server, check):
        await send_raw(server, data, is_reset=is_reset)
        await check()


@pytest.mark.parametrize("seed", range(4))
async def test_random_mutations_of_valid_messages_do_not_affect_others(seed: int) -> None:
    rng = random.Random(seed)
    async with watched_tracker() as (server, check):
        for round_number in range(25):
            stream = bytearray(UPGRADE)
            for _ in range(10):
                stream += mutated(rng)
            _, writer = await asyncio.open_connection("127.0.0.1", server.port)
            with suppress(ConnectionError):
                for start in range(0, len(stream), size := rng.randrange(1, 3000)):
                    writer.write(stream[start : start + size])
                    if rng.random() < 0.3:
                        await asyncio.sleep(0)
                await writer.drain()
            writer.close()
            if round_number % 8 == 0:
                await check()


@pytest.mark.slow
async def test_half_open_and_half_closed_sockets_are_cleaned_up() -> None:
    async with watched_tracker(request_timeout=0.4, heartbeat_timeout=1.0, ping_interval=0.2) as (server, check):
        silent = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(20)]
        half = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(20)]
        for _, writer in half:
            writer.write(UPGRADE + Frame(Opcode.TEXT, json.dumps(wire_announce(9)).encode()).serialize(mask=True))
            writer.write_eof()
        unresponsive = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(20)]
        for _, writer in unresponsive:
            writer.write(UPGRADE)  # without any pong
        async with asyncio.timeout(DEADLINE):
            while server.socket_count > 1:
                await asyncio.sleep(0.05)
                await check()
        for _, writer in silent + half + unresponsive:
            writer.close()


async def test_slow_readers_neither_delay_nor_fill_the_tracker() -> None:
    async with watched_tracker(max_backlog=300_000) as (server, check):
        lazy = []
        for number in range(5):
            sock = socket.socket()
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.setblocking(False)
            await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", server.port))
            await asyncio.get_running_loop().sock_sendall(
                sock, UPGRADE + text(json.dumps(wire_announce(10 + number)).encode())
            )
            lazy.append(sock)
        offers = [{"offer": {"sdp": "x" * 20_000}, "offer_id": "i" * 20}] * 5
        async with connect(server.url) as eager, asyncio.timeout(20):
            while server.connection_count > 2:
                await eager.send(json.dumps(wire_announce(2, offers=offers, numwant=5)))
                await eager.recv()
            await check()
        for sock in lazy:
            sock.close()


@pytest.mark.slow
async def test_the_tracker_survives_running_out_of_file_descriptors() -> None:
    async with watched_tracker(request_timeout=1.0) as (server, check):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        taken: list[socket.socket] = []
        # the soft limit bounds descriptor numbers: leave eight for this test and the server
        with Path(os.devnull).open() as probe:
            resource.setrlimit(resource.RLIMIT_NOFILE, (probe.fileno() + 8, hard))
        try:
            with suppress(OSError):
                for _ in range(20):
                    sock = socket.socket()
                    taken.append(sock)
                    sock.connect(("127.0.0.1", server.port))
                    await asyncio.sleep(0.01)
            await check()
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            for sock in taken:
                sock.close()
        async with asyncio.timeout(DEADLINE):
            async with connect(server.url) as late:
                await late.send(json.dumps(wire_announce(5)))
                assert "interval" in json.loads(await late.recv())


@pytest.mark.slow
async def test_objects_of_a_connection_are_freed_with_it() -> None:
    def live_objects() -> Counter[str]:
        types = (Connection, Membership, Client, asyncio.Transport)
        # by their type alone: isinstance would ask a dead weak proxy for its class, which raises
        kinds = (type(item) for item in gc.get_objects())
        return Counter(kind.__name__ for kind in kinds if issubclass(kind, types))

    async with watched_tracker() as (server, check):
        gc.collect()
        gc.disable()  # a tracker that depends on it would grow until the next collection
        try:
            before = live_objects()
            for number in range(200):
                await send_and_leave(server, UPGRADE + text(json.dumps(wire_announce(number, count=2)).encode()))
            async with asyncio.timeout(DEADLINE):
                while server.socket_count > 1:
                    await asyncio.sleep(0.01)
            await check()
            await asyncio.sleep(0)
            assert live_objects() == before
        finally:
            gc.enable()


async def send_and_leave(server: TrackerServer, data: bytes) -> None:
    loop = asyncio.get_running_loop()
    with socket.socket() as sock:
        sock.setblocking(False)
        await loop.sock_connect(sock, ("127.0.0.1", server.port))
        await loop.sock_sendall(sock, data)
        assert await loop.sock_recv(sock, 1024)
