"""Tests marked `lab` are skipped where a lab cannot be built."""

import pytest

from p2psim.testbed.lab.capabilities import missing_capabilities


@pytest.fixture(autouse=True)
def _skip_without_a_lab(request: pytest.FixtureRequest) -> None:
    """Skip a test marked `lab`, with the reason, where a lab cannot be built."""
    if request.node.get_closest_marker("lab") and missing_capabilities():
        pytest.skip("; ".join(missing_capabilities()))
