"""Tests of the connections of a viewer: offers, answers, and a single connection per peer."""

import asyncio
import time
from collections.abc import Callable

import numpy as np
import pytest

from p2psim.testbed.peer.clock import RunClock
from p2psim.testbed.peer.connection import AccessLinks, Connection
from p2psim.testbed.peer.connection_pool import ConnectionPool
from p2psim.testbed.peer.interfaces import Channel
from p2psim.testbed.peer.shaping import Downlink, Uplink
from p2psim.trace.schema import ConnectionOutcome

pytestmark = [pytest.mark.asyncio, pytest.mark.testbed, pytest.mark.usefixtures("loopback")]


class Viewer:
    """Pool of connections, with a record of the calls to its owner and its observer."""

    def __init__(self, name: str, *, max_connections: int = 10) -> None:
        clock = RunClock(time.monotonic())
        links = AccessLinks(Uplink(clock, float("inf")), Downlink(clock, float("inf")))
        self.name = name
        self.channels: dict[str, Channel] = {}
        self.messages: list[tuple[str, bytes]] = []
        self.ended: list[tuple[str, ConnectionOutcome]] = []
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

    def channel_opened(self, channel: Channel) -> bool:
        if channel.peer in self.channels:
            channel.close()
            return False
        self.channels[channel.peer] = channel
        return True

    def channel_message(self, peer: str, message: bytes) -> None:
        self.messages.append((peer, message))

    def channel_drained(self, peer: str) -> None: ...

    def channel_closed(self, peer: str) -> None:
        channel = self.channels.pop(peer, None)
        if channel is not None:
            channel.close()

    def connection_over(self, connection: Connection, outcome: ConnectionOutcome) -> None:
        self.ended.append((connection.peer, outcome))

    def message_received(self, connection: Connection, message: bytes, is_wanted: bool) -> None: ...

    def channel_to(self, peer: str) -> Connection:
        """Return the channel to a peer."""
        channel = self.channels[peer]
        assert isinstance(channel, Connection)
        return channel

    async def offer(self) -> tuple[str, str]:
        """Make an offer; return its id and session description."""
        [offer] = await self.pool.make_offers(1)
        return offer.offer_id, offer.sdp

    async def answer(self, peer: str, offer: str) -> str:
        """Answer an offer that is not to be refused."""
        answer = await self.pool.take_offer(peer, offer)
        assert answer is not None
        return answer


async def until(condition: Callable[[], object]) -> None:
    while not condition():
        await asyncio.sleep(0.005)


async def connect(one: Viewer, other: Viewer) -> str | None:
    """Offer a connection of `one` to `other`; return the answer, if there is one."""
    [offer] = await one.pool.make_offers(1)
    answer = await other.pool.take_offer(one.name, offer.sdp)
    if answer is not None:
        await one.pool.take_answer(other.name, offer.offer_id, answer)
    return answer


async def close(*viewers: Viewer) -> None:
    await asyncio.gather(*(viewer.pool.close() for viewer in viewers))


async def assert_annas_channel_is_kept(anna: Viewer, bela: Viewer) -> None:
    """Assert that the channel that anna offered is the one left, and carries messages both ways."""
    anna.channel_to("bela").send(b"to bela")
    bela.channel_to("anna").send(b"to anna")
    await until(lambda: anna.messages and bela.messages)
    assert anna.channel_to("bela").is_ours
    assert not bela.channel_to("anna").is_ours


async def test_two_viewers_connect_and_disconnect() -> None:
    async with asyncio.timeout(15):
        anna, bela = Viewer("anna"), Viewer("bela")
        await connect(anna, bela)
        await until(lambda: list(anna.channels) == ["bela"] and list(bela.channels) == ["anna"])
        anna.channels["bela"].send(b"hello")
        await until(lambda: bela.messages == [("anna", b"hello")])
        await anna.pool.close()
        await until(lambda: bela.channels == {})
        assert anna.ended == [("bela", "open")]
        await bela.pool.close()
        assert bela.ended == [("anna", "open")]


async def test_an_offer_of_a_connected_peer_is_not_answered() -> None:
    async with asyncio.timeout(15):
        anna, bela = Viewer("anna"), Viewer("bela")
        await connect(anna, bela)
        await until(lambda: "anna" in bela.channels and "bela" in anna.channels)
        assert await connect(bela, anna) is None
        await close(anna, bela)


