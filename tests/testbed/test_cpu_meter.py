"""CPU load of the cores of a run."""

import os
import time
from collections.abc import Iterator

import pytest

from p2psim.testbed.cpu_meter import CpuMeter


@pytest.fixture
def bound() -> Iterator[int]:
    """Bind this process to a single core, whose number is returned."""
    allowed = os.sched_getaffinity(0)
    core = min(allowed)
    os.sched_setaffinity(0, {core})
    yield core
    os.sched_setaffinity(0, allowed)


@pytest.mark.usefixtures("bound")
def test_load_is_that_of_the_cores_that_the_run_may_use() -> None:
    meter = CpuMeter({})
    until = time.monotonic() + 0.5
    while time.monotonic() < until:
        pass
    meter.read()
    cpu = meter.to_dict()
    assert cpu["cores"] == 1
    assert cpu["busy"] > 0.9, "the only core of the run was never idle"
