"""Distances: known on paper, and never below what chance makes."""

import math

import numpy as np
import pytest

from p2psim.analysis.comparison.distances import curve_distance, time_distance
from p2psim.rng import stream


def test_a_shift_is_as_far_as_it_is() -> None:
    times = stream(1, "times").exponential(1.0, 500)
    found = time_distance([times], [times + 0.3])
    assert found.value == pytest.approx(0.3)
    assert found.relative == pytest.approx(0.3 / times.mean())
    assert math.isnan(found.own), "from one simulated run nothing is known of chance"


def test_recordings_and_runs_are_taken_together() -> None:
    found = time_distance([np.array([1.0]), np.array([3.0])], [np.array([3.0, 1.0]), np.empty(0)])
    assert (found.value, found.least) == (0.0, 2)


def test_equal_worlds_are_as_far_apart_as_chance_makes_runs() -> None:
    rng = stream(2, "times")
    runs = [rng.exponential(1.0, 200) for _ in range(21)]
    found = time_distance(runs[:1], runs[1:])
    assert 0.02 < found.own < 0.2
    assert found.relative < 3 * found.own


def test_nothing_to_compare() -> None:
    found = time_distance([np.empty(0)], [np.array([1.0])])
    assert math.isnan(found.relative)
    assert found.least == 0


def test_curves_differ_by_the_mean_of_their_gaps() -> None:
    found = curve_distance([np.array([1.0, 3.0]), np.array([3.0, 5.0])], [np.array([1.0, 5.0, 9.0])])
    assert found.value == pytest.approx((1 + 1) / 2), "means 2 and 4 against 1 and 5; what is longer is cut"
    assert found.relative == pytest.approx(1 / 3)
