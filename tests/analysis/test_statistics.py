"""Intervals against tables and closed forms that were not computed here, and their coverage of a known truth."""

import math

import numpy as np
import pytest
from scipy import stats

from p2psim.analysis.statistics import (
    Interval,
    block_difference,
    bootstrap,
    bootstrap_ratio,
    difference,
    equivalence,
    is_precise,
    paired,
    ratio,
    ratio_difference,
    replications_for,
    student,
)
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


def test_difference_is_welchs_t_test() -> None:
    y, x = [5.1, 4.9, 5.6, 5.2], [4.8, 5.0, 4.4]
    known = stats.ttest_ind(y, x, equal_var=False).confidence_interval(0.95)
    found = difference(y, x)
    assert (found.low, found.high) == pytest.approx((known.low, known.high))


def test_runs_that_never_differ_have_an_interval_of_no_width() -> None:
    found = difference([0.5, 0.5, 0.5], [0.25, 0.25])
    assert (found.low, found.mean, found.high) == (0.25, 0.25, 0.25)
    assert math.isnan(difference([0.5], [0.25]).low)


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


# -- coverage of a known truth ----------------------------------------------------------------------------------------
# Tolerances are three standard errors of a binomial share, sqrt(0.95 * 0.05 / trials), beside what theory says is lost.

TRIALS = 1500


def covers(found: Interval, truth: float) -> bool:
    return found.low <= truth <= found.high


@pytest.mark.parametrize("n", [5, 10, 30])
def test_student_covers_a_normal_mean(n: int) -> None:
    rng = stream(1, "student", n)
    hits = sum(covers(student(rng.normal(3, 2, n)), 3) for _ in range(TRIALS))
    assert hits / TRIALS == pytest.approx(0.95, abs=0.017)


@pytest.mark.parametrize(("n", "expected"), [(10, 0.90), (20, 0.92), (50, 0.94)])
def test_the_bootstrap_covers_a_skewed_ratio_of_totals(n: int, expected: float) -> None:
    """BCa is second-order right: its error falls as 1/n, and is some points for few replications."""
    rng, trials = stream(1, "bca", n), 300
    hits = 0
    for _ in range(trials):
        under = rng.exponential(1, n) + 0.5
        over = 0.4 * under + rng.exponential(0.1, n)  # truth: 0.4 + 0.1 / 1.5
        hits += covers(bootstrap_ratio(over, under, rng, resamples=600), 0.4 + 0.1 / 1.5)
    assert hits / trials == pytest.approx(expected, abs=0.04)


def test_the_bootstrap_of_a_ratio_agrees_with_the_jackknife_where_nothing_is_skewed() -> None:
    rng = stream(2, "bca")
    under = rng.normal(10, 1, 60)
    over = 0.5 * under + rng.normal(0, 0.3, 60)
    one, other = bootstrap_ratio(over, under, rng), ratio(over, under)
    assert one.mean == other.mean
    assert one.low == pytest.approx(other.low, abs=0.1 * (other.high - other.low))
    assert one.high == pytest.approx(other.high, abs=0.1 * (other.high - other.low))


def test_the_bootstrap_of_a_constant_is_a_point() -> None:
    found = bootstrap_ratio([1, 2, 3], [2, 4, 6], stream(1, "b"))
    assert (found.mean, found.low, found.high) == (0.5, 0.5, 0.5)


def test_a_paired_difference_of_ratios_covers_the_truth_and_is_far_narrower() -> None:
    rng, n = stream(3, "paired"), 10
    hits, narrow, wide = 0, 0.0, 0.0
    for _ in range(TRIALS):
        under = rng.exponential(1, n) + 1
        common = rng.normal(0, 0.2, n)  # what chance does to both alike
        a = under * (0.6 + common) + rng.normal(0, 0.02, n)
        b = under * (0.5 + common) + rng.normal(0, 0.02, n)
        found = ratio_difference(a, under, b, under)
        hits += covers(found, 0.1)
        narrow += found.high - found.low
        apart = [ratio(each, under) for each in (a, b)]
        wide += math.hypot(*(each.high - each.low for each in apart))
    assert hits / TRIALS == pytest.approx(0.95, abs=0.025)
    assert narrow < wide / 5


def test_a_paired_difference_of_equals_is_nothing() -> None:
    found = ratio_difference([1, 2, 3], [4, 5, 6], [1, 2, 3], [4, 5, 6])
    assert (found.mean, found.low, found.high) == (0.0, 0.0, 0.0)


def replicate(rng: np.random.Generator, draw: str, precision: float, begin: int) -> tuple[int, Interval]:
    """What `simulate` does with a precision, on numbers instead of runs; the mean of both is 10."""
    values = np.empty(0)
    count = begin
    while True:
        more = count - len(values)
        drawn = rng.normal(10, 2, more) if draw == "normal" else 8 + rng.exponential(2, more)
        values = np.append(values, drawn)
        found = student(values)
        if is_precise(found, precision):
            return count, found
        count = replications_for(found, count, precision)


@pytest.mark.parametrize(("draw", "begin", "least"), [("normal", 10, 0.92), ("skewed", 10, 0.88), ("normal", 3, 0.85)])
def test_stopping_at_a_precision_gives_it_and_covers_little_less(draw: str, begin: int, least: float) -> None:
    rng = stream(4, draw, begin)
    ended = [replicate(rng, draw, 0.05, begin) for _ in range(TRIALS)]
    for _, found in ended:
        assert (found.high - found.low) / 2 <= 0.05 * found.mean
    # n = (1.96 * 2 / 0.5)**2 = 61 would do if the spread were known
    assert np.mean([count for count, _ in ended]) == pytest.approx(62, rel=0.15)
    covered = np.mean([covers(found, 10) for _, found in ended])
    assert least <= covered <= 0.965


def test_replications_grow_by_half_at_most_and_by_one_at_least() -> None:
    wide, narrow = Interval(1.0, 0.0, 2.0), Interval(1.0, 0.979, 1.021)
    assert replications_for(wide, 10, 0.02) == 15
    assert replications_for(narrow, 10, 0.02) == 12
    assert replications_for(Interval(1.0, 0.98, 1.02), 10, 0.02) == 11
    assert replications_for(Interval(0.0, -1.0, 1.0), 10, 0.02) == 15
    assert not is_precise(Interval(1.0), 0.5)


def test_blocks_cover_what_they_say_and_do_not_see_what_differs_between_them() -> None:
    rng = np.random.default_rng(5)
    covered = 0
    for _ in range(2000):
        levels = rng.normal(0.0, 50.0, 3)
        measured = levels + rng.normal(0.0, 1.0, 3)
        simulated = [level + 2.0 + rng.normal(0.0, 1.0, 7) for level in levels]
        found = block_difference(simulated, measured, 0.90)
        covered += found.low <= 2.0 <= found.high
        assert found.high - found.low < 5.0
    assert covered / 2000 == pytest.approx(0.90, abs=0.02)


def test_a_single_block_is_a_lone_recording() -> None:
    simulated = [3.0, 4.0, 6.0, 7.0]
    alone, welch = block_difference([simulated], [2.0], 0.90), difference(simulated, [2.0], 0.90)
    assert (alone.low, alone.high) == pytest.approx((welch.low, welch.high))
    assert math.isnan(block_difference([[1.0]], [math.nan]).mean)
    assert block_difference([[1.0]], [3.0]) == Interval(-2.0)
