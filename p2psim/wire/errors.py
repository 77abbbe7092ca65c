"""The other end's mistakes, as opposed to our own caller's (those are ``ValueError``)."""

from typing import Literal

from p2psim.errors import P2PSimError

__all__ = ["ProtocolFault", "RemoteProtocolError"]

ProtocolFault = Literal[
    "truncated",
    "unknown-type",
    "unknown-command",
    "missing-field",
    "bad-value",
    "no-first-chunk",
    "incomplete-joining",
    "too-large",
    "bad-playlist",
    "bad-signature",
]


class RemoteProtocolError(P2PSimError):
    """Something received that breaks the protocol; `fault` names the rule broken."""

    def __init__(self, fault: ProtocolFault, message: str) -> None:
        super().__init__(f"{fault}: {message}")
        self.fault: ProtocolFault = fault
