"""Replications of a scenario, and tables of their results."""

import json
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypedDict, Unpack

import numpy as np
import pandas as pd

from p2psim.analysis.metrics import METRICS, described, estimate, metric_value, sums
from p2psim.analysis.runs import BASELINE, Prepare, RunFolder, Runs, jobs_for
from p2psim.analysis.statistics import FewReplicationsWarning, Interval, few_replications, is_precise, replications_for
from p2psim.analysis.steady_state import Batches, batch_means, mser5, series
from p2psim.errors import InputError, at_least, one_of
from p2psim.experiment.figures import Figures
from p2psim.experiment.progress_bar import Bar
from p2psim.rng import stream
from p2psim.scenario import Scenario
from p2psim.simulation import Run
from p2psim.trace import BIN, Trace, versions
from p2psim.trace.atomic_files import atomic_write

if TYPE_CHECKING:
    import networkx as nx

__all__ = ["Options", "Results", "simulate"]


class Options(TypedDict, total=False):
    """Options of `simulate` by name."""

    precision: float | None
    metric: str
    most: int
    checkpoint: str | Path | None
    every: float
    prepare: Prepare | None


def simulate(
    scenario: Scenario | str | Path,
    replications: int = 10,
    seed: int = 1,
    jobs: int | None = None,
    events: bool = False,
    progress: bool = True,
    **options: Unpack[Options],
) -> "Results":
    """Simulate replications of a scenario.

    Parameters
    ----------
    scenario
        A scenario, its path, or the name of a bundled scenario.
    jobs
        Processes; None: one per processor. Results do not depend on it.
    events
        Keep all events, for `Results.segments`, `Results.connections` and `Results.traces`; takes memory.
    precision, metric, most
        Add replications until half the width of the 95 % interval of `metric` (p2p_ratio) is at most this share of its
        value (for example 0.02), or until there are `most` (200); begins with `replications`. Such an interval covers
        the true value less often than 95 % (93 % if replications are normally distributed), even less after a start
        with few.
    checkpoint, every
        Folder for finished replications and, `every` so many simulated seconds (600), the state of unfinished ones;
        the same call continues from there.
    prepare
        Function that is called with the `Control` of each run before its clock starts, to add SimPy processes of your
        own (`p2psim.simulation.control.control`), in runs of the baseline too. Such runs cannot be checkpointed.

    Raises
    ------
    InputError
        For a scenario that cannot be read, numbers out of range, or an unknown option.
    """
    for name in options:
        one_of("option", name, Options.__annotations__)
    if replications.__class__ is not int or replications < 1:
        raise InputError(
            f"replications = {replications!r}: a whole number of at least 1 is needed (5 or more for an interval)"
        )
    at_least("seed", seed, 0)
    stop = _Stop(options.get("precision"), options.get("metric", "p2p_ratio"), options.get("most", 200))
    base = scenario if isinstance(scenario, Scenario) else _loaded(scenario)
    session = _session(jobs, options.get("checkpoint"), options.get("every", 600.0), options.get("prepare"))
    count: int | None = replications
    while count is not None:
        with Bar("simulating", quiet=not progress) as bar:
            session.progress = bar
            runs = session.make(jobs_for(base, seed, count, events))
        results = Results(base, seed, tuple(runs), session=session, progress=progress)
        count = stop.next_count(results)
    return results


@dataclass(frozen=True, slots=True)
class _Stop:
    """Rule that ends the replications: at a precision of a metric, or at the number asked for."""

    precision: float | None
    metric: str
    most: int

    def __post_init__(self) -> None:
        precision: Any = self.precision
        if precision is None:
            return
        if not isinstance(precision, float | int) or not 0 < precision < 1:
            raise InputError(f"precision = {precision!r}: a share between 0 and 1 is expected, for example 0.02")
        one_of("metric", self.metric, METRICS)
        if self.most < 2:
            raise InputError(f"most = {self.most}: at least 2 replications are needed")

    def next_count(self, results: "Results") -> int | None:
        """Return how many replications are needed, None if they are there."""
        count = len(results.runs)
        if self.precision is None or count >= self.most:
            return None
        interval = results.interval(self.metric)
        if is_precise(interval, self.precision):
            return None
        return min(self.most, replications_for(interval, count, self.precision))


