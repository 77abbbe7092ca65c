"""Protocol of the loader that owns a transfer (implemented by `p2psim.testbed.peer.loader.Loader`)."""

from collections.abc import Callable
from typing import Protocol

from p2psim.policy.state import Options
from p2psim.testbed.peer.interfaces import Clock
from p2psim.testbed.peer.single_loader import SingleLoader

__all__ = ["TransferOwner"]


class TransferOwner(Protocol):
    """Owner of a transfer, which receives its bytes and its outcome."""

    @property
    def clock(self) -> Clock:
        """Clock of the timeouts."""

    @property
    def options(self) -> Options:
        """Options of the policy."""

    @property
    def core(self) -> SingleLoader:
        """State on which the policy decides."""

    def set_total(self, segment: int, total: int) -> None:
        """Set the size of a segment, bytes."""

    def clear_bytes(self, segment: int) -> None:
        """Drop the partial bytes of a segment, which may be wrong."""

    def take_bytes(self, segment: int, data: bytes, source: int, peer: str) -> None:
        """Append received bytes to a segment."""

    def validate(self, segment: int, source: int, verdict: Callable[[bool], None]) -> None:
        """Validate a complete segment; `verdict` is called with the result, now or later."""

    def succeed(self, segment: int, source: int, peer: str) -> None:
        """Complete the request for a segment."""

    def mark_failed(self, segment: int, source: int, peer: str, *, timed_out: bool = False) -> bool:
        """Record a failed attempt in the loader's state; return True if its peer has timed out too often."""

    def report_failure(self, segment: int, source: int, peer: str, error: str) -> None:
        """Report a failed attempt to the observer, and request a pass."""
