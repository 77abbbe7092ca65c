"""The solvers that the benchmark compares give the same ends of the same transfers."""

import numpy as np
import pytest

from tests.benchmarks.flows import by_full_solution, by_kernel, transfers
from tests.benchmarks.simpy_twin import by_simpy


@pytest.mark.slow
@pytest.mark.parametrize(("viewers", "load"), [(4, 0.9), (40, 0.5), (40, 0.9)])
def test_simpy_twin_ends_its_transfers_when_the_kernel_does(viewers: int, load: float) -> None:
    work = transfers(viewers, 2000 / viewers, load)
    assert len(work.at) > 500
    assert by_kernel(work).ended == pytest.approx(by_simpy(work).ended, rel=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("load", [0.5, 0.9])
def test_repair_ends_thousands_of_transfers_as_full_solutions_do(load: float) -> None:
    work = transfers(150, 40.0, load, seed=2)
    assert len(work.at) > 2500
    kernel, full = by_kernel(work), by_full_solution(work)
    assert kernel.ended == pytest.approx(full.ended, rel=1e-9)
    assert kernel.touched < full.touched / 3


@pytest.mark.slow
def test_the_local_rule_is_not_the_same() -> None:
    """It gives away what a transfer cannot use: transfers last longer."""
    work = transfers(40, 50.0, 0.8)
    exact, local = (np.mean(by_simpy(work, rule).ended - work.at) for rule in ("full", "local"))
    assert local > 1.1 * exact
