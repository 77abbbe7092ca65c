"""The rules of one connection, input by input: a loader on a virtual clock, and an end that says what it is told to."""

import asyncio
import os
import time

import aioice.ice
import pytest

from p2psim.policy.interface import options
from p2psim.rng import constant_streams
from p2psim.scenario.policy import Policy
from p2psim.testbed.loader_config import LoaderConfig
from p2psim.testbed.peer.connection import confine
from p2psim.testbed.peer.loader import Loader
from p2psim.wire import (
    CancelSegmentRequest,
    SegmentAbsent,
    SegmentData,
    SegmentDataSendingCompleted,
    SegmentRequest,
    SegmentsAnnouncement,
    decode,
    encode,
    is_command,
)
from tests.testbed.peer.test_connection import End, joined
from tests.testbed.virtual_clock import VirtualClock

SIZE = 150_000
BODY = os.urandom(SIZE)


class Notes:
    def __init__(self):
        self.ended, self.wasted, self.closed = [], 0, []

    def attempt_started(self, segment, source, peer, first_byte): ...

    def bytes_received(self, segment, source, peer, count):
        self.wasted += count if segment == -1 else 0

    def attempt_ended(self, segment, source, peer, outcome):
        self.ended.append((segment, source, outcome))

    def bytes_sent(self, segment, peer, count): ...

    def upload_ended(self, segment, peer, complete): ...

    def peer_closed(self, peer):
        self.closed.append(peer)


class Channel:
    """The other end; `takes` says how many pieces of data it takes before it has to be drained."""

    def __init__(self, world, peer="peer"):
        self.world, self.peer = world, peer
        self.heard, self.data, self.is_closed, self.takes = [], [], False, 10**9

    def send(self, message):
        if is_command(message):
            self.heard.append(decode(message[4:-4]))
            return True
        self.data.append(message)
        self.takes -= 1
        return self.takes > 0

    def close(self):
        self.is_closed = True

    def say(self, *commands):
        for command in commands:
            for message in encode(command):
                self.world.loader.channel_message(self.peer, message)
        self.world.run()

    def give(self, data):
        for start in range(0, len(data), 65_535):
            self.world.loader.channel_message(self.peer, data[start : start + 65_535])
        self.world.run()

    def asked(self, kind):
        return [command for command in self.heard if isinstance(command, kind)]


class World:
    """One loader that takes nothing over HTTP; the player has asked for segment 0, and a peer has it all."""

    def __init__(self, *, verdict=None, upstream_faults=False, **policy):
        self.clock, self.notes = VirtualClock(), Notes()
        chosen = options(Policy(httpDownloadInitialTimeoutMs=1e9, simultaneousP2PDownloads=1, **policy), live=False)
        validate = None if verdict is None else (lambda segment, data, tell: verdict(data, tell))
        self.loader = Loader(
            chosen, self.clock, lambda *_: lambda: None, self.notes, constant_streams(0.5, 1)[0],
            LoaderConfig(validate_p2p=validate, answers_unknown=True, upstream_faults=upstream_faults,
                         uploads=not policy.get("isP2PUploadDisabled", False)),
        )  # fmt: skip
        self.loader.playlist([(i, i * 4.0, i * 4.0 + 4.0) for i in range(3)])
        self.got, self.refused = [], []
        self.peer = Channel(self)
        self.loader.channel_opened(self.peer)

    def run(self, seconds=0.0):
        self.clock.run_until(self.clock.time + seconds)

    def ask(self):
        """Let the player ask for segment 0 of a peer that has it; gives the request that goes out."""
        self.loader.load(0, lambda data, _: self.got.append(data), self.refused.append)
        self.peer.say(SegmentsAnnouncement((0,)))
        return self.peer.asked(SegmentRequest)[-1]

    def own(self, segment=0):
        """Let the viewer own a segment, by way of the peer."""
        request = self.ask()
        self.peer.say(SegmentData(segment, request.request, SIZE))
        self.peer.give(BODY)
        self.peer.say(SegmentDataSendingCompleted(segment, request.request))
        assert self.got == [BODY]
        self.peer.heard.clear()

    @property
    def outcomes(self):
        return [outcome for _, _, outcome in self.notes.ended]


def test_a_segment_comes_whole():
    world = World()
    world.own()
    assert world.outcomes == ["loaded"]
    assert not world.peer.is_closed


def test_an_announcement_goes_out_on_opening_even_if_it_is_empty_and_none_when_uploads_are_off():
    assert World().peer.heard == [SegmentsAnnouncement()]
    assert World(isP2PUploadDisabled=True).peer.heard == []


