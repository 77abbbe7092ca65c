"""Floods of hostile input against a tracker in a process of its own, with a good client beside them.

Three seconds by default; ATTACK_SECONDS=100 gives the figures of the README.
"""

import asyncio
import json
import os
import random
import signal
import socket
import struct
import subprocess
import sys
import time
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import connect

from tests.tracker.examples import OTHER_SWARM, wire_announce
from tests.tracker.hostile_frames import HOSTILE, UPGRADE, mutated, text

SECONDS = float(os.environ.get("ATTACK_SECONDS", "3"))
DEADLINE = 20.0
PATIENCE = 10.0
"""Seconds that the good client may have to wait on a busy machine."""

pytestmark = [pytest.mark.asyncio, pytest.mark.slow]


class Target:
    """A tracker in a process, and what it says of itself."""

    def __init__(self, *arguments: str):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "p2p_tracker", "--port", "0", "--json", "--log-level", "error", *arguments],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(Path.cwd() / "tracker")},
        )
        address = json.loads(self.process.stdout.readline())
        self.port, self.url, self.http = address["port"], address["url"], address["http"]

    async def figures(self) -> dict:
        async with httpx.AsyncClient(timeout=DEADLINE) as http:
            return (await http.get(self.http + "/tracker/stats")).json()

    async def wait(self, condition) -> dict:
        async with asyncio.timeout(DEADLINE):
            while not condition(figures := await self.figures()):
                await asyncio.sleep(0.05)
        return figures


class GoodClient:
    """Announces again and again, and notes how long it waits."""

    def __init__(self, socket):
        self._socket = socket
        self.waits = []

    async def announce(self) -> None:
        began = time.perf_counter()
        await self._socket.send(json.dumps(wire_announce(1, OTHER_SWARM)))
        async with asyncio.timeout(DEADLINE):
            while "interval" not in await self._socket.recv():
                pass
        self.waits.append(time.perf_counter() - began)

    async def go_on(self) -> None:
        while True:
            await self.announce()
            await asyncio.sleep(0.02)


@asynccontextmanager
async def target(*arguments: str):
    """Run a tracker with a good client in it, which must be served all the time."""
    found = Target(*arguments)
    try:
        async with connect(found.url) as socket:
            good = GoodClient(socket)
            await good.announce()
            going = asyncio.create_task(good.go_on())
            yield found, good
            assert not going.done(), going.exception()
            going.cancel()
        await found.wait(lambda figures: figures["peers"] == 0)
        found.process.send_signal(signal.SIGTERM)
        assert found.process.wait(timeout=DEADLINE) == 0
    finally:
        found.process.kill()
        found.process.communicate()


async def open_raw(port: int, *, receive: int = 0) -> socket.socket:
    sock = socket.socket()
    if receive:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
    return sock


async def send_raw(sock: socket.socket, data: bytes) -> bool:
    """Send, and read nothing; tell whether all was taken."""
    try:
        async with asyncio.timeout(0.5):
            await asyncio.get_running_loop().sock_sendall(sock, data)
    except (OSError, TimeoutError):
        return False
    return True


def nonsense(rng: random.Random) -> bytes:
    kind = rng.random()
    if kind < 0.1:
        return text(rng.choice(list(HOSTILE.values())))
    return mutated(rng) if kind < 0.95 else rng.randbytes(50)


async def send_nonsense(port: int, rng: random.Random, counts: dict) -> None:
    """On one connection after the other: frames that are hostile, broken or random bytes, cut anywhere; then leave."""
    end = time.perf_counter() + SECONDS
    while time.perf_counter() < end:
        sock = await open_raw(port)
        counts["connections"] += 1
        frames = [nonsense(rng) for _ in range(rng.randrange(1, 30))]
        counts["frames"] += len(frames)
        stream = UPGRADE + b"".join(frames)
        if rng.random() < 0.3:
            stream = stream[: rng.randrange(len(stream))]  # half open, or in the middle of a frame
        await send_raw(sock, stream)
        if rng.random() < 0.5:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset
        with suppress(OSError):
            sock.recv(rng.randrange(1, 100_000))
        sock.close()


