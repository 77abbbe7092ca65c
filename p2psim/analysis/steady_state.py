"""Studies of a steady state: where the warm-up ends, and what one long run says.

A live event has a beginning and an end and needs none of this. A channel that is on day and night has a state that
does not depend on how it began; what comes before that state must be cut (`Scenario.warmup`).
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
"""Quantities known second by second: columns of the time line that are multiplied (over) or added up (under)."""
_BATCH = 5


def mser5(values: Sequence[float] | NDArray[np.float64]) -> float:
    """Give the number of values to cut so that the mean of the rest is most precise; NaN if there is no such number.

    Means of five are taken; of all d, the one is cut that makes the variance of what remains over the square of its
    length least (White 1997; Franklin and White, "Stationarity tests and MSER-5", Winter Simulation Conference 2008).
    A minimum in the second half says that the run is too short to tell.
    """
    x = np.asarray(values, float)
    means = x[: len(x) // _BATCH * _BATCH].reshape(-1, _BATCH).mean(axis=1)
    means = means[np.isfinite(means)]
    n = len(means)
    if n < 10:
        return math.nan
    # sums of what remains after cutting d, for all d
    left = np.arange(n, 0, -1)
    centred = means - means.mean()
    total, squares = np.cumsum(centred[::-1])[::-1], np.cumsum(centred[::-1] ** 2)[::-1]
    marginal = np.maximum(squares - total**2 / left, 0.0) / left**2
    marginal = marginal[: n - 5]  # the last few means may be alike by chance
    # the first of those that differ by rounding alone
    best = int(np.argmax(marginal <= marginal.min() + 1e-12 * marginal[0]))
    return math.nan if best > n // 2 else float(best * _BATCH)


def series(timeline: pd.DataFrame, quantity: str) -> tuple[pd.Series, pd.Series]:
    """Give numerator and denominator of a quantity, second by second; columns are summed over replications.

    Raises InputError for a quantity not in `SERIES`.
    """
    if quantity not in SERIES:
        raise InputError(f"quantity {quantity!r}: accepted: {', '.join(SERIES)}")
    over, under = (names.split() for names in SERIES[quantity])
    table = timeline.assign(_one=1.0, _over=timeline[over].prod(axis=1))
    grouped = table.groupby("at")
    return grouped["_over"].sum(), grouped[under or ["_one"]].sum().sum(axis=1)


def welch(timeline: pd.DataFrame, quantity: str, window: float = 60.0) -> pd.DataFrame:
    """Smooth a quantity, averaged over replications, by a centred moving window of seconds (Welch 1983).

    Columns: at, value, smooth.
    """
    over, under = series(timeline, quantity)
    half = max(1, round(window / 2))
    rolled = [part.rolling(2 * half + 1, center=True, min_periods=half).sum() for part in (over, under)]
    return pd.DataFrame(
        {"at": over.index, "value": (over / under).to_numpy(), "smooth": (rolled[0] / rolled[1]).to_numpy()}
    )


@dataclass(frozen=True, slots=True)
class Batches:
    """What one long run says."""

    interval: Interval
    correlation: float
    """Of one batch with the next; above `limit` the batches are too short, and the interval too narrow."""
    limit: float

    @property
    def are_independent(self) -> bool:
        """Whether batches do not show that they depend on each other (one-sided test at 5 %)."""
        return not self.correlation > self.limit


def batch_means(over: Sequence[float], under: Sequence[float], batches: int = 20, level: float = 0.95) -> Batches:
    """Estimate a ratio of totals from one run cut into batches of equal length (Schmeiser 1982: 10 to 30 are enough).

    Raises InputError for a run that is too short.
    """
    length = len(over) // batches if batches >= 5 else 0
    if length < 2:
        raise InputError(
            f"batches = {batches}: at least 5 are needed, of 2 values or more; there are {len(over)} values"
        )
    first = len(over) - batches * length  # what does not fit is cut where it is least steady
    tops, bottoms = (np.asarray(part, float)[first:].reshape(batches, length).sum(axis=1) for part in (over, under))
    means = tops / np.where(bottoms == 0, np.nan, bottoms)
    centred = means - means.mean()
    spread = float((centred**2).sum())
    correlation = float((centred[1:] * centred[:-1]).sum()) / spread if spread > 0 else 0.0
    # without dependence it is nearly normal, mean -1/n, variance 1/n (Bartlett)
    limit = -1 / batches + float(ndtri(0.95)) / math.sqrt(batches)
    return Batches(ratio(tops, bottoms, level), correlation, limit)
