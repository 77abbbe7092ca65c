"""Protocol errors of the remote side; errors of the calling code are ``ValueError``."""

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
    """Received data that violates the protocol; `fault` names the violated rule."""

    def __init__(self, fault: ProtocolFault, message: str) -> None:
        super().__init__(f"{fault}: {message}")
        self.fault: ProtocolFault = fault
