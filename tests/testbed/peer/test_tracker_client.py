import asyncio
import time
from contextlib import asynccontextmanager

import aiohttp
import numpy as np
import pytest
from p2p_tracker.config.options import ServerOptions
from p2p_tracker.server.server import serve

from p2psim.testbed.peer.clock import RunClock
from p2psim.testbed.peer.tracker_client import Member, TrackerClient
from p2psim.wire.tracker_messages import Offer

pytestmark = [pytest.mark.asyncio, pytest.mark.testbed]

SWARM = "x" * 20


class Peer:
    """A client, the offers it makes and what it notes."""

    def __init__(self, session, url, name, *, offers=2, latency=0.0):
        self.name, self.made = name, 0
        self.offers, self.answers, self.events, self.said = [], [], [], []
        member = Member(url=url, info_hash=SWARM, peer_id=name.ljust(20, "-"), offers=offers, one_way_delay=latency)
        self.client = TrackerClient(session, member, self, self, RunClock(time.monotonic()), np.random.default_rng(1))
        self.running = None

    def start(self):
        self.running = asyncio.get_running_loop().create_task(self.client.run())
        return self

    async def stop(self):
        self.running.cancel()
        await asyncio.wait([self.running])

    async def make_offers(self, count):
        self.made += count
        return [Offer(f"{self.name}{number}".ljust(20, "."), f"offer of {self.name}") for number in range(count)]

    async def take_offer(self, peer, offer):
        self.offers.append((peer.strip("-"), offer))
        return f"answer of {self.name}"

    async def take_answer(self, peer, offer_id, answer):
        self.answers.append((peer.strip("-"), offer_id.strip("."), answer))

    def announced(self, event, offers):
        self.events.append((event, offers))

    def tracker_sent(self, what, count=1):
        self.said.append((what, count))


async def until(condition):
    while not condition():
        await asyncio.sleep(0.005)


@asynccontextmanager
async def tracked(**options):
    async with (
        asyncio.timeout(15),
        serve(ServerOptions(port=0, **options)) as server,
        aiohttp.ClientSession() as session,
    ):
        yield server, session


async def test_offers_and_answers_reach_each_other():
    async with tracked() as (server, session):
        anna = Peer(session, server.url, "anna").start()
        await until(lambda: ("peers", 1) in anna.said)
        bela = Peer(session, server.url, "bela").start()
        await until(lambda: bela.answers)
        assert anna.offers == [("bela", "offer of bela")]
        assert bela.answers[0][0] == "anna"
        assert bela.answers[0][1] in ("bela0", "bela1")
        assert bela.answers[0][2] == "answer of anna"
        assert bela.events == [("started", 2)]
        assert ("peers", 2) in bela.said
        await anna.stop()
        await bela.stop()


async def test_announces_again_at_the_interval_of_the_tracker():
    async with tracked(interval=1.0, interval_jitter=0.0) as (server, session):
        anna = Peer(session, server.url, "anna", offers=1).start()
        began = time.monotonic()
        await until(lambda: len(anna.events) == 2)
        assert 0.9 < time.monotonic() - began < 5  # the default is 30 s
        assert anna.events == [("started", 1), ("", 1)]
        await anna.stop()


async def test_the_latency_is_paid_on_both_ways():
    async with tracked() as (server, session):
        began = time.monotonic()
        anna = Peer(session, server.url, "anna", latency=0.15).start()
        await until(lambda: anna.said)
        assert time.monotonic() - began >= 0.45  # to connect, there and back
        await anna.stop()


async def test_who_says_goodbye_is_forgotten_at_once():
    async with tracked() as (server, session):
        anna = Peer(session, server.url, "anna").start()
        await until(lambda: anna.said)
        await anna.stop()
        await anna.client.leave()
        assert anna.events[-1] == ("stopped", 0)
        bela = Peer(session, server.url, "bela").start()
        await until(lambda: bela.said)
        assert bela.said[0] == ("peers", 1)
        await bela.stop()


async def test_who_falls_silent_stays_listed_until_its_heartbeat_is_missed():
    async with tracked(heartbeat_timeout=1.0, ping_interval=0.2) as (server, session):
        anna = Peer(session, server.url, "anna").start()
        await until(lambda: anna.said)
        anna.client.fall_silent()
        await anna.stop()
        bela = Peer(session, server.url, "bela").start()
        await until(lambda: bela.said)
        assert bela.said[0] == ("peers", 2)
        await bela.stop()
        await bela.client.leave()
        while True:
            carl = Peer(session, server.url, "carl").start()
            await until(lambda carl=carl: carl.said)
            await carl.stop()
            await carl.client.leave()
            if carl.said[0] == ("peers", 1):
                break
            await asyncio.sleep(0.1)


async def test_a_tracker_that_is_not_there_is_tried_again_later():
    async with asyncio.timeout(15), aiohttp.ClientSession() as session:
        anna = Peer(session, "ws://127.0.0.1:9/", "anna").start()
        await asyncio.sleep(0.2)
        assert not anna.running.done()
        assert anna.events == []
        await anna.stop()
        await anna.client.leave()


async def test_after_an_outage_the_client_comes_back_to_a_tracker_that_has_forgotten_it(monkeypatch):
    monkeypatch.setattr("p2psim.testbed.peer.tracker_client.reconnect_delay", lambda retries, rng: 0.05)  # minutes else
    async with asyncio.timeout(30), aiohttp.ClientSession() as session:
        async with serve(ServerOptions(port=0)) as server:
            url, number = server.url, server.port
            anna = Peer(session, url, "anna").start()
            await until(lambda: ("peers", 1) in anna.said)
        anna.said.clear()
        async with serve(ServerOptions(port=number)):
            await until(lambda: ("peers", 1) in anna.said)
            assert [event for event, _ in anna.events] == ["started", ""]
            await anna.stop()
            await anna.client.leave()
