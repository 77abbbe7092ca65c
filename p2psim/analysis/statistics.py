"""Intervals over replications, when to stop replicating, and the test of equivalence.

Every interval is two-sided at `level` (0.95). From one replication comes no interval: its ends are NaN.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

__all__ = [
    "FEW",
    "Equivalence",
    "FewReplicationsWarning",
    "Interval",
    "block_difference",
    "bootstrap",
    "bootstrap_ratio",
    "difference",
    "equivalence",
    "is_precise",
    "jackknife",
    "paired",
    "ratio",
    "ratio_difference",
    "replications_for",
    "student",
]

FEW = 5
"""Fewer replications than this give intervals that are wide and rest on little."""
LEVEL = 0.95
Values = Sequence[float] | NDArray[np.float64]


class FewReplicationsWarning(UserWarning):
    """Intervals were asked of fewer than `FEW` replications."""


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate and its confidence interval; `error` and `freedom` are the Student-t behind it."""

    mean: float
    low: float = math.nan
    high: float = math.nan
    error: float = math.nan
    freedom: float = math.nan

    def to_dict(self) -> dict[str, float]:
        """Give plain values for JSON and tables."""
        return {"mean": self.mean, "low": self.low, "high": self.high}

    def mapped(self, scale: float, shift: float = 0.0) -> "Interval":
        """Give the interval of ``scale * x + shift``."""
        ends = sorted((self.low * scale + shift, self.high * scale + shift))
        return Interval(self.mean * scale + shift, ends[0], ends[1], self.error * abs(scale), self.freedom)

    def clipped(self, least: float, most: float) -> "Interval":
        """Give the interval without its parts that no value can lie in."""
        low, high = (min(max(end, least), most) for end in (self.low, self.high))
        return Interval(self.mean, low, high, self.error, self.freedom)


@dataclass(frozen=True, slots=True)
class Equivalence:
    """Outcome of two one-sided tests: the ``1 - 2 alpha`` interval must lie inside ``±margin``."""

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
    Biometrika 61, 1974). The estimate itself is the plain ratio of totals, which is what was said.
    """
    over, under = np.asarray(numerators, float), np.asarray(denominators, float)
    good = np.isfinite(over) & np.isfinite(under)
    over, under = over[good], under[good]
    n = len(over)
    if n == 0 or under.sum() == 0:
        return Interval(math.nan)
    whole = float(over.sum() / under.sum())
    rest = under.sum() - under
    if n == 1 or (rest == 0).any():
        return Interval(whole)
    return jackknife(whole, (over.sum() - over) / rest, level)


def ratio_difference(
    over: Values, under: Values, other_over: Values, other_under: Values, level: float = LEVEL
) -> Interval:
    """Estimate the difference of two ratios of totals whose replications belong together (common random numbers).

    The jackknife leaves a replication out of both, so what both share cancels.
    """
    sums = np.array([over, under, other_over, other_under], float)
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

    With all denominators 1 it is the BCa interval of a mean. It follows a skewed distribution better than Student's t
    but needs some twenty replications to reach its level: from ten it covers about 90 %.
    """
    over, under = np.asarray(numerators, float), np.asarray(denominators, float)
    good = np.isfinite(over) & np.isfinite(under)
    over, under = over[good], under[good]
    if len(over) < 2 or under.sum() == 0:
        return ratio(over, under)
    whole = float(over.sum() / under.sum())
    if np.ptp(over / np.where(under == 0, np.nan, under)) == 0:
        return Interval(whole, whole, whole, 0.0, math.inf)
    from scipy import stats  # takes longer to load than all else here

    found = stats.bootstrap(
        (over, under), _ratio_of_totals, paired=True, vectorized=True, confidence_level=level, n_resamples=resamples,
        method="BCa", rng=rng,
    )  # fmt: skip
    low, high = (float(end) for end in found.confidence_interval)
    return Interval(whole, low, high, float(found.standard_error), math.inf)


