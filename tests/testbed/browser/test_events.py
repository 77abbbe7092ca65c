"""Events of a page's probe, converted into the log of a viewer."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from p2psim.testbed.browser.events import BrowserLog
from p2psim.testbed.recording.event_log import EventLog
from p2psim.testbed.recording.trace_builder import read_events
from p2psim.wire import SegmentRequest, encode

ZERO = 100.0
"""Second of the run at which the page's clock showed 0."""
URL = "http://h/main/low/{}.ts?viewer=v"


Reported = tuple[float, str, dict[str, Any]]
"""Event of a page: milliseconds, kind, fields."""
Recorded = list[dict[str, Any]]
Convert = Callable[..., Recorded]


@pytest.fixture
def convert(tmp_path: Path) -> Convert:
    """Return a function that converts events of a page and returns the recorded ones."""

    def convert(*events: Reported) -> Recorded:
        with EventLog(tmp_path / "log.jsonl") as file:
            log = BrowserLog(file, "v", 2.0)
            log.zero = ZERO
            log.add({"t": t, "kind": kind, **fields} for t, kind, fields in events)
            log.conclude(left_at=130.0, departure="end", uplink=None, downlink=None, device="desktop")
        return read_events([tmp_path / "log.jsonl"])

    return convert


def of(events: Recorded, kind: str) -> Recorded:
    return [event for event in events if event["event"] == kind]


def start(t: float, segment: int, source: str, peer: str = "") -> Reported:
    return t, "start", {"segment": segment, "url": URL.format(segment), "source": source, "peer": peer}


def end(t: float, segment: int, source: str, peer: str = "", outcome: str = "loaded") -> Reported:
    return t, "end", {"segment": segment, "source": source, "peer": peer, "outcome": outcome}


def chunk(t: float, segment: int, count: int) -> Reported:
    return t, "chunk", {"url": URL.format(segment), "count": count}


def test_bytes_of_transfers_are_counted_whatever_their_outcome(convert: Convert) -> None:
    request = encode(SegmentRequest(8, 1, 65535))[0].hex()
    events = convert(
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
    transfers = [
        (row["segment"], row["source"], row["outcome"], row["bytes"], row["first_byte"], row["started_at"])
        for row in of(events, "transfer")
    ]
    assert transfers == [
        (8, "p2p", "aborted", 5, 65535, 101.0),
        (7, "http", "completed", 50, 0, 101.0),
        (8, "http", "failed", 0, 65540, 101.6),
    ]
    assert of(events, "transfer")[0]["header_at"] == 101.15
    assert [row["bytes"] for row in of(events, "late")] == [6, 9]
    segments = {row["segment"]: (row["bytes_http"], row["bytes_p2p"]) for row in of(events, "segment")}
    assert segments == {7: (50, 0), 8: (9, 11)}


def playhead(position: float, buffer: float) -> dict[str, float]:
    return {"position": position, "buffer": buffer}


def test_playback_is_on_the_timeline_of_the_stream(convert: Convert) -> None:
    events = convert(
        (0, "opened", {}),
        (100, "asked", {"segment": 20, "start": 6.0}),  # the page counts from where it joined
        (400, "waiting", playhead(6.0, 0.0)),
        (500, "playing", playhead(6.0, 2.0)),
        (700, "changed", {"segment": 20, "start": 6.0, **playhead(6.2, 1.8)}),
        (2500, "waiting", playhead(8.0, 0.0)),
        (3000, "playing", playhead(8.0, 2.0)),
        (3100, "playing", playhead(8.1, 1.9)),
        (3200, "held", {"segment": 20, "size": 9, "digest": "ab" * 32}),
        (5000, "ended", playhead(10.0, 0.0)),
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


def test_connections_announces_and_statistics(convert: Convert) -> None:
    link = {"peer": "two", "initiated": 10, "answered": 20, "opened": None, "sent": 3, "received": 4}
    shown = {"peers": "1", "share": "50.0 %"}
    events = convert(
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
    offered = of(events, "connection")  # recorded by the end that offered it
    assert [(row["peer"], row["outcome"], row["initiated_at"]) for row in offered] == [("two", "failed", 100.01)]
    assert math.isnan(offered[0]["opened_at"])
    assert [(row["sent"], row["received"]) for row in of(events, "link")] == [(3, 4), (3, 4)]
    sample = of(events, "sample")[0]
    assert [sample[name] for name in ("peers", "uploaded", "downloaded", "buffer", "p2p_share")] == [1, 40, 100, 3.5, 0]
    assert of(events, "shown")[0]["share"] == "50.0 %"
    assert of(events, "warning")[0]["text"] == "no tracker"
    assert of(events, "viewer")[0]["peer_id"] == "me"
