"""The calendar of events: how it is laid out changes nothing."""

import pandas as pd
import pytest

from p2psim.scenario import Scenario
from p2psim.simulation import initial_state, run
from p2psim.trace.totals import Totals

SCENARIO = Scenario.load("live-24s").replace({"viewers.count": 12, "duration": "2 min", "nat.mix": "average"})


def _totals() -> Totals:
    return run(SCENARIO).totals


@pytest.mark.parametrize(("buckets", "length"), [(1, 1e-3), (1, 1e9), (4, 1.0), (64, 0.5), (32768, 1e-3)])
def test_days_of_any_number_and_length_give_the_same_run(
    monkeypatch: pytest.MonkeyPatch, buckets: int, length: float
) -> None:
    """From every event in one heap, over most of them beyond the last day, to almost none in the heap."""
    expected = _totals()
    monkeypatch.setattr(initial_state, "_BUCKETS", buckets)
    monkeypatch.setattr(initial_state, "_BUCKET", length)
    found = _totals()
    pd.testing.assert_frame_equal(found.viewers, expected.viewers, check_exact=True)
    pd.testing.assert_frame_equal(found.timeline, expected.timeline, check_exact=True)
