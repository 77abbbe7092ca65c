"""Clock for tests, whose time passes by `run_until`."""

import heapq
from collections.abc import Callable


class VirtualClock:
    def __init__(self) -> None:
        self.time = 0.0
        self._serial = 0
        self._heap: list[tuple[float, int, Callable[..., None], tuple[object, ...]]] = []
        self._dead: set[int] = set()

    def now(self) -> float:
        return self.time

    def milliseconds(self) -> float:
        return self.time * 1e3

    def call_soon(self, callback: Callable[..., None], *args: object) -> None:
        self.call_later(0.0, callback, *args)

    def call_later(self, delay: float, callback: Callable[..., None], *args: object) -> "VirtualTimer":
        self._serial += 1
        heapq.heappush(self._heap, (self.time + delay, self._serial, callback, args))
        return VirtualTimer(self._dead, self._serial)

    def run_until(self, end: float) -> None:
        while self._heap and self._heap[0][0] <= end:
            at, serial, callback, args = heapq.heappop(self._heap)
            if serial not in self._dead:
                self.time = max(self.time, at)
                callback(*args)
        self.time = end


class VirtualTimer:
    def __init__(self, dead: set[int], serial: int) -> None:
        self._dead, self._serial = dead, serial

    def cancel(self) -> None:
        self._dead.add(self._serial)
