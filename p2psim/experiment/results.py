"""Replications of a scenario, and plain tables of what came out."""

import json
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from p2psim.analysis.metrics import METRICS, estimate, metric_value, sums
from p2psim.analysis.runs import BASELINE, Prepare, RunFolder, Runs, jobs_for
from p2psim.analysis.statistics import FEW, FewReplicationsWarning, Interval, is_precise, replications_for
from p2psim.analysis.steady_state import Batches, batch_means, mser5, series
from p2psim.errors import InputError, at_least, one_of
from p2psim.experiment.figures import Figures
from p2psim.experiment.progress_bar import Bar
from p2psim.rng import stream
from p2psim.scenario import Scenario
from p2psim.simulation import Run
from p2psim.trace import BIN, Trace, versions
from p2psim.trace.atomic_files import replacing

if TYPE_CHECKING:
    import networkx as nx

__all__ = ["Results", "simulate"]


def simulate(
    scenario: Scenario | str | Path,
    replications: int = 10,
    seed: int = 1,
    jobs: int | None = None,
    events: bool = False,
    progress: bool = True,
    *,
    precision: float | None = None,
    metric: str = "p2p_ratio",
    most: int = 200,
    checkpoint: str | Path | None = None,
    every: float = 600.0,
    prepare: Prepare | None = None,
) -> "Results":
    """Simulate replications of a scenario.

    Parameters
    ----------
    scenario
        A scenario, the path of one, or the name of a bundled one.
    jobs
        Processes; None: one per processor. Results do not depend on it.
    events
        Keep every event (`Results.segments`, `Results.connections`, `Results.traces`); costs memory.
    precision, metric, most
        Go on until half the width of the 95 % interval of `metric` is at most this share of its value (0.02, say),
        or there are `most` replications; begins with `replications`. Such an interval covers the truth a little less
        often than it says (93 instead of 95 % where replications are normal), more so after a start with few.
    checkpoint, every
        Folder in which finished replications are kept, and those under way are saved after so many simulated seconds;
        the same call goes on from there.
    prepare
        Called with the `Control` of each run before its clock starts, to add SimPy processes of your own
        (`p2psim.simulation.control.control`); the baseline's runs get them too. Such runs are not kept in a folder.

    Raises
    ------
    InputError
        For a scenario that cannot be read, or numbers that make no sense.
    """
    if replications.__class__ is not int or replications < 1:
        raise InputError(
            f"replications = {replications!r}: a whole number of at least 1 is needed (5 or more for an interval)"
        )
    at_least("seed", seed, 0)
    if precision is not None:
        _check_precision(precision, metric, most)
    if prepare is not None and checkpoint is not None:
        raise InputError("checkpoint, prepare: one of them is accepted; a process of your own cannot be saved")
    asked = scenario if isinstance(scenario, Scenario) else _loaded(scenario)
    folder = None if checkpoint is None else RunFolder(Path(checkpoint), every)
    session = Runs(jobs, folder=folder, prepare=prepare)
    count = replications
    while True:
        with Bar("simulating", quiet=not progress) as bar:
            session.progress = bar
            runs = session.make(jobs_for(asked, seed, count, events))
        results = Results(asked, seed, tuple(runs), session=session, progress=progress)
        if precision is None or count >= most:
            return results
        found = results.interval(metric)
        if is_precise(found, precision):
            return results
        count = min(most, replications_for(found, count, precision))


def _loaded(scenario: object) -> Scenario:
    if isinstance(scenario, str | Path):
        return Scenario.load(str(scenario))
    instead = "; write simulate(results.scenario)" if isinstance(scenario, Results) else ""
    raise InputError(
        f"simulate: a Scenario, the path of one or a bundled name is expected, not a {type(scenario).__name__}{instead}"
    )


def _check_precision(precision: Any, metric: str, most: int) -> None:
    if not isinstance(precision, float | int) or not 0 < precision < 1:
        raise InputError(f"precision = {precision!r}: a share between 0 and 1 is expected, for example 0.02")
    one_of("metric", metric, METRICS)
    if most < 2:
        raise InputError(f"most = {most}: at least 2 replications are needed")


