"""Clock of a run on the asyncio event loop: seconds since the start of the run, the same in all its processes."""

import asyncio
import time
from collections.abc import Callable
from typing import cast

from p2psim.testbed.peer.interfaces import Timer

__all__ = ["RunClock"]


class RunClock:
    """Clock (`p2psim.testbed.peer.interfaces.Clock`) on the running event loop.

    `started_at` is the machine's monotonic time at which the clock is 0.
    """

    def __init__(self, started_at: float) -> None:
        self._started_at = started_at
        self._loop = asyncio.get_running_loop()

    def now(self) -> float:
        """Return the seconds since the start of the run; negative before it."""
        return time.monotonic() - self._started_at

    def milliseconds(self) -> float:
        """Return the milliseconds since the start of the run."""
        return self.now() * 1e3

    def call_soon(self, callback: Callable[..., None], *args: object) -> None:
        """Call `callback` in the next iteration of the event loop."""
        self._loop.call_soon(callback, *args)

    def call_later(self, delay: float, callback: Callable[..., None], *args: object) -> Timer:
        """Call `callback` after `delay` seconds."""
        return cast("Timer", self._loop.call_later(delay, callback, *args))

    async def sleep_until(self, at: float) -> None:
        """Wait until a time of the run."""
        await asyncio.sleep(max(0.0, at - self.now()))
