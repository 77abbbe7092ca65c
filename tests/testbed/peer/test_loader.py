"""Tests of the loader of a real viewer: its channels, its announcements and its player."""

import asyncio
from collections.abc import Callable
from typing import Literal

import pytest

from p2psim.policy.interface import options
from p2psim.rng import constant_streams
from p2psim.scenario.policy import Policy
from p2psim.testbed.loader_config import LoaderConfig
from p2psim.testbed.peer.interfaces import FetchEvents
from p2psim.testbed.peer.loader import Loader
from p2psim.wire import SegmentRequest, SegmentsAnnouncement
from tests.testbed.peer.connection_ends import close, joined
from tests.testbed.peer.scripted_peer import Outcomes, ScriptedChannel, ScriptedSwarm, segments
from tests.testbed.virtual_clock import VirtualClock

Rule = Literal["upstream", "fixed"]


def test_a_new_peer_gets_an_announcement_even_if_nothing_is_stored() -> None:
    assert ScriptedSwarm().peer.commands == [SegmentsAnnouncement()]


def test_a_viewer_without_uploads_announces_nothing() -> None:
    assert ScriptedSwarm(uploads=False).peer.commands == []


def test_a_second_connection_to_a_peer_is_closed() -> None:
    swarm = ScriptedSwarm()
    second = ScriptedChannel(swarm.loader, swarm.clock)
    assert not swarm.loader.channel_opened(second)
    assert second.is_closed
    assert not swarm.peer.is_closed


@pytest.mark.parametrize(("rule", "aborted"), [("upstream", [1]), ("fixed", [])])
def test_a_queue_that_starts_at_the_playhead_keeps_the_transfer_of_an_earlier_request(
    rule: Rule, aborted: list[int]
) -> None:
    clock = VirtualClock()
    aborts: list[int] = []

    def fetch(segment: int, first_byte: int, events: FetchEvents) -> Callable[[], None]:
        return lambda: aborts.append(segment)

    chosen = options(Policy(queueStart=rule), live=False)
    loader = Loader(chosen, clock, fetch, Outcomes(), constant_streams(0.5, 1)[0])
    loader.playlist(segments(9))
    for segment in (1, 2):
        loader.load(segment, lambda data, bandwidth: None, lambda reason: None)
        clock.run_until(clock.time + 0.1)
    assert aborts == aborted


def loader_that_stores(count: int, rule: Rule) -> Loader:
    """Return a loader that has fetched segments over HTTP; `rule` is its way to write announcements."""
    clock = VirtualClock()
    delivered: list[bytes] = []

    def fetch(segment: int, first_byte: int, events: FetchEvents) -> Callable[[], None]:
        events.headers(200, 1, None)
        events.chunk(b"x")
        events.finished()
        return lambda: None

    loader = Loader(
        options(Policy(announcementBlocks=rule), live=False),
        clock,
        fetch,
        Outcomes(),
        constant_streams(0.5, 1)[0],
        LoaderConfig(upstream_faults=rule == "upstream"),
    )
    loader.playlist(segments(count))
    for segment in range(count):
        loader.playhead(segment * 4.0, 1.0)
        loader.load(segment, lambda data, bandwidth: delivered.append(data), lambda reason: None)
        clock.run_until(clock.time + 0.01)
    assert delivered == [b"x"] * count
    return loader


@pytest.mark.slow
@pytest.mark.testbed
@pytest.mark.asyncio
@pytest.mark.usefixtures("loopback")
@pytest.mark.parametrize(
    ("rule", "count", "is_read"),
    [("upstream", 255, True), ("upstream", 256, False), ("fixed", 255, True), ("fixed", 256, True)],
)
async def test_upstream_cannot_read_an_announcement_of_a_full_block_of_segments(
    rule: Rule, count: int, is_read: bool
) -> None:
    async with asyncio.timeout(30):
        one, other = await joined()
        assert loader_that_stores(count, rule).channel_opened(one.connection)
        await other.received(1)
        reader = ScriptedSwarm(upstream_faults=True)
        reader.loader.load(0, lambda data, bandwidth: None, lambda reason: None)
        reader.loader.channel_message("peer", other.messages[0][1])
        reader.run()
        assert bool(reader.peer.sent(SegmentRequest)) is is_read
        await close(one, other)
