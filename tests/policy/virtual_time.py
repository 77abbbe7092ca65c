"""Virtual time of the recorded worlds: timers in milliseconds, and microtasks."""

import heapq
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

SECOND = 1000.0
"""Milliseconds."""


class VirtualClock:
    """Milliseconds inside, seconds to the loader; timers of one instant fire in the order of their making."""

    def __init__(self) -> None:
        self.ms = 0.0
        self._serial = 0
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._dead: set[int] = set()
        self._micro: deque[tuple[Callable[..., None], tuple[Any, ...]]] = deque()

    def now(self) -> float:
        return self.ms / SECOND

    def milliseconds(self) -> float:
        return self.ms

    def call_soon(self, callback: Callable[..., None], *args: object) -> None:
        self._micro.append((callback, args))

    def call_later(self, delay: float, callback: Callable[..., None], *args: object) -> "VirtualTimer":
        # whole milliseconds are whole again: the recorder never saw seconds
        return self.after(round(delay * SECOND, 6), lambda: callback(*args))

    def after(self, ms: float, action: Callable[[], None]) -> "VirtualTimer":
        self._serial += 1
        heapq.heappush(self._heap, (self.ms + max(0.0, ms), self._serial, action))
        return VirtualTimer(self, self._serial)

    def every(self, ms: float, action: Callable[[], None]) -> None:
        self._serial += 1
        serial = self._serial

        def arm() -> None:
            heapq.heappush(self._heap, (self.ms + ms, serial, fire))

        def fire() -> None:
            arm()
            action()

        arm()

    def kill(self, serial: int) -> None:
        self._dead.add(serial)

    def drain(self) -> None:
        while self._micro:
            callback, args = self._micro.popleft()
            callback(*args)

    def run_until(self, end: float) -> None:
        self.drain()
        while self._heap and self._heap[0][0] <= end:
            at, serial, action = heapq.heappop(self._heap)
            if serial in self._dead:
                continue
            self.ms = at
            action()
            self.drain()
        self.ms = end


@dataclass
class VirtualTimer:
    clock: VirtualClock
    serial: int

    def cancel(self) -> None:
        self.clock.kill(self.serial)


class TooManyEventsError(Exception):
    """The loader runs in circles."""
