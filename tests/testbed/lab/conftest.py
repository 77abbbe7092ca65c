import pytest

from p2psim.testbed.lab.capabilities import missing_capabilities


@pytest.fixture(autouse=True)
def _needs_a_lab(request: pytest.FixtureRequest):
    """Skip what is marked `lab` where a lab cannot be built, and say why."""
    if request.node.get_closest_marker("lab") and missing_capabilities():
        pytest.skip("; ".join(missing_capabilities()))
