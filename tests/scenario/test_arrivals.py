"""Arrival times and viewing times have the distributions that a scenario asks for."""

import numpy as np
import pytest

from p2psim.scenario import Population, Scenario, populate


def draw(replication: int = 0, /, **changes: object) -> Population:
    scenario = Scenario().replace({"duration": 600.0, "viewers.count": 2000, **changes})
    return populate(scenario, 1, replication)


def test_viewing_times_have_their_mean_whatever_their_law() -> None:
    for spread in (0.0, 1.0):
        viewers = draw(
            **{
                "duration": 1e6,
                "viewers.count": 20000,
                "viewers.mean_viewing_time": 100.0,
                "viewers.viewing_time_spread": spread,
            }
        )
        assert (viewers.left_at - viewers.joined_at).mean() == pytest.approx(100, rel=0.05)


def test_poisson_keeps_the_audience_at_its_size() -> None:
    viewers = draw(
        **{
            "viewers.count": 200,
            "viewers.arrivals": "poisson",
            "viewers.mean_viewing_time": 60.0,
            "viewers.arrival_period": 0.0,
        }
    )
    at = np.arange(0, 600, 10)
    present = [(np.sum((viewers.joined_at <= t) & (viewers.left_at > t))) for t in at]
    assert np.mean(present) == pytest.approx(200, rel=0.1)


def test_recorded_arrivals_are_taken_as_they_are() -> None:
    joins = (5.0, 1.0, 3.0)
    viewers = draw(**{"viewers.count": 3, "viewers.arrivals": "recorded", "viewers.arrival_times": joins})
    assert viewers.joined_at.tolist() == [1.0, 3.0, 5.0]
    assert (viewers.left_at == 600.0).all()


def test_a_surge_brings_what_its_integral_says() -> None:
    """Base rate λ, factor s: a rise over r seconds adds λ(s-1)r/2, its decay λ(s-1)d once it has died away."""
    changes = {
        "viewers.arrivals": "flash", "viewers.count": 2000, "viewers.arrival_period": 0.0,
        "viewers.mean_viewing_time": 1000.0, "viewers.surge_factor": 10.0, "viewers.surge_at": 100.0,
        "viewers.surge_rise": 60.0, "viewers.surge_decay": 40.0,
    }  # fmt: skip
    came = np.mean([np.sum(draw(replication, **changes).joined_at > 0) for replication in range(10)])
    assert came == pytest.approx(2.0 * (600 + 9 * (60 / 2 + 40)), rel=0.02)
    joined = draw(**changes).joined_at
    peak, quiet = np.sum((joined > 150) & (joined < 170)), np.sum((joined > 20) & (joined < 40))
    assert peak / quiet > 5


def test_a_day_swings_around_its_mean() -> None:
    changes = {
        "duration": 4000.0, "viewers.arrivals": "diurnal", "viewers.mean_viewing_time": 10.0, "viewers.count": 50,
        "viewers.day_length": 1000.0, "viewers.start_time_of_day": 0.0, "viewers.peak_time_of_day": 250.0,
        "viewers.daily_swing": 0.8, "viewers.arrival_period": 0.0,
    }  # fmt: skip
    joined = draw(**changes).joined_at
    assert len(joined) == pytest.approx(4000 * 5, rel=0.05)
    phase = joined % 1000
    top, bottom = np.sum((phase > 200) & (phase < 300)), np.sum((phase > 700) & (phase < 800))
    # mean of 1 ± 0.8 cos over ±18 degrees
    assert top / bottom == pytest.approx((1 + 0.8 * 0.984) / (1 - 0.8 * 0.984), rel=0.15)


def test_viewing_times_may_be_fixed_or_recorded() -> None:
    fixed = draw(**{"viewers.mean_viewing_time": 50.0, "viewers.fixed_viewing_time": True})
    assert (fixed.left_at - fixed.joined_at) == pytest.approx(np.full(2000, 50.0))
    changes = {
        "viewers.count": 2,
        "viewers.arrivals": "recorded",
        "viewers.arrival_times": (5.0, 1.0),
        "viewers.viewing_times": (7, 9),
    }
    recorded = draw(**changes)
    assert recorded.left_at.tolist() == [10.0, 12.0]
