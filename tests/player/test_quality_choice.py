"""The choice of quality, against hls.js's own arithmetic written out."""

import math

import numpy as np
import pytest

from p2psim.player.quality_choice import best_level, estimate, learn

LADDER = np.array([1.0, 2.0, 4.0, 8.0]) * 125_000


def test_before_the_first_segment_the_default_counts() -> None:
    assert estimate(np.zeros((1, 3)), 0, 62_500.0, 3.0, 9.0) == 62_500.0


def test_a_steady_bandwidth_is_found_at_once() -> None:
    averages = np.zeros((1, 3))
    learn(averages, 0, 500_000.0, 2.0, 3.0, 9.0)
    assert estimate(averages, 0, 1.0, 3.0, 9.0) == pytest.approx(250_000)


def test_averages_are_those_of_hls_js() -> None:
    """EWMA with α = ½^(1/half-life), weighted by seconds, corrected for its beginning; the lower of two counts."""
    averages = np.zeros((1, 3))
    slow, fast, weight = 0.0, 0.0, 0.0
    for size, seconds in [(1e6, 1.0), (1e6, 4.0), (2e5, 0.5), (3e6, 2.0)]:
        learn(averages, 0, size, seconds, 3.0, 9.0)
        alphas = math.exp(math.log(0.5) / 3) ** seconds, math.exp(math.log(0.5) / 9) ** seconds
        fast = size / seconds * (1 - alphas[0]) + alphas[0] * fast
        slow = size / seconds * (1 - alphas[1]) + alphas[1] * slow
        weight += seconds
    expected = min(fast / (1 - 0.5 ** (weight / 3)), slow / (1 - 0.5 ** (weight / 9)))
    assert estimate(averages, 0, 1.0, 3.0, 9.0) == pytest.approx(expected)


def test_down_quickly_up_slowly() -> None:
    averages = np.zeros((1, 3))
    for _ in range(10):
        learn(averages, 0, 1e6, 1.0, 3.0, 9.0)
    learn(averages, 0, 1e5, 3.0, 3.0, 9.0)  # a drop to a thirtieth for one half-life of the fast average
    low = estimate(averages, 0, 1.0, 3.0, 9.0)
    assert low == pytest.approx((1e6 + 1e5 / 3) / 2, rel=0.05)
    learn(averages, 0, 3e6, 3.0, 3.0, 9.0)
    assert estimate(averages, 0, 1.0, 3.0, 9.0) < 0.85e6


@pytest.mark.parametrize(
    ("bandwidth", "level", "chosen"),
    [
        (0.5, 0, 0),  # below the lowest: the lowest
        (2.2, 1, 1),  # 0.95 × 2.2 > 2: stays
        (2.2, 0, 0),  # 0.7 × 2.2 < 2: does not go up
        (2.9, 0, 1),
        (2.05, 1, 0),  # 0.95 × 2.05 < 2: goes down
        (100, 0, 3),
    ],
)
def test_levels_are_kept_with_95_percent_and_reached_with_70(bandwidth: float, level: int, chosen: int) -> None:
    assert best_level(LADDER, level, bandwidth * 125_000, 0.95, 0.7, 4.0, math.inf) == chosen


def test_a_recording_must_load_before_the_buffer_is_dry() -> None:
    fast = 10 * 125_000.0  # 4 s of 4 Mbit/s load in 4 × 4 / 7 = 2.3 s
    assert best_level(LADDER, 0, fast, 0.95, 0.7, 4.0, 3.0) == 2
    assert best_level(LADDER, 0, fast, 0.95, 0.7, 4.0, 2.0) == 1
    # nothing loads in time: the highest that stalls for less than 4 s more
    assert best_level(LADDER, 0, fast, 0.95, 0.7, 4.0, 0.1) == 2
