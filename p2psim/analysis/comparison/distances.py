"""Distances between measured and simulated distributions of times and curves over time.

A distance is never negative, so random variation alone makes it positive; `Distance.own` is its size, estimated from
the simulated runs: the mean distance of each run from the others.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

__all__ = ["FEW_TRANSFERS", "Distance", "curve_distance", "time_distance"]

FEW_TRANSFERS = 30
"""Minimum number of values on either side; with fewer, a distribution is not judged."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Distance:
    """A distance in the unit of the values (seconds; connected peers); NaN if there are no values."""

    value: float
    relative: float
    """Distance divided by the mean of the measured values."""
    own: float
    """Relative distance that random variation alone causes; NaN for fewer than two simulated runs."""
    least: int
    """Size of the smaller sample."""

    def to_dict(self) -> dict[str, float]:
        """Return the values for JSON."""
        return {"distance": self.value, "relative": self.relative, "own": self.own, "samples": self.least}


def time_distance(measured: Sequence[Floats], simulated: Sequence[Floats]) -> Distance:
    """Return the Wasserstein distance (s) between all measured and all simulated times; one array per run."""
    return _distance(measured, simulated, np.concatenate, stats.wasserstein_distance)


def curve_distance(measured: Sequence[Floats], simulated: Sequence[Floats]) -> Distance:
    """Return the mean absolute difference between the mean curves; one array per run, all over the same times."""
    length = min(len(curve) for curve in (*measured, *simulated))
    cut = [[curve[:length] for curve in curves] for curves in (measured, simulated)]
    return _distance(cut[0], cut[1], lambda curves: np.mean(curves, axis=0), lambda a, b: np.abs(a - b).mean())


def _distance(
    measured: Sequence[Floats],
    simulated: Sequence[Floats],
    combined: Callable[[Sequence[Floats]], Floats],
    distance: Callable[[Floats, Floats], float],
) -> Distance:
    x, y = combined(measured), combined(simulated)
    least = min(len(x), len(y))
    if least == 0:
        return Distance(math.nan, math.nan, math.nan, 0)
    mean = float(x.mean())
    value = float(distance(x, y))
    own = []
    for index, one in enumerate(simulated):
        others = [run for number, run in enumerate(simulated) if number != index and len(run)]
        if len(one) and others:
            own.append(float(distance(one, combined(others))))
    scale = 1 / mean if mean else math.nan
    return Distance(value, value * scale, float(np.mean(own)) * scale if own else math.nan, least)
