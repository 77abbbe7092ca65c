"""Measured runs in a lab, from the scenario to the trace."""

from dataclasses import replace
from pathlib import Path

import pytest

from p2psim.errors import ScenarioError, TestbedError
from p2psim.scenario import Scenario, populate
from p2psim.scenario.faults import Fault
from p2psim.simulation.control.reachability import Reachability
from p2psim.testbed import measure
from p2psim.testbed.lab.environment import LabHosts, lab_plan
from p2psim.testbed.lab.lab import Host
from p2psim.trace import discrepancies

SCENARIO = Scenario(name="lab").replace(
    {
        "duration": 30.0,
        "stream.bitrate": 62_500.0,
        "stream.segment": 2.0,
        "viewers.count": 5,
        "viewers.arrival_period": 2.0,
        "access.uplink": 500_000.0,
        "access.downlink": 2_500_000.0,
        "nat.shares": {"port-restricted": 0.4, "symmetric": 0.4, "blocked": 0.2},
        "relay.availability": 1.0,
        "network.rtt": 0.02,
        "tracker.interval": 8.0,
        "tracker.one_way_delay": 0.005,
        "origin.rate": 500_000.0,
        "origin.time_to_first_byte": 0.01,
        "policy.highDemandTimeWindow": 6.0,
        "player.buffer": 8.0,
    }
)


def test_servers_are_as_far_away_as_the_scenario_says() -> None:
    plan = lab_plan(SCENARIO, populate(SCENARIO, 1), 1)
    assert plan.between("home-0", "origin").delay == 0.005
    assert plan.between("tracker", "home-0").delay == 0.005
    assert plan.between("home-0", "home-1").delay == 0.01
    # over the relay: both ways, there and back
    assert 4 * plan.between("relay", "home-3").delay == pytest.approx(0.02 + SCENARIO.relay.added_rtt)
    assert {server.name: server.uplink for server in plan.servers}["origin"] == 500_000.0


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"relay.availability": 0.5}, "relay.availability = 0.5"),
        ({"carrier.home_share": 0.5, "regions.mix": {"london": 1.0}}, "[regions]"),
        ({"carrier.home_share": 0.5, "household.direct_share": 0.5}, "household.direct_share = 0.5"),
        ({"nat.failure": 0.1}, "nat.failure = 0.1"),
        ({"viewers.browsers": 1}, "viewers.browsers = 1"),
        ({"neighbourhood.viewers": 4}, "[neighbourhood]"),
    ],
)
def test_a_scenario_that_a_lab_cannot_measure_is_refused(changes: dict[str, object], field: str) -> None:
    with pytest.raises(ScenarioError, match="accepted") as raised:
        measure(SCENARIO.replace(changes), lab=True)
    assert field in str(raised.value)


def test_a_tracker_outside_of_the_lab_is_refused() -> None:
    with pytest.raises(TestbedError, match="a lab has no route to other networks"):
        measure(SCENARIO, lab=True, tracker_url="ws://127.0.0.1:9/")


def test_a_scenario_that_needs_a_lab_is_refused_without_one() -> None:
    with pytest.raises(ScenarioError, match=r"\[relay\] needs a lab"):
        measure(SCENARIO)


@pytest.mark.lab
@pytest.mark.testbed
@pytest.mark.slow
def test_paths_are_those_of_the_simulation_and_relayed_bytes_are_recorded_as_relayed(tmp_path: Path) -> None:
    seed = 15
    people = populate(SCENARIO, seed)
    reach = Reachability(SCENARIO, people, seed, 0)
    ways = {reach.way(a, b) for a in range(len(people)) for b in range(a)}
    assert ways == {"", "srflx"}
    assert "blocked" in people.nat_names
    trace = measure(SCENARIO, seed=seed, lab=True, keep_logs=tmp_path)
    assert sorted(trace["viewers"]["nat"]) == sorted(people.nat_names)
    assert set(trace["viewers"]["uplink"]) == {500_000.0}

    opened = trace["connections"][trace["connections"]["opened_at"].notna()]
    expected = {"": {"relay"}, "srflx": {"srflx", "prflx"}}
    for viewer, other, path in opened[["viewer", "other", "path"]].itertuples(index=False):
        assert path in expected[reach.way(number(viewer), number(other))]
    assert "relay" in set(opened["path"])

    transfers = trace["transfers"]
    is_p2p = transfers["source"] == "p2p"
    columns = ["viewer", "from_viewer", "relayed"]
    for viewer, sender, is_relayed in transfers[is_p2p][columns].itertuples(index=False):
        assert is_relayed == (reach.way(number(viewer), number(sender)) == "")
    assert not transfers[~is_p2p]["relayed"].any()
    relayed = transfers[transfers["relayed"]]["bytes"].sum()
    assert relayed > 100_000
    assert discrepancies(trace, 0.1) == []

    notes = trace.manifest.notes
    assert notes["lab"]["relay_failures"] == 0
    assert notes["unhandled_errors"] == 0
    # the kernel's counters: at least the recorded bytes, and headers
    devices, balance = notes["interfaces"], notes["bytes"]
    # bytes in flight when a viewer leaves were sent but not received
    assert 0 <= balance["http_unexplained"] <= 0.05 * balance["http_sent"]
    assert 0 <= balance["p2p_unexplained"] <= 0.1 * balance["p2p_sent"]
    assert balance["http_sent"] <= devices["origin_sent"] <= 1.1 * balance["http_sent"] + 500_000
    assert relayed <= devices["relay_sent"] <= 1.25 * relayed + 1_000_000
    received = balance["http_received"] + balance["p2p_received"]
    assert received <= devices["viewers_received"] <= 1.25 * received + 1_000_000


@pytest.mark.slow
@pytest.mark.lab
def test_faults_change_links_while_they_run(tmp_path: Path) -> None:
    faults = (
        Fault(kind="uplinks", at=5.0, duration=10.0, capacity_left=0.5, home_share=1.0),
        Fault(kind="origin", at=8.0, duration=100.0, capacity_left=0.0),
    )
    scenario = replace(SCENARIO, faults=faults)
    people = populate(scenario, 1)
    with LabHosts(scenario, people, 1, tmp_path) as hosts:
        changes = hosts.link_changes()
        assert [at for at, _ in changes] == [5.0] * 5 + [8.0] + [15.0] * 5
        viewer, origin = hosts.host(0), hosts.host("origin")
        assert rate(viewer) == "4Mbit"
        for at, change in changes:
            if at < 15.0:
                change()
        assert rate(viewer) == "2Mbit"
        assert rate(origin) == "800bit"
        for _, change in changes[6:]:
            change()
        assert rate(viewer) == "4Mbit"


def number(viewer: object) -> int:
    return int(str(viewer)[1:])


def rate(host: Host) -> str:
    """Return the rate of the uplink as tc prints it."""
    words = host.router.run(["tc", "qdisc", "show", "dev", "wan"]).split()
    return words[words.index("rate") + 1]
