"""Metrics that claims refer to: those of `p2psim.analysis.metrics`, and some that only claims need."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from p2psim.analysis.metrics import METRICS, Metric, Sums
from p2psim.analysis.prices import Prices, bill
from p2psim.simulation import Run
from p2psim.trace import Trace

__all__ = [
    "CLAIM_METRICS",
    "MONTH",
    "TRACE_METRICS",
    "growth_exponent",
    "sample_interval",
    "stale_offer_counts",
    "with_bills",
]

MONTH = 30 * 86400.0
"""Seconds in a month of thirty days."""

TRACE_METRICS = frozenset({"sample_interval"})
"""Metrics that need the trace of a run, with every event."""

CLAIM_METRICS: Mapping[str, Metric] = {
    **METRICS,
    "month_bytes": Metric("bytes that the origin sends in 30 days", "size", "month_bytes"),
    "cost_saving": Metric(
        "share of the bill saved against http-only", "share", "bill", "base_bill", complement=True, paired=True
    ),
    "growth": Metric("exponent g of the origin's rate ~ viewers^g", "number", "growth"),
    "stale_share": Metric("share of offers sent to viewers who had left", "share", "stale_offers", "offers"),
    "sample_interval": Metric("time between two statistics of a viewer, median", "time", "sample_interval"),
}


def with_bills(run: Sums, tariff: Prices | None) -> Sums:
    """Return the sums of a replication with the origin's bytes in a month and, if prices are given, both bills."""
    added = {"month_bytes": run["origin_bytes"] / run["seconds"] * MONTH}
    if tariff is not None:
        added |= {"bill": bill(run, tariff), "base_bill": bill(run, tariff, "base_")}
    return {**run, **added}


def growth_exponent(rates: Sequence[float], sizes: Sequence[int]) -> float:
    """Return the fitted exponent g of ``rate ~ size**g``: 1 is linear growth, 0 none."""
    if min(rates) <= 0:
        return math.nan
    return float(np.polyfit(np.log(sizes), np.log(rates), 1)[0])


def stale_offer_counts(run: Run) -> dict[str, float]:
    """Return the number of offers that the tracker passed on, and of those whose receiver had already left."""
    return {"stale_offers": float(run.stale_offers), "offers": float(run.stale_offers + run.live_offers)}


def sample_interval(trace: Trace) -> dict[str, float]:
    """Return the median time between two statistics of the same viewer; NaN if there are none."""
    rows = trace["samples"].sort_values(["viewer", "at"])
    steps = rows.groupby("viewer")["at"].diff().dropna()
    return {"sample_interval": float(steps.median()) if len(steps) else math.nan}
