import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2psim.testbed.peer.clock import RunClock
from p2psim.testbed.peer.shaping import BURST, PACKET, TURN, Downlink, Uplink
from tests.testbed.virtual_clock import VirtualClock


class Wire:
    """Notes who was served when."""

    def __init__(self, rate):
        self.clock = VirtualClock()
        self.uplink = Uplink(self.clock, rate)
        self.sent = []

    def enqueue(self, sender, size):
        self.uplink.enqueue(sender, size, lambda: self.sent.append((round(self.clock.now(), 6), sender)))


def test_a_message_leaves_when_the_line_has_carried_it():
    wire = Wire(1000.0)
    wire.enqueue("a", 500)
    wire.enqueue("a", 250)
    wire.clock.run_until(10)
    assert wire.sent == [(0.5, "a"), (0.75, "a")]


def test_senders_take_turns():
    wire = Wire(100.0)
    for _ in range(3):
        wire.enqueue("a", 100)
    wire.enqueue("b", 100)
    wire.clock.run_until(10)
    assert wire.sent == [(1, "a"), (2, "b"), (3, "a"), (4, "a")]


def test_long_messages_share_the_line_as_their_packets_would():
    wire = Wire(PACKET)
    wire.enqueue("a", 8 * PACKET)
    wire.clock.call_later(0.5, wire.enqueue, "b", 4 * PACKET)
    wire.clock.run_until(20)
    assert wire.sent == [(8, "b"), (12, "a")], "in whole messages a would be there at 8, and b at 12"


def test_turns_on_a_fast_line_are_long_enough_for_a_timer():
    wire = Wire(1e6)
    wire.enqueue("a", 2 * TURN * 1e6)
    wire.enqueue("b", TURN * 1e6)
    wire.clock.run_until(20)
    assert wire.sent == [(2 * TURN, "b"), (3 * TURN, "a")]


def test_a_pause_is_not_saved_up():
    wire = Wire(100.0)
    wire.enqueue("a", 100)
    wire.clock.run_until(20)
    wire.enqueue("a", 100)
    wire.clock.run_until(40)
    assert wire.sent == [(1, "a"), (21, "a")]


def test_what_a_sender_dropped_is_not_sent():
    wire = Wire(100.0)
    for sender in "aabb":
        wire.enqueue(sender, 100)
    wire.clock.run_until(0.5)
    wire.uplink.drop("a")
    wire.uplink.drop("a")
    wire.clock.run_until(10)
    assert wire.sent == [(1.5, "b"), (2.5, "b")]


def test_a_sender_that_waits_can_be_dropped():
    wire = Wire(100.0)
    wire.enqueue("a", 100)
    wire.enqueue("b", 100)
    wire.uplink.drop("b")
    wire.clock.run_until(10)
    assert wire.sent == [(1, "a")]


@pytest.mark.parametrize(("rate", "count"), [(float("inf"), 3), (0.0, 0)])
def test_limits_of_the_rate(rate, count):
    wire = Wire(rate)
    for _ in range(3):
        wire.enqueue("a", 10**9)
    wire.clock.run_until(0.0)
    assert len(wire.sent) == count


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 10_000)), min_size=1, max_size=40))
def test_the_line_is_never_faster_than_its_rate_and_loses_nothing(messages):
    wire = Wire(1000.0)
    for sender, size in messages:
        wire.enqueue(sender, size)
    wire.clock.run_until(1e6)
    assert sorted(sender for _, sender in wire.sent) == sorted(sender for sender, _ in messages)
    assert wire.sent[-1][0] == pytest.approx(sum(size for _, size in messages) / 1000.0, abs=1e-5)


@given(st.lists(st.tuples(st.floats(0, 0.2), st.integers(1, 65_536)), min_size=1, max_size=40))
def test_the_downlink_keeps_order_and_rate(arrivals):
    clock, rate = VirtualClock(), 1e5
    downlink, passed = Downlink(clock, rate), []
    for number, (gap, size) in enumerate(arrivals):
        clock.run_until(clock.time + gap)
        downlink.deliver(size, lambda number=number, size=size: passed.append((clock.now(), number, size)))
    clock.run_until(clock.time + 1e3)
    assert [number for _, number, _ in passed] == list(range(len(arrivals)))
    start, carried = clock.time, 0
    for at, _, size in reversed(passed):
        start, carried = at, carried + size
    assert carried <= BURST + rate * (passed[-1][0] - start) + passed[0][2] + 1


def test_an_idle_downlink_does_not_delay():
    clock = VirtualClock()
    clock.run_until(5)
    passed = []
    Downlink(clock, 1e5).deliver(65_535, lambda: passed.append(clock.now()))
    assert passed == [5]


@pytest.mark.asyncio
async def test_waiting_for_the_downlink_takes_its_time():
    async with asyncio.timeout(5):
        clock = RunClock(0.0)
        downlink = Downlink(clock, 1e6)
        began = clock.now()
        await downlink.pass_through(65_536)
        await downlink.pass_through(100_000)
        assert clock.now() - began >= 0.09


@pytest.mark.parametrize(("rate", "ends"), [(50.0, 1.0), (200.0, 0.625), (float("inf"), 0.5)])
def test_another_rate_counts_from_its_moment(rate, ends):
    wire = Wire(100.0)
    wire.enqueue("a", 75)
    wire.clock.call_later(0.5, wire.uplink.change, rate)
    wire.clock.run_until(10)
    assert wire.sent == [(ends, "a")]


def test_without_a_rate_messages_wait_for_a_better_one():
    wire = Wire(100.0)
    wire.enqueue("a", 100)
    wire.clock.call_later(0.5, wire.uplink.change, 0.0)
    wire.clock.call_later(1.0, wire.enqueue, "b", 100)
    wire.clock.call_later(3.0, wire.uplink.change, 100.0)
    wire.clock.run_until(10)
    assert wire.sent == [(3.5, "a"), (4.5, "b")]


def test_a_message_that_is_dropped_while_it_waits_leaves_nothing_of_itself():
    wire = Wire(100.0)
    wire.enqueue("a", 100)
    wire.clock.call_later(0.5, wire.uplink.change, 0.0)
    wire.clock.call_later(1.0, wire.uplink.drop, "a")
    wire.clock.call_later(1.0, wire.enqueue, "b", 100)
    wire.clock.call_later(3.0, wire.uplink.change, 100.0)
    wire.clock.run_until(10)
    assert wire.sent == [(4.0, "b")]
