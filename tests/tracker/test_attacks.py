"""Floods of hostile input against a tracker in a process of its own, beside a well-behaved client.

Three seconds by default; ATTACK_SECONDS=15 gives the figures of the README.
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
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, TypeAlias

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect

from tests.tracker.examples import OTHER_SWARM, wire_announce
from tests.tracker.hostile_frames import HOSTILE, UPGRADE, mutated, text

Metrics: TypeAlias = dict[str, Any]

SECONDS = float(os.environ.get("ATTACK_SECONDS", "3"))
DEADLINE = 20.0
LONGEST_WAIT = 10.0
"""Longest acceptable wait of the good client for a reply on a busy machine, in seconds."""

pytestmark = [pytest.mark.asyncio, pytest.mark.slow, pytest.mark.alone]


class Target:
    """Tracker in a process of its own."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "p2p_tracker", "--port", "0", "--json", "--log-level", "error", *arguments],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(Path.cwd() / "tracker")},
        )
        assert self.process.stdout is not None
        address = json.loads(self.process.stdout.readline())
        self.port, self.url, self.http = address["port"], address["url"], address["http"]

    async def metrics(self) -> Metrics:
        async with httpx.AsyncClient(timeout=DEADLINE) as http:
            metrics: Metrics = (await http.get(self.http + "/tracker/stats")).json()
            return metrics

    async def wait(self, condition: Callable[[Metrics], bool]) -> Metrics:
        """Return the metrics once they fulfil a condition."""
        async with asyncio.timeout(DEADLINE):
            while not condition(metrics := await self.metrics()):
                await asyncio.sleep(0.05)
        return metrics