IGNORED = {
    "header for another segment": lambda r: [SegmentData(1, r.request, SIZE)],
    "header for another request": lambda r: [SegmentData(0, r.request + 1, SIZE)],
    "completed before the header": lambda r: [SegmentDataSendingCompleted(0, r.request)],
    "absent for another request": lambda r: [SegmentAbsent(0, r.request + 1)],
    "cancel of nothing": lambda r: [CancelSegmentRequest(0, 7)],
    "second header": lambda r: [SegmentData(0, r.request, SIZE), SegmentData(0, r.request, 5)],
}


@pytest.mark.parametrize("case", IGNORED)
def test_what_is_ignored(case):
    world = World()
    request = world.ask()
    world.peer.say(*IGNORED[case](request))
    assert world.outcomes == []
    world.peer.say(SegmentData(0, request.request, SIZE))
    world.peer.give(BODY)
    world.peer.say(SegmentDataSendingCompleted(0, request.request))
    assert world.got == [BODY]
    assert not world.peer.is_closed


def test_bytes_before_the_header_are_waste():
    world = World()
    request = world.ask()
    world.peer.give(BODY[:1000])
    assert world.notes.wasted == 1000
    assert world.outcomes == []
    world.peer.say(SegmentData(0, request.request, SIZE))
    world.peer.give(BODY)
    world.peer.say(SegmentDataSendingCompleted(0, request.request))
    assert world.got == [BODY]


