"""A rate that several senders share: each sends a small piece in turn, so that all advance alike."""

import asyncio
import time
from typing import Final

__all__ = ["RateLimit"]

_LATENESS: Final = 0.05  # seconds; a wake-up this late is made up for, a longer pause was idleness
_PIECE_TIME: Final = 0.01
_LEAST_PIECE: Final = 1_460
_MOST_PIECE: Final = 16_384
_UNLIMITED_PIECE: Final = 65_536


class RateLimit:
    """Lets bytes pass at a rate (bytes/s), first come first served; None: without limit."""

    def __init__(self, rate: float | None) -> None:
        if rate is not None and not rate > 0:
            raise ValueError(f"rate of {rate:g} bytes/s; it must be above 0, or absent for no limit")
        self._rate = rate
        self._free_at = time.monotonic()
        self._open = asyncio.Event()
        self._open.set()

    def set_rate(self, rate: float | None) -> None:
        """Let bytes pass at another rate from now on; at 0 none do, until it is changed again."""
        if rate is not None and not rate >= 0:
            raise ValueError(f"rate of {rate:g} bytes/s; it must be 0 or more, or absent for no limit")
        if rate == 0:
            self._open.clear()
            return
        self._rate = rate
        self._free_at = time.monotonic()
        self._open.set()

    @property
    def piece(self) -> int:
        """Bytes to send at once, so that turns are short and wake-ups few."""
        if self._rate is None:
            return _UNLIMITED_PIECE
        return int(min(max(self._rate * _PIECE_TIME, _LEAST_PIECE), _MOST_PIECE))

    async def acquire(self, size: int) -> None:
        """Wait for the turn of the next `size` bytes."""
        await self._open.wait()
        if self._rate is None:
            return
        now = time.monotonic()
        begin = self._free_at if now - self._free_at < _LATENESS else now
        self._free_at = begin + size / self._rate
        if self._free_at > now:
            await asyncio.sleep(self._free_at - now)
