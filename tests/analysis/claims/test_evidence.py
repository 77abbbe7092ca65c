"""Numbers that only claims ask for."""

import math

import pytest

from p2psim.analysis.claims.evidence import growth_exponent, sample_interval, stale_offer_counts, with_bills
from p2psim.simulation import Run
from p2psim.trace import totals
from tests.traces import TraceBuilder, duet


@pytest.mark.parametrize("exponent", [0.0, 0.5, 1.0])
def test_growth_recovers_its_exponent(exponent: float) -> None:
    sizes = [10, 100, 1000]
    assert growth_exponent([7 * size**exponent for size in sizes], sizes) == pytest.approx(exponent)


def test_growth_of_nothing() -> None:
    assert math.isnan(growth_exponent([0.0, 1.0], [1, 2]))


def test_staleness_is_a_share_of_the_offers_passed_on() -> None:
    run = Run(totals(duet()), None, stale_offers=3, live_offers=9)
    assert stale_offer_counts(run) == {"stale_offers": 3.0, "offers": 12.0}


def test_sample_interval_is_within_viewers() -> None:
    story = TraceBuilder()
    for viewer, first in (("a", 0.5), ("b", 1.25)):
        story.viewer(viewer)
        for step in range(5):
            story.sample(viewer, first + 2 * step)
    assert sample_interval(story.trace()) == {"sample_interval": 2.0}
    assert math.isnan(sample_interval(TraceBuilder().trace())["sample_interval"])


def test_a_month_is_thirty_days_at_the_rate_seen() -> None:
    # 5 Gbit/s for a month is the 1.6 PB of the claim.
    found = with_bills({"origin_bytes": 625e6 * 60, "seconds": 60.0}, None)
    assert found["month_bytes"] == pytest.approx(1.62e15)
