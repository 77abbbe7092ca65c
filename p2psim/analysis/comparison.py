"""Simulated against measured: the same scenario, the same viewers, the same metrics, and a test of equivalence."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from p2psim.analysis.metrics import METRICS, metrics
from p2psim.analysis.runs import Runs, jobs_for
from p2psim.analysis.statistics import Equivalence, Interval, difference, equivalence
from p2psim.analysis.wording import say, say_interval
from p2psim.errors import InputError
from p2psim.scenario import Scenario
from p2psim.trace import Trace, totals

__all__ = ["COMPARED", "MARGIN", "Comparison", "Difference", "compare", "compare_all", "compare_traces"]

MARGIN = 0.10
"""Shares that differ by less are taken as equal; ten points, while there is one measured run of each scenario."""

COMPARED = (
    "p2p_ratio", "offload", "http_bytes", "p2p_bytes", "startup", "stalls", "stall_ratio", "peers", "http_time",
    "p2p_time", "latency",
)  # fmt: skip
"""Metrics held against each other; `http_bytes` and `p2p_bytes` are totals of the run."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A metric in both worlds; `interval` is of simulated minus measured."""

    metric: str
    measured: float
    simulated: float
    interval: Interval

    @property
    def relative(self) -> float:
        """Difference as a share of the measured value; NaN where that is 0."""
        return self.interval.mean / self.measured if self.measured else float("nan")

    def to_dict(self) -> dict[str, float]:
        """Give plain values: measured, simulated, difference and its interval."""
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
    """A measured trace (or any other) against simulations of its scenario."""

    name: str
    differences: Mapping[str, Difference]
    distances: Mapping[str, float]
    """Source → Wasserstein distance between the distributions of transfer times, seconds."""
    equivalence: Equivalence
    """Of the P2P share."""
    transfers: pd.DataFrame = field(repr=False)
    """Completed transfers of both: world, source, time."""

    @property
    def agrees(self) -> bool:
        """Whether the P2P share is shown to be the same within the margin."""
        return self.equivalence.equivalent

    def table(self) -> pd.DataFrame:
        """Give one row per metric."""
        return pd.DataFrame([{"metric": name, **found.to_dict()} for name, found in self.differences.items()])

    def rows(self) -> list[list[str]]:
        """Give rows in words: metric, measured, simulated, difference with its interval."""
        found = []
        for name, row in self.differences.items():
            unit = METRICS[name].unit if name in METRICS else "size"
            gap = say_interval(row.interval, "points" if unit == "share" else unit)
            found.append([name, say(row.measured, unit), say(row.simulated, unit), gap])
        for source, distance in self.distances.items():
            found.append([f"{source} times, Wasserstein", "", "", say(distance, "time")])
        return found

    def to_dict(self) -> dict[str, Any]:
        """Give plain values for JSON."""
        return {
            "trace": self.name,
            **{name: found.to_dict() for name, found in self.differences.items()},
            "transfer_time_distance": dict(self.distances),
            "equivalence": {
                "metric": "p2p_ratio",
                "margin": self.equivalence.margin,
                "low": self.equivalence.low,
                "high": self.equivalence.high,
                "p_value": self.equivalence.p_value,
                "equivalent": self.equivalence.equivalent,
            },
        }


def compare(
    trace: Trace | str | Path,
    *,
    replications: int = 5,
    seed: int = 1,
    margin: float = MARGIN,
    runs: Runs | None = None,
) -> Comparison:
    """Simulate what was measured, with the viewers that came, and compare.

    Parameters
    ----------
    trace
        A measured trace or its folder.
    margin
        Difference of the P2P share (a fraction) below which both are taken as equal.

    Raises
    ------
    InputError
        For a folder that is no trace, or fewer than two replications.
    """
    return compare_all([trace], replications=replications, seed=seed, margin=margin, runs=runs)[0]


