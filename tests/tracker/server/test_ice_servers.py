import asyncio
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import chain
from pathlib import Path

import httpx
import pytest
from aioice import stun, turn
from p2p_tracker.server.ice_servers import ice_servers, turn_password

from tests.tracker.clients import DEADLINE, tracker


def test_turn_passwords_equal_those_of_openssl() -> None:
    # printf 1700000000:viewer | openssl dgst -sha1 -hmac north -binary | base64
    assert turn_password("north", "1700000000:viewer") == "6+yi/bVtfd33MEvbIUAHKkmAKPw="


def test_turn_servers_are_listed_only_with_a_secret() -> None:
    assert ice_servers([], [], "", 0.0) == []
    assert ice_servers(["stun:a"], ["turn:b"], "", 0.0) == [{"urls": ["stun:a"]}]
    _, relay_entry = ice_servers(["stun:a"], ["turn:b", "turns:b"], "north", 1700000000.5)
    assert relay_entry["urls"] == ["turn:b", "turns:b"]
    assert relay_entry["username"] == "1700000000:viewer"
    assert relay_entry["credential"] == turn_password("north", "1700000000:viewer")


@asynccontextmanager
async def turn_server(secret: str, folder: Path) -> AsyncIterator[int]:
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
    """Send requests until a server answers, which may still be starting."""
    loop, request = asyncio.get_running_loop(), stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.connect(("127.0.0.1", port))
        async with asyncio.timeout(4 * DEADLINE):
            while True:
                with suppress(ConnectionError, TimeoutError):
                    await loop.sock_sendall(sock, bytes(request))
                    async with asyncio.timeout(0.2):
                        return await loop.sock_recv(sock, 1024)


async def allocate(port: int, username: str, password: str) -> str:
    """Return the address that a TURN server allocates."""
    async with asyncio.timeout(4 * DEADLINE):
        transport, _ = await turn.create_turn_endpoint(
            asyncio.DatagramProtocol, ("127.0.0.1", port), username, password, transport="udp"
        )
    address: str = transport.get_extra_info("sockname")[0]
    transport.close()
    await asyncio.sleep(0.1)  # until the TURN server has been notified
    return address


@pytest.mark.asyncio
@pytest.mark.skipif(shutil.which("turnserver") is None, reason="coturn is not installed")
async def test_coturn_accepts_the_passwords(tmp_path: Path) -> None:
    async with turn_server("north", tmp_path) as port:
        address = f"turn:127.0.0.1:{port}?transport=udp"
        async with tracker(turn_urls=(address,), turn_secret="north", turn_lifetime=60.0) as server:
            async with httpx.AsyncClient(timeout=DEADLINE) as http:
                (entry,) = (await http.get(server.http_url + "/tracker/ice")).json()["iceServers"]
            assert entry["urls"] == [address]
            assert await allocate(port, entry["username"], entry["credential"]) == "127.0.0.1"
            with pytest.raises(stun.TransactionFailed):
                await allocate(port, entry["username"], "guessed")
