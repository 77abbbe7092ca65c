"""The gate passes on the bundled traces and fails for a simulator with a planted fault.

Faults are changes to the simulated side only.
"""

import dataclasses

import pytest

from p2psim import Trace, compare
from p2psim.analysis.comparison.compare import CompareOptions, compare_scenarios
from p2psim.analysis.comparison.result import Comparison
from p2psim.analysis.runs import Runs
from p2psim.scenario import Scenario, bundled
from p2psim.simulation import run
from p2psim.trace import Manifest

RUNS = Runs(processes=1)
TRACES = {folder.name: folder for folder in bundled("traces")}


def failed(comparison: Comparison) -> set[str]:
    return {check.metric for check in comparison.checks if check.fails}


@pytest.fixture(scope="module")
def behind_nats(tmp_path_factory: pytest.TempPathFactory) -> Trace:
    trace = run(Scenario.load("live-24s").replace({"nat.mix": "mobile"}), seed=99, events=True).trace
    assert trace is not None
    assert set(trace["viewers"]["nat"]) == {"port-restricted", "symmetric"}, "pairs that cannot connect"
    manifest = Manifest(**(trace.manifest.to_dict() | {"world": "measured"}))
    folder = tmp_path_factory.mktemp("behind-nats")
    return Trace.read(dataclasses.replace(trace, manifest=manifest).write(folder))


@pytest.mark.slow
def test_the_bundled_traces_agree() -> None:
    """The shares differ by few points; whether a comparison is inconclusive depends on the number of recordings."""
    comparisons = compare_scenarios(list(TRACES.values()), CompareOptions(replications=8), RUNS)
    assert len(comparisons) >= 16
    errors = {each.name: abs(each.differences["p2p_ratio"].interval.mean) for each in comparisons}
    assert max(errors.values()) < 0.04, errors
    assert sum(errors.values()) / len(errors) < 0.015, errors
    assert not any("stall_ratio" in failed(each) for each in comparisons)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["live-24s", "live-8s"])
def test_a_wrong_window_is_detected(name: str) -> None:
    comparison = compare(TRACES[name], runs=RUNS, simulated_with={"policy.highDemandTimeWindow": "0 s"})
    assert "p2p_ratio" in failed(comparison)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["live-24s", "browsers-24s", "vod-staggered"])
def test_a_halved_uplink_is_detected(name: str) -> None:
    scenario = Trace.read(TRACES[name]).scenario
    comparison = compare(TRACES[name], runs=RUNS, simulated_with={"access.uplink": scenario.access.uplink / 2})
    assert "p2p_times" in failed(comparison)


@pytest.mark.slow
def test_no_nat_is_detected_on_recordings_behind_nats() -> None:
    recordings = [folder for name, folder in TRACES.items() if name.startswith("measured-nat-")]
    with_nats, without = (
        compare_scenarios(recordings, CompareOptions(replications=9, simulated_with=changes), RUNS)[0]
        for changes in (dict[str, object](), {"nat.mix": "open"})
    )
    assert not {"p2p_ratio", "peers_over_time"} & failed(with_nats)
    assert failed(without) >= {"p2p_ratio", "peers_over_time"}


@pytest.mark.slow
def test_no_nat_is_detected(behind_nats: Trace) -> None:
    comparison = compare(behind_nats, runs=RUNS, simulated_with={"nat.mix": "open"})
    assert failed(comparison) >= {"p2p_ratio", "peers_over_time"}


@pytest.mark.slow
def test_with_its_nats_it_agrees(behind_nats: Trace) -> None:
    assert failed(compare(behind_nats, runs=RUNS)) == set()
