"""Real viewers among hostile ones: the origin's signed hashes keep rubbish out of storage, player and swarm."""

import pytest

from p2psim.analysis.metrics import metrics
from p2psim.scenario import Scenario
from p2psim.simulation import run
from p2psim.testbed import measure
from p2psim.trace import totals

pytestmark = [pytest.mark.testbed, pytest.mark.slow]

SCENARIO = Scenario(name="hostile").replace(
    {
        "duration": 24.0,
        "stream.bitrate": 62_500.0,
        "stream.segment": 2.0,
        "viewers.count": 5,
        "viewers.over": 2.0,
        "nat.mix": "open",
        "tracker.interval": 8.0,
        "tracker.latency": 0.001,
        "origin.rate": 1e6,
        "origin.latency": 0.002,
        "policy.highDemandTimeWindow": 4.0,
        "player.buffer": 6.0,
        "viewers.polluters": 0.4,
    }
)


def outcomes(trace, source="p2p"):
    transfers = trace["transfers"]
    return transfers[transfers["source"] == source]["outcome"].value_counts().to_dict()


def victims(trace):
    roles = trace["viewers"].set_index("viewer")["role"]
    segments = trace["segments"]
    return segments[segments["viewer"].map(roles) == "honest"]


def test_a_polluter_cannot_poison_who_validates_even_when_encrypted():
    trace = measure(SCENARIO.replace({"policy.validateP2PSegment": True, "stream.encrypted": True}), seed=2)
    roles = trace["viewers"]["role"].value_counts()
    assert 1 <= roles["polluter"] <= 3
    assert outcomes(trace)["invalid"] > 0
    assert outcomes(trace)["completed"] > 0, "the honest ones still share"
    assert victims(trace)["played_at"].notna().sum() > 10
    assert not victims(trace)["poisoned"].any(), "what is played decrypts to the origin's picture"
    assert trace.manifest.notes["bytes"]["segments_wrong"] == 0
    assert trace.manifest.notes["unhandled_errors"] == 0


def test_who_does_not_validate_plays_rubbish():
    trace = measure(SCENARIO, seed=2)
    assert victims(trace)["poisoned"].any()
    assert "invalid" not in outcomes(trace)
    simulated, measured = metrics(run(SCENARIO, seed=2).totals), metrics(totals(trace))
    assert simulated["poisoned"] > 0
    assert simulated["poisoned"] == pytest.approx(measured["poisoned"], abs=3), "of twelve segments a viewer plays"
    assert simulated["p2p_ratio"] == pytest.approx(measured["p2p_ratio"], abs=0.15)
