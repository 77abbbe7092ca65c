"""Estimate of the metric of a case of a claim, and its position relative to the claimed range."""

import math
from dataclasses import dataclass
from typing import Any, Literal

from p2psim.analysis.claims.definitions import Case
from p2psim.analysis.statistics import Interval

__all__ = ["Finding", "Status", "status"]

Status = Literal["inside", "below", "above", "inconclusive", "no data"]
"""Position of an interval relative to a claimed range; *inconclusive* if it contains an end of the range."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Estimate of the metric of a case, with its interval."""

    case: Case
    interval: Interval
    status: Status

    def to_dict(self) -> dict[str, Any]:
        """Return the values for JSON: `claimed` is the claimed range, `found` the estimate and its interval."""
        return {
            "case": self.case.label,
            "metric": self.case.metric,
            "unit": self.case.unit,
            "claimed": {"low": self.case.low, "high": self.case.high},
            "found": self.interval.to_dict(),
            "status": self.status,
        }


def status(interval: Interval, low: float, high: float) -> Status:
    """Return the position of an estimate relative to a range; without an interval (one run), that of the mean."""
    if math.isnan(interval.mean):
        return "no data"
    least = interval.mean if math.isnan(interval.low) else interval.low
    most = interval.mean if math.isnan(interval.high) else interval.high
    if low <= least and most <= high:
        return "inside"
    if most < low:
        return "below"
    return "above" if least > high else "inconclusive"
