"""Fault schedules, and a measured run with faults of the tracker, the origin and the uplinks."""

from pathlib import Path

import pytest

from p2psim.errors import ScenarioError
from p2psim.scenario import Fault, Scenario, populate
from p2psim.scenario.fault_targets import victims
from p2psim.testbed import measure
from p2psim.testbed.faults import origin_changes, tracker_changes, uplink_changes
from p2psim.testbed.feasibility import check_feasible, check_own_tracker
from p2psim.trace import discrepancies

TRACKER, ORIGIN, UPLINKS = 4.0, 9.5, 15.0

SCENARIO = Scenario(name="misfortunes").replace(
    {
        "duration": 22.0,
        "stream.bitrate": 62_500.0,
        "stream.segment": 2.0,
        "viewers.count": 5,
        "viewers.arrivals": "recorded",
        "viewers.arrival_times": (0.0, 0.5, 1.0, 5.0, 12.8),
        "viewers.viewing_times": (60.0,) * 5,
        "nat.mix": "open",
        "tracker.interval": 60.0,
        "tracker.one_way_delay": 0.001,
        "origin.rate": 1e6,
        "origin.time_to_first_byte": 0.002,
        "policy.highDemandTimeWindow": 6.0,
        "player.buffer": 8.0,
        "faults": (
            Fault(kind="tracker", at=TRACKER, duration=3.0),
            Fault(kind="origin", at=ORIGIN, duration=3.0),
            Fault(kind="uplinks", at=UPLINKS, duration=60.0),
        ),
    }
)  # fmt: skip


def test_faults_become_changes() -> None:
    assert origin_changes(SCENARIO) == [(9.5, 0.0), (12.5, 1.0)]
    assert tracker_changes(SCENARIO) == [(4.0, 0.0), (7.0, 1.0)]
    assert uplink_changes(SCENARIO, populate(SCENARIO, 1), 1) == {viewer: [(15.0, 0.0)] for viewer in range(5)}


def test_overlapping_faults_are_in_order_of_time() -> None:
    faults = (Fault(at=5.0, duration=10.0, capacity_left=0.5), Fault(at=2.0, duration=5.0, capacity_left=0.25))
    found = origin_changes(SCENARIO.replace({"faults": faults}))
    assert found == [(2.0, 0.25), (5.0, 0.5), (7.0, 1.0), (15.0, 1.0)]


def test_the_uplinks_that_fail_are_those_of_the_simulation() -> None:
    scenario = SCENARIO.replace(
        {"viewers.arrivals": "uniform", "viewers.arrival_times": (), "viewers.viewing_times": (), "viewers.count": 40}
        | {"faults": (Fault(), Fault(kind="uplinks", home_share=0.4, capacity_left=0.5, duration=4.0))}
    )
    people = populate(scenario, 7)
    found = uplink_changes(scenario, people, 7)
    assert sorted(found) == victims(scenario, people, 1, 7)
    assert 5 < len(found) < 30
    assert set(map(tuple, found.values())) == {((0.0, 0.5), (4.0, 1.0))}
    assert victims(scenario, people, 1, 8) != victims(scenario, people, 1, 7)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"faults": (Fault(), Fault(kind="relay"))}, r"faults\[1\]\.kind = 'relay' .* origin, uplinks, tracker"),
        ({"viewers.browsers": 1}, r"viewers\.browsers = 1"),
    ],
)
def test_faults_that_cannot_be_measured_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ScenarioError, match=message):
        check_feasible(SCENARIO.replace(changes))


def test_a_fault_of_a_tracker_that_the_run_does_not_start_is_refused() -> None:
    check_own_tracker(SCENARIO, ())
    with pytest.raises(ScenarioError, match=r"faults\[0\]\.kind = 'tracker': ws://a/"):
        check_own_tracker(SCENARIO, ("ws://a/",))


@pytest.mark.testbed
@pytest.mark.slow
def test_faults_of_a_measured_run(tmp_path: Path) -> None:
    trace = measure(SCENARIO, seed=3, keep_logs=tmp_path)
    notes, announces, samples = trace.manifest.notes, trace["announces"], trace["samples"]
    # tracker: stopped and started again without its state; connections stay open, viewers reconnect after 10 s
    ((gone, back),) = notes["tracker_outages"]
    assert TRACKER <= gone < back
    first = announces.groupby("viewer")["at"].min()
    assert {"v0000", "v0001", "v0002"} <= set(first[first < TRACKER].index)
    assert first.get("v0003", 99.0) >= 5.0 + 10.0
    after = announces[announces["at"] > 8.0].sort_values("at")
    assert after.iloc[0]["viewer"] == "v0004"
    assert after.iloc[0]["peers_known"] == 1
    opened = trace["connections"].query("outcome == 'open'")
    assert (opened["opened_at"] < TRACKER).any()
    assert (opened["closed_at"] > 21.0).any()
    # origin: viewers with a buffer play on, and requests are answered after the failure
    playback = trace["playback"]
    old = playback["viewer"].isin(["v0000", "v0001", "v0002"])
    assert not (old & (playback["state"] == "stalled")).any()
    waiting = trace["origin"].query("10 < at < 12.4 and bytes > 0")
    assert len(waiting)
    assert (waiting["at"] + waiting["duration"]).min() > 12.4
    # uplinks: no byte is sent any more
    viewers = sorted(set(samples["viewer"]))
    before = samples[samples["at"] < 16.5].groupby("viewer")["uploaded"].max().reindex(viewers).to_list()
    assert sum(before) > 0
    assert before == samples.groupby("viewer")["uploaded"].max().reindex(viewers).to_list()
    balance = notes["bytes"]
    assert (balance["p2p_unexplained"], balance["http_unexplained"], balance["segments_wrong"]) == (0, 0, 0)
    assert notes["unhandled_errors"] == 0
    assert discrepancies(trace, 0.05) == []
