import asyncio
import time

import aioice.ice
import pytest

from p2psim.testbed.peer.clock import RunClock
from p2psim.testbed.peer.connection import AccessLinks, Connection, confine
from p2psim.testbed.peer.shaping import Downlink, Uplink
from p2psim.wire import SegmentRequest, encode

pytestmark = [pytest.mark.asyncio, pytest.mark.testbed]

COMMAND = encode(SegmentRequest(5, 42, 0), 65_535)[0]
PIECE = bytes(65_535)


@pytest.fixture(autouse=True)
def loopback(monkeypatch):
    monkeypatch.setattr(aioice.ice, "get_host_addresses", aioice.ice.get_host_addresses)
    confine()


class End:
    """One side: a connection and what it told."""

    def __init__(self, *, uplink=float("inf"), peer=""):
        self.clock = RunClock(time.monotonic())
        self.links = AccessLinks(Uplink(self.clock, uplink), Downlink(self.clock, float("inf")))
        self.connection = Connection(self, self.clock, self.links, peer)
        self.messages, self.news = [], asyncio.Condition()
        self.drained = 0
        self.opened, self.ended = asyncio.Event(), asyncio.Event()

    def connection_opened(self, connection):
        self.opened.set()

    def connection_received(self, connection, message):
        self.messages.append((self.clock.now(), message))

    def connection_drained(self, connection):
        self.drained += 1

    def connection_ended(self, connection):
        assert not self.ended.is_set()
        self.ended.set()

    async def received(self, count):
        while len(self.messages) < count:
            await asyncio.sleep(0.005)


async def joined(**options):
    """Two ends of an open connection."""
    one, other = End(**options), End(peer="one")
    answer = await other.connection.answer(await one.connection.offer("label"))
    await one.connection.accept("other", answer)
    await one.opened.wait()
    await other.opened.wait()
    return one, other


async def test_commands_and_data_arrive_in_order_and_are_counted():
    async with asyncio.timeout(15):
        one, other = await joined()
        assert one.connection.is_ours
        assert not other.connection.is_ours
        assert one.connection.send(PIECE) is True
        assert one.connection.send(COMMAND) is True
        assert one.connection.send(PIECE) is False, "more than 64 KiB are waiting"
        assert one.connection.send(COMMAND) is True
        await other.received(4)
        assert [message for _, message in other.messages] == [PIECE, COMMAND, PIECE, COMMAND]
        assert (one.connection.sent, other.connection.received) == (131_070, 131_070)
        assert one.links.sent == 131_070
        assert one.drained == 1
        one.connection.close()
        await other.ended.wait()
        await one.ended.wait()


async def test_only_the_loopback_is_offered():
    async with asyncio.timeout(15):
        one = End()
        offer = await one.connection.offer("label")
        addresses = {line.split()[4] for line in offer.splitlines() if line.startswith("a=candidate")}
        assert addresses == {"127.0.0.1"}
        one.connection.close()
        await one.ended.wait()


async def test_data_leave_at_the_pace_of_the_uplink():
    async with asyncio.timeout(15):
        one, other = await joined(uplink=500_000.0)
        began = one.clock.now()
        for _ in range(4):
            one.connection.send(PIECE)
        await other.received(4)
        last = other.messages[-1][0] - (began - one.clock.now() + other.clock.now())
        assert 4 * 65_535 / 500_000.0 <= last < 4 * 65_535 / 500_000.0 + 0.5
        one.connection.close()
        await one.ended.wait()


async def test_closing_in_good_order_loses_nothing():
    async with asyncio.timeout(15):
        one, other = await joined()
        for end in (one, other):
            for _ in range(3):
                end.connection.send(PIECE)
        async with asyncio.timeout(1.8):  # nobody has to give up waiting
            one.connection.close()
            await one.ended.wait()
            await other.ended.wait()
        assert one.connection.sent == other.connection.received
        assert other.connection.sent == one.connection.received
        assert one.connection.send(PIECE) is True  # to nobody
        assert one.connection.state == other.connection.state == "closed"


async def test_both_may_close_at_once():
    async with asyncio.timeout(15):
        one, other = await joined()
        one.connection.send(PIECE)
        other.connection.send(PIECE)
        one.connection.close()
        other.connection.close()
        await one.ended.wait()
        await other.ended.wait()
        assert one.connection.sent == other.connection.received
        assert other.connection.sent == one.connection.received


async def test_a_vanished_peer_says_nothing():
    async with asyncio.timeout(15):
        one, other = await joined()
        one.connection.vanish()
        await one.ended.wait()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(other.ended.wait(), 0.5)
        other.connection.close()
        await other.ended.wait()


async def test_nothing_is_left_running():
    async with asyncio.timeout(15):
        before = asyncio.all_tasks()
        one, other = await joined()
        one.connection.close()
        await other.ended.wait()
        await one.ended.wait()
        await asyncio.sleep(0.05)
        assert asyncio.all_tasks() - before == set()
