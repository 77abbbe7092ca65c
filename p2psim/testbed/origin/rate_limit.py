"""Rate limit that several senders share: each sends a small piece in turn, so that all get the same rate."""

import asyncio
import time
from typing import Final

__all__ = ["RateLimit"]

_LATENESS: Final = 0.05  # seconds; a later wake-up is made up for, a longer pause counts as idle
_PIECE_TIME: Final = 0.01
_LEAST_PIECE: Final = 1_460
_MOST_PIECE: Final = 16_384
_UNLIMITED_PIECE: Final = 65_536


class RateLimit:
    """Limit of the rate of bytes (bytes/s), first come first served; None: no limit."""

    def __init__(self, rate: float | None) -> None:
        if rate is not None and not rate > 0:
            raise ValueError(f"rate of {rate:g} bytes/s; it must be above 0, or absent for no limit")
        self._rate = rate
        self._free_at = time.monotonic()
        self._open = asyncio.Event()
        self._open.set()

    def set_rate(self, rate: float | None) -> None:
        """Change the rate from now on; at 0 senders wait until it is changed again."""
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
        """Size of a piece, bytes: small enough for short turns, large enough for few wake-ups."""
        if self._rate is None:
            return _UNLIMITED_PIECE
        return int(min(max(self._rate * _PIECE_TIME, _LEAST_PIECE), _MOST_PIECE))

    async def acquire(self, size: int) -> None:
        """Wait until the next `size` bytes may be sent."""
        await self._open.wait()
        if self._rate is None:
            return
        now = time.monotonic()
        begin = self._free_at if now - self._free_at < _LATENESS else now
        self._free_at = begin + size / self._rate
        if self._free_at > now:
            await asyncio.sleep(self._free_at - now)
