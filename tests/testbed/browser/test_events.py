"""What a page's probe wrote down, told again as the notes of a viewer."""

import math
from pathlib import Path

import pytest

from p2psim.testbed.browser.events import BrowserLog
from p2psim.testbed.recording.event_log import EventLog
from p2psim.testbed.recording.trace_builder import read_events
from p2psim.wire import SegmentRequest, encode

ZERO = 100.0
"""Second of the run at which the page's clock showed 0."""
URL = "http://h/main/low/{}.ts?viewer=v"


@pytest.fixture
def told(tmp_path: Path):
    """Give a function that tells events (ms, kind, fields) and returns what was written down."""

    def tell(*events):
        with EventLog(tmp_path / "journal.jsonl") as journal:
            notes = BrowserLog(journal, "v", 2.0)
            notes.zero = ZERO
            notes.add({"t": t, "kind": kind, **fields} for t, kind, fields in events)
            notes.conclude(left_at=130.0, departure="end", uplink=None, downlink=None, device="desktop")
        return read_events([tmp_path / "journal.jsonl"])

    return tell


def of(events, kind):
    return [event for event in events if event["event"] == kind]


def start(t, segment, source, peer=""):
    return t, "start", {"segment": segment, "url": URL.format(segment), "source": source, "peer": peer}


def end(t, segment, source, peer="", outcome="loaded"):
    return t, "end", {"segment": segment, "source": source, "peer": peer, "outcome": outcome}


def chunk(t, segment, count):
    return t, "chunk", {"url": URL.format(segment), "count": count}


def test_transfers_are_counted_to_the_byte_whatever_becomes_of_them(told) -> None:
    request = encode(SegmentRequest(8, 1, 65535))[0].hex()
    events = told(
        start(1000, 7, "http"),
        start(1000, 8, "p2p", "one"),
        (1001, "request", {"peer": "one", "command": request}),
        chunk(1100, 7, 30),
        (1150, "header", {"peer": "one"}),
        (1200, "bytes", {"peer": "one", "count": 5}),
        end(1300, 8, "p2p", "one", "abort"),
        (1350, "bytes", {"peer": "one", "count": 6}),
        chunk(1400, 7, 20),
        end(1500, 7, "http"),
        start(1600, 8, "http"),
        (1600, "range", {"url": URL.format(8), "first": 65540}),
        end(1700, 8, "http", outcome="http-error"),
        chunk(1800, 8, 9),
    )
    found = [
        (row["segment"], row["source"], row["outcome"], row["bytes"], row["first_byte"], row["started_at"])
        for row in of(events, "transfer")
    ]
    assert found == [
        (8, "p2p", "aborted", 5, 65535, 101.0),
        (7, "http", "completed", 50, 0, 101.0),
        (8, "http", "failed", 0, 65540, 101.6),
    ]
    assert of(events, "transfer")[0]["header_at"] == 101.15
    assert [row["bytes"] for row in of(events, "late")] == [6, 9]
    segments = {row["segment"]: (row["bytes_http"], row["bytes_p2p"]) for row in of(events, "segment")}
    assert segments == {7: (50, 0), 8: (9, 11)}


def place(position, buffer):
    return {"position": position, "buffer": buffer}


def test_playback_is_on_the_time_line_of_the_stream(told) -> None:
    events = told(
        (0, "opened", {}),
        (100, "asked", {"segment": 20, "start": 6.0}),  # the page counts from where it came in
        (400, "waiting", place(6.0, 0.0)),
        (500, "playing", place(6.0, 2.0)),
        (700, "changed", {"segment": 20, "start": 6.0, **place(6.2, 1.8)}),
        (2500, "waiting", place(8.0, 0.0)),
        (3000, "playing", place(8.0, 2.0)),
        (3100, "playing", place(8.1, 1.9)),
        (3200, "held", {"segment": 20, "size": 9, "digest": "ab" * 32}),
        (5000, "ended", place(10.0, 0.0)),
    )
    states = [(row["at"], row["state"], row["position"]) for row in of(events, "playback")]
    assert states == [
        (100.1, "starting", 40.0),
        (100.5, "playing", 40.0),
        (102.5, "stalled", 42.0),
        (103.0, "playing", 42.0),
        (105.0, "ended", 44.0),
    ]
    first, second = of(events, "segment")
    assert (first["segment"], first["played_at"], first["size"], first["digest"]) == (20, 100.5, 9, "ab" * 8)
    assert (second["segment"], second["due_at"]) == (21, 102.5)
    assert math.isnan(second["played_at"])
    viewer = of(events, "viewer")[0]
    assert (viewer["joined_at"], viewer["actor"]) == (100.0, "browser")


def test_connections_announces_and_statistics(told) -> None:
    link = {"peer": "two", "initiated": 10, "answered": 20, "opened": None, "sent": 3, "received": 4}
    shown = {"peers": "1", "share": "50.0 %"}
    events = told(
        (10, "announce", {"event": "started", "offers": 5, "peer": "me"}),
        (20, "counted", {"peers": 3}),
        (30, "offer", {}),
        (40, "answer", {}),
        (50, "connection", {**link, "ours": True, "outcome": "failed"}),
        (60, "connection", {**link, "ours": False, "opened": 30, "outcome": "open"}),
        start(70, 1, "http"),
        chunk(80, 1, 100),
        (2000, "sample", {"peers": 1, "uploaded": 40, "buffer": 3.5, "position": 0.0, "shown": shown}),
        (2100, "warning", {"text": "no tracker"}),
    )
    announce = of(events, "announce")[0]
    assert [announce[name] for name in ("sort", "offers", "peers", "offer", "answer")] == ["started", 5, 3, 1, 1]
    only = of(events, "connection")  # the one who offered it writes it down
    assert [(row["peer"], row["outcome"], row["initiated_at"]) for row in only] == [("two", "failed", 100.01)]
    assert math.isnan(only[0]["opened_at"])
    assert [(row["sent"], row["received"]) for row in of(events, "link")] == [(3, 4), (3, 4)]
    sample = of(events, "sample")[0]
    assert [sample[name] for name in ("peers", "uploaded", "downloaded", "buffer", "p2p_share")] == [1, 40, 100, 3.5, 0]
    assert of(events, "shown")[0]["share"] == "50.0 %"
    assert of(events, "warning")[0]["text"] == "no tracker"
    assert of(events, "viewer")[0]["peer_id"] == "me"
