"""Tests of the P2P transfer protocol: a loader on a virtual clock and a peer that sends what the test says."""

from collections.abc import Callable

import pytest

from p2psim.wire import (
    CancelSegmentRequest,
    Command,
    SegmentAbsent,
    SegmentData,
    SegmentDataSendingCompleted,
    SegmentRequest,
    SegmentsAnnouncement,
)
from tests.testbed.peer.scripted_peer import BODY, MESSAGE, SIZE, ScriptedSwarm

# -- downloads ------------------------------------------------------------------------------------------------------


def test_a_complete_segment_is_loaded_and_the_connection_stays_open() -> None:
    swarm = ScriptedSwarm()
    swarm.store()
    assert swarm.outcomes == ["loaded"]
    assert not swarm.peer.is_closed


IGNORED: dict[str, Callable[[SegmentRequest], Command]] = {
    "header for another segment": lambda request: SegmentData(1, request.request, SIZE),
    "header for another request": lambda request: SegmentData(0, request.request + 1, SIZE),
    "completed before the header": lambda request: SegmentDataSendingCompleted(0, request.request),
    "absent for another request": lambda request: SegmentAbsent(0, request.request + 1),
    "cancel without an upload": lambda request: CancelSegmentRequest(0, 7),
}


@pytest.mark.parametrize("case", IGNORED)
def test_a_command_that_belongs_to_no_transfer_is_ignored(case: str) -> None:
    swarm = ScriptedSwarm()
    request = swarm.ask()
    swarm.peer.say(IGNORED[case](request))
    assert swarm.outcomes == []
    swarm.send_body(request)
    assert swarm.delivered == [BODY]
    assert not swarm.peer.is_closed


def test_a_second_header_of_a_response_is_ignored() -> None:
    swarm = ScriptedSwarm()
    request = swarm.ask()
    swarm.peer.say(SegmentData(0, request.request, SIZE), SegmentData(0, request.request, 5))
    assert swarm.outcomes == []
    swarm.send_body(request)
    assert swarm.delivered == [BODY]
    assert not swarm.peer.is_closed


def test_bytes_before_the_header_are_counted_as_unusable() -> None:
    swarm = ScriptedSwarm()
    request = swarm.ask()
    swarm.peer.give(BODY[:1000])
    assert swarm.observer.unusable == 1000
    assert swarm.outcomes == []
    swarm.send_body(request)
    assert swarm.delivered == [BODY]


Violation = tuple[bytes, Callable[[SegmentRequest], Command | None], str]

VIOLATIONS: dict[str, Violation] = {
    "too many bytes": (BODY + b"x", lambda request: None, "peer-response-bytes-length-mismatch"),
    "too few bytes": (
        BODY[:-1],
        lambda request: SegmentDataSendingCompleted(0, request.request),
        "peer-response-bytes-length-mismatch",
    ),
    "completed for another segment": (
        BODY,
        lambda request: SegmentDataSendingCompleted(1, request.request),
        "peer-protocol-violation",
    ),
    "completed for another request": (
        BODY,
        lambda request: SegmentDataSendingCompleted(0, request.request + 1),
        "peer-protocol-violation",
    ),
}
"""Segment data, the command after them, and the error by which the loader ends the download."""


@pytest.mark.parametrize("case", VIOLATIONS)
def test_a_protocol_violation_ends_the_connection_and_drops_the_bytes(case: str) -> None:
    data, last_command, error = VIOLATIONS[case]
    swarm = ScriptedSwarm()
    request = swarm.ask()
    swarm.peer.say(SegmentData(0, request.request, SIZE))
    swarm.peer.give(data)
    command = last_command(request)
    if command is not None:
        swarm.peer.say(command)
    assert swarm.outcomes == [error]
    assert swarm.peer.is_closed
    assert swarm.observer.closed == ["peer"]
    other = swarm.connect("other")
    other.say(SegmentsAnnouncement((0,)))
    assert other.request.first_byte == 0, "no byte of the violating peer is kept"


@pytest.fixture
def stalled() -> tuple[ScriptedSwarm, SegmentRequest]:
    """Download whose peer stopped sending after the first piece, and the request for the missing bytes."""
    swarm = ScriptedSwarm()
    request = swarm.ask()
    swarm.peer.say(SegmentData(0, request.request, SIZE))
    swarm.peer.give(BODY[:MESSAGE])
    swarm.run(1.9)
    assert swarm.outcomes == []
    swarm.run(0.2)
    assert swarm.outcomes == ["bytes-receiving-timeout"]
    assert swarm.peer.sent(CancelSegmentRequest) == [CancelSegmentRequest(0, request.request)]
    resumed = swarm.peer.request
    assert (resumed.segment, resumed.first_byte) == (0, MESSAGE)
    assert resumed.request != request.request
    return swarm, resumed


def test_a_response_of_another_size_than_the_missing_bytes_is_a_violation(
    stalled: tuple[ScriptedSwarm, SegmentRequest],
) -> None:
    swarm, resumed = stalled
    swarm.peer.say(SegmentData(0, resumed.request, SIZE))
    assert swarm.outcomes[-1] == "peer-response-bytes-length-mismatch"
    assert swarm.peer.is_closed


def test_a_stalled_download_is_resumed_at_the_first_missing_byte(stalled: tuple[ScriptedSwarm, SegmentRequest]) -> None:
    swarm, resumed = stalled
    swarm.peer.say(SegmentData(0, resumed.request, SIZE - MESSAGE))
    swarm.peer.give(BODY[MESSAGE:])
    swarm.peer.say(SegmentDataSendingCompleted(0, resumed.request))
    assert swarm.delivered == [BODY]


