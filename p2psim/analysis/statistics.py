"""Confidence intervals over replications, the stopping rule for replications, and the equivalence test.

Every interval is two-sided with confidence `level` (0.95). One replication gives no interval: its ends are NaN.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

__all__ = [
    "FEW",
    "METHODS",
    "Equivalence",
    "FewReplicationsWarning",
    "Interval",
    "block_difference",
    "bootstrap",
    "bootstrap_ratio",
    "difference",
    "equivalence",
    "few_replications",
    "is_precise",
    "jackknife",
    "paired",
    "ratio",
    "ratio_difference",
    "replications_for",
    "student",
]

METHODS = ("student", "bootstrap")
"""Ways to an interval of a metric: Student's t (of the jackknife, for ratios of totals), the BCa bootstrap."""
FEW = 5
"""Replications below which intervals are wide and unreliable."""
LEVEL = 0.95
"""Confidence level of intervals."""
Values = Sequence[float] | NDArray[np.float64]


class FewReplicationsWarning(UserWarning):
    """Warning that intervals were computed from fewer than `FEW` replications."""


def few_replications(count: int) -> str:
    """Return a warning that `count` replications are fewer than `FEW`, or an empty text."""
    return f"{count} replications: intervals are unreliable; use {FEW} or more" if count < FEW else ""


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate and its confidence interval.

    `error` and `freedom` are the standard error and the degrees of freedom of the Student-t distribution used.
    """

    mean: float
    low: float = math.nan
    high: float = math.nan
    error: float = math.nan
    freedom: float = math.nan

    def to_dict(self) -> dict[str, float]:
        """Return the values for JSON and tables."""
        return {"mean": self.mean, "low": self.low, "high": self.high}

    def mapped(self, scale: float, shift: float = 0.0) -> "Interval":
        """Return the interval of ``scale * x + shift``."""
        ends = sorted((self.low * scale + shift, self.high * scale + shift))
        return Interval(self.mean * scale + shift, ends[0], ends[1], self.error * abs(scale), self.freedom)

    def clipped(self, least: float, most: float) -> "Interval":
        """Return the interval cut to the values that are possible, `least` to `most`."""
        low, high = (min(max(end, least), most) for end in (self.low, self.high))
        return Interval(self.mean, low, high, self.error, self.freedom)


@dataclass(frozen=True, slots=True)
class Equivalence:
    """Result of two one-sided tests: equivalent if the ``1 - 2 alpha`` interval lies inside ``±margin``."""

    margin: float
    low: float
    high: float
    p_value: float
    equivalent: bool


def student(values: Values, level: float = LEVEL) -> Interval:
    """Estimate a mean by Student's t."""
    x = np.asarray(values, float)
    x = x[np.isfinite(x)]
    if len(x) == 0:
        return Interval(math.nan)
    if len(x) == 1:
        return Interval(float(x[0]))
    return _interval(float(x.mean()), float(x.std(ddof=1)) / math.sqrt(len(x)), len(x) - 1, level)


def paired(values: Values, baseline: Values, level: float = LEVEL) -> Interval:
    """Estimate the mean of ``values - baseline``, replication by replication (common random numbers)."""
    return student(np.asarray(values, float) - np.asarray(baseline, float), level)


def ratio(numerators: Values, denominators: Values, level: float = LEVEL) -> Interval:
    """Estimate a ratio of totals by the delete-one jackknife.

    The pseudo-values ``n R - (n - 1) R_{-i}`` remove the bias of order 1/n (Tukey 1958; Miller, "The jackknife",
    Biometrika 61, 1974). The estimate itself is the plain ratio of totals.
    """
    top, bottom = np.asarray(numerators, float), np.asarray(denominators, float)
    finite = np.isfinite(top) & np.isfinite(bottom)
    top, bottom = top[finite], bottom[finite]
    n = len(top)
    if n == 0 or bottom.sum() == 0:
        return Interval(math.nan)
    whole = float(top.sum() / bottom.sum())
    rest = bottom.sum() - bottom
    if n == 1 or (rest == 0).any():
        return Interval(whole)
    return jackknife(whole, (top.sum() - top) / rest, level)


