"""What /tracker/ice hands out opens a real relay: coturn."""

import asyncio
import shutil
import socket
from contextlib import asynccontextmanager, suppress
from itertools import chain

import httpx
import pytest
from aioice import stun, turn

from tests.tracker.clients import DEADLINE, tracker

pytestmark = [
    pytest.mark.asyncio,
    pytest.mark.skipif(shutil.which("turnserver") is None, reason="coturn is not installed"),
]


@asynccontextmanager
async def relay(secret: str, folder):
    with socket.socket(type=socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    flags = ["-n", "--no-cli", "--no-tls", "--no-dtls", "--use-auth-secret", "--simple-log"]
    files = {"--log-file": "log", "--pidfile": "pid", "--userdb": "db"}
    values = {"-L": "127.0.0.1", "-E": "127.0.0.1", "-p": str(port), "-r": "here", "-m": "1"}
    values |= {"--static-auth-secret": secret, **{flag: str(folder / name) for flag, name in files.items()}}
    arguments = [*flags, *chain.from_iterable(values.items())]
    process = await asyncio.create_subprocess_exec(
        "turnserver", *arguments, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        await answer_of(port)
        yield port
    finally:
        process.kill()
        await process.wait()


async def answer_of(port: int) -> bytes:
    """Ask until a server answers: it may still be starting."""
    loop, question = asyncio.get_running_loop(), stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.connect(("127.0.0.1", port))
        async with asyncio.timeout(4 * DEADLINE):
            while True:
                with suppress(ConnectionError, TimeoutError):
                    await loop.sock_sendall(sock, bytes(question))
                    async with asyncio.timeout(0.2):
                        return await loop.sock_recv(sock, 1024)


async def allocate(port: int, username: str, password: str) -> str:
    """Ask a relay for an address."""
    async with asyncio.timeout(4 * DEADLINE):
        transport, _ = await turn.create_turn_endpoint(
            asyncio.DatagramProtocol, ("127.0.0.1", port), username, password, transport="udp"
        )
    address = transport.get_extra_info("sockname")[0]
    transport.close()
    await asyncio.sleep(0.1)  # until it has told the relay
    return address


async def test_the_passwords_are_what_coturn_expects(tmp_path):
    async with relay("north", tmp_path) as port:
        address = f"turn:127.0.0.1:{port}?transport=udp"
        async with tracker(turn_urls=(address,), turn_secret="north", turn_lifetime=60.0) as server:
            async with httpx.AsyncClient(timeout=DEADLINE) as http:
                (entry,) = (await http.get(server.http_url + "/tracker/ice")).json()["iceServers"]
            assert entry["urls"] == [address]
            assert await allocate(port, entry["username"], entry["credential"]) == "127.0.0.1"
            with pytest.raises(stun.TransactionFailed):
                await allocate(port, entry["username"], "guessed")