@pytest.mark.parametrize("answers_cross", [True, False])
async def test_when_both_offer_at_once_both_keep_the_same_connection(answers_cross: bool) -> None:
    async with asyncio.timeout(20):
        anna, bela = Viewer("anna"), Viewer("bela")
        (annas_id, annas_offer), (belas_id, belas_offer) = await anna.offer(), await bela.offer()
        to_anna = await bela.answer("anna", annas_offer)
        to_bela = await anna.answer("bela", belas_offer)
        if answers_cross:
            await bela.pool.take_answer("anna", belas_id, to_bela)
            await anna.pool.take_answer("bela", annas_id, to_anna)
        else:
            await anna.pool.take_answer("bela", annas_id, to_anna)
            await bela.pool.take_answer("anna", belas_id, to_bela)
        await until(lambda: anna.channels and bela.channels)
        await asyncio.sleep(0.2)
        await assert_annas_channel_is_kept(anna, bela)
        await close(anna, bela)
        for viewer in (anna, bela):
            assert [outcome for _, outcome in viewer.ended].count("open") == 1


async def test_when_both_connections_open_that_of_the_lower_id_is_kept() -> None:
    async with asyncio.timeout(20):
        anna, bela = Viewer("anna"), Viewer("bela")
        (annas_id, annas_offer), (belas_id, belas_offer) = await anna.offer(), await bela.offer()
        await bela.pool.take_answer("anna", belas_id, await anna.answer("bela", belas_offer))
        await anna.pool.take_answer("bela", annas_id, await bela.answer("anna", annas_offer))
        await until(lambda: len(anna.ended) == len(bela.ended) == 1)
        assert anna.ended == [("bela", "duplicate")]
        assert bela.ended == [("anna", "duplicate")]
        await assert_annas_channel_is_kept(anna, bela)
        await close(anna, bela)


async def test_a_second_offer_of_a_peer_is_not_answered() -> None:
    async with asyncio.timeout(15):
        anna, bela = Viewer("anna"), Viewer("bela")
        first, second = await anna.pool.make_offers(2)
        answer, second_answer = await asyncio.gather(
            *(bela.pool.take_offer("anna", offer.sdp) for offer in (first, second))
        )
        assert answer is not None
        assert second_answer is None
        _, crossing_offer = await bela.offer()
        await anna.pool.take_answer("bela", first.offer_id, answer)
        assert await anna.pool.take_offer("bela", crossing_offer) is None
        await until(lambda: "anna" in bela.channels and "bela" in anna.channels)
        await close(anna, bela)


async def test_a_full_pool_neither_offers_nor_answers() -> None:
    async with asyncio.timeout(15):
        anna, bela, carl = Viewer("anna", max_connections=1), Viewer("bela"), Viewer("carl")
        await connect(anna, bela)
        await until(lambda: "anna" in bela.channels and "bela" in anna.channels)
        assert await anna.pool.make_offers(3) == []
        assert await connect(carl, anna) is None
        await close(anna, bela, carl)


async def test_malformed_offers_and_answers_are_failed_connections() -> None:
    async with asyncio.timeout(15):
        anna = Viewer("anna")
        offer_id, _ = await anna.offer()
        assert await anna.pool.take_offer("bela", "v=1\r\nnonsense") is None
        await anna.pool.take_answer("carl", offer_id, "v=1\r\nnonsense")
        await anna.pool.take_answer("carl", "no such offer", "")
        await anna.pool.close()
        assert sorted(anna.ended) == [("bela", "failed"), ("carl", "failed")]


@pytest.mark.slow
async def test_a_vanished_viewer_does_not_notify_its_peers() -> None:
    async with asyncio.timeout(15):
        anna, bela = Viewer("anna"), Viewer("bela")
        await connect(anna, bela)
        await until(lambda: "anna" in bela.channels and "bela" in anna.channels)
        await anna.pool.vanish()
        assert anna.ended == [("bela", "open")]
        await asyncio.sleep(0.2)
        assert list(bela.channels) == ["anna"]
        await bela.pool.close()
