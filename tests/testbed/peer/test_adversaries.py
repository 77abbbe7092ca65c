"""Tests of swarms with adversaries: polluters, liars, stallers and free riders among real viewers."""

import pandas as pd
import pytest

from p2psim.analysis.metrics import metrics
from p2psim.scenario import Scenario
from p2psim.simulation import run
from p2psim.testbed import measure
from p2psim.trace import Trace, totals

pytestmark = [pytest.mark.testbed, pytest.mark.slow]

SEED = 32
"""Seed that draws three honest viewers, two stallers, two liars and a free rider."""

SCENARIO = Scenario(name="hostile").replace(
    {
        "duration": 18.0,
        "stream.bitrate": 62_500.0,
        "stream.segment": 2.0,
        "viewers.count": 5,
        "viewers.arrival_period": 2.0,
        "nat.mix": "open",
        "tracker.interval": 8.0,
        "tracker.one_way_delay": 0.001,
        "origin.rate": 1e6,
        "origin.time_to_first_byte": 0.002,
        "policy.highDemandTimeWindow": 4.0,
        "player.buffer": 6.0,
        "viewers.polluters": 0.4,
    }
)


def p2p_outcomes(trace: Trace) -> "pd.Series[int]":
    """Return the number of P2P transfers by their outcome."""
    transfers = trace["transfers"]
    return transfers[transfers["source"] == "p2p"]["outcome"].value_counts()


def honest_segments(trace: Trace) -> pd.DataFrame:
    """Return the segments of honest viewers."""
    roles = trace["viewers"].set_index("viewer")["role"]
    segments = trace["segments"]
    return segments[segments["viewer"].map(roles) == "honest"]


def test_viewers_that_validate_segments_play_none_of_a_polluter() -> None:
    trace = measure(SCENARIO.replace({"policy.validateP2PSegment": True, "stream.encrypted": True}), seed=2)
    roles = trace["viewers"]["role"].value_counts()
    assert 1 <= roles["polluter"] <= 3
    assert p2p_outcomes(trace)["invalid"] > 0
    assert p2p_outcomes(trace)["completed"] > 0, "honest viewers still share"
    assert honest_segments(trace)["played_at"].notna().sum() > 10
    assert not honest_segments(trace)["poisoned"].any(), "segments are played as the origin has encrypted them"
    assert trace.manifest.notes["bytes"]["segments_wrong"] == 0
    assert trace.manifest.notes["unhandled_errors"] == 0


def test_viewers_that_do_not_validate_segments_play_polluted_ones_as_simulated() -> None:
    trace = measure(SCENARIO, seed=2)
    assert honest_segments(trace)["poisoned"].any()
    assert "invalid" not in p2p_outcomes(trace)
    simulated, measured = metrics(run(SCENARIO, seed=2).totals), metrics(totals(trace))
    assert simulated["poisoned"] > 0
    assert simulated["poisoned"] == pytest.approx(measured["poisoned"], abs=3), "of twelve segments that a viewer plays"
    assert simulated["p2p_ratio"] == pytest.approx(measured["p2p_ratio"], abs=0.15)


class TestAdversariesOfAllKinds:
    """Tests of a swarm with liars, stallers and free riders, measured and simulated."""

    @pytest.fixture(scope="class")
    def traces(self) -> dict[str, Trace]:
        roles = {"viewers.liars": 0.25, "viewers.stallers": 0.25, "viewers.free_riders": 0.25}
        scenario = SCENARIO.replace({"viewers.count": 8, "viewers.polluters": 0.0, "duration": 16.0} | roles)
        simulated = run(scenario, seed=SEED, events=True).trace
        assert simulated is not None
        return {"measured": measure(scenario, seed=SEED), "simulated": simulated}

    @pytest.fixture(params=["measured", "simulated"])
    def trace(self, traces: dict[str, Trace], request: pytest.FixtureRequest) -> Trace:
        return traces[request.param]

    def test_honest_viewers_play_without_long_stalls(self, trace: Trace) -> None:
        viewers = totals(trace).viewers
        honest = viewers[viewers["role"] == "honest"]
        assert len(honest) >= 3
        assert (honest["stalled"] <= SCENARIO.stream.segment).all()
        assert (honest["played"] > 8).all()

    def test_honest_viewers_receive_from_peers(self, traces: dict[str, Trace]) -> None:
        viewers = totals(traces["measured"]).viewers
        assert (viewers[viewers["role"] == "honest"]["bytes_p2p"] > 0).all()

    def test_a_liar_refuses_requests_for_segments_that_it_lacks(self, trace: Trace) -> None:
        outcomes = transfers_from(trace, "liar")["outcome"]
        assert (outcomes == "failed").sum() > 5
        assert not (outcomes == "invalid").any()

    def test_a_liar_serves_its_stored_segments(self, traces: dict[str, Trace]) -> None:
        assert (transfers_from(traces["measured"], "liar")["outcome"] == "completed").sum() > 0

    def test_a_connection_to_a_staller_ends_after_three_timeouts_at_most(self, trace: Trace) -> None:
        transfers = transfers_from(trace, "staller")
        assert transfers["bytes"].sum() == 0
        assert set(transfers["outcome"]) <= {"stalled", "aborted", "failed"}
        stalled = transfers[transfers["outcome"] == "stalled"]
        assert len(stalled) > 0
        assert ((stalled["ended_at"] - stalled["started_at"]) > 1.99).all()
        connections = trace["connections"]
        ends = [{one, other} for one, other in zip(connections["viewer"], connections["other"], strict=True)]
        for (receiver, staller), timeouts in stalled.groupby(["viewer", "from_viewer"]):
            between = connections[[pair == {receiver, staller} for pair in ends]]
            assert len(timeouts) <= 3 * between["opened_at"].notna().sum()

    def test_a_free_rider_gets_no_request_and_uploads_nothing(self, trace: Trace) -> None:
        assert len(transfers_from(trace, "free-rider")) == 0
        viewers = totals(trace).viewers
        riders = viewers[viewers["role"] == "free-rider"]
        assert len(riders) > 0
        assert (riders["bytes_uploaded"] == 0).all()

    def test_a_free_rider_receives_from_peers(self, traces: dict[str, Trace]) -> None:
        viewers = totals(traces["measured"]).viewers
        assert (viewers[viewers["role"] == "free-rider"]["bytes_p2p"] > 0).all()


def transfers_from(trace: Trace, role: str) -> pd.DataFrame:
    """Return the P2P transfers that viewers of a role were asked for."""
    roles = trace["viewers"].set_index("viewer")["role"]
    transfers = trace["transfers"]
    return transfers[(transfers["source"] == "p2p") & (transfers["from_viewer"].map(roles) == role)]
