"""Steady-state analysis: the end of the warm-up, and intervals from one long run (batch means).

A live event has a beginning and an end and needs neither. A channel that is on air all day reaches a state that does
not depend on its initial conditions; the time before it must be cut (`Scenario.warmup`).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtri

from p2psim.analysis.statistics import Interval, ratio
from p2psim.errors import InputError

__all__ = ["SERIES", "Batches", "batch_means", "mser5", "series", "welch"]

SERIES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "p2p_ratio": ("p2p", "http p2p"),
        "origin_rate": ("origin", ""),
        "stall_ratio": ("stalled", "viewers"),
        "peers": ("peers viewers", "viewers"),
        "viewers": ("viewers", ""),
    }
)
"""Quantities of a time line: the columns whose product is the numerator, and those whose sum is the denominator."""
_BATCH = 5
"""Values of which MSER-5 takes the mean."""


def mser5(values: Sequence[float] | NDArray[np.float64]) -> float:
    """Return the number of initial values to cut (MSER-5), NaN if the run is too short to tell.

    From the means of five values, the first d are cut such that the variance of the remaining ones divided by their
    number is least (White 1997; Franklin and White, "Stationarity tests and MSER-5", Winter Simulation Conference
    2008). A minimum in the second half of the run means that it is too short.
    """
    x = np.asarray(values, float)
    means = x[: len(x) // _BATCH * _BATCH].reshape(-1, _BATCH).mean(axis=1)
    means = means[np.isfinite(means)]
    n = len(means)
    if n < 10:
        return math.nan
    # sums of the means that remain after cutting d, for all d
    remaining = np.arange(n, 0, -1)
    centred = means - means.mean()
    total, squares = np.cumsum(centred[::-1])[::-1], np.cumsum(centred[::-1] ** 2)[::-1]
    marginal = np.maximum(squares - total**2 / remaining, 0.0) / remaining**2
    marginal = marginal[: n - 5]  # the last few means may be equal by chance
    # the first minimum among those that differ only by rounding
    best = int(np.argmax(marginal <= marginal.min() + 1e-12 * marginal[0]))
    return math.nan if best > n // 2 else float(best * _BATCH)


def series(timeline: pd.DataFrame, quantity: str) -> tuple[pd.Series, pd.Series]:
    """Return numerator and denominator of a quantity per second, summed over replications.

    Raises InputError for a quantity not in `SERIES`.
    """
    if quantity not in SERIES:
        raise InputError(f"quantity {quantity!r}: accepted: {', '.join(SERIES)}")
    factors, summands = (names.split() for names in SERIES[quantity])
    table = timeline.assign(_one=1.0, _product=timeline[factors].prod(axis=1))
    grouped = table.groupby("at")
    return grouped["_product"].sum(), grouped[summands or ["_one"]].sum().sum(axis=1)


def welch(timeline: pd.DataFrame, quantity: str, window: float = 60.0) -> pd.DataFrame:
    """Return a quantity averaged over replications and its centred moving average over `window` seconds (Welch 1983).

    Columns: at, value, smooth.
    """
    numerator, denominator = series(timeline, quantity)
    half = max(1, round(window / 2))
    rolled = [part.rolling(2 * half + 1, center=True, min_periods=half).sum() for part in (numerator, denominator)]
    return pd.DataFrame(
        {
            "at": numerator.index,
            "value": (numerator / denominator).to_numpy(),
            "smooth": (rolled[0] / rolled[1]).to_numpy(),
        }
    )


@dataclass(frozen=True, slots=True)
class Batches:
    """Estimate from one long run by batch means."""

    interval: Interval
    correlation: float
    """Correlation of successive batches; above `limit` the batches are too short and the interval too narrow."""
    limit: float

    @property
    def are_independent(self) -> bool:
        """True if the batches show no correlation (one-sided test at 5 %)."""
        return not self.correlation > self.limit


def batch_means(over: Sequence[float], under: Sequence[float], batches: int = 20, level: float = 0.95) -> Batches:
    """Estimate a ratio of totals from one run cut into batches of equal length (Schmeiser 1982: 10 to 30 suffice).

    Raises InputError for a run that is too short.
    """
    length = len(over) // batches if batches >= 5 else 0
    if length < 2:
        raise InputError(
            f"batches = {batches}: at least 5 are needed, of 2 values or more; there are {len(over)} values"
        )
    first = len(over) - batches * length  # the remainder is cut from the beginning, which is least steady
    tops, bottoms = (np.asarray(part, float)[first:].reshape(batches, length).sum(axis=1) for part in (over, under))
    means = tops / np.where(bottoms == 0, np.nan, bottoms)
    centred = means - means.mean()
    spread = float((centred**2).sum())
    correlation = float((centred[1:] * centred[:-1]).sum()) / spread if spread > 0 else 0.0
    # of independent batches the correlation is nearly normal with mean -1/n and variance 1/n (Bartlett)
    limit = -1 / batches + float(ndtri(0.95)) / math.sqrt(batches)
    return Batches(ratio(tops, bottoms, level), correlation, limit)
