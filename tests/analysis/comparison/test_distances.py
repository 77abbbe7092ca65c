"""Distances with known values, and their size by random variation."""

import math

import numpy as np
import pytest

from p2psim.analysis.comparison.distances import curve_distance, time_distance
from p2psim.rng import stream


def test_the_distance_of_a_shift_is_the_shift() -> None:
    times = stream(1, "times").exponential(1.0, 500)
    distance = time_distance([times], [times + 0.3])
    assert distance.value == pytest.approx(0.3)
    assert distance.relative == pytest.approx(0.3 / times.mean())
    assert math.isnan(distance.own), "one simulated run has no random variation"


def test_runs_are_pooled() -> None:
    distance = time_distance([np.array([1.0]), np.array([3.0])], [np.array([3.0, 1.0]), np.empty(0)])
    assert (distance.value, distance.least) == (0.0, 2)


def test_equal_distributions_differ_by_random_variation() -> None:
    rng = stream(2, "times")
    runs = [rng.exponential(1.0, 200) for _ in range(21)]
    distance = time_distance(runs[:1], runs[1:])
    assert 0.02 < distance.own < 0.2
    assert distance.relative < 3 * distance.own


def test_without_values_there_is_no_distance() -> None:
    distance = time_distance([np.empty(0)], [np.array([1.0])])
    assert math.isnan(distance.relative)
    assert distance.least == 0


def test_the_distance_of_curves_is_the_mean_absolute_difference() -> None:
    distance = curve_distance([np.array([1.0, 3.0]), np.array([3.0, 5.0])], [np.array([1.0, 5.0, 9.0])])
    assert distance.value == pytest.approx((1 + 1) / 2), "means 2 and 4 against 1 and 5; what is longer is cut"
    assert distance.relative == pytest.approx(1 / 3)
