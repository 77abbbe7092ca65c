"""From runs to the numbers that claims are about: the metrics of design, and some that only claims ask for."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from p2psim.analysis.metrics import METRICS, Metric, Sums
from p2psim.analysis.prices import Prices, bill
from p2psim.trace import Trace

__all__ = ["METRICS_OF_CLAIMS", "MONTH", "OF_EVENTS", "growth", "list_error", "sample_interval", "with_bills"]

MONTH = 30 * 86400.0
"""Seconds of a month of thirty days."""

OF_EVENTS = frozenset({"list_error", "sample_interval"})
"""Metrics that need every event of a run."""

METRICS_OF_CLAIMS: Mapping[str, Metric] = {
    **METRICS,
    "month_bytes": Metric(text="origin bytes in 30 days at this rate", unit="size", over="month_bytes"),
    "cost_saving": Metric(
        text="1 - bill / bill of http-only", unit="share", over="bill", under="base_bill", complement=True, paired=True
    ),
    "growth": Metric(text="exponent of the origin's rate over viewers", unit="number", over="growth"),
    "list_error": Metric(
        text="viewers listed wrongly / viewers there", unit="share", over="listed_wrongly", under="listed"
    ),
    "sample_interval": Metric(text="time between statistics", unit="time", over="sample_interval"),
}


def with_bills(found: Sums, at: Prices | None) -> Sums:
    """Add the month's bytes, and where prices are given the bills, to the sums of a replication."""
    more = {"month_bytes": found["origin_bytes"] / found["seconds"] * MONTH}
    if at is not None:
        more |= {"bill": bill(found, at), "base_bill": bill(found, at, "base_")}
    return {**found, **more}


def growth(rates: Sequence[float], sizes: Sequence[int]) -> float:
    """Fit the exponent g of ``rate ~ size**g``: 1 is linear growth, 0 none."""
    if min(rates) <= 0:
        return math.nan
    return float(np.polyfit(np.log(sizes), np.log(rates), 1)[0])


def list_error(trace: Trace) -> dict[str, float]:
    """Compare the peers that the tracker says it knows at each announce with the viewers who are really there."""
    rows = trace["announces"]
    rows = rows[(rows["at"] >= trace.scenario.warmup) & (rows["event"] != "stopped")]
    viewers = trace["viewers"]
    at = rows["at"].to_numpy(float)
    came = np.searchsorted(np.sort(viewers["joined_at"].to_numpy(float)), at, side="right")
    gone = np.searchsorted(np.sort(viewers["left_at"].to_numpy(float)), at, side="right")
    there = came - gone
    wrong = np.abs(rows["peers_known"].to_numpy(float) - there)
    return {"listed_wrongly": float(wrong.sum()), "listed": float(there.sum())}


def sample_interval(trace: Trace) -> dict[str, float]:
    """Give the median time between two statistics of the same viewer; NaN where there are none."""
    rows = trace["samples"].sort_values(["viewer", "at"])
    steps = rows.groupby("viewer")["at"].diff().dropna()
    return {"sample_interval": float(steps.median()) if len(steps) else math.nan}