class GoodClient:
    """Client that announces repeatedly and records how long it waits for each reply."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self.waits: list[float] = []

    async def announce(self) -> None:
        began = time.perf_counter()
        await self._socket.send(json.dumps(wire_announce(1, OTHER_SWARM)))
        async with asyncio.timeout(DEADLINE):
            while "interval" not in await self._socket.recv():
                pass
        self.waits.append(time.perf_counter() - began)

    async def run(self) -> None:
        while True:
            await self.announce()
            await asyncio.sleep(0.02)


@asynccontextmanager
async def target(*arguments: str) -> AsyncIterator[tuple[Target, GoodClient]]:
    """Run a tracker with a good client, which must be served all the time."""
    running = Target(*arguments)
    try:
        async with connect(running.url) as socket:
            good = GoodClient(socket)
            await good.announce()
            good_client = asyncio.create_task(good.run())
            yield running, good
            assert not good_client.done(), good_client.exception()
            good_client.cancel()
        await running.wait(lambda metrics: metrics["peers"] == 0)
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(timeout=DEADLINE) == 0
    finally:
        running.process.kill()
        running.process.communicate()


async def open_raw(port: int, *, receive: int = 0) -> socket.socket:
    sock = socket.socket()
    if receive:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
    return sock


async def send_raw(sock: socket.socket, data: bytes) -> bool:
    """Send without reading; return whether everything was sent."""
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


async def send_nonsense(port: int, rng: random.Random, counts: dict[str, int]) -> None:
    """Open connections one after the other; send hostile, invalid and random frames, truncated anywhere."""
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


async def test_hostile_input_neither_crashes_nor_fills_the_tracker_nor_delays_others() -> None:
    async with target() as (tracker, good):
        counts = {"connections": 0, "frames": 0}

        async def attack() -> int:
            await asyncio.gather(*(send_nonsense(tracker.port, random.Random(seed), counts) for seed in range(8)))
            memory: int = (await tracker.wait(lambda metrics: metrics["connections"] == 1))["memory"]
            return memory

        before = (await tracker.metrics())["memory"]
        first, second = await attack(), await attack()
        metrics = await tracker.metrics()
        waits = sorted(good.waits)
        print(
            f"\n{counts['frames']:,} frames on {counts['connections']:,} connections, "
            f"{metrics['bytes_received'] / 1e6:.0f} MB; {metrics['failures']:,} refused with a failure or close code\n"
            f"memory before, after half of the time and at the end: "
            f"{before / 2**20:.1f}, {first / 2**20:.1f}, {second / 2**20:.1f} MiB\n"
            f"the good client waited {waits[len(waits) // 2] * 1e3:.1f} ms, {waits[-1] * 1e3:.0f} ms at most"
        )
        assert metrics["peers"] == metrics["swarms"] == 1
        assert second < 1.1 * first + 4e6
        assert waits[-1] < LONGEST_WAIT


class Filler:
    """Attacker that makes a tracker allocate memory, and measures the highest memory."""

    def __init__(self, tracker: Target):
        self.highest = 0
        self._tracker = tracker
        self._sockets: list[socket.socket] = []

    async def measure(self) -> None:
        self.highest = max(self.highest, (await self._tracker.metrics())["memory"])

    async def fill(self, name: str) -> None:
        """Fill the memory with peers, unread output or unfinished frames, and then close all connections."""
        await {"peers": self._peers, "unread output": self._unread, "unfinished frames": self._unfinished}[name]()
        await self.measure()
        for sock in self._sockets:
            sock.close()
        self._sockets.clear()
        await self._tracker.wait(lambda metrics: metrics["connections"] == 1)

    async def _open(self, *, receive: int = 0) -> socket.socket:
        self._sockets.append(await open_raw(self._tracker.port, receive=receive))
        return self._sockets[-1]

    async def _peers(self) -> None:
        for number in range(150):
            sock = await self._open()
            announces = (wire_announce(n, f"{number:010d}{n % 500:010d}") for n in range(1000))
            await send_raw(sock, UPGRADE + b"".join(text(json.dumps(one).encode()) for one in announces))
            if number % 10 == 0:
                await self.measure()

    async def _unread(self) -> None:
        lazy = [await self._open(receive=4096) for _ in range(60)]
        for number, sock in enumerate(lazy):
            await send_raw(sock, UPGRADE + text(json.dumps(wire_announce(number)).encode()))
        offer = [{"offer": {"sdp": "x" * 12_000}, "offer_id": "i" * 20}] * 20
        eager = text(json.dumps(wire_announce(99, offers=offer, numwant=20)).encode())
        sock = await self._open()
        await send_raw(sock, UPGRADE)
        for number in range(400):
            await send_raw(sock, eager)
            with suppress(BlockingIOError, ConnectionError):
                sock.recv(2**20)
            if number % 20 == 0:
                await self.measure()

    async def _unfinished(self) -> None:
        for number in range(400):
            sock = await self._open()
            await send_raw(sock, UPGRADE + text(b'{"x":"' + bytes(250_000))[:-1])
            if number % 20 == 0:
                await self.measure()


async def test_memory_stays_below_its_limit_whatever_fills_it() -> None:
    bound = 40  # MiB
    async with target("--max-memory", str(bound)) as (tracker, good):
        start = (await tracker.metrics())["memory"]
        filler = Filler(tracker)
        for name in ("peers", "unread output", "unfinished frames"):
            await filler.fill(name)
            print(f"\n{name}: up to {filler.highest / 2**20:.1f} MiB so far", end="")
        waits = sorted(good.waits)
        print(
            f"\nmemory was {start / 2**20:.1f} MiB, and {filler.highest / 2**20:.1f} MiB at most, where "
            f"{(start / 2**20 + bound):.1f} MiB were allowed; the good client waited {waits[-1] * 1e3:.0f} ms at most"
        )
        assert filler.highest > start + 0.8 * bound * 2**20
        assert filler.highest < start + (bound + 25) * 2**20
        assert waits[-1] < LONGEST_WAIT
        async with asyncio.timeout(DEADLINE), httpx.AsyncClient() as http:
            while (await http.get(tracker.http + "/ready")).status_code != 200:
                await asyncio.sleep(0.2)
