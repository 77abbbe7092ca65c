"""Numbers that only claims ask for."""

import math

import pytest

from p2psim.analysis.evidence import growth, list_error, sample_interval, with_bills
from tests.traces import Story


@pytest.mark.parametrize("exponent", [0.0, 0.5, 1.0])
def test_growth_recovers_its_exponent(exponent: float) -> None:
    sizes = [10, 100, 1000]
    assert growth([7 * size**exponent for size in sizes], sizes) == pytest.approx(exponent)


def test_growth_of_nothing() -> None:
    assert math.isnan(growth([0.0, 1.0], [1, 2]))


def test_list_error_counts_ghosts_and_the_forgotten() -> None:
    story = Story()
    story.viewer("a")
    story.viewer("b", left=5.0, departure="crash")
    story.announce("a", 1.0, known=2)  # right
    story.announce("a", 6.0, known=2)  # a ghost
    story.announce("a", 8.0, known=0)  # forgotten
    story.announce("b", 5.0, known=9, event="stopped")  # a goodbye asks for nothing
    assert list_error(story.trace()) == {"listed_wrongly": 2.0, "listed": 4.0}


def test_sample_interval_is_within_viewers() -> None:
    story = Story()
    for viewer, first in (("a", 0.5), ("b", 1.25)):
        story.viewer(viewer)
        for step in range(5):
            story.sample(viewer, first + 2 * step)
    assert sample_interval(story.trace()) == {"sample_interval": 2.0}
    assert math.isnan(sample_interval(Story().trace())["sample_interval"])


def test_a_month_is_thirty_days_at_the_rate_seen() -> None:
    # 5 Gbit/s for a month is the 1.6 PB of the claim.
    found = with_bills({"origin_bytes": 625e6 * 60, "seconds": 60.0}, None)
    assert found["month_bytes"] == pytest.approx(1.62e15)
