"""Tests that a simulated mean equals a number, within its standard error and at a stated rate of false alarm."""

import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray
from scipy.stats import t as student

__all__ = ["FALSE_ALARM", "agree", "margin", "ratio"]

FALSE_ALARM = 1e-4
"""Probability that a check of a right simulator fails with other seeds; with fixed seeds it never does."""


def margin(sample: ArrayLike) -> float:
    """Return half the width of Student's interval of a mean at that rate."""
    values = np.asarray(sample, float)
    return float(student.ppf(1 - FALSE_ALARM / 2, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))


def agree(sample: ArrayLike, expected: float, *, within: float, bias: float = 0.0) -> None:
    """Assert that the mean of independent replications agrees with a closed form.

    Parameters
    ----------
    within
        Greatest margin, relative to `expected`: a wider one would show nothing.
    bias
        Accepted systematic difference, absolute.
    """
    allowed = margin(sample)
    assert allowed <= within * abs(expected), f"too few replications: ±{allowed:.4g} of {expected:.4g}"
    assert float(np.mean(np.asarray(sample, float))) == pytest.approx(expected, abs=allowed + bias)


def ratio(over: ArrayLike, under: ArrayLike) -> NDArray[np.float64]:
    """Return jackknife values of a ratio of totals, one for each replication."""
    above, below = np.asarray(over, float), np.asarray(under, float)
    n = len(above)
    rest = (above.sum() - above) / (below.sum() - below)
    values: NDArray[np.float64] = n * above.sum() / below.sum() - (n - 1) * rest
    return values
