"""Trackers on free ports, WebSocket clients and HTTP requests, each with a timeout."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import httpx
from p2p_tracker.config.options import ServerOptions
from p2p_tracker.server.server import TrackerServer, serve
from websockets.asyncio.client import ClientConnection, connect

Message: TypeAlias = dict[str, Any]

DEADLINE = 5.0


@asynccontextmanager
async def tracker(**options: Any) -> AsyncIterator[TrackerServer]:
    """Run a tracker in this process."""
    async with asyncio.timeout(30), serve(ServerOptions(port=0, log_level="error", **options)) as server:
        yield server


@contextmanager
def tracker_process(*arguments: str, port: int = 0) -> Iterator[Message]:
    """Run a tracker in a process of its own; yield the addresses that it prints."""
    process = subprocess.Popen(
        [sys.executable, "-m", "p2p_tracker", "--port", str(port), "--json", "--log-level", "error", *arguments],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path.cwd() / "tracker")},
    )
    assert process.stdout is not None
    try:
        yield json.loads(process.stdout.readline())
    finally:
        process.terminate()
        process.communicate()


def client(server: TrackerServer, path: str = "/", **options: Any) -> connect:
    """Return a WebSocket client of a tracker, to be entered."""
    return connect(f"ws://127.0.0.1:{server.port}{path}", **options)


async def send(socket: ClientConnection, message: Message) -> None:
    await socket.send(json.dumps(message, ensure_ascii=False))


async def receive(socket: ClientConnection) -> Message:
    async with asyncio.timeout(DEADLINE):
        message: Message = json.loads(await socket.recv())
        return message


async def exchange(socket: ClientConnection, message: Message) -> Message:
    """Send a message; return the next one received."""
    await send(socket, message)
    return await receive(socket)


async def closed(socket: ClientConnection) -> tuple[int, str]:
    """Return close code and reason once the tracker has closed a WebSocket."""
    async with asyncio.timeout(DEADLINE):
        await socket.wait_closed()
    assert socket.close_code is not None
    return socket.close_code, socket.close_reason or ""


async def until(condition: Callable[[], bool], deadline: float = DEADLINE) -> None:
    """Wait until a condition holds."""
    async with asyncio.timeout(deadline):
        while not condition():
            await asyncio.sleep(0.005)


async def get(server: TrackerServer, path: str, **options: Any) -> httpx.Response:
    """Return the response of a tracker to a GET request; `options` are those of `httpx.AsyncClient`."""
    async with httpx.AsyncClient(base_url=server.http_url, timeout=DEADLINE, **options) as http:
        return await http.get(path)


async def raw_http(server: TrackerServer, data: bytes) -> bytes:
    """Send bytes on a fresh connection; return everything received until the tracker closes it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(data)
    async with asyncio.timeout(DEADLINE):
        received = await reader.read()
    writer.close()
    return received
