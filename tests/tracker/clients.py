"""A tracker on a free port, and WebSocket clients that wait for what should come."""

import asyncio
import json
import os
import subprocess
import sys
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from p2p_tracker.config.options import ServerOptions
from p2p_tracker.server.server import TrackerServer, serve
from websockets.asyncio.client import connect

DEADLINE = 5.0


@asynccontextmanager
async def tracker(**options):
    async with asyncio.timeout(30), serve(ServerOptions(port=0, log_level="error", **options)) as server:
        yield server


@contextmanager
def tracker_process(*arguments: str, port: int = 0):
    """Run a tracker as a process; gives what it says of its addresses."""
    process = subprocess.Popen(
        [sys.executable, "-m", "p2p_tracker", "--port", str(port), "--json", "--log-level", "error", *arguments],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path.cwd() / "tracker")},
    )
    try:
        yield json.loads(process.stdout.readline())
    finally:
        process.terminate()
        process.communicate()


def client(server: TrackerServer, path: str = "/", **options):
    return connect(f"ws://127.0.0.1:{server.port}{path}", **options)


async def send(socket, message: dict) -> None:
    await socket.send(json.dumps(message, ensure_ascii=False))


async def receive(socket) -> dict:
    async with asyncio.timeout(DEADLINE):
        return json.loads(await socket.recv())
