"""Shaping of the access links of viewers on a loopback: their traffic is limited to the rates of the links.

Messages pass whole. An uplink is a line on which the connections that have something to send take turns, a few packets
each, so that concurrent uploads get equal shares; a message leaves when its last packet has.
"""

import asyncio
import math
from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Final

from p2psim.testbed.peer.interfaces import Clock, Timer

__all__ = ["BURST", "PACKET", "TURN", "Downlink", "Uplink"]

PACKET: Final = 1200
"""Bytes that a connection sends at least before it is another's turn. Messages in turns would be served nearly one
after the other, and be there sooner than on a line that shares packet by packet."""
TURN: Final = 0.005
"""Seconds that a turn takes at least: shorter ones cost more processor time than they are worth."""

BURST: Final = 65_536.0
"""Bytes that a downlink passes at once after a pause: one message, slowed down by the sender's uplink already."""
_LATENESS: Final = 0.02
"""Seconds by which a wake-up may be late without the line counting as idle in between."""

Action = Callable[[], None]


@dataclass(slots=True)
class _Message:
    left: float
    """Bytes not sent yet."""
    send: Action


class Uplink:
    """Uplink with a rate in bytes/s (infinite: messages leave at once; zero: they wait for a higher rate)."""

    def __init__(self, clock: Clock, rate: float) -> None:
        self._clock = clock
        self._rate = rate
        self._queues: dict[Hashable, deque[_Message]] = {}
        self._turns: deque[Hashable] = deque()
        self._free_at = float("-inf")
        self._sending: tuple[Hashable, float, Timer] | None = None
        """Whose turn it is, and for how many bytes."""

    def change(self, rate: float) -> None:
        """Go on at another rate: what has left of the turn under way counts."""
        now = self._clock.now()
        if self._sending is not None:
            sender, size, timer = self._sending
            timer.cancel()
            unsent = max(0.0, (self._free_at - now) * self._rate) if math.isfinite(self._rate) else 0.0
            self._queues[sender][0].left -= max(0.0, size - unsent)
            self._turns.appendleft(sender)
            self._sending = None
        self._rate, self._free_at = rate, now
        self._next()

    def enqueue(self, sender: Hashable, size: int, send: Action) -> None:
        """Call `send` once the line has carried `size` bytes for this sender, after what it has queued before."""
        if sender not in self._queues:
            self._queues[sender] = deque()
            self._turns.append(sender)
        self._queues[sender].append(_Message(size, send))
        if self._sending is None:
            self._next()

    def drop(self, sender: Hashable) -> None:
        """Discard the queued bytes of a sender."""
        if self._queues.pop(sender, None) is None:
            return
        if self._sending is not None and self._sending[0] == sender:
            self._sending[2].cancel()
            self._sending = None
            self._free_at = self._clock.now()
            self._next()
        else:
            self._turns.remove(sender)

    def _next(self) -> None:
        if not self._turns or self._rate == 0:
            return
        sender = self._turns.popleft()
        size = max(0.0, min(max(PACKET, TURN * self._rate), self._queues[sender][0].left))
        now = self._clock.now()
        begin = self._free_at if now - self._free_at <= _LATENESS else now
        self._free_at = begin + size / self._rate
        self._sending = sender, size, self._clock.call_later(max(0.0, self._free_at - now), self._sent)

    def _sent(self) -> None:
        if self._sending is None:
            return
        (sender, size, _), self._sending = self._sending, None
        queue = self._queues[sender]
        message = queue[0]
        message.left -= size
        if message.left <= 0:
            queue.popleft()
        if queue:
            self._turns.append(sender)
        else:
            del self._queues[sender]
        if message.left <= 0:
            message.send()
        if self._sending is None:
            self._next()


class Downlink:
    """Downlink that delivers in order, at a rate in bytes/s, with bursts of at most BURST."""

    def __init__(self, clock: Clock, rate: float) -> None:
        self._clock = clock
        self._rate = rate
        self._free_at = float("-inf")
        self._waiting: deque[tuple[float, Action]] = deque()

    def deliver(self, size: int, receive: Action) -> None:
        """Call `receive` once the link has carried `size` bytes; at once if it is idle."""
        now = self._clock.now()
        self._free_at = max(self._free_at, now - BURST / self._rate) + size / self._rate
        if self._free_at <= now and not self._waiting:
            receive()
            return
        self._waiting.append((self._free_at, receive))
        if len(self._waiting) == 1:
            self._arm()

    async def pass_through(self, size: int) -> None:
        """Wait until the link has carried `size` bytes."""
        passed = asyncio.Event()
        self.deliver(size, passed.set)
        await passed.wait()

    def _arm(self) -> None:
        self._clock.call_later(max(0.0, self._waiting[0][0] - self._clock.now()), self._release)

    def _release(self) -> None:
        _, receive = self._waiting[0]
        try:
            receive()
        finally:
            self._waiting.popleft()
            if self._waiting:
                self._arm()
