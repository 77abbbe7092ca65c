"""Policies by name, options that change what happens, and the two faults of 2.3, simulated."""

import os
import subprocess
import sys
from collections.abc import Mapping

import numpy as np
import pytest

from p2psim.analysis.metrics import metrics
from p2psim.errors import ScenarioError
from p2psim.policy.facts import Facts
from p2psim.policy.versions.custom import BY_HTTP, BY_P2P, STANDARD, WAIT, decision
from p2psim.scenario import Scenario
from p2psim.simulation import run

LIVE = Scenario(name="live").replace({"duration": 100.0, "viewers.count": 30, "nat.mix": "open"})


def measured(scenario: Scenario, changes: Mapping[str, object]) -> dict[str, float]:
    return metrics(run(scenario.replace(changes), seed=1).totals)


@decision
def peers_first(facts: Facts) -> int:
    if facts.holders > 0:
        return BY_P2P
    return BY_HTTP if facts.urgent else WAIT


@decision
def as_upstream(facts: Facts) -> int:
    return STANDARD


not_a_decision = BY_HTTP


def test_an_election_takes_less_from_the_origin_than_chance() -> None:
    chance, elected = measured(LIVE, {}), measured(LIVE, {"policy.name": "p2p-media-loader-5"})
    assert elected["offload"] > chance["offload"] + 0.1
    assert elected["stalls"] == 0


def test_http_only_and_p2p_disabled_share_nothing() -> None:
    only, disabled = measured(LIVE, {"policy.name": "http-only"}), measured(LIVE, {"policy.isP2PDisabled": True})
    assert only["p2p_ratio"] == disabled["p2p_ratio"] == 0
    assert disabled["peers"] == 0
    assert disabled["startup"] < only["startup"], "without the scheduler one segment comes at a time"


def test_no_upload_means_no_p2p() -> None:
    assert measured(LIVE, {"policy.isP2PUploadDisabled": True})["p2p_ratio"] == 0
    assert measured(LIVE, {"policy.mainStream": {"isP2PUploadDisabled": True}})["p2p_ratio"] == 0
    assert measured(LIVE, {"policy.secondaryStream": {"isP2PUploadDisabled": True}})["p2p_ratio"] > 0.1


def test_a_users_own_function_decides() -> None:
    own = measured(LIVE, {"policy.name": f"{__name__}:peers_first"})
    assert own["p2p_ratio"] > measured(LIVE, {})["p2p_ratio"] + 0.2
    assert peers_first(Facts(*[0.0] * len(Facts._fields))) == WAIT


def test_standard_decisions_are_those_of_upstream_without_random_prefetch() -> None:
    """With nobody there is no prefetch to miss: all is alike."""
    alone = {"viewers.count": 1}
    same = measured(LIVE, {**alone, "policy.name": f"{__name__}:as_upstream"})
    np.testing.assert_equal(same, measured(LIVE, alone))


@pytest.mark.parametrize("name", ["no.such.module:rule", f"{__name__}:nothing", f"{__name__}:not_a_decision"])
def test_a_function_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(ScenarioError, match=r"policy\.name"):
        run(LIVE.replace({"policy.name": name}), seed=1)


VOD = Scenario(name="vod").replace(
    {
        "duration": 240.0,
        "stream.kind": "vod",
        "stream.segment": 1.0,
        "stream.length": 300.0,
        "stream.bitrate": 20_000.0,
        "viewers.count": 3,
        "viewers.arrivals": "recorded",
        "viewers.arrival_times": (0.0, 0.0, 200.0),
        "nat.mix": "open",
        "tracker.interval": 10.0,
        "access.uplink": 1e7,
    }
)


def given_by_owner(changes: dict[str, object]) -> int:
    """What the newcomer gets of the viewer that stores all of the recording."""
    trace = run(VOD.replace(changes), seed=1, events=True).trace
    assert trace is not None
    owner = (
        trace["transfers"].query("outcome == 'completed' and started_at < 200").groupby("viewer")["segment"].nunique()
    )
    given = trace["transfers"].query(f"viewer == 'v0002' and from_viewer == '{owner.idxmax()}'")
    return int(given["bytes"].sum())


