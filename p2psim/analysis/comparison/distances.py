"""How far two worlds are apart where one number is not enough: distributions of times, curves over time.

A distance is never below zero, so chance alone makes one; `Distance.own` says how large, from the simulated runs: how
far each of them is on average from the others.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

__all__ = ["FEW_TRANSFERS", "Distance", "curve_distance", "time_distance"]

FEW_TRANSFERS = 30
"""With fewer on either side a distribution is not judged."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Distance:
    """A distance, in the unit of what is compared (seconds; connected peers); NaN where there is nothing to compare."""

    value: float
    relative: float
    """To the mean of what was measured."""
    own: float
    """What chance alone makes, relative as well; NaN from fewer than two simulated runs."""
    least: int
    """Size of the smaller of both samples."""

    def to_dict(self) -> dict[str, float]:
        """Give plain values for JSON."""
        return {"distance": self.value, "relative": self.relative, "own": self.own, "samples": self.least}


def time_distance(measured: Sequence[Floats], simulated: Sequence[Floats]) -> Distance:
    """Wasserstein distance of all times measured and all simulated, s; one array per run."""
    return _distance(measured, simulated, np.concatenate, stats.wasserstein_distance)


def curve_distance(measured: Sequence[Floats], simulated: Sequence[Floats]) -> Distance:
    """Mean absolute difference between the mean curves; one array per run, all over the same times."""
    length = min(len(curve) for curve in (*measured, *simulated))
    cut = [[curve[:length] for curve in curves] for curves in (measured, simulated)]
    return _distance(cut[0], cut[1], lambda curves: np.mean(curves, axis=0), lambda a, b: np.abs(a - b).mean())


def _distance(
    measured: Sequence[Floats],
    simulated: Sequence[Floats],
    together: Callable[[Sequence[Floats]], Floats],
    apart: Callable[[Floats, Floats], float],
) -> Distance:
    x, y = together(measured), together(simulated)
    least = min(len(x), len(y))
    if least == 0:
        return Distance(math.nan, math.nan, math.nan, 0)
    mean = float(x.mean())
    found = float(apart(x, y))
    own = []
    for index, one in enumerate(simulated):
        others = [each for number, each in enumerate(simulated) if number != index and len(each)]
        if len(one) and others:
            own.append(float(apart(one, together(others))))
    scale = 1 / mean if mean else math.nan
    return Distance(found, found * scale, float(np.mean(own)) * scale if own else math.nan, least)
