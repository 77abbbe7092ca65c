"""NAT behaviour discovery (RFC 5780) from behind a NAT, with a STUN server that has two addresses.

It measures the behaviour of the rules in `p2psim.testbed.lab.nat_rules` without knowing them.
"""

import socket
import time
from dataclasses import dataclass
from typing import Final

from aioice import stun

from p2psim.scenario.nat_kinds import Dependence

__all__ = ["Behaviour", "StunServer", "discover", "is_answering"]

_CHANGE_PORT: Final = 0x02
_CHANGE_ADDRESS: Final = 0x04
_RETRANSMIT: Final = 0.25
_MOST_BYTES: Final = 2048

Endpoint = tuple[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class StunServer:
    """STUN server for behaviour discovery: it answers at two addresses with two ports each."""

    address: str
    other_address: str = ""
    port: int = 3478
    other_port: int = 3479


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """Behaviour of a NAT; if UDP is blocked, the other fields are unknown."""

    has_udp: bool
    is_translated: bool = False
    mapping: Dependence = "EI"
    filtering: Dependence = "EI"


def is_answering(server: StunServer, patience: float) -> bool:
    """Return whether a server answers within `patience` seconds."""
    with _Prober("0.0.0.0", patience) as prober:
        return prober.ask((server.address, server.port)) is not None


def discover(server: StunServer, address: str = "0.0.0.0", patience: float = 1.5) -> Behaviour:
    """Return the behaviour of the NAT in front of this thread's network namespace.

    Parameters
    ----------
    patience
        Seconds after which a request counts as not answered.
    """
    with _Prober(address, patience) as prober:
        first = prober.ask((server.address, server.port))
        if first is None:
            return Behaviour(has_udp=False)
        translated = first != prober.local
        mapping = _mapping(prober, server, first)
    with _Prober(address, patience) as prober:
        return Behaviour(has_udp=True, is_translated=translated, mapping=mapping, filtering=_filtering(prober, server))


def _mapping(prober: "_Prober", server: StunServer, first: Endpoint) -> Dependence:
    """Return the mapping behaviour (RFC 5780, 4.3)."""
    second = prober.ask((server.other_address, server.port))
    if second == first:
        return "EI"
    return "AD" if prober.ask((server.other_address, server.other_port)) == second else "APD"


def _filtering(prober: "_Prober", server: StunServer) -> Dependence:
    """Return the filtering behaviour (RFC 5780, 4.4); the socket must not have sent to any other address."""
    there = server.address, server.port
    prober.ask(there)
    if prober.ask(there, _CHANGE_ADDRESS | _CHANGE_PORT) is not None:
        return "EI"
    return "AD" if prober.ask(there, _CHANGE_PORT) is not None else "APD"


class _Prober:
    """Socket that requests its mapped address from servers."""

    def __init__(self, address: str, patience: float) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((address, 0))
        self._patience = patience
        self.local: Endpoint | None = None

    def __enter__(self) -> "_Prober":
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def ask(self, server: Endpoint, change: int = 0) -> Endpoint | None:
        """Return the mapped address, or None without an answer; `change` has the flags of a CHANGE-REQUEST."""
        request = stun.Message(message_method=stun.Method.BINDING, message_class=stun.Class.REQUEST)
        if change:
            request.attributes["CHANGE-REQUEST"] = change
        self.local = (_source(server), self._socket.getsockname()[1])
        deadline = time.monotonic() + self._patience
        while (now := time.monotonic()) < deadline:
            self._socket.sendto(bytes(request), server)
            mapped = self._listen(request.transaction_id, min(now + _RETRANSMIT, deadline))
            if mapped is not None:
                return mapped
        return None

    def _listen(self, transaction: bytes, until: float) -> Endpoint | None:
        while (remaining := until - time.monotonic()) > 0:
            self._socket.settimeout(remaining)
            try:
                data = self._socket.recv(_MOST_BYTES)
                answer = stun.parse_message(data)
            except (TimeoutError, ConnectionError, ValueError):
                continue
            mapped = answer.attributes.get("XOR-MAPPED-ADDRESS")
            if answer.transaction_id == transaction and mapped is not None:
                return str(mapped[0]), int(mapped[1])
        return None


def _source(server: Endpoint) -> str:
    """Return the address from which this host sends to a server."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as trial:
        trial.connect(server)
        return str(trial.getsockname()[0])