def ratio_difference(
    numerators: Values, denominators: Values, other_numerators: Values, other_denominators: Values, level: float = LEVEL
) -> Interval:
    """Estimate the difference of two ratios of totals with paired replications (common random numbers).

    The jackknife leaves the same replication out of both, so that common variation cancels.
    """
    sums = np.array([numerators, denominators, other_numerators, other_denominators], float)
    sums = sums[:, np.isfinite(sums).all(axis=0)]
    if sums.shape[1] == 0 or not (sums.sum(axis=1)[[1, 3]]).all():
        return Interval(math.nan)
    totals = sums.sum(axis=1)
    whole = float(totals[0] / totals[1] - totals[2] / totals[3])
    rest = totals[:, None] - sums
    if sums.shape[1] == 1 or (rest[[1, 3]] == 0).any():
        return Interval(whole)
    return jackknife(whole, rest[0] / rest[1] - rest[2] / rest[3], level)


def bootstrap_ratio(
    numerators: Values,
    denominators: Values,
    rng: np.random.Generator,
    level: float = LEVEL,
    resamples: int = 2000,
) -> Interval:
    """Estimate a ratio of totals by the bias-corrected and accelerated bootstrap (BCa; Efron 1987) over replications.

    With all denominators equal to 1 it is the BCa interval of a mean. It suits skewed distributions better than
    Student's t but needs about twenty replications to reach its level: from ten, its coverage is about 90 %.
    """
    top, bottom = np.asarray(numerators, float), np.asarray(denominators, float)
    finite = np.isfinite(top) & np.isfinite(bottom)
    top, bottom = top[finite], bottom[finite]
    if len(top) < 2 or bottom.sum() == 0:
        return ratio(top, bottom)
    whole = float(top.sum() / bottom.sum())
    if np.ptp(top / np.where(bottom == 0, np.nan, bottom)) == 0:
        return Interval(whole, whole, whole, 0.0, math.inf)
    from scipy import stats  # imported late: it takes longer to load than the rest of the module

    result = stats.bootstrap(
        (top, bottom), _ratio_of_totals, paired=True, vectorized=True, confidence_level=level, n_resamples=resamples,
        method="BCa", rng=rng,
    )  # fmt: skip
    low, high = (float(end) for end in result.confidence_interval)
    return Interval(whole, low, high, float(result.standard_error), math.inf)


def _ratio_of_totals(top: NDArray[np.float64], bottom: NDArray[np.float64], axis: int = -1) -> NDArray[np.float64]:
    quotient: NDArray[np.float64] = top.sum(axis=axis) / bottom.sum(axis=axis)
    return quotient


def is_precise(estimate: Interval, precision: float) -> bool:
    """Return whether half the width of the interval is at most `precision` times the estimate."""
    half = (estimate.high - estimate.low) / 2
    return bool(math.isfinite(half) and half <= precision * abs(estimate.mean))