def _ratio_of_totals(over: NDArray[np.float64], under: NDArray[np.float64], axis: int = -1) -> NDArray[np.float64]:
    found: NDArray[np.float64] = over.sum(axis=axis) / under.sum(axis=axis)
    return found


def is_precise(estimate: Interval, precision: float) -> bool:
    """Whether half the width of the interval is at most `precision` of the estimate."""
    half = (estimate.high - estimate.low) / 2
    return bool(math.isfinite(half) and half <= precision * abs(estimate.mean))


def replications_for(estimate: Interval, made: int, precision: float) -> int:
    """Tell with how many replications to look again: the half-width shrinks as 1/√n; at most half as many more at once.

    Looking again and again and stopping at the first interval that is narrow enough makes it cover a little less than
    it says: see the tests for how much.
    """
    half = (estimate.high - estimate.low) / 2
    if not math.isfinite(half) or estimate.mean == 0:
        return made + max(1, made // 2)
    needed = math.ceil(made * (half / (precision * abs(estimate.mean))) ** 2)
    return max(made + 1, min(needed, made + max(1, made // 2)))


def bootstrap(
    values: Values,
    rng: np.random.Generator,
    statistic: Callable[..., NDArray[np.float64] | float] = np.mean,
    level: float = LEVEL,
    resamples: int = 2000,
) -> Interval:
    """Estimate any statistic (a quantile, say) by the percentile bootstrap; `statistic` takes ``axis``."""
    x = np.asarray(values, float)
    if len(x) < 2:
        return Interval(float(x[0]) if len(x) else math.nan)
    drawn = x[rng.integers(0, len(x), (resamples, len(x)))]
    found = np.asarray(statistic(drawn, axis=1), float)
    low, high = np.quantile(found, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(statistic(x, axis=0)), float(low), float(high), float(found.std(ddof=1)), math.inf)


def difference(simulated: Values, measured: Values, level: float = LEVEL) -> Interval:
    """Estimate ``mean(simulated) - mean(measured)``, each side with its own variance (Welch 1947).

    A single run has no spread: it is taken to vary between runs as the others do.
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
    """Estimate the mean of simulated less measured over blocks: runs of the same viewers, one of them measured.

    Randomized blocks (Fisher): what differs between blocks cancels, and one variance is pooled from the spread of the
    simulated runs within each block and from how the differences spread over the blocks. It takes a measured run to
    vary as simulated ones do; with a single block that is all there is.
    """
    rows = [np.asarray(row, float)[np.isfinite(row)] for row in simulated]
    pairs = [(row, float(x)) for row, x in zip(rows, measured, strict=True) if len(row) and math.isfinite(x)]
    if not pairs:
        return Interval(math.nan)
    gaps = np.array([row.mean() - x for row, x in pairs])
    weights = np.array([1.0 + 1.0 / len(row) for row, _ in pairs])
    freedom = sum(len(row) - 1 for row, _ in pairs) + len(pairs) - 1
    if freedom < 1:
        return Interval(float(gaps.mean()))
    squares = sum(float(((row - row.mean()) ** 2).sum()) for row, _ in pairs)
    squares += float((((gaps - gaps.mean()) ** 2) / weights).sum())
    error = math.sqrt(squares / freedom * weights.sum()) / len(pairs)
    return _interval(float(gaps.mean()), error, freedom, level)


def equivalence(estimate: Interval, margin: float, alpha: float = 0.05) -> Equivalence:
    """Test by two one-sided tests (Schuirmann 1987) that a difference is smaller than `margin` either way."""
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
    """Give the interval of an estimate, from what it is without each of its replications."""
    n = len(without)
    pseudo = n * whole - (n - 1) * without
    return _interval(whole, float(pseudo.std(ddof=1)) / math.sqrt(n), n - 1, level)


def _interval(mean: float, error: float, freedom: float, level: float) -> Interval:
    reach = float(stdtrit(freedom, (1 + level) / 2)) * error
    return Interval(mean, mean - reach, mean + reach, error, freedom)
