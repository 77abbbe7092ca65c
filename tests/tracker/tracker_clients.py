"""A tracker on a free port, and WebSocket clients that wait for what should come."""

import asyncio
import json
from contextlib import asynccontextmanager

from websockets.asyncio.client import connect

from tracker.options import Options
from tracker.server import TrackerServer, serve

DEADLINE = 5.0


@asynccontextmanager
async def tracker(**options):
    async with asyncio.timeout(30), serve(Options(port=0, log_level="error", **options)) as server:
        yield server


def client(server: TrackerServer, path: str = "/", **options):
    return connect(f"ws://127.0.0.1:{server.port}{path}", **options)


async def send(socket, message: dict) -> None:
    await socket.send(json.dumps(message, ensure_ascii=False))


async def receive(socket) -> dict:
    async with asyncio.timeout(DEADLINE):
        return json.loads(await socket.recv())
