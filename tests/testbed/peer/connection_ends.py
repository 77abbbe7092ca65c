"""Two ends of a real connection on the loopback, each with a record of its events."""

import asyncio
import time

from p2psim.testbed.peer.clock import RunClock
from p2psim.testbed.peer.connection import AccessLinks, Connection
from p2psim.testbed.peer.shaping import Downlink, Uplink


class End:
    """Owner of a connection that records the connection's events."""

    def __init__(self, *, uplink: float = float("inf"), peer: str = "") -> None:
        self.clock = RunClock(time.monotonic())
        self.links = AccessLinks(Uplink(self.clock, uplink), Downlink(self.clock, float("inf")))
        self.connection = Connection(self, self.clock, self.links, peer)
        self.messages: list[tuple[float, bytes]] = []
        """Pairs of the time of arrival and the message."""
        self.drained = 0
        self.opened, self.ended = asyncio.Event(), asyncio.Event()

    def connection_opened(self, connection: Connection) -> None:
        self.opened.set()

    def connection_received(self, connection: Connection, message: bytes) -> None:
        self.messages.append((self.clock.now(), message))

    def connection_drained(self, connection: Connection) -> None:
        self.drained += 1

    def connection_ended(self, connection: Connection) -> None:
        assert not self.ended.is_set()
        self.ended.set()

    async def received(self, count: int) -> None:
        """Wait until `count` messages have arrived."""
        while len(self.messages) < count:
            await asyncio.sleep(0.005)


async def joined(*, uplink: float = float("inf")) -> tuple[End, End]:
    """Return two ends of an open connection; `uplink` is the rate of the first."""
    one, other = End(uplink=uplink), End(peer="one")
    answer = await other.connection.answer(await one.connection.offer("label"))
    await one.connection.accept("other", answer)
    await one.opened.wait()
    await other.opened.wait()
    return one, other


async def close(*ends: End) -> None:
    """Close the connection at each end and wait until it has ended."""
    for end in ends:
        end.connection.close()
        await end.ended.wait()
