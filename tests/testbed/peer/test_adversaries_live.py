"""Real viewers among hostile ones: the origin's signed hashes keep rubbish out of storage, player and swarm."""

import pytest

from p2psim.analysis.metrics import metrics
from p2psim.scenario import Scenario
from p2psim.simulation import run
from p2psim.testbed import measure
from p2psim.trace import totals

pytestmark = [pytest.mark.testbed, pytest.mark.slow]

SEED = 32
"""Three honest viewers, two stallers, two liars and a free rider."""

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


class TestOneOfEachKind:
    """Liars, stallers and free riders in one swarm, for real and simulated."""

    @pytest.fixture(scope="class")
    def traces(self):
        roles = {"viewers.liars": 0.25, "viewers.stallers": 0.25, "viewers.free_riders": 0.25}
        scenario = SCENARIO.replace({"viewers.count": 8, "viewers.polluters": 0.0, "duration": 16.0} | roles)
        return {"measured": measure(scenario, seed=SEED), "simulated": run(scenario, seed=SEED, events=True).trace}

    @pytest.fixture(params=["measured", "simulated"])
    def trace(self, traces, request):
        return traces[request.param]

    def test_playback_goes_on(self, trace):
        viewers = totals(trace).viewers
        honest = viewers[viewers["role"] == "honest"]
        assert len(honest) >= 3
        assert (honest["stalled"] <= SCENARIO.stream.segment).all()
        assert (honest["played"] > 8).all()

    def test_the_honest_share_all_the_same(self, traces):
        viewers = totals(traces["measured"]).viewers
        assert (viewers[viewers["role"] == "honest"]["bytes_p2p"] > 0).all()

    def test_a_liar_is_found_out_segment_by_segment(self, trace):
        asked = asked_of(trace, "liar")
        assert (asked["outcome"] == "failed").sum() > 5, "it lacks what it announces"
        assert not (asked["outcome"] == "invalid").any()

    def test_a_liar_gives_what_it_has(self, traces):
        assert (asked_of(traces["measured"], "liar")["outcome"] == "completed").sum() > 0

    def test_a_staller_costs_two_seconds_a_time_and_three_times_at_most(self, trace):
        asked = asked_of(trace, "staller")
        assert asked["bytes"].sum() == 0
        assert set(asked["outcome"]) <= {"stalled", "aborted", "failed"}
        stalled = asked[asked["outcome"] == "stalled"]
        assert len(stalled) > 0
        assert ((stalled["ended_at"] - stalled["started_at"]) > 1.99).all()
        links = trace["connections"]
        for (victim, staller), strikes in stalled.groupby(["viewer", "from_viewer"]).size().items():
            pair = {victim, staller}
            opened = links[[{one, other} == pair for one, other in zip(links["viewer"], links["other"], strict=True)]]
            assert strikes <= 3 * opened["opened_at"].notna().sum()

    def test_a_free_rider_is_asked_for_nothing(self, trace):
        assert len(asked_of(trace, "free-rider")) == 0
        viewers = totals(trace).viewers
        riders = viewers[viewers["role"] == "free-rider"]
        assert len(riders) > 0
        assert (riders["bytes_uploaded"] == 0).all()

    def test_a_free_rider_takes(self, traces):
        viewers = totals(traces["measured"]).viewers
        assert (viewers[viewers["role"] == "free-rider"]["bytes_p2p"] > 0).all()


def asked_of(trace, role):
    """Transfers from viewers of a role."""
    roles = trace["viewers"].set_index("viewer")["role"]
    transfers = trace["transfers"]
    return transfers[(transfers["source"] == "p2p") & (transfers["from_viewer"].map(roles) == role)]
