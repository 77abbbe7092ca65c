"""Observations of the network in traces small enough to be computed by hand."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from p2psim.analysis.calibration.observation import observe, startup_parts
from p2psim.trace import Trace
from tests.traces import TraceBuilder, duet

CALM = {"network.rtt": 0.1, "origin.time_to_first_byte": 0.5, "origin.rate": 2e6, "tracker.one_way_delay": 0.01}


def trace_with(**changes: object) -> TraceBuilder:
    story = TraceBuilder(60.0, changes=CALM | changes)
    for name in "abc":
        story.viewer(name)
    return story


def test_a_transfer_alone_has_a_known_time_on_its_link() -> None:
    story = trace_with()
    story.p2p("a", "b", 1, 1.0, 2.0, 500_000)  # uplink 1 MB/s
    story.http("b", 2, 10.0, 12.0, 1_000_000)  # origin 2 MB/s
    rows = observe([story.trace()]).transfers.set_index("source")
    assert rows.loc["p2p", "link"] == pytest.approx(0.5)
    assert rows.loc["p2p", "time"] == pytest.approx(0.9)
    assert rows.loc["http", "link"] == pytest.approx(0.5)
    assert rows.loc["http", "time"] == pytest.approx(1.5)


def test_two_of_one_sender_are_not_taken() -> None:
    story = trace_with()
    story.p2p("a", "b", 1, 1.0, 2.0, 500_000)
    story.p2p("c", "b", 2, 1.5, 2.5, 500_000)
    story.p2p("c", "b", 3, 2.5, 3.5, 500_000)  # begins as the last one ends
    assert len(observe([story.trace()]).transfers) == 1


@pytest.mark.parametrize(("origin", "taken"), [(2e6, 2), (4.9e6, 0)])
def test_a_downlink_must_have_room_for_all_that_comes(origin: float, taken: int) -> None:
    story = trace_with(**{"origin.rate": origin})
    story.p2p("a", "b", 1, 1.0, 2.0, 500_000)
    story.http("a", 2, 1.5, 2.5, 1_000_000)  # downlink 5 MB/s
    assert len(observe([story.trace()]).transfers) == taken


def test_broken_off_tiny_and_relayed_transfers_are_not_taken() -> None:
    story = trace_with()
    story.p2p("a", "b", 1, 1.0, 2.0, 500_000, outcome="aborted")
    story.p2p("a", "b", 2, 3.0, 4.0, 500)
    story.p2p("a", "b", 3, 5.0, 6.0, 500_000, relayed=True)
    assert len(observe([story.trace()]).transfers) == 0


def test_nothing_is_taken_where_links_are_shared_or_round_trips_vary() -> None:
    for changes in ({"network.rtt_spread": 0.6}, {"household.preset": "second-screens"}):
        story = trace_with(**changes)
        story.p2p("a", "b", 1, 1.0, 2.0, 500_000)
        assert len(observe([story.trace()]).transfers) == 0


def connected(trace: Trace, **columns: Any) -> Trace:
    row: dict[str, Any] = {
        "viewer": ["a"],
        "other": ["b"],
        "initiated_at": [1.0],
        "opened_at": [2.0],
        "closed_at": [np.nan],
    }
    rows = trace["connections"].reindex(range(1)).assign(**row, path="host", outcome="open", **columns)
    return dataclasses.replace(trace, tables={**trace.tables, "connections": rows})


def test_connections_are_parted_where_the_answer_came() -> None:
    rows = observe([connected(trace_with().trace(), answered_at=[1.44])]).connections
    assert rows["making"].tolist() == [pytest.approx(0.2)]  # four hops of 10 ms, an offer and an answer
    assert rows["opening"].tolist() == [pytest.approx(0.56)]
    assert rows["whole"].tolist() == [pytest.approx(0.96)]
    assert observe([connected(trace_with().trace())]).connections["making"].isna().all()


def test_only_viewers_of_one_kind_are_taken_among_themselves() -> None:
    story = trace_with()
    story.p2p("a", "b", 1, 1.0, 2.0, 500_000)
    story.p2p("a", "c", 2, 3.0, 4.0, 500_000)
    story.http("b", 3, 10.0, 12.0, 1_000_000)
    trace = story.trace()
    actors = trace["viewers"].assign(actor=["aiortc", "aiortc", "browser"])
    mixed = dataclasses.replace(trace, tables={**trace.tables, "viewers": actors})
    assert len(observe([mixed]).transfers) == 3
    assert observe([mixed], "aiortc").transfers["source"].tolist() == ["p2p", "http"]
    assert len(observe([mixed], "browser").transfers) == 0


def test_parts_of_the_startup_add_up() -> None:
    trace = duet()
    parts = startup_parts(trace)
    states = trace["playback"]
    first = states[states["state"] == "playing"].groupby("viewer")["at"].min()
    whole = (first - trace["viewers"].set_index("viewer")["joined_at"]).mean()
    assert sum(parts.values()) == pytest.approx(whole)
