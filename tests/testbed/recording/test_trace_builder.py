"""Tables of a measured trace and the balance of its bytes, from events."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from p2psim.scenario import Scenario
from p2psim.testbed.recording.trace_builder import RunFacts, build_tables, read_events

Event = dict[str, Any]

FACTS = RunFacts(
    scenario=Scenario().replace({"stream.segment": 2.0}),
    started_at=1000.0,
    first_segment_at=-28.0,
    expected_digests=lambda stream, number: {f"d{number}", f"served-{number}"},
)
NOTHING = math.nan


def viewer(name: str, departure: str = "end", left: float = 10.0) -> Event:
    return {
        "event": "viewer", "viewer": name, "peer_id": f"id-{name}", "joined_at": 0.0, "left_at": left,
        "departure": departure, "uplink": 5.0, "downlink": NOTHING, "device": "desktop",
    }  # fmt: skip


def transfer(name: str, serial: int, source: str, peer: str, size: int, ended: float = 5.0) -> Event:
    return {
        "event": "transfer", "viewer": name, "transfer": serial, "segment": 7, "source": source, "peer": peer,
        "started_at": 1.0, "header_at": NOTHING, "first_byte_at": 2.0, "ended_at": ended, "bytes": size,
        "first_byte": 0, "outcome": "completed",
    }  # fmt: skip


def segment(name: str, *, http: int = 0, p2p: int = 0, digest: str = "d7", number: int = 7) -> Event:
    return {
        "event": "segment", "viewer": name, "segment": number, "size": 100, "digest": digest, "requested_at": 1.0,
        "completed_at": 5.0, "due_at": 6.0, "played_at": 6.0, "bytes_http": http, "bytes_p2p": p2p,
    }  # fmt: skip


def link(name: str, peer: str, sent: int, received: int) -> Event:
    return {"event": "link", "viewer": name, "peer": f"id-{peer}", "sent": sent, "received": received}


def response(name: str, size: int, path: str = "/main/360p/7.ts", status: int = 200) -> Event:
    return {"at": 1001.5, "viewer": name, "path": path, "bytes": size, "status": status, "duration": 0.5}


def test_peer_ids_become_viewers_and_late_bytes_are_added_to_their_transfer() -> None:
    events = [
        viewer("a"), viewer("b"), transfer("a", 3, "p2p", "id-b", 60),
        {"event": "late", "viewer": "a", "transfer": 3, "bytes": 40},
        {"event": "late", "viewer": "b", "transfer": 3, "bytes": 1},
    ]  # fmt: skip
    rows, _ = build_tables(FACTS, events, [])
    [row] = rows.tables()["transfers"].to_dict("records")
    assert (row["viewer"], row["from_viewer"], row["bytes"], row["late_bytes"]) == ("a", "b", 100, 40)


def test_a_transfer_ends_when_its_viewer_leaves_at_the_latest() -> None:
    events = [viewer("a"), transfer("a", 1, "http", "", 1, ended=10.3)]
    rows, _ = build_tables(FACTS, events, [])
    assert rows.tables()["transfers"]["ended_at"].tolist() == [10.0]


def test_times_of_the_stream_and_of_the_origin_are_on_the_clock_of_the_run() -> None:
    playing = {"event": "playback", "viewer": "a", "at": 4.0, "state": "playing", "position": 10.0, "buffer": 2.0}
    rows, _ = build_tables(FACTS, [viewer("a"), segment("a"), playing], [response("a", 5)])
    tables = rows.tables()
    assert tables["segments"]["available_at"].tolist() == [-14.0]
    assert tables["playback"]["latency"].tolist() == [24.0]  # the stream began at -30
    assert tables["origin"]["at"].tolist() == [1.5]
    assert tables["viewers"]["downlink"].tolist() == [math.inf]


def open_link(name: str, peer: str, path: str | float, at: float) -> Event:
    return link(name, peer, 1, 1) | {"path": path, "opened_at": at}


def offered(name: str, peer: str, at: float) -> Event:
    return {
        "event": "connection", "viewer": name, "peer": f"id-{peer}", "initiated_at": 0.0, "answered_at": 0.1,
        "opened_at": at, "closed_at": 9.0, "outcome": "open",
    }  # fmt: skip


def test_the_path_of_a_connection_joins_those_of_its_two_ends() -> None:
    events = [
        viewer("a"), viewer("b"), viewer("c"),
        offered("a", "b", 0.5), offered("c", "a", 0.7), offered("b", "c", NOTHING),
        open_link("a", "b", "host", 0.5), open_link("b", "a", "prflx", 0.6),
        open_link("a", "c", "host", 0.7), open_link("c", "a", "host", 0.7),
        open_link("b", "c", NOTHING, NOTHING),
    ]  # fmt: skip
    rows, _ = build_tables(FACTS, events, [])
    paths = rows.tables()["connections"].set_index(["viewer", "other"])["path"]
    assert paths.to_dict() == {("a", "b"): "prflx", ("c", "a"): "host", ("b", "c"): "host"}


def test_transfers_over_a_relay_are_recorded_as_relayed() -> None:
    """Of two successive connections of a pair, the one that was open counts."""
    events = [
        viewer("a"), viewer("b"), open_link("a", "b", "relay", 0.5), open_link("b", "a", "relay", 0.6),
        open_link("a", "b", "host", 6.0), open_link("b", "a", "srflx", 6.1),
        transfer("a", 1, "p2p", "id-b", 60), transfer("a", 2, "p2p", "id-b", 60) | {"started_at": 7.0},
        transfer("a", 3, "http", "", 60),
    ]  # fmt: skip
    rows, _ = build_tables(FACTS, events, [])
    assert rows.tables()["transfers"]["relayed"].tolist() == [True, False, False]


def test_balance_without_a_crash() -> None:
    events = [viewer("a"), viewer("b"), segment("a", http=70, p2p=30), link("a", "b", 0, 30), link("b", "a", 30, 0)]
    _, balance = build_tables(FACTS, events, [response("a", 70), response("a", 9, "/main/360p/index.m3u8")])
    assert balance.to_dict() == {
        "p2p_sent": 30, "p2p_received": 30, "p2p_lost": 0, "p2p_unexplained": 0, "http_sent": 70,
        "http_received": 70, "http_lost": 0, "http_unexplained": 0, "segments_held": 1, "segments_wrong": 0,
    }  # fmt: skip


def test_bytes_lost_in_crashes_are_not_unexplained() -> None:
    events = [
        viewer("a", "crash"), viewer("b"), viewer("c"), segment("a", http=70),
        link("a", "b", 65, 0), link("b", "a", 0, 40), link("c", "b", 8, 0), link("b", "c", 0, 5),
    ]  # fmt: skip
    _, balance = build_tables(FACTS, events, [response("a", 90)])
    numbers = balance.to_dict()
    assert (numbers["p2p_lost"], numbers["p2p_unexplained"]) == (25, 3)
    assert (numbers["http_lost"], numbers["http_unexplained"]) == (20, 0)


def test_wrong_segments_are_counted() -> None:
    _, balance = build_tables(FACTS, [viewer("a"), segment("a"), segment("a", digest="d7", number=8)], [])
    assert (balance.segments_held, balance.segments_wrong) == (2, 1)


def test_null_is_read_as_nan(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text(json.dumps({"event": "x", "at": None}) + "\n")
    [event] = read_events([path])
    assert event["event"] == "x"
    assert event["at"] == pytest.approx(math.nan, nan_ok=True)
