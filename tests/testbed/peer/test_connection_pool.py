import asyncio
import time

import aioice.ice
import numpy as np
import pytest

from p2psim.testbed.peer.clock import RunClock
from p2psim.testbed.peer.connection import AccessLinks, confine
from p2psim.testbed.peer.connection_pool import ConnectionPool
from p2psim.testbed.peer.shaping import Downlink, Uplink

pytestmark = [pytest.mark.asyncio, pytest.mark.testbed]


@pytest.fixture(autouse=True)
def loopback(monkeypatch):
    monkeypatch.setattr(aioice.ice, "get_host_addresses", aioice.ice.get_host_addresses)
    confine()


class Viewer:
    """A pool, what its loader and notes were told."""

    def __init__(self, name, *, max_connections=10):
        clock = RunClock(time.monotonic())
        links = AccessLinks(Uplink(clock, float("inf")), Downlink(clock, float("inf")))
        self.name, self.channels, self.messages, self.over = name, {}, [], []
        self.pool = ConnectionPool(
            name,
            clock,
            links,
            self,
            self,
            np.random.default_rng(1),
            asyncio.Semaphore(2),
            max_connections=max_connections,
        )

    def channel_opened(self, channel):
        if channel.peer in self.channels:
            channel.close()
            return False
        self.channels[channel.peer] = channel
        return True

    def channel_message(self, peer, message):
        self.messages.append((peer, message))

    def channel_drained(self, peer): ...

    def channel_closed(self, peer):
        channel = self.channels.pop(peer, None)
        if channel is not None:
            channel.close()

    def connection_over(self, connection, outcome):
        self.over.append((connection.peer, outcome))

    def message_received(self, connection, message, is_wanted): ...


async def until(condition):
    while not condition():
        await asyncio.sleep(0.005)


async def meet(one, other):
    """`one` offers, `other` answers."""
    [offer] = await one.pool.make_offers(1)
    answer = await other.pool.take_offer(one.name, offer.sdp)
    if answer is not None:
        await one.pool.take_answer(other.name, offer.offer_id, answer)
    return answer


async def close(*viewers):
    await asyncio.gather(*(viewer.pool.close() for viewer in viewers))


async def talk_over_annas_channel(anna: "Viewer", bela: "Viewer") -> None:
    """One channel is left, the one that anna offered, and it carries messages both ways."""
    anna.channels["bela"].send(b"to bela")
    bela.channels["anna"].send(b"to anna")
    await until(lambda: anna.messages and bela.messages)
    assert anna.channels["bela"].is_ours
    assert not bela.channels["anna"].is_ours


async def test_two_viewers_meet_and_part():
    async with asyncio.timeout(15):
        anna, bela = Viewer("anna"), Viewer("bela")
        await meet(anna, bela)
        await until(lambda: anna.pool.peers == ["bela"] and bela.pool.peers == ["anna"])
        anna.channels["bela"].send(b"hello")
        await until(lambda: bela.messages == [("anna", b"hello")])
        await anna.pool.close()
        await until(lambda: bela.channels == {})
        assert anna.over == [("bela", "open")]
        await bela.pool.close()
        assert bela.over == [("anna", "open")]


async def test_an_offer_of_a_connected_peer_is_not_answered():
    async with asyncio.timeout(15):
        anna, bela = Viewer("anna"), Viewer("bela")
        await meet(anna, bela)
        await until(lambda: "anna" in bela.channels and "bela" in anna.channels)
        assert await meet(bela, anna) is None
        await close(anna, bela)


@pytest.mark.parametrize("answers_cross", [True, False])
async def test_when_both_offer_at_once_both_keep_the_same_connection(answers_cross):
    async with asyncio.timeout(20):
        anna, bela = Viewer("anna"), Viewer("bela")
        [from_anna], [from_bela] = await anna.pool.make_offers(1), await bela.pool.make_offers(1)
        to_anna = await bela.pool.take_offer("anna", from_anna.sdp)
        to_bela = await anna.pool.take_offer("bela", from_bela.sdp)
        if answers_cross:
            await bela.pool.take_answer("anna", from_bela.offer_id, to_bela)
            await anna.pool.take_answer("bela", from_anna.offer_id, to_anna)
        else:
            await anna.pool.take_answer("bela", from_anna.offer_id, to_anna)
            await bela.pool.take_answer("anna", from_bela.offer_id, to_bela)
        await until(lambda: anna.channels and bela.channels)
        await asyncio.sleep(0.2)
        await talk_over_annas_channel(anna, bela)
        await close(anna, bela)
        for viewer in (anna, bela):
            assert [outcome for _, outcome in viewer.over].count("open") == 1


async def test_when_both_open_at_once_the_lower_id_s_offer_prevails():
    async with asyncio.timeout(20):
        anna, bela = Viewer("anna"), Viewer("bela")
        [from_anna], [from_bela] = await anna.pool.make_offers(1), await bela.pool.make_offers(1)
        to_bela = await anna.pool.take_offer("bela", from_bela.sdp)
        await bela.pool.take_answer("anna", from_bela.offer_id, to_bela)
        to_anna = await bela.pool.take_offer("anna", from_anna.sdp)
        await anna.pool.take_answer("bela", from_anna.offer_id, to_anna)
        await until(lambda: len(anna.over) == len(bela.over) == 1)
        assert anna.over == [("bela", "duplicate")]
        assert bela.over == [("anna", "duplicate")]
        await talk_over_annas_channel(anna, bela)
        await close(anna, bela)


async def test_one_offer_of_a_peer_is_enough():
    async with asyncio.timeout(15):
        anna, bela = Viewer("anna"), Viewer("bela")
        first, second = await anna.pool.make_offers(2)
        answers = await asyncio.gather(*(bela.pool.take_offer("anna", offer.sdp) for offer in (first, second)))
        assert [answer is not None for answer in answers] == [True, False]
        [crossing] = await bela.pool.make_offers(1)
        await anna.pool.take_answer("bela", first.offer_id, answers[0])
        assert await anna.pool.take_offer("bela", crossing.sdp) is None
        await until(lambda: "anna" in bela.channels and "bela" in anna.channels)
        await close(anna, bela)


async def test_full_viewers_neither_offer_nor_answer():
    async with asyncio.timeout(15):
        anna, bela, carl = Viewer("anna", max_connections=1), Viewer("bela"), Viewer("carl")
        await meet(anna, bela)
        await until(lambda: "anna" in bela.channels and "bela" in anna.channels)
        assert await anna.pool.make_offers(3) == []
        assert await meet(carl, anna) is None
        await close(anna, bela, carl)


async def test_nonsense_is_no_offer_and_no_answer():
    async with asyncio.timeout(15):
        anna = Viewer("anna")
        [offer] = await anna.pool.make_offers(1)
        assert await anna.pool.take_offer("bela", "v=1\r\nnonsense") is None
        await anna.pool.take_answer("carl", offer.offer_id, "v=1\r\nnonsense")
        await anna.pool.take_answer("carl", "no such offer", "")
        await anna.pool.close()
        assert sorted(anna.over) == [("bela", "failed"), ("carl", "failed")]


async def test_a_vanished_viewer_leaves_the_other_waiting():
    async with asyncio.timeout(15):
        anna, bela = Viewer("anna"), Viewer("bela")
        await meet(anna, bela)
        await until(lambda: "anna" in bela.channels and "bela" in anna.channels)
        await anna.pool.vanish()
        assert anna.over == [("bela", "open")]
        await asyncio.sleep(0.2)
        assert bela.pool.peers == ["anna"]
        await bela.pool.close()
