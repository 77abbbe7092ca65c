"""Calibration: a truth planted in simulated traces is recovered, and another one is not."""

import dataclasses
import math

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
SMALL = {"duration": "60 s", "viewers.count": 5, "viewers.arrival_period": "8 s", "origin.rate": "12 Mbit/s"}
DESIGNS = {
    "near": {"network.rtt": "10 ms"},
    "far": {"network.rtt": "80 ms"},
    "short": {"network.rtt": "20 ms", "stream.segment": "1 s", "stream.playlist_segments": 30},
    "kept": {"network.rtt": "40 ms", "stream.live_latency": "20 s"},
}


def measured(name: str, truth: dict[str, float] = TRUTH, seed: int = 7, **more: object) -> Trace:
    """Give a trace of a network that is known, with the scenario of somebody who does not know it."""
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
def recovered(traces) -> Calibration:
    return calibrate(traces, hold_out=["kept"], replications=4)


def holds(found: Calibration, truth: dict[str, float]) -> dict[str, bool]:
    """Whether each interval holds its truth; a simulated network has no noise, so 0.1 % is for the optimiser."""
    told = {name: found.estimates[name].interval for name in truth}
    return {name: x.low * 0.999 <= truth[name] <= x.high * 1.001 for name, x in told.items()}


def test_the_planted_truth_is_recovered(recovered) -> None:
    assert all(recovered.estimates[name].identified for name in TRUTH)
    assert all(holds(recovered, TRUTH).values()), recovered.table()
    for name, true in TRUTH.items():
        assert recovered.values[name] == pytest.approx(true, rel=0.02)
    assert not recovered.estimates["channel_rate"].identified


def test_another_truth_is_not_what_is_found(recovered) -> None:
    wrong = {name: value * 1.1 for name, value in TRUTH.items()}
    assert not any(holds(recovered, wrong).values())


def test_it_carries_to_a_scenario_scenarios_to_hold_out(recovered) -> None:
    kept = [check for check in recovered.checks if check.held_out]
    assert {check.metric for check in kept} == {"p2p_ratio", "startup", "http_time", "p2p_time"}
    assert {check.scenario for check in kept} == {"kept"}
    assert all(check.passes for check in kept), recovered.report()
    times = {check.metric: check for check in kept}
    assert abs(times["p2p_time"].error(times["p2p_time"].after)) < abs(
        times["p2p_time"].error(times["p2p_time"].before)
    )


def test_a_scenario_of_another_network_is_said_to_disagree(traces) -> None:
    slow = measured("kept", TRUTH | {"goodput": 0.5, "request": 0.5})
    found = calibrate([*(trace for trace in traces if trace.name != "kept"), slow], hold_out=["kept"], replications=2)
    assert not found.agrees
    assert all(holds(found, TRUTH).values())  # what is kept out has no part in the fit


def test_scenarios_are_scenarios_to_hold_out_by_their_names_if_none_is_asked_for(traces) -> None:
    first, second = (scenarios_to_hold_out(each, ()) for each in (traces, traces[::-1]))
    assert first == second
    assert len(first) == 1
    assert scenarios_to_hold_out(traces[:1], ()) == ()


def test_what_was_fitted_is_named_with_its_digest(traces, recovered) -> None:
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
    ("asked", "message"),
    [
        ({"hold_out": ["nowhere"]}, "accepted"),
        ({"hold_out": ["near"]}, "all are held out"),
        ({"actor": "browser"}, "none is of browser"),
        ({"actor": "nobody"}, "accepted"),
        ({"replications": 1}, "at least 2"),
    ],
)
def test_what_cannot_be_done_is_refused(traces, asked, message) -> None:
    with pytest.raises(InputError, match=message):
        calibrate(traces[:1], **asked)
