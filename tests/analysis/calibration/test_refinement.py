"""Estimation of the goodput by simulation, which needs enough traces."""

import numpy as np
import pytest

from p2psim.analysis.calibration.identification import Estimate
from p2psim.analysis.calibration.refinement import refine_goodput, with_network
from p2psim.analysis.runs import Runs
from p2psim.trace import Trace
from tests.analysis.calibration.test_fit import measured


@pytest.fixture(scope="module")
def traces() -> list[Trace]:
    truth = {"goodput": TRUTH, "request": 0.02}
    return [measured("near", truth, seed, duration="40 s", **{"viewers.count": 4}) for seed in range(20, 25)]


TRUTH = 0.83


def refined(traces: list[Trace]) -> Estimate:
    return refine_goodput(
        traces, lambda goodput: {"request": 0.02}, runs=Runs(1), replications=2, seed=1, rng=np.random.default_rng(1)
    )


@pytest.mark.slow
def test_all_transfers_together_tell_the_goodput(traces: list[Trace]) -> None:
    estimate = refined(traces)
    assert estimate.identified
    assert estimate.interval.mean == pytest.approx(TRUTH, abs=0.03)
    assert estimate.interval.low - 0.01 <= TRUTH <= estimate.interval.high + 0.01, "two simulations of each are few"
    assert estimate.interval.high - estimate.interval.low < 0.2


def test_few_traces_do_not(traces: list[Trace]) -> None:
    estimate = refined(traces[:4])
    assert not estimate.identified
    assert "not identified by these traces" in estimate.how


def test_only_the_network_is_changed(traces: list[Trace]) -> None:
    changed = with_network(traces[0], {"goodput": 0.5}).scenario
    assert changed.network.goodput == 0.5
    assert changed.replace({"network.goodput": traces[0].scenario.network.goodput}) == traces[0].scenario