def replications_for(estimate: Interval, finished: int, precision: float) -> int:
    """Return the number of replications after which to check the precision again.

    The half-width shrinks as 1/√n; at most half as many replications are added at once. Stopping at the first interval
    that is narrow enough makes its coverage a little lower than its level: the tests state by how much.
    """
    half = (estimate.high - estimate.low) / 2
    if not math.isfinite(half) or estimate.mean == 0:
        return finished + max(1, finished // 2)
    needed = math.ceil(finished * (half / (precision * abs(estimate.mean))) ** 2)
    return max(finished + 1, min(needed, finished + max(1, finished // 2)))


def bootstrap(
    values: Values,
    rng: np.random.Generator,
    statistic: Callable[..., NDArray[np.float64] | float] = np.mean,
    level: float = LEVEL,
    resamples: int = 2000,
) -> Interval:
    """Estimate any statistic, such as a quantile, by the percentile bootstrap; `statistic` takes ``axis``."""
    x = np.asarray(values, float)
    if len(x) < 2:
        return Interval(float(x[0]) if len(x) else math.nan)
    samples = x[rng.integers(0, len(x), (resamples, len(x)))]
    estimates = np.asarray(statistic(samples, axis=1), float)
    low, high = np.quantile(estimates, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(statistic(x, axis=0)), float(low), float(high), float(estimates.std(ddof=1)), math.inf)


def difference(simulated: Values, measured: Values, level: float = LEVEL) -> Interval:
    """Estimate ``mean(simulated) - mean(measured)``, each side with its own variance (Welch 1947).

    A side of a single run has no variance of its own: it is assumed to have that of the other side.
    """
    y, x = np.asarray(simulated, float), np.asarray(measured, float)
    shift = float(y.mean() - x.mean())
    if max(len(y), len(x)) < 2:
        return Interval(shift)
    if min(len(y), len(x)) < 2:
        several, freedom = max(y, x, key=len), len(y) + len(x) - 2
        return _interval(shift, float(several.std(ddof=1)) * math.sqrt(1 / len(y) + 1 / len(x)), freedom, level)
    of_y, of_x = (float(z.var(ddof=1)) / len(z) for z in (y, x))
    if of_y + of_x == 0:
        return Interval(shift, shift, shift, 0.0, len(y) + len(x) - 2)
    welch = (of_y + of_x) ** 2 / (of_y**2 / (len(y) - 1) + of_x**2 / (len(x) - 1))
    return _interval(shift, math.sqrt(of_y + of_x), welch, level)


def block_difference(simulated: Sequence[Values], measured: Values, level: float = LEVEL) -> Interval:
    """Estimate the mean of simulated minus measured values over blocks; a block has the runs of the same viewers.

    Randomized blocks (Fisher): differences between blocks cancel, and one variance is pooled from the simulated runs
    within each block and from the differences over the blocks. A measured run is assumed to vary as simulated runs do;
    with a single block, the pooled variance rests on this assumption alone.

    Parameters
    ----------
    simulated
        Values of the simulated runs of each block.
    measured
        Value of the measured run of each block.
    """
    rows = [np.asarray(row, float)[np.isfinite(row)] for row in simulated]
    pairs = [(row, float(x)) for row, x in zip(rows, measured, strict=True) if len(row) and math.isfinite(x)]
    if not pairs:
        return Interval(math.nan)
    differences = np.array([row.mean() - x for row, x in pairs])
    weights = np.array([1.0 + 1.0 / len(row) for row, _ in pairs])
    freedom = sum(len(row) - 1 for row, _ in pairs) + len(pairs) - 1
    if freedom < 1:
        return Interval(float(differences.mean()))
    squares = sum(float(((row - row.mean()) ** 2).sum()) for row, _ in pairs)
    squares += float((((differences - differences.mean()) ** 2) / weights).sum())
    error = math.sqrt(squares / freedom * weights.sum()) / len(pairs)
    return _interval(float(differences.mean()), error, freedom, level)


def equivalence(estimate: Interval, margin: float, alpha: float = 0.05) -> Equivalence:
    """Test by two one-sided tests (Schuirmann 1987) whether a difference lies within ``±margin``."""
    if not math.isfinite(estimate.error):
        return Equivalence(margin, math.nan, math.nan, math.nan, equivalent=False)
    if estimate.error == 0:
        inside = abs(estimate.mean) < margin
        return Equivalence(margin, estimate.mean, estimate.mean, 0.0 if inside else 1.0, inside)
    reach = float(stdtrit(estimate.freedom, 1 - alpha)) * estimate.error
    sides = [(margin - estimate.mean) / estimate.error, (margin + estimate.mean) / estimate.error]
    p_value = float(max(stdtr(estimate.freedom, -side) for side in sides))
    return Equivalence(margin, estimate.mean - reach, estimate.mean + reach, p_value, p_value < alpha)


def jackknife(whole: float, without: NDArray[np.float64], level: float = LEVEL) -> Interval:
    """Return the jackknife interval of an estimate.

    `whole` is the estimate from all replications, `without` the estimates that leave out one replication each.
    """
    n = len(without)
    pseudo = n * whole - (n - 1) * without
    return _interval(whole, float(pseudo.std(ddof=1)) / math.sqrt(n), n - 1, level)


def _interval(mean: float, error: float, freedom: float, level: float) -> Interval:
    reach = float(stdtrit(freedom, (1 + level) / 2)) * error
    return Interval(mean, mean - reach, mean + reach, error, freedom)
