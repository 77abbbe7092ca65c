"""Comparisons of simulated traces, used in place of measured ones, with their own simulator."""

import dataclasses
import math
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from p2psim import compare
from p2psim.analysis.comparison.compare import (
    COMPARED,
    CompareOptions,
    compare_all,
    compare_scenarios,
    compare_traces,
    with_recorded_arrivals,
)
from p2psim.analysis.comparison.gate import GATE, LIMITS, check_difference
from p2psim.analysis.comparison.junit import junit
from p2psim.analysis.comparison.result import Comparison
from p2psim.analysis.metrics import metrics
from p2psim.analysis.statistics import difference, student
from p2psim.errors import InputError, TraceError
from p2psim.scenario import Scenario
from p2psim.simulation import run
from p2psim.trace import Manifest, Trace, totals
from tests.traces import duet

SCENARIO = Scenario.load("live-24s").replace({"duration": "60 s", "viewers.count": 6, "viewers.arrival_period": "5 s"})


def measured(scenario: Scenario = SCENARIO, seed: int = 99) -> Trace:
    trace = run(scenario, seed=seed, events=True).trace
    assert trace is not None
    plain = trace.manifest.to_dict() | {"world": "measured", "name": "as-measured"}
    return dataclasses.replace(trace, manifest=Manifest(**plain))


@pytest.fixture(scope="module")
def own() -> Comparison:
    return compare(measured(), replications=4, margin=0.1)


def test_the_simulator_agrees_with_itself(own: Comparison) -> None:
    assert own.agrees
    share = own.differences["p2p_ratio"]
    assert abs(share.interval.mean) < 0.05
    assert share.interval.mean == pytest.approx(share.simulated - share.measured)
    assert own.distances["http"] < 1.0


def test_another_policy_is_detected() -> None:
    other = measured(SCENARIO.replace({"policy.p2pDownloadTimeWindow": "0 s"}))
    fake = dataclasses.replace(other, scenario=SCENARIO)
    comparison = compare(fake, replications=4)
    assert not comparison.agrees
    assert comparison.differences["p2p_ratio"].interval.low > 0


@pytest.mark.slow
def test_recorded_arrival_times_are_simulated() -> None:
    trace = measured()
    late = dataclasses.replace(trace, tables={**trace.tables, "viewers": trace["viewers"].assign(joined_at=50.0)})
    comparison = compare(late, replications=2)
    assert comparison.differences["http_bytes"].simulated < comparison.differences["http_bytes"].measured


def test_json_has_stable_names(own: Comparison) -> None:
    plain = own.to_dict()
    assert plain["trace"] == "as-measured"
    assert set(COMPARED) <= set(plain)
    assert set(plain["p2p_ratio"]) >= {"measured", "simulated", "difference", "low", "high"}
    assert plain["equivalence"]["equivalent"] is True


def test_the_margin_decides(own: Comparison) -> None:
    assert not compare(measured(), replications=4, margin=1e-6).agrees


def test_two_traces_are_compared_without_simulation() -> None:
    same = compare_traces(duet("measured"), duet())
    assert same.agrees
    assert same.differences["p2p_ratio"].interval.mean == 0
    assert math.isnan(same.differences["p2p_ratio"].interval.low)
    assert same.distances == {"http": 0.0, "p2p": 0.0}


def cases(text: str) -> dict[str, ET.Element]:
    return {str(case.get("name")): case for case in ET.fromstring(text)}


def test_junit_has_a_case_for_each_trace_and_metric(own: Comparison) -> None:
    suite = ET.fromstring(junit([own, own]))
    assert int(suite.get("tests", "")) == 2 * len(LIMITS) == len(suite)
    assert suite.get("failures") == "0"
    skipped = {name for name, case in cases(junit([own])).items() if case.find("skipped") is not None}
    assert skipped >= set(LIMITS) - set(GATE)


def test_a_junit_failure_has_the_values() -> None:
    comparison = compare(measured(), replications=4, simulated_with={"access.uplink": "1 Mbit/s"})
    suite = ET.fromstring(junit([comparison]))
    assert int(suite.get("failures", "")) == sum(check.fails for check in comparison.checks) >= 1
    failure = cases(junit([comparison]))["p2p_ratio"].find("failure")
    assert failure is not None
    message = failure.get("message", "")
    assert f"measured {100 * comparison.differences['p2p_ratio'].measured:.1f} %" in message
    assert "90 % interval" in message
    assert "limit ±3 points" in message


@pytest.mark.parametrize(
    ("gaps", "verdict", "text"),
    [
        ([0.01, 0.012, 0.008, 0.01], "agrees", "agrees"),
        ([0.05, 0.02, 0.06, 0.03], "inconclusive", "inconclusive: p2p_ratio"),
        ([0.05, 0.051, 0.049, 0.05], "differs", "differs: p2p_ratio"),
    ],
)
def test_the_verdict_is_one_of_three(own: Comparison, gaps: list[float], verdict: str, text: str) -> None:
    check = check_difference("p2p_ratio", {"p2p_ratio": 0.03}, 0.7, student(gaps, 0.9))
    comparison = dataclasses.replace(own, checks=(check,))
    assert (comparison.verdict, comparison.verdict_text) == (verdict, text)
    assert comparison.agrees is (verdict == "agrees"), "the gate fails unless all metrics agree"
    failure = cases(junit([comparison]))["p2p_ratio"].find("failure")
    assert (None if failure is None else failure.get("type")) == (None if comparison.agrees else verdict)
    assert failure is None or failure.get("message", "").startswith(f"{verdict}: ")


