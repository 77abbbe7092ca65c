"""Tests of the tracker client against the real tracker."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import numpy as np
import pytest
from p2p_tracker.config.options import ServerOptions
from p2p_tracker.server.server import TrackerServer, serve

from p2psim.testbed.peer.clock import RunClock
from p2psim.testbed.peer.tracker_client import Member, TrackerClient
from p2psim.wire.tracker_messages import Offer

pytestmark = [pytest.mark.asyncio, pytest.mark.testbed]

SWARM = "x" * 20


class Peer:
    """Running tracker client with made-up offers and answers, which records its events."""

    def __init__(
        self, session: aiohttp.ClientSession, url: str, name: str, *, offers: int = 2, one_way_delay: float = 0.0
    ) -> None:
        self.name = name
        self.offers: list[tuple[str, str]] = []
        """Pairs of the sender of an offer and its session description."""
        self.answers: list[tuple[str, str, str]] = []
        """Senders of answers, ids of the offers, and session descriptions."""
        self.announces: list[tuple[str, int]] = []
        """Pairs of the event of an announce and its number of offers."""
        self.received: list[tuple[str, int]] = []
        """Messages of the tracker: "offer", "answer" or "peers", and their number."""
        member = Member(
            url=url, info_hash=SWARM, peer_id=name.ljust(20, "-"), offers=offers, one_way_delay=one_way_delay
        )
        self.client = TrackerClient(session, member, self, self, RunClock(time.monotonic()), np.random.default_rng(1))
        self.running = asyncio.get_running_loop().create_task(self.client.run())

    async def first_message(self) -> None:
        """Wait for the first message of the tracker."""
        await until(lambda: self.received)

    async def stop(self) -> None:
        self.running.cancel()
        await asyncio.wait([self.running])

    async def make_offers(self, count: int) -> list[Offer]:
        return [Offer(f"{self.name}{number}".ljust(20, "."), f"offer of {self.name}") for number in range(count)]

    async def take_offer(self, peer: str, offer: str) -> str | None:
        self.offers.append((peer.strip("-"), offer))
        return f"answer of {self.name}"

    async def take_answer(self, peer: str, offer_id: str, answer: str) -> None:
        self.answers.append((peer.strip("-"), offer_id.strip("."), answer))

    def announced(self, event: str, offers: int) -> None:
        self.announces.append((event, offers))

    def tracker_sent(self, kind: str, count: int = 1) -> None:
        self.received.append((kind, count))


async def until(condition: Callable[[], object]) -> None:
    while not condition():
        await asyncio.sleep(0.005)


@asynccontextmanager
async def tracked(**options: Any) -> AsyncIterator[tuple[TrackerServer, aiohttp.ClientSession]]:
    """Run a tracker on any free port."""
    async with (
        asyncio.timeout(15),
        serve(ServerOptions(port=0, **options)) as server,
        aiohttp.ClientSession() as session,
    ):
        yield server, session


async def test_offers_and_answers_reach_the_other_peer() -> None:
    async with tracked() as (server, session):
        anna = Peer(session, server.url, "anna")
        await until(lambda: ("peers", 1) in anna.received)
        bela = Peer(session, server.url, "bela")
        await until(lambda: bela.answers)
        assert anna.offers == [("bela", "offer of bela")]
        assert bela.answers[0][0] == "anna"
        assert bela.answers[0][1] in ("bela0", "bela1")
        assert bela.answers[0][2] == "answer of anna"
        assert bela.announces == [("started", 2)]
        assert ("peers", 2) in bela.received
        await anna.stop()
        await bela.stop()


@pytest.mark.slow
async def test_a_member_announces_itself_at_the_interval_of_the_tracker() -> None:
    async with tracked(interval=1.0, interval_jitter=0.0) as (server, session):
        anna = Peer(session, server.url, "anna", offers=1)
        began = time.monotonic()
        await until(lambda: len(anna.announces) == 2)
        assert 0.9 < time.monotonic() - began < 5  # the default is 30 s
        assert anna.announces == [("started", 1), ("", 1)]
        await anna.stop()


async def test_messages_are_delayed_in_both_directions() -> None:
    async with tracked() as (server, session):
        began = time.monotonic()
        anna = Peer(session, server.url, "anna", one_way_delay=0.15)
        await anna.first_message()
        assert time.monotonic() - began >= 0.45  # to connect, there and back
        await anna.stop()


async def test_a_member_that_leaves_is_removed_at_once() -> None:
    async with tracked() as (server, session):
        anna = Peer(session, server.url, "anna")
        await anna.first_message()
        await anna.stop()
        await anna.client.leave()
        assert anna.announces[-1] == ("stopped", 0)
        bela = Peer(session, server.url, "bela")
        await bela.first_message()
        assert bela.received[0] == ("peers", 1)
        await bela.stop()


@pytest.mark.slow
async def test_a_silent_member_is_removed_after_the_heartbeat_timeout() -> None:
    async with tracked(heartbeat_timeout=1.0, ping_interval=0.2) as (server, session):
        anna = Peer(session, server.url, "anna")
        await anna.first_message()
        anna.client.fall_silent()
        await anna.stop()
        bela = Peer(session, server.url, "bela")
        await bela.first_message()
        assert bela.received[0] == ("peers", 2)
        await bela.stop()
        await bela.client.leave()
        while True:
            carl = Peer(session, server.url, "carl")
            await carl.first_message()
            await carl.stop()
            await carl.client.leave()
            if carl.received[0] == ("peers", 1):
                break
            await asyncio.sleep(0.1)


async def test_a_client_of_an_unreachable_tracker_keeps_running() -> None:
    async with asyncio.timeout(15), aiohttp.ClientSession() as session:
        anna = Peer(session, "ws://127.0.0.1:9/", "anna")
        await asyncio.sleep(0.2)
        assert not anna.running.done()
        assert anna.announces == []
        await anna.stop()
        await anna.client.leave()


async def test_after_an_outage_the_client_announces_itself_to_the_restarted_tracker(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # a browser's delays are up to minutes
    monkeypatch.setattr("p2psim.testbed.peer.tracker_client.reconnect_delay", lambda retries, rng: 0.05)
    async with asyncio.timeout(30), aiohttp.ClientSession() as session:
        async with serve(ServerOptions(port=0)) as server:
            url, number = server.url, server.port
            anna = Peer(session, url, "anna")
            await until(lambda: ("peers", 1) in anna.received)
        anna.received.clear()
        async with serve(ServerOptions(port=number)):
            await until(lambda: ("peers", 1) in anna.received)
            assert [event for event, _ in anna.announces] == ["started", ""]
            await anna.stop()
            await anna.client.leave()