def test_who_stores_a_whole_block_cannot_be_heard_by_newcomers() -> None:
    """It owns segments 0-255 when the newcomer comes, which learns nothing of it, as from 2.3."""
    assert given_by_owner({}) == 0
    assert given_by_owner({"policy.announcementBlocks": "fixed"}) > 1e6


def test_a_block_that_is_not_whole_is_heard() -> None:
    assert given_by_owner({"stream.length": 250.0}) > 1e6


HOSTILE = LIVE.replace({"duration": 80.0})


def test_polluted_segments_spread_unless_they_are_validated() -> None:
    blind = run(HOSTILE.replace({"viewers.polluters": 0.2}), seed=1, events=True)
    careful = {"viewers.polluters": 0.2, "policy.validateP2PSegment": True}
    sighted = run(HOSTILE.replace(careful), seed=1, events=True)
    assert blind.trace is not None
    assert sighted.trace is not None
    assert metrics(blind.totals)["poisoned"] > 1
    assert blind.trace["segments"]["poisoned"].any()
    assert metrics(sighted.totals)["poisoned"] == 0
    assert not sighted.trace["segments"]["poisoned"].any()
    invalid = sighted.trace["transfers"]["outcome"] == "invalid"
    assert invalid.any()
    assert metrics(sighted.totals)["wasted_bytes"] > metrics(blind.totals)["wasted_bytes"]


def test_poison_is_passed_on_by_honest_viewers() -> None:
    trace = run(HOSTILE.replace({"viewers.polluters": 0.1}), seed=1, events=True).trace
    assert trace is not None
    polluters = set(trace["viewers"].query("role == 'polluter'")["viewer"])
    poisoned = trace["segments"][trace["segments"]["poisoned"]].set_index(["viewer", "segment"]).index
    sent = trace["transfers"].query("source == 'p2p' and bytes > 0").groupby(["viewer", "segment"])["from_viewer"]
    senders = sent.agg(set)
    assert any(not senders[key] & polluters for key in poisoned if key in senders.index)


@pytest.mark.parametrize(("kind", "outcome"), [("liars", "failed"), ("stallers", "stalled"), ("free_riders", None)])
def test_bad_neighbours_cost_no_playback(kind: str, outcome: str | None) -> None:
    good, bad = run(HOSTILE, seed=1), run(HOSTILE.replace({f"viewers.{kind}": 0.4}), seed=1, events=True)
    # a liar is refused once for each segment and then passed over: that costs a round trip, and little of the share
    lost = metrics(good.totals)["p2p_ratio"] - metrics(bad.totals)["p2p_ratio"]
    assert abs(lost) < 0.05 if kind == "liars" else lost > 0
    assert metrics(bad.totals)["stalls"] == 0
    assert bad.trace is not None
    roles = bad.trace["viewers"].set_index("viewer")["role"]
    p2p = bad.trace["transfers"].query("source == 'p2p'")
    bad_ones = p2p[p2p["from_viewer"].map(roles) == kind.replace("_", "-").rstrip("s")]
    if outcome is None:
        assert bad_ones.empty
    else:
        assert (bad_ones["outcome"] == outcome).any()
        assert bad_ones["bytes"].sum() == 0 or kind == "liars"


@pytest.mark.slow
def test_a_users_own_function_runs_interpreted_too() -> None:
    code = (
        "from p2psim.scenario import Scenario; from p2psim.simulation import run;"
        "s = Scenario().replace({'duration': 20.0, 'viewers.count': 3, 'nat.mix': 'open',"
        f"'policy.name': '{__name__}:peers_first'}});"
        "print(int(run(s, seed=1).totals.viewers['bytes_http'].sum()))"
    )
    totals = set()
    for disabled in ("0", "1"):
        environment = {**os.environ, "NUMBA_DISABLE_JIT": disabled}
        done = subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=200, check=False
        )
        assert done.returncode == 0, done.stderr[-2000:]
        totals.add(done.stdout)
    assert len(totals) == 1
