"""Totals of traces whose sums are known, and discrepancies that are made on purpose."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p2psim.trace import TIMELINE, VIEWER_TOTALS, Trace, discrepancies, totals
from tests.traces import TraceBuilder, duet


def changed(trace: Trace, name: str, change: dict[str, Any]) -> Trace:
    """Return a copy in which columns of one table have another value."""
    return dataclasses.replace(trace, tables={**trace.tables, name: trace[name].assign(**change)})


@pytest.fixture(scope="module")
def viewers() -> pd.DataFrame:
    return totals(duet()).viewers.set_index("viewer")


def test_tables_of_totals_have_the_documented_columns() -> None:
    found = totals(duet())
    assert list(found.viewers.columns) == list(VIEWER_TOTALS)
    assert list(found.timeline.columns) == list(TIMELINE)


@pytest.mark.parametrize(
    ("column", "a", "b"),
    [
        ("bytes_http", 8000, 5000),
        ("bytes_p2p", 0, 4000),
        ("bytes_uploaded", 4000, 0),
        ("wasted_http", 0, 1000),
        ("wasted_p2p", 0, 0),
        ("bytes_played", 8000, 8000),
        ("watched", 20, 16),
        ("played", 8, 8),
        ("startup", 2, 1),
        ("stalls", 0, 1),
        ("stalled", 0, 1),
        ("latency", 10, 10.5),
        ("peers", 15 / 20, 15 / 16),
        ("http_transfers", 2, 1),
        ("p2p_transfers", 0, 1),
        ("http_wait", 1.0, 0.5),
        ("p2p_wait", 0, 0.25),
        ("http_time", 4, 1),
        ("p2p_time", 0, 4),
    ],
)
def test_totals_of_a_viewer(viewers: pd.DataFrame, column: str, a: float, b: float) -> None:
    assert viewers.loc["a", column] == pytest.approx(a)
    assert viewers.loc["b", column] == pytest.approx(b)


def test_timeline_spreads_bytes_between_first_byte_and_end() -> None:
    timeline = totals(duet()).timeline
    assert timeline["p2p"].sum() == pytest.approx(4000)
    # 4000 bytes in 3.75 s from 4.25 s on: three quarters of a second fall into the bin at 4 s.
    assert timeline["p2p"][4] == pytest.approx(4000 * 0.75 / 3.75)
    assert timeline["http"][0] == pytest.approx(4000 * 0.5 / 1.5)
    assert timeline["http"][2] == pytest.approx(4000 * 0.5 / 1.5 + 4000)


def test_timeline_counts_viewers_stalls_and_peers() -> None:
    timeline = totals(duet()).timeline
    assert timeline["viewers"].tolist() == [1, 1, *[2] * 16, 1, 1]
    assert timeline["stalled"].sum() == 1
    assert timeline["stalled"][7] == 1
    assert timeline["peers"][5] == 1.0, "a connection that both ends recorded is one peer for each of them"


def test_vod_has_no_latency() -> None:
    builder = TraceBuilder(changes={"stream.kind": "vod"})
    builder.viewer("a")
    builder.state("a", 1.0, "playing", latency=3.0)
    assert np.isnan(totals(builder.trace()).viewers["latency"][0])


def test_a_viewer_without_events_has_zero_totals() -> None:
    builder = TraceBuilder()
    builder.viewer("idle")
    found = totals(builder.trace())
    row = found.viewers.iloc[0]
    assert row["bytes_http"] == row["stalls"] == row["peers"] == 0
    assert np.isnan(row["startup"])
    assert found.timeline["http"].sum() == 0


def test_peers_come_from_samples_where_no_connections_were_recorded() -> None:
    builder = TraceBuilder()
    builder.viewer("a")
    builder.sample("a", 2.0, peers=3)
    builder.sample("a", 4.0, peers=5)
    assert totals(builder.trace()).viewers["peers"][0] == 4.0


def test_a_trace_read_from_disk_has_the_same_totals(tmp_path: Path) -> None:
    trace = duet()
    trace.write(tmp_path / "t")
    pd.testing.assert_frame_equal(totals(Trace.read(tmp_path / "t")).viewers, totals(trace).viewers)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(0, 30), st.floats(0, 15), st.integers(0, 10**7)),
        min_size=1,
        max_size=20,
    )
)
def test_bins_hold_all_bytes(flows: list[tuple[float, float, int]]) -> None:
    builder = TraceBuilder()
    builder.viewer("a")
    for start, lasts, size in flows:
        builder.http("a", 0, start, start + lasts, size)
    timeline = totals(builder.trace()).timeline
    assert timeline["http"].sum() == pytest.approx(sum(size for _, _, size in flows))
    assert timeline["origin"].sum() == pytest.approx(timeline["http"].sum())
    assert (timeline["http"] >= 0).all()


def test_a_consistent_trace_has_no_discrepancies() -> None:
    assert discrepancies(duet()) == []


@pytest.mark.parametrize(
    ("table", "change", "message"),
    [
        ("origin", {"bytes": 10}, "http: the origin sent"),
        ("transfers", {"from_viewer": "ghost"}, "'ghost' is no viewer"),
        ("segments", {"bytes_http": 0, "bytes_p2p": 0}, "played with fewer bytes"),
        ("segments", {"bytes_http": 10**6}, "but received only"),
    ],
)
def test_a_discrepancy_is_named(table: str, change: dict[str, Any], message: str) -> None:
    assert any(message in line for line in discrepancies(changed(duet(), table, change)))


def test_uploads_are_compared_with_downloads() -> None:
    builder = TraceBuilder()
    builder.viewer("a")
    builder.viewer("b")
    builder.p2p("b", "a", 0, 1.0, 2.0, 4000)
    builder.p2p("b", "a", 1, 3.0, 5.0, 4000)
    builder.sample("a", 4.0, uploaded=6000)
    assert discrepancies(builder.trace()) == []
    assert discrepancies(changed(builder.trace(), "samples", {"uploaded": 3000})) != []
    assert discrepancies(changed(builder.trace(), "samples", {"uploaded": 9000})) != []


def test_playlists_and_errors_are_not_media() -> None:
    builder = TraceBuilder()
    builder.viewer("a")
    builder.http("a", 0, 0.0, 1.0, 1000)
    builder.rows.add("origin", at=0.0, viewer="a", path="/main.m3u8?x=1", bytes=500, status=200, duration=0.1)
    builder.rows.add("origin", at=0.0, viewer="a", path="/9.ts", bytes=70, status=404, duration=0.1)
    assert totals(builder.trace()).timeline["origin"].sum() == 1000
    assert discrepancies(builder.trace()) == []


def test_totals_of_viewers_begin_with_the_warmup() -> None:
    trace = duet()
    late = dataclasses.replace(trace, scenario=trace.scenario.replace({"warmup": 6.125}))
    found, whole = totals(late), totals(trace)
    b = found.viewers.set_index("viewer").loc["b"]
    assert b["bytes_p2p"] == pytest.approx(2000), "half of the transfer from 4.25 to 8 s"
    assert b["watched"] == pytest.approx(18 - 6.125)
    assert b["played"] == pytest.approx(12 - 8 + 7 - 6.125)
    assert b["peers"] == pytest.approx(1)
    assert b["startup"] == 1.0
    assert found.viewers["bytes_uploaded"].sum() == found.viewers["bytes_p2p"].sum()
    pd.testing.assert_frame_equal(found.timeline, whole.timeline)