VIOLATIONS = {
    "too many bytes": (BODY + b"x", lambda r: [], "peer-response-bytes-length-mismatch"),
    "too few bytes": (
        BODY[:-1], lambda r: [SegmentDataSendingCompleted(0, r.request)], "peer-response-bytes-length-mismatch"
    ),
    "completed for another segment": (
        BODY, lambda r: [SegmentDataSendingCompleted(1, r.request)], "peer-protocol-violation"
    ),
    "completed for another request": (
        BODY, lambda r: [SegmentDataSendingCompleted(0, r.request + 1)], "peer-protocol-violation"
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", VIOLATIONS)
def test_violations_end_the_connection_and_leave_no_bytes(case):
    data, commands, error = VIOLATIONS[case]
    world = World()
    request = world.ask()
    world.peer.say(SegmentData(0, request.request, SIZE))
    world.peer.give(data)
    world.peer.say(*commands(request))
    assert world.outcomes == [error]
    assert world.peer.is_closed
    assert world.notes.closed == ["peer"]
    other = Channel(world, "other")
    world.loader.channel_opened(other)
    other.say(SegmentsAnnouncement((0,)))
    assert other.asked(SegmentRequest)[-1].first_byte == 0, "from the first byte on"


@pytest.fixture
def stalled():
    """A download whose peer fell silent after the first piece, and the request for the rest."""
    world = World()
    request = world.ask()
    world.peer.say(SegmentData(0, request.request, SIZE))
    world.peer.give(BODY[:65_535])
    world.run(1.9)
    assert world.outcomes == []
    world.run(0.2)
    assert world.outcomes == ["bytes-receiving-timeout"]
    assert world.peer.asked(CancelSegmentRequest) == [CancelSegmentRequest(0, request.request)]
    again = world.peer.asked(SegmentRequest)[-1]
    assert (again.segment, again.first_byte) == (0, 65_535)
    assert again.request != request.request
    return world, again


def test_resumed_by_byte_after_a_stall_and_a_wrong_rest_is_a_violation(stalled):
    world, again = stalled
    world.peer.say(SegmentData(0, again.request, SIZE))
    assert world.outcomes[-1] == "peer-response-bytes-length-mismatch"
    assert world.peer.is_closed


def test_resumed_by_byte_until_it_is_whole(stalled):
    world, again = stalled
    world.peer.say(SegmentData(0, again.request, SIZE - 65_535))
    world.peer.give(BODY[65_535:])
    world.peer.say(SegmentDataSendingCompleted(0, again.request))
    assert world.got == [BODY]


def test_each_piece_restarts_the_clock_and_the_third_stall_ends_the_connection():
    world = World()
    request = world.ask()
    world.peer.say(SegmentData(0, request.request, SIZE))
    for piece in range(3):
        world.run(1.9)
        world.peer.give(BODY[piece * 1000 : piece * 1000 + 1000])
    assert world.outcomes == []
    world.run(6.5)
    assert world.outcomes == ["bytes-receiving-timeout"] * 3
    assert world.peer.is_closed


def test_absent_keeps_the_connection_and_forgets_the_segment():
    world = World()
    request = world.ask()
    world.peer.say(SegmentAbsent(0, request.request))
    assert world.outcomes == ["peer-segment-absent"]
    assert not world.peer.is_closed
    world.run(1.0)
    assert len(world.peer.asked(SegmentRequest)) == 1, "not asked again until it announces it again"
    world.peer.say(SegmentsAnnouncement((0,)))
    assert len(world.peer.asked(SegmentRequest)) == 2


@pytest.mark.parametrize("later", [False, True])
def test_an_invalid_segment_is_not_stored_and_its_sender_is_dropped(later):
    verdicts = []
    world = World(verdict=lambda data, tell: verdicts.append(tell) if later else tell(data == BODY))
    request = world.ask()
    world.peer.say(SegmentData(0, request.request, SIZE))
    world.peer.give(bytes(SIZE))
    world.peer.say(SegmentDataSendingCompleted(0, request.request))
    for tell in verdicts:
        assert world.outcomes == []
        tell(False)
    world.run()
    assert world.outcomes == ["p2p-segment-validation-failed"]
    assert world.peer.is_closed
    assert world.loader.storage == {}
    assert world.got == []


def test_a_verdict_that_comes_too_late_changes_nothing():
    verdicts = []
    world = World(verdict=lambda data, tell: verdicts.append(tell))
    request = world.ask()
    world.peer.say(SegmentData(0, request.request, SIZE))
    world.peer.give(BODY)
    world.peer.say(SegmentDataSendingCompleted(0, request.request))
    world.run(2.1)
    assert world.outcomes[0] == "bytes-receiving-timeout"
    ended = list(world.notes.ended)
    verdicts[0](True)
    assert world.notes.ended == ended


# -- serving --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "rest"), [(0, BODY), (65_535, BODY[65_535:]), (SIZE - 1, BODY[-1:])], ids=["all", "second", "last byte"]
)
def test_serves_from_any_byte_in_pieces_of_one_message(first, rest):
    world = World()
    world.own()
    world.peer.say(SegmentRequest(0, 5, first))
    assert world.peer.heard == [SegmentData(0, 5, len(rest)), SegmentDataSendingCompleted(0, 5)]
    assert b"".join(world.peer.data) == rest
    assert {len(piece) for piece in world.peer.data[:-1]} <= {65_535}


@pytest.mark.parametrize("request_", [SegmentRequest(1, 5), SegmentRequest(99, 5), SegmentRequest(0, 5, SIZE)])
def test_what_cannot_be_served_is_absent(request_):
    world = World()
    world.own()
    world.peer.say(request_)
    assert world.peer.heard == [SegmentAbsent(request_.segment, 5)]


def test_one_upload_at_a_time_with_back_pressure_and_no_completed_for_the_replaced_one():
    world = World()
    world.own()
    world.peer.takes = 1
    world.peer.say(SegmentRequest(0, 5))
    assert len(world.peer.data) == 1, "waits for the channel to drain"
    world.peer.takes = 10
    world.peer.say(SegmentRequest(0, 6, 100_000))
    world.loader.channel_drained("peer")
    world.run()
    assert world.peer.asked(SegmentDataSendingCompleted) == [SegmentDataSendingCompleted(0, 6)]
    assert b"".join(world.peer.data[1:]) == BODY[100_000:]


def test_a_cancelled_upload_stops_without_completed_and_only_by_its_own_number():
    world = World()
    world.own()
    world.peer.takes = 1
    world.peer.say(SegmentRequest(0, 5))
    world.peer.say(CancelSegmentRequest(0, 4))
    world.peer.takes = 1
    world.loader.channel_drained("peer")
    world.run()
    assert len(world.peer.data) == 2
    world.peer.say(CancelSegmentRequest(0, 5))
    world.loader.channel_drained("peer")
    world.run()
    assert len(world.peer.data) == 2
    assert world.peer.asked(SegmentDataSendingCompleted) == []


@pytest.mark.parametrize(("rule", "aborted"), [("upstream", [1]), ("fixed", [])])
def test_what_loads_before_the_segment_asked_for_is_kept_by_a_queue_that_starts_at_the_playhead(rule, aborted):
    clock, dropped = VirtualClock(), []
    loader = Loader(
        options(Policy(queueStart=rule), live=False), clock, lambda segment, *_: lambda: dropped.append(segment),
        Notes(), constant_streams(0.5, 1)[0],
    )  # fmt: skip
    loader.playlist([(i, i * 4.0, i * 4.0 + 4.0) for i in range(9)])
    for segment in (1, 2):
        loader.load(segment, lambda *_: None, lambda _: None)
        clock.run_until(clock.time + 0.1)
    assert dropped == aborted


def test_a_second_connection_to_a_peer_is_closed():
    world = World()
    second = Channel(world)
    assert not world.loader.channel_opened(second)
    assert second.is_closed
    assert not world.peer.is_closed


def owner(count, **policy):
    """A loader that has fetched so many segments over HTTP."""
    clock, got = VirtualClock(), []

    def fetch(_segment, _first_byte, events):
        events.headers(200, 1, None)
        events.chunk(b"x")
        events.finished()
        return lambda: None

    chosen, faults = Policy(**policy), policy.get("announcementBlocks", "upstream") == "upstream"
    loader = Loader(
        options(chosen, live=False),
        clock,
        fetch,
        Notes(),
        constant_streams(0.5, 1)[0],
        LoaderConfig(upstream_faults=faults),
    )
    loader.playlist([(i, i * 4.0, i * 4.0 + 4.0) for i in range(count)])
    for segment in range(count):
        loader.playhead(segment * 4.0, 1.0)
        loader.load(segment, lambda data, _: got.append(data), got.append)
        clock.run_until(clock.time + 0.01)
    assert got == [b"x"] * count
    return loader


@pytest.mark.testbed
@pytest.mark.asyncio
@pytest.mark.parametrize(("blocks", "count", "is_read"), [
    ("upstream", 255, True), ("upstream", 256, False), ("fixed", 255, True), ("fixed", 256, True),
])  # fmt: skip
async def test_a_whole_block_of_segments_over_a_real_channel(monkeypatch, blocks, count, is_read):
    monkeypatch.setattr(aioice.ice, "get_host_addresses", aioice.ice.get_host_addresses)
    confine()
    async with asyncio.timeout(30):
        one, other = await joined()
        assert owner(count, announcementBlocks=blocks).channel_opened(one.connection)
        await other.received(1)
        reader = World(upstream_faults=True)
        reader.loader.load(0, lambda *_: None, lambda _: None)
        reader.loader.channel_message("peer", other.messages[0][1])
        reader.run()
        assert bool(reader.peer.asked(SegmentRequest)) is is_read, "2.3 asks nothing of whom it does not understand"
        for end in (one, other):
            end.connection.close()
            await end.ended.wait()


GARBAGE = [
    b"", b"\0", b"cstr", b"cstrcend", b"cstr\xffcend", b"cstr\x00l\x10\x05cend", b"cstr\x01i\x0fcend",
    b"cstr\x02i\x01\x05cend", b"dstr\x01dend", b"dstrcend", b"cstrdend", b"cstr\x00dend", os.urandom(65_535),
    b"cstr" + os.urandom(64) + b"cend", b"cstr\x01i\x01\x85r\x01\x01cend", b"cstr\x00l\x20\x00cend",
]  # fmt: skip


def test_garbage_is_survived():
    world = World()
    request = world.ask()
    for message in GARBAGE:
        world.loader.channel_message("peer", message)
        world.loader.channel_message("nobody", message)
    world.run()
    assert not world.peer.is_closed
    world.peer.say(SegmentsAnnouncement((0, 2**40, 10**15), (3,)))
    world.peer.say(SegmentData(0, request.request, SIZE))
    world.peer.give(BODY)
    world.peer.say(SegmentDataSendingCompleted(0, request.request))
    assert world.got == [BODY]


# -- over aiortc ----------------------------------------------------------------------------------------------------


@pytest.mark.testbed
@pytest.mark.asyncio
async def test_garbage_over_a_real_channel_arrives_and_ends_nothing(monkeypatch):
    monkeypatch.setattr(aioice.ice, "get_host_addresses", aioice.ice.get_host_addresses)
    confine()
    one, other = await joined()
    assert isinstance(one, End)
    sent = [message for message in GARBAGE if message]
    for message in sent:
        one.connection.send(message)
    deadline = time.monotonic() + 10
    while len(other.messages) < len(sent) and time.monotonic() < deadline:
        await other.received(len(other.messages) + 1)
    assert sorted(message for _, message in other.messages) == sorted(sent)
    assert not other.ended.is_set()
    for end in (one, other):
        end.connection.close()
        await end.ended.wait()


@pytest.mark.testbed
@pytest.mark.asyncio
async def test_a_real_channel_never_holds_more_than_two_messages(monkeypatch):
    monkeypatch.setattr(aioice.ice, "get_host_addresses", aioice.ice.get_host_addresses)
    confine()
    one, other = await joined()
    channel, held = one.connection._channel, []
    pieces = 40
    put = channel.send
    monkeypatch.setattr(channel, "send", lambda message: (put(message), held.append(channel.bufferedAmount))[0])
    for _ in range(pieces):
        one.connection.send(bytes(65_535))
    async with asyncio.timeout(30):
        await other.received(pieces)
    assert len(held) == pieces
    assert max(held) <= 2 * 65_536
    for end in (one, other):
        end.connection.close()
        await end.ended.wait()
