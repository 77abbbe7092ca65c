"""Fixtures of the tests of sweeps."""

import pytest

from p2psim.experiment import Sweep, sweep
from tests.experiment.small_sweep import DESIGN


@pytest.fixture(scope="session")
def alone() -> Sweep:
    return sweep(DESIGN, jobs=1, progress=False)
