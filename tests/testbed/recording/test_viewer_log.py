"""Log of a viewer: events of its transfers, segments, connections, announces and samples."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from p2psim.testbed.recording.event_log import EventLog, digest
from p2psim.testbed.recording.viewer_log import ViewerLog
from p2psim.wire import SegmentData, encode
from tests.testbed.virtual_clock import VirtualClock


class Recording:
    """Log of a viewer on a virtual clock, and the events in its file."""

    def __init__(self, path: Path, events: EventLog) -> None:
        self.path, self.clock = path, VirtualClock()
        self.log = ViewerLog(events, self.clock, "v0000")

    def at(self, time: float) -> ViewerLog:
        self.clock.run_until(time)
        return self.log

    def written(self, event: str) -> list[dict[str, Any]]:
        rows = [json.loads(line) for line in self.path.read_text().splitlines()]
        return [row for row in rows if row["event"] == event]


@pytest.fixture
def recording(tmp_path: Path) -> Iterator[Recording]:
    path = tmp_path / "log.jsonl"
    with EventLog(path) as events:
        yield Recording(path, events)


def connection(peer: str = "bela", **more: Any) -> Any:
    values = {"peer": peer, "sent": 10, "received": 20, "is_ours": True, "path": "srflx"}
    times = {"initiated_at": 1.0, "answered_at": 2.0, "opened_at": 3.0, "closed_at": 4.0}
    return SimpleNamespace(**{**values, **times, **more})


def test_a_transfer_from_its_start_to_its_end(recording: Recording) -> None:
    recording.at(1).attempt_started(7, "p2p", "bela", 100)
    recording.at(1.1).message_received(connection(), encode(SegmentData(7, 1, 300), 65_535)[0], True)
    recording.at(1.5).bytes_received(7, "p2p", "bela", 200)
    recording.at(2).bytes_received(7, "p2p", "bela", 100)
    recording.at(2.5).attempt_ended(7, "p2p", "bela", "loaded")
    [row] = recording.written("transfer")
    assert row["viewer"] == "v0000"
    assert (row["started_at"], row["header_at"], row["first_byte_at"], row["ended_at"]) == (1, 1.1, 1.5, 2.5)
    assert (row["bytes"], row["first_byte"], row["outcome"]) == (300, 100, "completed")
    assert recording.log.downloaded == {"http": 0, "p2p": 300}


@pytest.mark.parametrize(
    ("outcome", "recorded"),
    [
        ("loaded", "completed"),
        ("abort", "aborted"),
        ("bytes-receiving-timeout", "stalled"),
        ("p2p-segment-validation-failed", "invalid"),
        ("peer-closed", "failed"),
        ("http-error", "failed"),
    ],
)
def test_outcomes(recording: Recording, outcome: str, recorded: str) -> None:
    recording.log.attempt_started(7, "http", "", 0)
    recording.log.attempt_ended(7, "http", "", outcome)
    assert recording.written("transfer")[0]["outcome"] == recorded


def test_late_bytes_belong_to_the_transfer_for_which_they_were_sent(recording: Recording) -> None:
    log = recording.log
    log.attempt_started(7, "p2p", "bela", 0)
    log.attempt_ended(7, "p2p", "bela", "abort")
    log.attempt_started(7, "http", "", 0)
    log.message_received(connection(), bytes(50), False)  # the connection is closing
    log.bytes_received(-1, "p2p", "bela", 30)  # the loader expects no bytes from this peer
    log.attempt_ended(7, "http", "", "abort")
    log.late_http(7, 20)
    first, second = (row["transfer"] for row in recording.written("transfer"))
    assert [(row["transfer"], row["bytes"]) for row in recording.written("late")] == [
        (first, 50), (first, 30), (second, 20)
    ]  # fmt: skip
    assert log.downloaded == {"http": 20, "p2p": 80}
    log.write_segments()
    assert [(row["bytes_http"], row["bytes_p2p"]) for row in recording.written("segment")] == [(20, 80)]


def test_bytes_that_were_not_requested_are_recorded(recording: Recording) -> None:
    recording.log.bytes_received(-1, "p2p", "bela", 30)
    assert recording.written("transfer")[0]["segment"] == -1
    assert recording.written("late")[0]["bytes"] == 30


def test_bytes_that_were_there_before_need_no_transfer(recording: Recording) -> None:
    recording.log.attempt_started(7, "p2p", "", 500)
    recording.log.attempt_ended(7, "p2p", "", "loaded")
    assert recording.written("transfer") == []


def test_times_and_bytes_of_a_segment(recording: Recording) -> None:
    recording.at(1).segment_requested(7)
    recording.at(2).attempt_started(7, "http", "", 0)
    recording.at(3).bytes_received(7, "http", "", 4)
    recording.at(3).attempt_ended(7, "http", "", "loaded")
    recording.at(3).segment_delivered(7, b"abcd")
    recording.at(4).segment_played(7, 3.5)
    recording.log.segment_due(8, 4.0)
    recording.log.write_segments()
    seven, eight = recording.written("segment")
    assert (seven["requested_at"], seven["completed_at"], seven["due_at"], seven["played_at"]) == (1, 3, 3.5, 3.5)
    assert (seven["size"], seven["digest"], seven["bytes_http"]) == (4, digest(b"abcd"), 4)
    assert (eight["due_at"], eight["played_at"], eight["digest"]) == (4, None, "")


def test_a_late_segment_was_due_when_the_player_stalled(recording: Recording) -> None:
    recording.log.segment_due(7, 4.0)
    recording.log.segment_played(7, 5.0)
    recording.log.write_segments()
    [row] = recording.written("segment")
    assert (row["due_at"], row["played_at"]) == (4, 5)


def test_a_connection_is_recorded_by_the_end_that_offered_it_and_its_bytes_by_both(recording: Recording) -> None:
    recording.log.connection_over(connection(), "open")
    recording.log.connection_over(connection("carl", is_ours=False, opened_at=math.nan), "failed")
    assert [(row["peer"], row["sent"], row["received"]) for row in recording.written("link")] == [
        ("bela", 10, 20), ("carl", 10, 20)
    ]  # fmt: skip
    [row] = recording.written("connection")
    assert (row["peer"], row["opened_at"], row["outcome"]) == ("bela", 3, "open")


def test_an_announce_is_recorded_when_the_next_begins(recording: Recording) -> None:
    recording.at(1).announced("started", 5)
    recording.log.tracker_sent("peers", 3)
    recording.log.tracker_sent("offer")
    recording.log.tracker_sent("answer")
    recording.log.tracker_sent("answer")
    assert recording.written("announce") == []
    recording.at(9).announced("stopped", 0)
    recording.log.write_announce()
    first, second = recording.written("announce")
    assert (first["at"], first["sort"], first["offers"]) == (1, "started", 5)
    assert (first["peers"], first["offer"], first["answer"]) == (3, 1, 2)
    assert (second["at"], second["sort"]) == (9, "stopped")


def test_samples_have_rates_since_the_sample_before(recording: Recording) -> None:
    log = recording.log
    log.attempt_started(7, "p2p", "bela", 0)
    log.bytes_received(7, "p2p", "bela", 300)
    log.attempt_started(8, "http", "", 0)
    log.bytes_received(8, "http", "", 100)
    log.write_sample(2.0, 3, 1.5, 50)
    log.write_sample(4.0, 3, 1.5, 150)
    first, second = recording.written("sample")
    assert (first["download_rate"], first["upload_rate"], first["p2p_share"]) == (200, 25, 0.75)
    assert (second["download_rate"], second["upload_rate"], second["uploaded"]) == (0, 50, 150)
