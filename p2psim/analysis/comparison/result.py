"""Result of a comparison of measured and simulated runs: differences, distances, checks, and their tables."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from p2psim.analysis.comparison.distances import Distance
from p2psim.analysis.comparison.gate import Check, Verdict
from p2psim.analysis.formatting import format_interval, format_value
from p2psim.analysis.metrics import METRICS
from p2psim.analysis.statistics import Equivalence, Interval
from p2psim.trace import BIN

__all__ = ["LEVEL", "Comparison", "Difference"]

LEVEL = 0.90
"""Level of the intervals: two one-sided tests at 5 % use the 90 % interval."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A metric measured and simulated; `interval` (90 %) is that of simulated minus measured."""

    metric: str
    measured: float
    simulated: float
    interval: Interval

    @property
    def relative(self) -> float:
        """Difference divided by the measured value; NaN if that is 0."""
        return self.interval.mean / self.measured if self.measured else float("nan")

    def to_dict(self) -> dict[str, float]:
        """Return the values for JSON: measured, simulated, difference and its interval."""
        return {
            "measured": self.measured,
            "simulated": self.simulated,
            "difference": self.interval.mean,
            "low": self.interval.low,
            "high": self.interval.high,
            "relative": self.relative,
        }


@dataclass(frozen=True, slots=True)
class Comparison:
    """Comparison of measured traces, usually recordings of one scenario, with simulations of their viewers."""

    name: str
    recordings: int
    replications: int
    differences: Mapping[str, Difference]
    """Metric → its difference."""
    spreads: Mapping[str, Distance]
    """Distances of distributions and curves: ``http_times`` and ``p2p_times`` (seconds), ``peers_over_time``."""
    equivalence: Equivalence
    """Equivalence test of the P2P share."""
    checks: tuple[Check, ...]
    """Check of every metric against its limit."""
    transfers: pd.DataFrame = field(repr=False)
    """Completed transfers, measured and simulated: world, replication (or index of the recording), source, time."""
    timelines: pd.DataFrame = field(repr=False)
    """Time lines, measured and simulated: world, replication, and the columns of `p2psim.trace.TIMELINE`."""

    @property
    def agrees(self) -> bool:
        """True if every metric of the gate agrees."""
        return not any(check.fails for check in self.checks)

    @property
    def verdict(self) -> Verdict:
        """*Differs* if a metric of the gate differs; else *inconclusive* if one is inconclusive; else *agrees*."""
        failing = {check.verdict for check in self.checks if check.fails}
        return "differs" if "differs" in failing else "inconclusive" if failing else "agrees"

    @property
    def verdict_text(self) -> str:
        """Verdict, with the metrics of the gate that cause it."""
        verdicts: tuple[Verdict, ...] = ("differs", "inconclusive")
        failing = [check for check in self.checks if check.fails]
        metrics = {verdict: [check.metric for check in failing if check.verdict == verdict] for verdict in verdicts}
        parts = [f"{verdict}: {', '.join(names)}" for verdict, names in metrics.items() if names]
        return "; ".join(parts) or "agrees"

    @property
    def distances(self) -> dict[str, float]:
        """Source → Wasserstein distance between the distributions of transfer times, seconds."""
        return {source: self.spreads[f"{source}_times"].value for source in ("http", "p2p")}

    @property
    def noise(self) -> str:
        """Source of the variance of the measured values."""
        if self.recordings > 1:
            return f"variance from {self.recordings} recordings"
        return "one recording, assumed to vary as simulated runs do"

    def table(self) -> pd.DataFrame:
        """Return one row per metric."""
        rows = [{"metric": name, **difference.to_dict()} for name, difference in self.differences.items()]
        return pd.DataFrame(rows)

    def rows(self) -> list[list[str]]:
        """Return formatted rows: metric, measured, simulated, difference with its interval, limit, verdict.

        Verdicts of metrics that are not part of the gate are in brackets.
        """
        return [self._row(check) for check in self.checks]

    def _row(self, check: Check) -> list[str]:
        difference, limit = self.differences.get(check.metric), check.limit.format(check.limit.size)
        verdict = check.verdict if check.gates else f"({check.verdict})"
        if difference is None:
            distance, unit = self.spreads[check.metric], "number" if check.metric == "peers_over_time" else "time"
            value, relative = format_value(distance.value, unit), format_value(distance.relative, "share")
            text = f"distance {value}, {relative}; by chance {format_value(distance.own, 'share')}"
            return [check.metric, "", "", text, limit, verdict]
        unit = METRICS[check.metric].unit if check.metric in METRICS else "size"
        values = [format_value(value, unit) for value in (difference.measured, difference.simulated)]
        interval = format_interval(difference.interval, "points" if unit == "share" else unit)
        return [check.metric, *values, interval, f"±{limit}", verdict]

    def checks_table(self) -> pd.DataFrame:
        """Return one row per check."""
        return pd.DataFrame([check.to_dict() for check in self.checks])

    def curves(self, points: int = 30) -> pd.DataFrame:
        """Return P2P share and connected peers of every run over time: world, replication, at, p2p_share, peers."""
        width = max(BIN, float(np.ceil(self.timelines["at"].max() / points)))
        bins = self.timelines.assign(at=self.timelines["at"] // width * width, bins=1).groupby(
            ["world", "replication", "at"]
        )
        sums = bins[["http", "p2p", "peers", "bins"]].sum().reset_index()
        media = (sums["p2p"] + sums["http"]).where(lambda total: total > 0)
        shares = {"p2p_share": sums["p2p"] / media, "peers": sums["peers"] / sums["bins"]}
        return sums[["world", "replication", "at"]].assign(**shares)

    def to_dict(self) -> dict[str, Any]:
        """Return the values for JSON."""
        return {
            "trace": self.name,
            "agrees": self.agrees,
            "recordings": self.recordings,
            "replications": self.replications,
            "noise": self.noise,
            "level": LEVEL,
            **{name: difference.to_dict() for name, difference in self.differences.items()},
            **{name: distance.to_dict() for name, distance in self.spreads.items()},
            "transfer_time_distance": self.distances,
            "equivalence": {
                "metric": "p2p_ratio",
                "margin": self.equivalence.margin,
                "low": self.equivalence.low,
                "high": self.equivalence.high,
                "p_value": self.equivalence.p_value,
                "equivalent": self.equivalence.equivalent,
            },
            "checks": [check.to_dict() for check in self.checks],
        }
