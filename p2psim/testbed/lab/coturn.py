"""STUN and TURN server of the lab: coturn, with passwords that expire (its REST scheme)."""

import re
import secrets
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from p2psim.errors import TestbedError
from p2psim.testbed.lab.blueprint import Server
from p2psim.testbed.lab.capabilities import RELAY, check_relay
from p2psim.testbed.lab.lab import Host
from p2psim.testbed.lab.nat_discovery import StunServer, is_answering
from p2psim.testbed.processes import ChildProcess

__all__ = ["RELAY_SERVER", "Relay", "relay_arguments", "relay_server"]

RELAY_SERVER: Final = "relay"
_PORT: Final = 3478
_REALM: Final = "lab"
_PATIENCE: Final = 0.5
_ATTEMPTS: Final = 60


def relay_server(uplink: float = float("inf")) -> Server:
    """Return the server on which the relay runs; NAT behaviour discovery needs its two addresses."""
    return Server(name=RELAY_SERVER, addresses=("203.0.113.1", "203.0.113.2"), uplink=uplink)


def relay_arguments(addresses: tuple[str, ...], secret: str, log: str) -> list[str]:
    """Return the command line of coturn, without its name."""
    listening = [argument for address in addresses for argument in ("-L", address)]
    return [
        "-n", "--no-cli", "--no-tls", "--no-dtls", "--no-multicast-peers", *listening, "-E", addresses[0],
        "--use-auth-secret", "--static-auth-secret", secret, "-r", _REALM, "-v", "-m", "1",
        "--simple-log", "--no-stdout-log", "--log-file", log, "--pidfile", f"{log}.pid",
    ]  # fmt: skip


class Relay:
    """Coturn on a host with two addresses: ``with Relay(host, folder) as relay``; the tracker needs its `secret`."""

    def __init__(self, host: Host, folder: Path) -> None:
        self.secret = secrets.token_urlsafe(16)
        self._host = host
        self._log = folder / "turn.log"
        arguments = relay_arguments(host.addresses, self.secret, str(self._log))
        self._child = ChildProcess(RELAY, arguments, folder, program=RELAY)

    def __enter__(self) -> Self:
        check_relay()
        with self._host.namespace:
            self._child.__enter__()
        try:
            self._wait()
        except BaseException:
            self._child.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._child.stop()

    def _wait(self) -> None:
        """Wait until it answers.

        Raises
        ------
        TestbedError
            It does not answer in time.
        """
        for _ in range(_ATTEMPTS):
            self._child.check()
            with self._host.namespace:
                if is_answering(self.discovery, _PATIENCE):
                    return
        raise TestbedError(f"{RELAY} did not answer within {_ATTEMPTS * _PATIENCE:g} s")

    @property
    def child(self) -> ChildProcess:
        """Its process."""
        return self._child

    @property
    def discovery(self) -> StunServer:
        """Its addresses, as a server for NAT behaviour discovery."""
        address, other = self._host.addresses
        return StunServer(address=address, other_address=other)

    @property
    def stun_url(self) -> str:
        """URL for an RTCIceServer."""
        return f"stun:{self._host.address}:{_PORT}"

    @property
    def turn_urls(self) -> tuple[str, str]:
        """URLs for an RTCIceServer: over UDP, then over TCP."""
        return f"turn:{self._host.address}:{_PORT}?transport=udp", f"turn:{self._host.address}:{_PORT}?transport=tcp"

    @property
    def broken_sessions(self) -> int:
        """Number of allocations that it ended because it could not send; above 0, the lab has a fault."""
        text = self._log.read_text("utf-8", errors="replace") if self._log.exists() else ""
        return len(re.findall("reason: general", text))