def test_differing_metrics_are_listed_before_inconclusive_ones(own: Comparison) -> None:
    gate = {"p2p_ratio": 0.03, "stall_ratio": 0.01}
    checks = [
        check_difference("p2p_ratio", gate, 0.7, student([0.05, 0.02, 0.06, 0.03], 0.9)),
        check_difference("stall_ratio", gate, 0.0, student([0.05, 0.051, 0.049, 0.05], 0.9)),
    ]
    comparison = dataclasses.replace(own, checks=tuple(checks))
    assert (comparison.verdict, comparison.verdict_text) == ("differs", "differs: stall_ratio; inconclusive: p2p_ratio")


# -- recordings of one scenario ---------------------------------------------------------------------------------------


@pytest.mark.slow
def test_recordings_of_a_scenario_are_compared_together() -> None:
    traces = [measured(seed=seed) for seed in (90, 91, 92)]
    other = measured(SCENARIO.replace({"stream.live_latency": "20 s"}))
    comparisons = compare_scenarios([traces[0], other, *traces[1:]], CompareOptions(replications=4))
    assert [each.recordings for each in comparisons] == [3, 1]
    assert comparisons[0].name != comparisons[1].name, "both have the name as-measured"
    shares = [metrics(totals(trace))["p2p_ratio"] for trace in traces]
    assert comparisons[0].differences["p2p_ratio"].measured == pytest.approx(np.mean(shares))
    assert comparisons[0].noise == "variance from 3 recordings"
    assert comparisons[1].noise.startswith("one recording")


@pytest.mark.slow
def test_recordings_in_the_lab_are_compared_separately() -> None:
    traces = [measured(seed=seed) for seed in (90, 91)]
    plain = traces[1].manifest.to_dict() | {"notes": {"network": "lab: a namespace each"}}
    lab = dataclasses.replace(traces[1], manifest=Manifest(**plain))
    names = [each.name for each in compare_scenarios([traces[0], lab], CompareOptions(replications=2))]
    assert names == ["as-measured-simulated", "as-measured-simulated-lab"]


@pytest.mark.slow
def test_variance_between_recordings_widens_the_interval() -> None:
    """Three equal recordings have no variance; one with three times the bytes from peers has."""
    trace = measured()
    rows = trace["transfers"]
    more = rows.assign(bytes=rows["bytes"].where(rows["source"] == "http", 3 * rows["bytes"]))
    odd = dataclasses.replace(trace, tables={**trace.tables, "transfers": more})
    alike, mixed = (
        compare_scenarios([trace, trace, third], CompareOptions(replications=6))[0].differences["p2p_ratio"].interval
        for third in (trace, odd)
    )
    assert mixed.high - mixed.low > 2 * (alike.high - alike.low)


@pytest.mark.slow
def test_different_arrival_times_do_not_widen_the_interval() -> None:
    scenario = SCENARIO.replace({"viewers.arrival_period": "20 s"})
    traces = [measured(scenario, seed=seed) for seed in (90, 91, 92)]
    received = [trace["transfers"]["bytes"].sum() for trace in traces]
    interval = compare_scenarios(traces, CompareOptions(replications=12))[0].differences["media_bytes"].interval
    assert interval.high - interval.low < 0.7 * difference(received, received, 0.90).error * 2 * 2.13
    assert interval.low < 0 < interval.high


@pytest.mark.slow
def test_each_recording_is_simulated_at_least_once() -> None:
    comparisons = compare_scenarios([measured(seed=seed) for seed in (90, 91, 92)], CompareOptions(replications=2))
    assert comparisons[0].replications == 3


def test_the_recorded_viewers_are_simulated() -> None:
    scenario = SCENARIO.replace({"nat.mix": "mobile"})
    trace = measured(scenario)
    simulated = run(with_recorded_arrivals(trace), seed=5, events=True, viewers=(99, 0)).trace
    assert simulated is not None
    assert simulated["viewers"]["nat"].tolist() == trace["viewers"]["nat"].tolist()
    own = run(scenario, seed=5, events=True).trace
    assert own is not None
    assert own["viewers"]["nat"].tolist() != trace["viewers"]["nat"].tolist()


def test_curves_have_every_run(own: Comparison) -> None:
    curves = own.curves(points=10)
    assert curves.groupby("world")["replication"].nunique().to_dict() == {"measured": 1, "simulated": 4}
    assert curves["p2p_share"].dropna().between(0, 1).all()
    real = own.timelines[own.timelines["world"] == "measured"]
    first = curves[(curves["world"] == "measured") & (curves["at"] == 0)]
    assert first["peers"].item() == pytest.approx(real["peers"].iloc[:6].mean())


def test_refusals(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="at least 2"):
        compare_all([duet()], CompareOptions(replications=1))
    with pytest.raises(TraceError, match="no such folder"):
        compare(tmp_path / "none")
