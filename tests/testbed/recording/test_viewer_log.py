import json
import math
from pathlib import Path
from types import SimpleNamespace

import pytest

from p2psim.testbed.recording.event_log import EventLog, digest
from p2psim.testbed.recording.viewer_log import ViewerLog
from p2psim.wire import SegmentData, encode
from tests.testbed.virtual_clock import VirtualClock


class Desk:
    """Notes on a virtual clock, and what they wrote."""

    def __init__(self, path):
        self.path, self.clock = path, VirtualClock()
        self.journal = EventLog(path)
        self.journal.__enter__()
        self.notes = ViewerLog(self.journal, self.clock, "v0000")

    def at(self, time):
        self.clock.run_until(time)
        return self.notes

    def written(self, event):
        rows = [json.loads(line) for line in self.path.read_text().splitlines()]
        return [row for row in rows if row["event"] == event]


@pytest.fixture
def desk(tmp_path: Path):
    desk = Desk(tmp_path / "j.jsonl")
    yield desk
    desk.journal.__exit__(None, None, None)


def connection(peer="bela", **more):
    values = {"peer": peer, "sent": 10, "received": 20, "is_ours": True, "path": "srflx"}
    times = {"initiated_at": 1.0, "answered_at": 2.0, "opened_at": 3.0, "closed_at": 4.0}
    return SimpleNamespace(**{**values, **times, **more})


def test_a_transfer_from_its_start_to_its_end(desk) -> None:
    desk.at(1).attempt_started(7, "p2p", "bela", 100)
    desk.at(1.1).message_came(connection(), encode(SegmentData(7, 1, 300), 65_535)[0], True)
    desk.at(1.5).bytes_received(7, "p2p", "bela", 200)
    desk.at(2).bytes_received(7, "p2p", "bela", 100)
    desk.at(2.5).attempt_ended(7, "p2p", "bela", "loaded")
    [row] = desk.written("transfer")
    assert row["viewer"] == "v0000"
    assert (row["started_at"], row["header_at"], row["first_byte_at"], row["ended_at"]) == (1, 1.1, 1.5, 2.5)
    assert (row["bytes"], row["first_byte"], row["outcome"]) == (300, 100, "completed")
    assert desk.notes.downloaded == {"http": 0, "p2p": 300}


@pytest.mark.parametrize(
    ("said", "noted"),
    [
        ("loaded", "completed"),
        ("abort", "aborted"),
        ("bytes-receiving-timeout", "stalled"),
        ("p2p-segment-validation-failed", "invalid"),
        ("peer-closed", "failed"),
        ("http-error", "failed"),
    ],
)
def test_outcomes(desk, said, noted) -> None:
    desk.notes.attempt_started(7, "http", "", 0)
    desk.notes.attempt_ended(7, "http", "", said)
    assert desk.written("transfer")[0]["outcome"] == noted


def test_late_bytes_belong_to_the_transfer_they_were_sent_for(desk) -> None:
    notes = desk.notes
    notes.attempt_started(7, "p2p", "bela", 0)
    notes.attempt_ended(7, "p2p", "bela", "abort")
    notes.attempt_started(7, "http", "", 0)
    notes.message_came(connection(), bytes(50), False)  # the connection is closing
    notes.bytes_received(-1, "p2p", "bela", 30)  # the loader waits for nothing from there
    notes.attempt_ended(7, "http", "", "abort")
    notes.late_http(7, 20)
    first, second = (row["transfer"] for row in desk.written("transfer"))
    assert [(row["transfer"], row["bytes"]) for row in desk.written("late")] == [
        (first, 50), (first, 30), (second, 20)
    ]  # fmt: skip
    assert notes.downloaded == {"http": 20, "p2p": 80}
    notes.write_segments()
    assert [(row["bytes_http"], row["bytes_p2p"]) for row in desk.written("segment")] == [(20, 80)]


def test_bytes_that_nobody_asked_for_are_noted_as_well(desk) -> None:
    desk.notes.bytes_received(-1, "p2p", "bela", 30)
    assert desk.written("transfer")[0]["segment"] == -1
    assert desk.written("late")[0]["bytes"] == 30


def test_bytes_that_were_there_already_took_no_transfer(desk) -> None:
    desk.notes.attempt_started(7, "p2p", "", 500)
    desk.notes.attempt_ended(7, "p2p", "", "loaded")
    assert desk.written("transfer") == []


def test_the_life_of_a_segment(desk) -> None:
    desk.at(1).segment_asked(7)
    desk.at(2).attempt_started(7, "http", "", 0)
    desk.at(3).bytes_received(7, "http", "", 4)
    desk.at(3).attempt_ended(7, "http", "", "loaded")
    desk.at(3).segment_delivered(7, b"abcd")
    desk.at(4).segment_played(7, 3.5)
    desk.notes.segment_due(8, 4.0)
    desk.notes.write_segments()
    seven, eight = desk.written("segment")
    assert (seven["requested_at"], seven["completed_at"], seven["due_at"], seven["played_at"]) == (1, 3, 3.5, 3.5)
    assert (seven["size"], seven["digest"], seven["bytes_http"]) == (4, digest(b"abcd"), 4)
    assert (eight["due_at"], eight["played_at"], eight["digest"]) == (4, None, "")


def test_a_late_segment_was_due_when_the_player_stalled(desk) -> None:
    desk.notes.segment_due(7, 4.0)
    desk.notes.segment_played(7, 5.0)
    desk.notes.write_segments()
    [row] = desk.written("segment")
    assert (row["due_at"], row["played_at"]) == (4, 5)


def test_who_offered_a_connection_writes_it_down_and_both_their_bytes(desk) -> None:
    desk.notes.connection_over(connection(), "open")
    desk.notes.connection_over(connection("carl", is_ours=False, opened_at=math.nan), "failed")
    assert [(row["peer"], row["sent"], row["received"]) for row in desk.written("link")] == [
        ("bela", 10, 20), ("carl", 10, 20)
    ]  # fmt: skip
    [row] = desk.written("connection")
    assert (row["peer"], row["opened_at"], row["outcome"]) == ("bela", 3, "open")


def test_an_announce_is_complete_when_the_next_begins(desk) -> None:
    desk.at(1).announced("started", 5)
    desk.notes.tracker_said("peers", 3)
    desk.notes.tracker_said("offer")
    desk.notes.tracker_said("answer")
    desk.notes.tracker_said("answer")
    assert desk.written("announce") == []
    desk.at(9).announced("stopped", 0)
    desk.notes.write_announce()
    first, second = desk.written("announce")
    assert (first["at"], first["sort"], first["offers"]) == (1, "started", 5)
    assert (first["peers"], first["offer"], first["answer"]) == (3, 1, 2)
    assert (second["at"], second["sort"]) == (9, "stopped")


def test_samples_tell_rates_since_the_last(desk) -> None:
    notes = desk.notes
    notes.attempt_started(7, "p2p", "bela", 0)
    notes.bytes_received(7, "p2p", "bela", 300)
    notes.attempt_started(8, "http", "", 0)
    notes.bytes_received(8, "http", "", 100)
    notes.write_sample(2.0, 3, 1.5, 50)
    notes.write_sample(4.0, 3, 1.5, 150)
    first, second = desk.written("sample")
    assert (first["download_rate"], first["upload_rate"], first["p2p_share"]) == (200, 25, 0.75)
    assert (second["download_rate"], second["upload_rate"], second["uploaded"]) == (0, 50, 150)