async def test_nonsense_neither_crashes_nor_fills_the_tracker_nor_holds_up_others():
    async with target() as (tracker, good):
        counts = {"connections": 0, "frames": 0}

        async def attack() -> int:
            await asyncio.gather(*(send_nonsense(tracker.port, random.Random(seed), counts) for seed in range(8)))
            return (await tracker.wait(lambda figures: figures["connections"] == 1))["memory"]

        before = (await tracker.figures())["memory"]
        first, second = await attack(), await attack()
        figures = await tracker.figures()
        waits = sorted(good.waits)
        print(
            f"\n{counts['frames']:,} frames on {counts['connections']:,} connections, "
            f"{figures['bytes_received'] / 1e6:.0f} MB; {figures['failures']:,} refused with a message or code\n"
            f"memory before, at half time and at the end: "
            f"{before / 2**20:.1f}, {first / 2**20:.1f}, {second / 2**20:.1f} MiB\n"
            f"the good client waited {waits[len(waits) // 2] * 1e3:.1f} ms, {waits[-1] * 1e3:.0f} ms at most"
        )
        assert figures["peers"] == figures["swarms"] == 1
        assert second < 1.1 * first + 4e6
        assert waits[-1] < PATIENCE


async def test_memory_is_bounded_whatever_fills_it():
    bound = 40  # MiB
    async with target("--max-memory", str(bound)) as (tracker, good):
        start = (await tracker.figures())["memory"]
        highest, taken = 0, []

        async def look() -> bool:
            nonlocal highest
            figures = await tracker.figures()
            highest = max(highest, figures["memory"])
            return figures["memory"] - start > bound * 2**20

        async def fill_with_peers() -> None:
            for number in range(150):
                sock = await open_raw(tracker.port)
                taken.append(sock)
                announces = (wire_announce(n, f"{number:010d}{n % 500:010d}") for n in range(1000))
                await send_raw(sock, UPGRADE + b"".join(text(json.dumps(one).encode()) for one in announces))
                if number % 10 == 0:
                    await look()

        async def fill_with_unread() -> None:
            lazy = [await open_raw(tracker.port, receive=4096) for _ in range(60)]
            taken.extend(lazy)
            for number, sock in enumerate(lazy):
                await send_raw(sock, UPGRADE + text(json.dumps(wire_announce(number)).encode()))
            offer = [{"offer": {"sdp": "x" * 12_000}, "offer_id": "i" * 20}] * 20
            eager = text(json.dumps(wire_announce(99, offers=offer, numwant=20)).encode())
            sock = await open_raw(tracker.port)
            taken.append(sock)
            await send_raw(sock, UPGRADE)
            for number in range(400):
                await send_raw(sock, eager)
                with suppress(BlockingIOError, ConnectionError):
                    sock.recv(2**20)
                if number % 20 == 0:
                    await look()

        async def fill_with_unfinished_frames() -> None:
            for number in range(400):
                sock = await open_raw(tracker.port)
                taken.append(sock)
                await send_raw(sock, UPGRADE + text(b'{"x":"' + bytes(250_000))[:-1])
                if number % 20 == 0:
                    await look()

        for fill in (fill_with_peers, fill_with_unread, fill_with_unfinished_frames):
            await fill()
            await look()
            print(f"\n{fill.__name__}: up to {highest / 2**20:.1f} MiB so far", end="")
            for sock in taken:
                sock.close()
            taken.clear()
            await tracker.wait(lambda figures: figures["connections"] == 1)
        waits = sorted(good.waits)
        print(
            f"\nmemory was {start / 2**20:.1f} MiB, and {highest / 2**20:.1f} MiB at most, where "
            f"{(start / 2**20 + bound):.1f} MiB were allowed; the good client waited {waits[-1] * 1e3:.0f} ms at most"
        )
        assert highest > start + 0.8 * bound * 2**20
        assert highest < start + (bound + 25) * 2**20
        assert waits[-1] < PATIENCE
        async with asyncio.timeout(DEADLINE), httpx.AsyncClient() as http:
            while (await http.get(tracker.http + "/ready")).status_code != 200:
                await asyncio.sleep(0.2)
