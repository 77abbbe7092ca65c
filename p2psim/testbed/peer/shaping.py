"""Shaping of the access links of viewers on a loopback: their traffic is limited to the rates of the links.

Messages are passed on as a whole. An uplink serves the connections that have queued messages round robin, a few packets
at a time, so that concurrent uploads get equal shares; a message is passed on when its last packet has been sent.
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
"""Smallest number of bytes that a connection sends in a turn. Turns of whole messages would serve concurrent uploads
nearly one after the other, so that the first would end sooner than on a link that is shared packet by packet."""
TURN: Final = 0.005
"""Shortest turn, seconds; it bounds the processor time that the shaping of fast uplinks costs."""

BURST: Final = 65_536.0
"""Bytes that an idle downlink passes at once: one message, which the sender's uplink has slowed down already."""
_LATENESS: Final = 0.02
"""Delay of a timer, seconds, up to which the link counts as busy until the timer fires."""

Action = Callable[[], None]


@dataclass(slots=True)
class _Message:
    unsent: float
    """Bytes not sent yet."""
    send: Action


class Uplink:
    """Uplink with a rate in bytes/s (infinite: messages pass at once; zero: they wait until the rate changes)."""

    def __init__(self, clock: Clock, rate: float) -> None:
        self._clock = clock
        self._rate = rate
        self._queues: dict[Hashable, deque[_Message]] = {}
        self._turns: deque[Hashable] = deque()
        self._free_at = float("-inf")
        self._sending: tuple[Hashable, float, Timer] | None = None
        """Sender of the current turn, its bytes, and the timer of its end."""

    def change(self, rate: float) -> None:
        """Change the rate; the bytes that the current turn has sent until now count as sent."""
        now = self._clock.now()
        if self._sending is not None:
            sender, size, timer = self._sending
            timer.cancel()
            remaining = max(0.0, (self._free_at - now) * self._rate) if math.isfinite(self._rate) else 0.0
            self._queues[sender][0].unsent -= max(0.0, size - remaining)
            self._turns.appendleft(sender)
            self._sending = None
        self._rate, self._free_at = rate, now
        self._next()

    def enqueue(self, sender: Hashable, size: int, send: Action) -> None:
        """Call `send` once the link has carried `size` bytes for this sender, after its earlier messages."""
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
        size = max(0.0, min(max(PACKET, TURN * self._rate), self._queues[sender][0].unsent))
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
        message.unsent -= size
        if message.unsent <= 0:
            queue.popleft()
        if queue:
            self._turns.append(sender)
        else:
            del self._queues[sender]
        if message.unsent <= 0:
            message.send()
        if self._sending is None:
            self._next()


class Downlink:
    """Downlink that delivers in order, at a rate in bytes/s, with bursts of at most BURST bytes."""

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
        delivered = asyncio.Event()
        self.deliver(size, delivered.set)
        await delivered.wait()

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