def _session(jobs: int | None, checkpoint: str | Path | None, every: float, prepare: Prepare | None) -> Runs:
    if prepare is not None and checkpoint is not None:
        raise InputError("checkpoint, prepare: pass only one of them; a process of your own cannot be saved")
    folder = None if checkpoint is None else RunFolder(Path(checkpoint), every)
    return Runs(jobs, folder=folder, prepare=prepare)


def _loaded(scenario: object) -> Scenario:
    if isinstance(scenario, str | Path):
        return Scenario.load(str(scenario))
    instead = "; write simulate(results.scenario)" if isinstance(scenario, Results) else ""
    raise InputError(
        f"simulate: a Scenario, the path of one or a bundled name is expected, not a {type(scenario).__name__}{instead}"
    )


@dataclass(frozen=True)
class Results:
    """Results of the replications of one scenario; tables have a column `replication`."""

    scenario: Scenario
    seed: int
    runs: tuple[Run, ...] = field(repr=False)
    session: Runs = field(default_factory=Runs, repr=False)
    """Simulates further runs, such as those of the baseline."""
    progress: bool = field(default=True, repr=False)

    @cached_property
    def baseline(self) -> "Results":
        """Results of the same viewers and seeds with the policy `http-only`; simulated at the first access."""
        changed = self.scenario.replace({"policy.name": BASELINE})
        with Bar("http-only", quiet=not self.progress) as bar:
            self.session.progress = bar
            runs = self.session.make(jobs_for(changed, self.seed, len(self.runs)))
        return Results(changed, self.seed, tuple(runs), session=self.session, progress=self.progress)

    def interval(self, metric: str, method: str = "student", level: float = 0.95) -> Interval:
        """Mean and interval of one metric over replications, in canonical units; see `summary`."""
        one_of("metric", metric, METRICS)
        return estimate(metric, self.sums(METRICS[metric].paired), level, self._resampling(method))

    def summary(self, baseline: bool = False, method: str = "student", raw: bool = False) -> pd.DataFrame:
        """Return every metric with its mean and 95 % interval over replications.

        Columns metric, mean, low, high, unit (%, Mbit/s, s …), description; numbers have four figures.

        Parameters
        ----------
        baseline
            Also the metrics that compare with http-only, which is simulated for them.
        method
            ``student``: Student's t, of the jackknife's pseudo-values for a ratio of totals; ``bootstrap``: BCa.
        raw
            Unrounded numbers in canonical units (shares from 0 to 1, bytes/s, bytes, seconds), for programs; unit is
            the kind of quantity (share, rate, size, time, number), and there is no description.
        """
        if text := few_replications(len(self.runs)):
            warnings.warn(text, FewReplicationsWarning, stacklevel=2)
        table = self.estimates(baseline, method)
        return table if raw else described(table, ["mean", "low", "high"])

    def estimates(self, baseline: bool = False, method: str = "student") -> pd.DataFrame:
        """Return the table of `summary` with raw numbers, without a warning about few replications."""
        replications, rng = self.sums(baseline), self._resampling(method)
        rows = [
            {"metric": name, **estimate(metric, replications, rng=rng).to_dict(), "unit": metric.unit}
            for name, metric in METRICS.items()
            if baseline or not metric.paired
        ]
        return pd.DataFrame(rows, columns=["metric", "mean", "low", "high", "unit"])

    def _resampling(self, method: str) -> np.random.Generator | None:
        if method not in ("student", "bootstrap"):
            raise InputError(f"method = {method!r}: accepted: student, bootstrap")
        return stream(self.seed, "bootstrap") if method == "bootstrap" else None

    def warmup(self, quantity: str = "p2p_ratio") -> float:
        """Warm-up to cut in a study of the steady state, seconds (MSER-5); NaN if the run is too short."""
        over, under = series(self.timeline, quantity)
        return mser5((over / under.where(under > 0)).ffill().bfill().to_numpy(float)) * BIN

    def batches(self, quantity: str = "p2p_ratio", replication: int = 0, batches: int = 20) -> Batches:
        """Estimate a quantity of the steady state by batch means of one long run, after its warm-up."""
        line = self.timeline
        line = line[(line["replication"] == replication) & (line["at"] >= self.scenario.warmup)]
        over, under = series(line, quantity)
        return batch_means(over.to_list(), under.to_list(), batches)

    def sums(self, baseline: bool = False) -> list[dict[str, float]]:
        """Return the sums that metrics are computed from, per replication (`p2psim.analysis.metrics`)."""
        bases = [run.totals for run in self.baseline.runs] if baseline else [None] * len(self.runs)
        return [sums(run.totals, base) for run, base in zip(self.runs, bases, strict=True)]

    @cached_property
    def metrics(self) -> pd.DataFrame:
        """One row per replication, one column per metric, in canonical units."""
        return self._metrics(baseline=False)

    @cached_property
    def viewers(self) -> pd.DataFrame:
        """One row per viewer and replication: the columns of `p2psim.trace.VIEWER_TOTALS`."""
        return self._stacked(lambda run: run.totals.viewers)

    @cached_property
    def timeline(self) -> pd.DataFrame:
        """One row per second and replication: the columns of `p2psim.trace.TIMELINE`."""
        return self._stacked(lambda run: run.totals.timeline)

    @cached_property
    def segments(self) -> pd.DataFrame:
        """One row per segment, viewer and replication; needs ``events=True``."""
        return self._events("segments")

    @cached_property
    def connections(self) -> pd.DataFrame:
        """One row per connection attempt and replication; needs ``events=True``."""
        return self._events("connections")

    @property
    def traces(self) -> list[Trace]:
        """Traces of all replications; needs ``events=True``."""
        traces = [run.trace for run in self.runs if run.trace is not None]
        if len(traces) != len(self.runs):
            raise InputError("these runs kept no events: simulate with events=True")
        return traces

    def graph(self, at: float, replication: int = 0) -> "nx.Graph[str]":
        """Graph of the swarm at a time, of networkx (`p2psim.analysis.swarm_graph`); needs ``events=True``."""
        from p2psim.analysis.swarm_graph import swarm_graph

        return swarm_graph(self.traces[replication], at)

    @property
    def plot(self) -> Figures:
        """Figures of these results, for example ``results.plot.timeline()``."""
        return Figures(self)

    def save(self, folder: str | Path, baseline: bool = False) -> Path:
        """Write scenario, tables, summary and provenance into a folder, and traces if events were kept.

        Numbers are in canonical units and unrounded.
        """
        target = Path(folder)
        for run in self.runs:
            if run.trace is not None:
                run.trace.write(target / f"trace-{run.totals.replication}")
        provenance = {
            "scenario_digest": self.scenario.digest,
            "seed": self.seed,
            "replications": len(self.runs),
            "versions": versions(),
        }
        written: dict[str, Callable[[IO[bytes]], object]] = {
            "scenario.toml": lambda file: file.write(self.scenario.to_toml().encode()),
            "summary.csv": lambda file: self.estimates(baseline).to_csv(file, index=False),
            "metrics.csv": lambda file: self._metrics(baseline).to_csv(file, index=False),
            "viewers.parquet": lambda file: self.viewers.to_parquet(file, index=False),
            "timeline.parquet": lambda file: self.timeline.to_parquet(file, index=False),
            "provenance.json": lambda file: file.write(json.dumps(provenance, indent=2).encode() + b"\n"),
        }
        for name, write in written.items():  # provenance last: where it is, all is
            with atomic_write(target / name) as file:
                write(file)
        return target

    def _metrics(self, baseline: bool) -> pd.DataFrame:
        rows = [
            {"replication": run.totals.replication}
            | {name: metric_value(metric, found) for name, metric in METRICS.items() if baseline or not metric.paired}
            for run, found in zip(self.runs, self.sums(baseline), strict=True)
        ]
        return pd.DataFrame(rows)

    def _stacked(self, pick: Callable[[Run], pd.DataFrame]) -> pd.DataFrame:
        frames = []
        for run in self.runs:
            frame = pick(run).copy()
            frame.insert(0, "replication", run.totals.replication)
            frames.append(frame)
        return pd.concat(frames, ignore_index=True)

    def _events(self, name: str) -> pd.DataFrame:
        traces = iter(self.traces)
        return self._stacked(lambda _: next(traces)[name])
