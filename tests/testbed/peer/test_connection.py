"""Tests of a real connection between two ends on the loopback."""

import asyncio
import time

import pytest

from p2psim.wire import SegmentRequest, encode
from tests.testbed.peer.connection_ends import End, close, joined

pytestmark = [pytest.mark.asyncio, pytest.mark.testbed, pytest.mark.usefixtures("loopback")]

COMMAND = encode(SegmentRequest(5, 42, 0), 65_535)[0]
PIECE = bytes(65_535)


async def test_commands_and_data_arrive_in_order_and_are_counted() -> None:
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


async def test_a_confined_process_offers_the_loopback_only() -> None:
    async with asyncio.timeout(15):
        one = End()
        offer = await one.connection.offer("label")
        addresses = {line.split()[4] for line in offer.splitlines() if line.startswith("a=candidate")}
        assert addresses == {"127.0.0.1"}
        await close(one)


@pytest.mark.slow
async def test_segment_data_are_sent_at_the_rate_of_the_uplink() -> None:
    async with asyncio.timeout(15):
        one, other = await joined(uplink=500_000.0)
        began = one.clock.now()
        for _ in range(4):
            one.connection.send(PIECE)
        await other.received(4)
        duration = other.messages[-1][0] - (began - one.clock.now() + other.clock.now())
        assert 4 * 65_535 / 500_000.0 <= duration < 4 * 65_535 / 500_000.0 + 0.5
        await close(one)


async def test_a_channel_never_buffers_more_than_two_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = await joined()
    channel = one.connection._channel
    assert channel is not None
    send, buffered, pieces = channel.send, [], 40

    def recording_send(message: bytes) -> None:
        send(message)
        buffered.append(channel.bufferedAmount)

    monkeypatch.setattr(channel, "send", recording_send)
    for _ in range(pieces):
        one.connection.send(PIECE)
    async with asyncio.timeout(30):
        await other.received(pieces)
    assert len(buffered) == pieces
    assert max(buffered) <= 2 * 65_536
    await close(one, other)


async def test_malformed_messages_arrive_and_do_not_end_the_connection(malformed: list[bytes]) -> None:
    one, other = await joined()
    sent = [message for message in malformed if message]
    for message in sent:
        one.connection.send(message)
    deadline = time.monotonic() + 10
    while len(other.messages) < len(sent) and time.monotonic() < deadline:
        await other.received(len(other.messages) + 1)
    assert sorted(message for _, message in other.messages) == sorted(sent)
    assert not other.ended.is_set()
    await close(one, other)


async def test_a_clean_close_loses_no_bytes() -> None:
    async with asyncio.timeout(15):
        one, other = await joined()
        for end in (one, other):
            for _ in range(3):
                end.connection.send(PIECE)
        async with asyncio.timeout(1.8):  # less than the time after which a close gives up waiting
            one.connection.close()
            await one.ended.wait()
            await other.ended.wait()
        assert one.connection.sent == other.connection.received
        assert other.connection.sent == one.connection.received
        assert one.connection.send(PIECE) is True, "data for a closed connection are dropped"
        assert one.connection.state == other.connection.state == "closed"


async def test_both_ends_may_close_at_once() -> None:
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


@pytest.mark.slow
async def test_a_vanished_end_does_not_notify_its_peer() -> None:
    async with asyncio.timeout(15):
        one, other = await joined()
        one.connection.vanish()
        await one.ended.wait()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(other.ended.wait(), 0.5)
        await close(other)


async def test_no_task_is_left_after_a_close() -> None:
    async with asyncio.timeout(15):
        before = asyncio.all_tasks()
        one, other = await joined()
        one.connection.close()
        await other.ended.wait()
        await one.ended.wait()
        await asyncio.sleep(0.05)
        assert asyncio.all_tasks() - before == set()
