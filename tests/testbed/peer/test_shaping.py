"""Tests of shaped access links."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2psim.testbed.peer.clock import RunClock
from p2psim.testbed.peer.shaping import BURST, PACKET, TURN, Downlink, Uplink
from tests.testbed.virtual_clock import VirtualClock


class RecordedUplink:
    """Uplink on a virtual clock that records when which sender's messages were sent."""

    def __init__(self, rate: float) -> None:
        self.clock = VirtualClock()
        self.uplink = Uplink(self.clock, rate)
        self.sent: list[tuple[float, str]] = []

    def enqueue(self, sender: str, size: int) -> None:
        self.uplink.enqueue(sender, size, lambda: self.sent.append((round(self.clock.now(), 6), sender)))


def test_a_message_is_sent_when_the_link_has_carried_it() -> None:
    link = RecordedUplink(1000.0)
    link.enqueue("a", 500)
    link.enqueue("a", 250)
    link.clock.run_until(10)
    assert link.sent == [(0.5, "a"), (0.75, "a")]


def test_senders_are_served_round_robin() -> None:
    link = RecordedUplink(100.0)
    for _ in range(3):
        link.enqueue("a", 100)
    link.enqueue("b", 100)
    link.clock.run_until(10)
    assert link.sent == [(1, "a"), (2, "b"), (3, "a"), (4, "a")]


def test_long_messages_share_the_link_packet_by_packet() -> None:
    link = RecordedUplink(PACKET)
    link.enqueue("a", 8 * PACKET)
    link.clock.call_later(0.5, link.enqueue, "b", 4 * PACKET)
    link.clock.run_until(20)
    assert link.sent == [(8, "b"), (12, "a")], "in turns of whole messages a would be sent at 8, and b at 12"


def test_turns_on_a_fast_link_are_as_long_as_the_shortest_turn() -> None:
    link = RecordedUplink(1e6)
    link.enqueue("a", round(2 * TURN * 1e6))
    link.enqueue("b", round(TURN * 1e6))
    link.clock.run_until(20)
    assert link.sent == [(2 * TURN, "b"), (3 * TURN, "a")]


def test_an_idle_uplink_saves_no_burst() -> None:
    link = RecordedUplink(100.0)
    link.enqueue("a", 100)
    link.clock.run_until(20)
    link.enqueue("a", 100)
    link.clock.run_until(40)
    assert link.sent == [(1, "a"), (21, "a")]


def test_dropped_messages_are_not_sent() -> None:
    link = RecordedUplink(100.0)
    for sender in "aabb":
        link.enqueue(sender, 100)
    link.clock.run_until(0.5)
    link.uplink.drop("a")
    link.uplink.drop("a")
    link.clock.run_until(10)
    assert link.sent == [(1.5, "b"), (2.5, "b")]


def test_a_waiting_sender_can_be_dropped() -> None:
    link = RecordedUplink(100.0)
    link.enqueue("a", 100)
    link.enqueue("b", 100)
    link.uplink.drop("b")
    link.clock.run_until(10)
    assert link.sent == [(1, "a")]


@pytest.mark.parametrize(("rate", "count"), [(float("inf"), 3), (0.0, 0)])
def test_messages_at_infinite_and_zero_rate(rate: float, count: int) -> None:
    link = RecordedUplink(rate)
    for _ in range(3):
        link.enqueue("a", 10**9)
    link.clock.run_until(0.0)
    assert len(link.sent) == count


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 10_000)), min_size=1, max_size=40))
def test_the_uplink_is_never_faster_than_its_rate_and_loses_nothing(messages: list[tuple[str, int]]) -> None:
    link = RecordedUplink(1000.0)
    for sender, size in messages:
        link.enqueue(sender, size)
    link.clock.run_until(1e6)
    assert sorted(sender for _, sender in link.sent) == sorted(sender for sender, _ in messages)
    assert link.sent[-1][0] == pytest.approx(sum(size for _, size in messages) / 1000.0, abs=1e-5)


@given(st.lists(st.tuples(st.floats(0, 0.2), st.integers(1, 65_536)), min_size=1, max_size=40))
def test_the_downlink_keeps_order_and_rate(arrivals: list[tuple[float, int]]) -> None:
    clock, rate = VirtualClock(), 1e5
    downlink = Downlink(clock, rate)
    delivered: list[tuple[float, int, int]] = []

    def deliver(number: int, size: int) -> None:
        downlink.deliver(size, lambda: delivered.append((clock.now(), number, size)))

    for number, (gap, size) in enumerate(arrivals):
        clock.run_until(clock.time + gap)
        deliver(number, size)
    clock.run_until(clock.time + 1e3)
    assert [number for _, number, _ in delivered] == list(range(len(arrivals)))
    start, carried = clock.time, 0
    for at, _, size in reversed(delivered):
        start, carried = at, carried + size
    assert carried <= BURST + rate * (delivered[-1][0] - start) + delivered[0][2] + 1


def test_an_idle_downlink_does_not_delay_a_message() -> None:
    clock = VirtualClock()
    clock.run_until(5)
    delivered: list[float] = []
    Downlink(clock, 1e5).deliver(65_535, lambda: delivered.append(clock.now()))
    assert delivered == [5]


@pytest.mark.asyncio
async def test_pass_through_waits_for_the_downlink() -> None:
    async with asyncio.timeout(5):
        clock = RunClock(0.0)
        downlink = Downlink(clock, 1e6)
        began = clock.now()
        await downlink.pass_through(65_536)
        await downlink.pass_through(100_000)
        assert clock.now() - began >= 0.09


@pytest.mark.parametrize(("rate", "ends"), [(50.0, 1.0), (200.0, 0.625), (float("inf"), 0.5)])
def test_a_changed_rate_applies_from_the_change_on(rate: float, ends: float) -> None:
    link = RecordedUplink(100.0)
    link.enqueue("a", 75)
    link.clock.call_later(0.5, link.uplink.change, rate)
    link.clock.run_until(10)
    assert link.sent == [(ends, "a")]


def test_at_zero_rate_messages_wait_for_a_higher_rate() -> None:
    link = RecordedUplink(100.0)
    link.enqueue("a", 100)
    link.clock.call_later(0.5, link.uplink.change, 0.0)
    link.clock.call_later(1.0, link.enqueue, "b", 100)
    link.clock.call_later(3.0, link.uplink.change, 100.0)
    link.clock.run_until(10)
    assert link.sent == [(3.5, "a"), (4.5, "b")]


def test_a_message_that_is_dropped_at_zero_rate_does_not_delay_the_next() -> None:
    link = RecordedUplink(100.0)
    link.enqueue("a", 100)
    link.clock.call_later(0.5, link.uplink.change, 0.0)
    link.clock.call_later(1.0, link.uplink.drop, "a")
    link.clock.call_later(1.0, link.enqueue, "b", 100)
    link.clock.call_later(3.0, link.uplink.change, 100.0)
    link.clock.run_until(10)
    assert link.sent == [(4.0, "b")]
