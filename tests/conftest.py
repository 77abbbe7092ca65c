"""For all tests: on a machine that promises everything (P2PSIM_EVERYTHING=1, as in CI) a skipped test has failed.

Hypothesis does not judge by the clock: machines are busy.
"""

import os
from collections.abc import Generator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")

REAL = {"lab", "browser", "testbed"}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Real viewers and their network run alone: another test beside them would take their processor time."""
    for item in items:
        if REAL & {mark.name for mark in item.iter_markers()}:
            item.add_marker("alone")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    report = yield
    expected = hasattr(report, "wasxfail")
    if report.skipped and not expected and os.environ.get("P2PSIM_EVERYTHING") == "1":
        report.outcome = "failed"
        report.longrepr = f"skipped, although everything should run here: {report.longrepr[-1]}"
    return report