def test_each_piece_restarts_the_timeout_and_the_third_timeout_ends_the_connection() -> None:
    swarm = ScriptedSwarm()
    request = swarm.ask()
    swarm.peer.say(SegmentData(0, request.request, SIZE))
    for piece in range(3):
        swarm.run(1.9)
        swarm.peer.give(BODY[piece * 1000 : piece * 1000 + 1000])
    assert swarm.outcomes == []
    swarm.run(6.5)
    assert swarm.outcomes == ["bytes-receiving-timeout"] * 3
    assert swarm.peer.is_closed


def test_an_absent_segment_is_not_requested_of_that_peer_until_it_is_announced_again() -> None:
    swarm = ScriptedSwarm()
    request = swarm.ask()
    swarm.peer.say(SegmentAbsent(0, request.request))
    assert swarm.outcomes == ["peer-segment-absent"]
    assert not swarm.peer.is_closed
    swarm.run(1.0)
    assert len(swarm.peer.sent(SegmentRequest)) == 1
    swarm.peer.say(SegmentsAnnouncement((0,)))
    assert len(swarm.peer.sent(SegmentRequest)) == 2


# -- validation -----------------------------------------------------------------------------------------------------

Verdict = Callable[[bool], None]


@pytest.mark.parametrize("is_delayed", [False, True])
def test_an_invalid_segment_is_not_stored_and_its_sender_is_disconnected(is_delayed: bool) -> None:
    verdicts: list[Verdict] = []

    def validate(segment: int, data: bytes, verdict: Verdict) -> None:
        if is_delayed:
            verdicts.append(verdict)
        else:
            verdict(data == BODY)

    swarm = ScriptedSwarm(validate=validate)
    swarm.send_body(swarm.ask(), bytes(SIZE))
    for verdict in verdicts:
        assert swarm.outcomes == []
        verdict(False)
    swarm.run()
    assert swarm.outcomes == ["p2p-segment-validation-failed"]
    assert swarm.peer.is_closed
    assert swarm.loader.storage == {}
    assert swarm.delivered == []


def test_a_verdict_after_the_timeout_has_no_effect() -> None:
    verdicts: list[Verdict] = []
    swarm = ScriptedSwarm(validate=lambda segment, data, verdict: verdicts.append(verdict))
    swarm.send_body(swarm.ask())
    swarm.run(2.1)
    assert swarm.outcomes[0] == "bytes-receiving-timeout"
    ended = list(swarm.observer.ended)
    verdicts[0](True)
    assert swarm.observer.ended == ended


# -- uploads --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("first_byte", [0, MESSAGE, SIZE - 1])
def test_a_stored_segment_is_sent_from_any_byte_in_pieces_of_one_message(first_byte: int) -> None:
    swarm = ScriptedSwarm()
    swarm.store()
    swarm.peer.say(SegmentRequest(0, 5, first_byte))
    assert swarm.peer.commands == [SegmentData(0, 5, SIZE - first_byte), SegmentDataSendingCompleted(0, 5)]
    assert b"".join(swarm.peer.data) == BODY[first_byte:]
    assert {len(piece) for piece in swarm.peer.data[:-1]} <= {MESSAGE}


@pytest.mark.parametrize("request_", [SegmentRequest(1, 5), SegmentRequest(99, 5), SegmentRequest(0, 5, SIZE)])
def test_a_request_that_cannot_be_served_is_refused(request_: SegmentRequest) -> None:
    swarm = ScriptedSwarm()
    swarm.store()
    swarm.peer.say(request_)
    assert swarm.peer.commands == [SegmentAbsent(request_.segment, 5)]


def test_a_new_request_replaces_the_upload_that_waits_for_the_channel() -> None:
    swarm = ScriptedSwarm()
    swarm.store()
    swarm.peer.room = 1
    swarm.peer.say(SegmentRequest(0, 5))
    assert len(swarm.peer.data) == 1, "the upload waits for the channel to drain"
    swarm.peer.room = 10
    swarm.peer.say(SegmentRequest(0, 6, 100_000))
    swarm.peer.drain()
    assert swarm.peer.sent(SegmentDataSendingCompleted) == [SegmentDataSendingCompleted(0, 6)]
    assert b"".join(swarm.peer.data[1:]) == BODY[100_000:]


def test_an_upload_is_cancelled_by_its_own_request_id_only() -> None:
    swarm = ScriptedSwarm()
    swarm.store()
    swarm.peer.room = 1
    swarm.peer.say(SegmentRequest(0, 5))
    swarm.peer.say(CancelSegmentRequest(0, 4))
    swarm.peer.room = 1
    swarm.peer.drain()
    assert len(swarm.peer.data) == 2
    swarm.peer.say(CancelSegmentRequest(0, 5))
    swarm.peer.drain()
    assert len(swarm.peer.data) == 2
    assert swarm.peer.sent(SegmentDataSendingCompleted) == []


# -- malformed messages ---------------------------------------------------------------------------------------------


def test_malformed_messages_are_ignored(malformed: list[bytes]) -> None:
    swarm = ScriptedSwarm()
    request = swarm.ask()
    for message in malformed:
        swarm.loader.channel_message("peer", message)
        swarm.loader.channel_message("nobody", message)
    swarm.run()
    assert not swarm.peer.is_closed
    swarm.peer.say(SegmentsAnnouncement((0, 2**40, 10**15), (3,)))
    swarm.send_body(request)
    assert swarm.delivered == [BODY]
