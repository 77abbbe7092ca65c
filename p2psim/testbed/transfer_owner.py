"""What transfers need of the loader that they belong to (`p2psim.testbed.peer.loader.Loader`)."""

from collections.abc import Callable
from typing import Protocol

from p2psim.policy.state import Options
from p2psim.testbed.peer.interfaces import Clock
from p2psim.testbed.peer.single_loader import SingleLoader

__all__ = ["TransferOwner"]


class TransferOwner(Protocol):
    """Takes the bytes of a transfer, and learns how it ended."""

    @property
    def clock(self) -> Clock:
        """Clock of timeouts."""

    @property
    def options(self) -> Options:
        """Options of the policy."""

    @property
    def core(self) -> SingleLoader:
        """State that decides."""

    def set_total(self, segment: int, total: int) -> None:
        """The size of a segment has become known, bytes."""

    def clear_bytes(self, segment: int) -> None:
        """Drop partial bytes that are not to be trusted."""

    def take_bytes(self, segment: int, data: bytes, source: int, peer: str) -> None:
        """Bytes came for a segment."""

    def validate(self, segment: int, source: int, verdict: Callable[[bool], None]) -> None:
        """Judge a complete segment; `verdict` is called with the result, now or later."""

    def succeed(self, segment: int, source: int, peer: str) -> None:
        """A segment is complete."""

    def mark_failed(self, segment: int, source: int, peer: str, *, timed_out: bool = False) -> bool:
        """An attempt failed; True if its peer has timed out too often."""

    def report_failure(self, segment: int, source: int, peer: str, error: str) -> None:
        """Note a failure and decide anew."""