def compare_all(
    traces: Sequence[Trace | str | Path],
    *,
    replications: int = 5,
    seed: int = 1,
    margin: float = MARGIN,
    runs: Runs | None = None,
) -> list[Comparison]:
    """Compare several traces, all simulations of all of them at once."""
    if replications < 2:
        raise InputError(f"replications = {replications}: a comparison needs at least 2")
    found = [trace if isinstance(trace, Trace) else Trace.read(trace) for trace in traces]
    session = runs if runs is not None else Runs(processes=1)
    jobs = [jobs_for(_as_it_came(each), seed, replications, events=True) for each in found]
    made = session.make([job for each in jobs for job in each])
    comparisons = []
    for index, measured in enumerate(found):
        own = made[index * replications : (index + 1) * replications]
        comparisons.append(_compared(measured, [run.trace for run in own if run.trace is not None], margin))
    return comparisons


def compare_traces(trace: Trace | str | Path, other: Trace | str | Path, margin: float = MARGIN) -> Comparison:
    """Compare two traces as they are; from one run each comes no interval, so equality is judged by the estimate."""
    first, second = (each if isinstance(each, Trace) else Trace.read(each) for each in (trace, other))
    found = _compared(first, [second], margin)
    share = found.differences["p2p_ratio"].interval.mean
    judged = Equivalence(margin, float("nan"), float("nan"), float("nan"), bool(abs(share) < margin))
    return Comparison(found.name, found.differences, found.distances, judged, found.transfers)


def _compared(measured: Trace, simulated: Sequence[Trace], margin: float) -> Comparison:
    real = _metrics(measured)
    drawn = [_metrics(trace) for trace in simulated]
    differences = {name: _difference(name, real[name], [row[name] for row in drawn]) for name in COMPARED}
    transfers = pd.concat(
        [_times(measured, "measured"), *(_times(trace, "simulated") for trace in simulated)], ignore_index=True
    )
    return Comparison(
        name=measured.name,
        differences=differences,
        distances={source: _distance(transfers, source) for source in ("http", "p2p")},
        equivalence=equivalence(differences["p2p_ratio"].interval, margin),
        transfers=transfers,
    )


def _as_it_came(trace: Trace) -> Scenario:
    """Give the scenario with the arrivals that were recorded, so that only chance in the network differs."""
    viewers = trace["viewers"]
    if not (viewers["departure"] == "end").all():
        return trace.scenario
    joins = tuple(sorted(float(at) for at in viewers["joined_at"]))
    return trace.scenario.replace({"viewers.count": len(joins), "viewers.arrivals": "recorded", "viewers.joins": joins})


def _metrics(trace: Trace) -> dict[str, float]:
    run = totals(trace)
    sizes = {f"{source}_bytes": float(run.timeline[source].sum()) for source in ("http", "p2p")}
    return {name: number for name, number in (metrics(run) | sizes).items() if name in COMPARED}


def _difference(name: str, measured: float, simulated: Sequence[float]) -> Difference:
    drawn = np.asarray(simulated, float)
    drawn = drawn[np.isfinite(drawn)]
    if not len(drawn) or not np.isfinite(measured):
        mean = float(drawn.mean()) if len(drawn) else float("nan")
        return Difference(name, measured, mean, Interval(float("nan")))
    return Difference(name, measured, float(drawn.mean()), difference(drawn, [measured]))


def _times(trace: Trace, world: str) -> pd.DataFrame:
    rows = trace["transfers"]
    done = rows[rows["outcome"] == "completed"]
    return pd.DataFrame(
        {"world": world, "source": done["source"], "time": done["ended_at"] - done["started_at"]}
    ).reset_index(drop=True)


def _distance(transfers: pd.DataFrame, source: str) -> float:
    rows = transfers[transfers["source"] == source]
    worlds = [rows.loc[rows["world"] == world, "time"].dropna() for world in ("measured", "simulated")]
    if any(len(times) == 0 for times in worlds):
        return float("nan")
    return float(stats.wasserstein_distance(*worlds))
