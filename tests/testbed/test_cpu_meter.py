"""CPU load of the cores of a run."""

import os
import time
from collections.abc import Iterator

import pytest

from p2psim.testbed.cpu_meter import CpuMeter, load_warnings


@pytest.fixture
def bound() -> Iterator[int]:
    """Bind this process to a single core, whose number is returned."""
    allowed = os.sched_getaffinity(0)
    core = min(allowed)
    os.sched_setaffinity(0, {core})
    yield core
    os.sched_setaffinity(0, allowed)


@pytest.mark.slow
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


def test_a_busy_machine_is_warned_of() -> None:
    quiet: dict[str, float] = {"busy": 0.8, "others": 0.25, "cores": 2}
    assert load_warnings(quiet) == []
    assert load_warnings({"busy": 0.5}) == []
    assert load_warnings(quiet | {"busy": 0.81}) == [
        "the machine was busy to 81%, more than 80%: measure fewer viewers, or less"
    ]
    assert load_warnings(quiet | {"others": 0.6}) == [
        "other programs used 0.60 cores during the run, more than 0.25: stop them"
    ]