@dataclass(frozen=True)
class Results:
    """What the replications of one scenario gave; tables carry a column `replication`."""

    scenario: Scenario
    seed: int
    runs: tuple[Run, ...] = field(repr=False)
    session: Runs = field(default_factory=Runs, repr=False)
    """What makes further runs."""
    progress: bool = field(default=True, repr=False)

    @cached_property
    def baseline(self) -> "Results":
        """The same viewers without peer-to-peer: same seeds, policy `http-only`. Simulated when first asked for."""
        changed = self.scenario.replace({"policy.name": BASELINE})
        with Bar("http-only", quiet=not self.progress) as bar:
            self.session.progress = bar
            runs = self.session.make(jobs_for(changed, self.seed, len(self.runs)))
        return Results(changed, self.seed, tuple(runs), session=self.session, progress=self.progress)

    def interval(self, metric: str, method: str = "student", level: float = 0.95) -> Interval:
        """Estimate one metric over replications; see `summary`."""
        one_of("metric", metric, METRICS)
        return estimate(metric, self.sums(METRICS[metric].paired), level, self._resampling(method))

    def summary(self, baseline: bool = False, method: str = "student") -> pd.DataFrame:
        """Give metric, mean and 95 % interval over replications; with `baseline`, also what it is measured against.

        Parameters
        ----------
        method
            ``student``: Student's t, of the jackknife's pseudo-values for a ratio of totals; ``bootstrap``: BCa.
        """
        if len(self.runs) < FEW:
            text = f"{len(self.runs)} replications: intervals rest on very little; {FEW} or more are advised"
            warnings.warn(text, FewReplicationsWarning, stacklevel=2)
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
        """Seconds from the start to cut in a study of the steady state (MSER-5); NaN: the run is too short to tell."""
        over, under = series(self.timeline, quantity)
        return mser5((over / under.where(under > 0)).ffill().bfill().to_numpy(float)) * BIN

    def batches(self, quantity: str = "p2p_ratio", replication: int = 0, batches: int = 20) -> Batches:
        """Estimate a quantity of the steady state from one long run, after its warm-up."""
        line = self.timeline
        line = line[(line["replication"] == replication) & (line["at"] >= self.scenario.warmup)]
        over, under = series(line, quantity)
        return batch_means(over.to_list(), under.to_list(), batches)

    def sums(self, baseline: bool = False) -> list[dict[str, float]]:
        """Give what every metric is computed from, one mapping per replication (`p2psim.analysis.metrics`)."""
        bases = [run.totals for run in self.baseline.runs] if baseline else [None] * len(self.runs)
        return [sums(run.totals, base) for run, base in zip(self.runs, bases, strict=True)]

    @cached_property
    def metrics(self) -> pd.DataFrame:
        """One row per replication, one column per metric."""
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
        found = [run.trace for run in self.runs if run.trace is not None]
        if len(found) != len(self.runs):
            raise InputError("these runs kept no events: simulate with events=True")
        return found

    def graph(self, at: float, replication: int = 0) -> "nx.Graph[str]":
        """The swarm at a time as a graph of networkx (`p2psim.analysis.swarm_graph`); needs ``events=True``."""
        from p2psim.analysis.swarm_graph import swarm_graph

        return swarm_graph(self.traces[replication], at)

    @property
    def plot(self) -> Figures:
        """Figures of these results, for example ``results.plot.timeline()``."""
        return Figures(self)

    def save(self, folder: str | Path, baseline: bool = False) -> Path:
        """Write scenario, tables, summary and provenance into a folder, and the traces where there are any."""
        target = Path(folder)
        for run in self.runs:
            if run.trace is not None:
                run.trace.write(target / f"trace-{run.totals.replication}")
        origin = {
            "scenario_digest": self.scenario.digest,
            "seed": self.seed,
            "replications": len(self.runs),
            "versions": versions(),
        }
        written: dict[str, Callable[[IO[bytes]], object]] = {
            "scenario.toml": lambda file: file.write(self.scenario.to_toml().encode()),
            "summary.csv": lambda file: self.summary(baseline).to_csv(file, index=False),
            "metrics.csv": lambda file: self._metrics(baseline).to_csv(file, index=False),
            "viewers.parquet": lambda file: self.viewers.to_parquet(file, index=False),
            "timeline.parquet": lambda file: self.timeline.to_parquet(file, index=False),
            "provenance.json": lambda file: file.write(json.dumps(origin, indent=2).encode() + b"\n"),
        }
        for name, write in written.items():  # provenance last: where it is, all is
            with replacing(target / name) as file:
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
