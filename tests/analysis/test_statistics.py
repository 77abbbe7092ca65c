"""Intervals against tables and closed forms that were not computed here, and their coverage of a known truth."""

import math

import numpy as np
import pytest
from scipy import stats

from p2psim.analysis.statistics import bootstrap, difference, equivalence, paired, ratio, student
from p2psim.rng import stream


def test_student_interval_of_a_textbook_sample() -> None:
    # t(0.975, 4) = 2.776 (any printed table); mean 3, s = sqrt(2.5).
    found = student([1, 2, 3, 4, 5])
    assert found.mean == 3
    assert found.high - 3 == pytest.approx(2.776 * math.sqrt(2.5 / 5), rel=1e-3)
    assert 3 - found.low == pytest.approx(found.high - 3)


def test_one_value_gives_no_interval() -> None:
    for found in (student([0.4]), ratio([2], [5]), bootstrap([0.4], stream(1, "b"))):
        assert found.mean == pytest.approx(0.4)
        assert math.isnan(found.low)
        assert math.isnan(found.high)


def test_no_value_is_not_a_number() -> None:
    assert math.isnan(student([]).mean)
    assert math.isnan(student([math.nan]).mean)
    assert math.isnan(ratio([], []).mean)
    assert math.isnan(ratio([1.0], [0.0]).mean)


def test_ratio_is_of_totals_and_not_a_mean_of_ratios() -> None:
    assert ratio([1, 90], [10, 100]).mean == pytest.approx(91 / 110)


def test_ratio_of_a_constant_denominator_is_the_mean() -> None:
    values = [0.3, 0.5, 0.45, 0.7]
    plain, found = student(values), ratio([10 * v for v in values], [10.0] * 4)
    assert (found.mean, found.low, found.high) == pytest.approx((plain.mean, plain.low, plain.high))


def test_ratio_covers_the_truth_as_often_as_it_says() -> None:
    rng = stream(1, "coverage")
    hits = 0
    for _ in range(400):
        under = rng.gamma(9, 10, 8)
        found = ratio(under * 0.4 + rng.normal(0, 5, 8), under)
        hits += found.low <= 0.4 <= found.high
    assert 0.91 <= hits / 400 <= 0.98


def test_pairs_cancel_what_they_share() -> None:
    noise = stream(1, "noise").normal(0, 100, 10)
    found = paired(noise + 1, noise)
    assert (found.low, found.high) == pytest.approx((1, 1))


def test_bootstrap_agrees_with_student_on_a_mean() -> None:
    values = stream(1, "values").normal(5, 1, 200)
    found, plain = bootstrap(values, stream(1, "bootstrap")), student(values)
    assert found.low == pytest.approx(plain.low, abs=0.03)
    assert found.high == pytest.approx(plain.high, abs=0.03)


def test_difference_is_the_pooled_t_test() -> None:
    y, x = [5.1, 4.9, 5.6, 5.2], [4.8, 5.0, 4.4]
    known = stats.ttest_ind(y, x).confidence_interval(0.95)
    found = difference(y, x)
    assert (found.low, found.high) == pytest.approx((known.low, known.high))


def test_one_measured_run_counts_with_its_own_noise() -> None:
    y = [0.5, 0.52, 0.48, 0.5, 0.51]
    found = difference(y, [0.5])
    assert found.high - found.mean == pytest.approx(stats.t.ppf(0.975, 4) * np.std(y, ddof=1) * math.sqrt(1 / 5 + 1))


@pytest.mark.parametrize(
    ("values", "margin", "equivalent"),
    [
        ([0.01, -0.01, 0.02, 0.0, -0.02], 0.1, True),
        ([0.01, -0.01, 0.02, 0.0, -0.02], 0.01, False),
        ([0.3, 0.31, 0.29, 0.3, 0.3], 0.1, False),
        ([0.0, 0.5, -0.5, 0.4, -0.4], 0.1, False),  # no difference seen, but nothing shown either
    ],
)
def test_equivalence_must_be_shown(values: list[float], margin: float, equivalent: bool) -> None:
    found = equivalence(student(values), margin)
    assert found.equivalent is equivalent
    inside = -margin < found.low and found.high < margin
    assert inside is equivalent, "the 90 % interval and the p value say the same"


def test_equivalence_of_one_run_is_never_shown() -> None:
    assert not equivalence(student([0.0]), 1.0).equivalent


def test_equivalence_without_any_spread() -> None:
    assert equivalence(student([0.05] * 4), 0.1).equivalent
    assert not equivalence(student([0.2] * 4), 0.1).equivalent
