"""Calibration recovers the parameters of simulated traces."""

import dataclasses
import math
from typing import Any

import pytest

from p2psim import Scenario, calibrate
from p2psim.analysis.calibration.fit import Calibration, FitCheck, scenarios_to_hold_out, trace_digest
from p2psim.errors import InputError
from p2psim.simulation import run
from p2psim.trace import Manifest, Trace

TRUTH = {
    "goodput": 0.9, "request": 0.03, "http_request": 0.02, "window": 40_000.0, "gather": 0.11, "handshake": 0.25,
    "handshake_trips": 4.0,
}  # fmt: skip
SMALL: dict[str, object] = {
    "duration": "60 s",
    "viewers.count": 5,
    "viewers.arrival_period": "8 s",
    "origin.rate": "12 Mbit/s",
}
DESIGNS: dict[str, dict[str, object]] = {
    "near": {"network.rtt": "10 ms"},
    "far": {"network.rtt": "80 ms"},
    "short": {"network.rtt": "20 ms", "stream.segment": "1 s", "stream.playlist_segments": 30},
    "kept": {"network.rtt": "40 ms", "stream.live_latency": "20 s"},
}


def measured(name: str, truth: dict[str, float] = TRUTH, seed: int = 7, **more: object) -> Trace:
    """Return a trace of a known network, with a scenario that has the default network."""
    scenario = Scenario.load("live-24s").replace({**SMALL, **DESIGNS[name], "name": name, **more})
    real = scenario.replace({f"network.{key}": value for key, value in truth.items()})
    trace = run(real, seed=seed, events=True).trace
    assert trace is not None
    plain = trace.manifest.to_dict() | {"world": "measured", "name": name, "scenario_digest": scenario.digest}
    return dataclasses.replace(trace, scenario=scenario, manifest=Manifest(**plain))


@pytest.fixture(scope="module")
def traces() -> list[Trace]:
    more = [("kept", seed) for seed in (8, 9, 10)] + [("far", seed) for seed in (8, 9, 10)]
    return [*(measured(name) for name in DESIGNS), *(measured(name, seed=seed) for name, seed in more)]


@pytest.fixture(scope="module")
def recovered(traces: list[Trace]) -> Calibration:
    return calibrate(traces, hold_out=["kept"], replications=4)


def covers(calibration: Calibration, truth: dict[str, float]) -> dict[str, bool]:
    """Return whether each interval contains the true value, up to 0.1 % for the optimiser: there is no noise."""
    intervals = {name: calibration.estimates[name].interval for name in truth}
    return {name: x.low * 0.999 <= truth[name] <= x.high * 1.001 for name, x in intervals.items()}


@pytest.mark.slow
def test_the_true_values_are_recovered(recovered: Calibration) -> None:
    assert all(recovered.estimates[name].identified for name in TRUTH)
    assert all(covers(recovered, TRUTH).values()), recovered.table()
    for name, true in TRUTH.items():
        assert recovered.values[name] == pytest.approx(true, rel=0.02)
    assert not recovered.estimates["channel_rate"].identified


@pytest.mark.slow
def test_intervals_exclude_other_values(recovered: Calibration) -> None:
    wrong = {name: value * 1.1 for name, value in TRUTH.items()}
    assert not any(covers(recovered, wrong).values())


@pytest.mark.slow
def test_it_predicts_a_held_out_scenario(recovered: Calibration) -> None:
    held_out = [check for check in recovered.checks if check.held_out]
    assert {check.metric for check in held_out} == {"p2p_ratio", "startup", "http_time", "p2p_time"}
    assert {check.scenario for check in held_out} == {"kept"}
    assert all(check.passes for check in held_out), recovered.report()
    times = {check.metric: check for check in held_out}
    assert abs(times["p2p_time"].error(times["p2p_time"].after)) < abs(
        times["p2p_time"].error(times["p2p_time"].before)
    )


@pytest.mark.slow
def test_a_scenario_of_another_network_disagrees(traces: list[Trace]) -> None:
    slow = measured("kept", TRUTH | {"goodput": 0.5, "request": 0.5})
    calibration = calibrate(
        [*(trace for trace in traces if trace.name != "kept"), slow], hold_out=["kept"], replications=2
    )
    assert not calibration.agrees
    assert all(covers(calibration, TRUTH).values())  # held-out traces do not influence the fit


@pytest.mark.slow
def test_scenarios_are_held_out_by_their_names_if_none_is_requested(traces: list[Trace]) -> None:
    first, second = (scenarios_to_hold_out(each, ()) for each in (traces, traces[::-1]))
    assert first == second
    assert len(first) == 1
    assert scenarios_to_hold_out(traces[:1], ()) == ()


@pytest.mark.slow
def test_fitted_traces_are_listed_with_their_digests(traces: list[Trace], recovered: Calibration) -> None:
    fitted = ["near (seed 7)", "far (seed 7)", "short (seed 7)", *(f"far (seed {seed})" for seed in (8, 9, 10))]
    assert list(recovered.sources) == fitted
    assert recovered.sources["near (seed 7)"] == trace_digest(traces[0])
    rows = traces[0]["transfers"].assign(bytes=1)
    changed = dataclasses.replace(traces[0], tables={**traces[0].tables, "transfers": rows})
    assert trace_digest(changed) != trace_digest(traces[0])


def test_shares_are_judged_in_points_and_times_relatively() -> None:
    share = FitCheck("x", "p2p_ratio", 0.5, 0.6, 0.525, held_out=True)
    time = FitCheck("x", "startup", 0.5, 0.6, 0.56, held_out=True)
    none = FitCheck("x", "p2p_time", math.nan, 1.0, 1.0, held_out=True)
    assert share.error(share.after) == pytest.approx(0.025)
    assert time.error(time.after) == pytest.approx(0.12)
    assert [share.passes, time.passes, none.passes] == [True, False, True]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hold_out": ["nowhere"]}, "accepted"),
        ({"hold_out": ["near"]}, "all are held out"),
        ({"actor": "browser"}, "none is of browser"),
        ({"actor": "nobody"}, "accepted"),
        ({"replications": 1}, "at least 2"),
    ],
)
def test_invalid_options_are_refused(traces: list[Trace], options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        calibrate(traces[:1], **options)
