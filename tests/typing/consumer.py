"""A user's file with every public name, as the README and the guide use them; type checkers read it, nobody runs it."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import assert_type

import p2p_tracker
import pandas as pd

import p2psim
from p2psim import Scenario, Trace, calibrate, compare, difference, measure, plan, simulate, sweep
from p2psim.analysis import METRICS, Calibration, Comparison, Judge, Runs, compare_traces, load_claims
from p2psim.analysis.metrics import Metric
from p2psim.analysis.planning import Plan
from p2psim.analysis.statistics import Interval
from p2psim.experiment import Design, Results, Sweep, differences
from p2psim.simulation import Control
from p2psim.testbed import measure as measure_again


def change_a_scenario() -> Scenario:
    scenario = Scenario.load("live-24s")
    changed = scenario.replace(**{"stream.live_latency": "28 s"}).replace({"viewers.count": 200})
    assert_type(changed, Scenario)
    assert_type(changed.stream.live_latency, float)
    assert_type(changed.viewers.count, int)
    assert_type(changed.to_toml(), str)
    return changed


def simulate_it(scenario: Scenario) -> None:
    def prepare(control: Control) -> None:
        assert_type(control.viewers(), list[int])

    results = simulate(scenario, replications=5, seed=1, precision=0.02, checkpoint=Path("runs"), prepare=prepare)
    assert_type(results, Results)
    assert_type(results.summary(), pd.DataFrame)
    assert_type(results.interval("p2p_ratio"), Interval)
    assert_type(results.interval("p2p_ratio").mean, float)
    assert_type(results.baseline, Results)
    assert_type(results.traces, list[Trace])
    results.plot.timeline()
    results.save("results")


def compare_scenarios(results: Results) -> None:
    assert_type(difference("live-24s", "live-8s", "p2p_ratio"), Interval)
    assert_type(difference(results, Scenario(), replications=5), Interval)
    assert_type(differences("live-24s", Path("mine.toml")), pd.DataFrame)


def sweep_a_design() -> None:
    assert_type(sweep("latency", out="mine"), Sweep)
    assert_type(sweep(Design.load("latency"), executor=ThreadPoolExecutor(), task="3/16").table, pd.DataFrame)


def plan_a_saving() -> None:
    saving = plan("20,000", event="match", bitrate="6 Mbit/s", country="brazil", mobile="30 %", quick=True)
    assert_type(saving, Plan)
    assert_type(saving["origin_saving"], Interval)
    assert_type(saving.answer, str)


def measure_and_compare() -> None:
    trace = measure("live-24s", out="mine", lab=True)
    assert_type(trace, Trace)
    assert_type(measure_again(Scenario(), seed=2), Trace)
    assert_type(trace["viewers"], pd.DataFrame)
    assert_type(Trace.read("live-24s").name, str)
    found = compare(trace, margin=0.05, gate={"p2p_ratio": 0.03}, simulated_with={"nat.mix": "open"})
    assert_type(found, Comparison)
    assert_type(found.agrees, bool)
    assert_type(compare_traces("run-1", "run-2"), Comparison)
    assert_type(calibrate([trace, "run-1"], hold_out=["vod-staggered"]), Calibration)


def judge_claims(runs: Runs) -> Judge:
    assert_type(METRICS["p2p_ratio"], Metric)
    for claim in load_claims():
        assert_type(claim.statement, str)
    return Judge(runs, seed=1, replications=5)


async def serve_a_tracker(options: p2p_tracker.ServerOptions) -> None:
    async with p2p_tracker.serve(options) as server:
        assert_type(server, p2p_tracker.TrackerServer)


def refuse_mistakes() -> None:
    """Each line is an error of the user's: the checker of the tests complains of an ignore that ignores nothing."""
    p2psim.simulat("live-24s")  # type: ignore[attr-defined]
    simulate("live-24s", replication=5)  # type: ignore[call-arg]
    simulate("live-24s", replications="5")  # type: ignore[arg-type]
    measure("live-24s").interval("p2p_ratio")  # type: ignore[attr-defined]
