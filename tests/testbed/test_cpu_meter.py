"""How busy the cores of a run are."""

import os
import time
from collections.abc import Iterator

import pytest

from p2psim.testbed.cpu_meter import CpuMeter


@pytest.fixture
def bound() -> Iterator[int]:
    """Be bound to a single core; its number."""
    allowed = os.sched_getaffinity(0)
    core = min(allowed)
    os.sched_setaffinity(0, {core})
    yield core
    os.sched_setaffinity(0, allowed)


@pytest.mark.usefixtures("bound")
def test_counts_the_cores_that_the_run_may_use() -> None:
    meter = CpuMeter({})
    until = time.monotonic() + 0.5
    while time.monotonic() < until:
        pass
    meter.read()
    found = meter.to_dict()
    assert found["cores"] == 1
    assert found["busy"] > 0.9, "the only core was never idle, whatever the other ones did"
