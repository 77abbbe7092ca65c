"""Replications of a scenario, and plain tables of what came out."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import pandas as pd

from p2psim.analysis.metrics import METRICS, estimate, sums, value
from p2psim.analysis.runs import BASELINE, Runs, jobs_for
from p2psim.errors import InputError
from p2psim.experiment.figures import Figures
from p2psim.experiment.progress import Bar
from p2psim.scenario import Scenario
from p2psim.simulation import Run
from p2psim.trace import Trace, versions

__all__ = ["Results", "simulate"]


def simulate(
    scenario: Scenario | str | Path,
    replications: int = 10,
    seed: int = 1,
    jobs: int | None = None,
    events: bool = False,
    progress: bool = True,
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

    Raises
    ------
    InputError
        For a scenario that cannot be read, or fewer than one replication.
    """
    if replications < 1:
        raise InputError(f"replications = {replications}: at least 1 is needed (5 or more for an interval)")
    asked = scenario if isinstance(scenario, Scenario) else Scenario.load(str(scenario))
    with Bar("simulating", quiet=not progress) as bar:
        runs = Runs(jobs, bar).make(jobs_for(asked, seed, replications, events))
    return Results(asked, seed, tuple(runs), jobs=jobs, progress=progress)


@dataclass(frozen=True)
class Results:
    """What the replications of one scenario gave; tables carry a column `replication`."""

    scenario: Scenario
    seed: int
    runs: tuple[Run, ...] = field(repr=False)
    jobs: int | None = field(default=None, repr=False)
    progress: bool = field(default=True, repr=False)

    @cached_property
    def baseline(self) -> "Results":
        """The same viewers without peer-to-peer: same seeds, policy `http-only`. Simulated when first asked for."""
        changed = self.scenario.replace({"policy.name": BASELINE})
        return simulate(changed, len(self.runs), self.seed, self.jobs, progress=self.progress)

    def summary(self, baseline: bool = False) -> pd.DataFrame:
        """Give metric, mean and 95 % interval over replications; with `baseline`, also what it is measured against."""
        replications = self.sums(baseline)
        rows = [
            {"metric": name, **estimate(metric, replications).to_dict(), "unit": metric.unit}
            for name, metric in METRICS.items()
            if baseline or not metric.paired
        ]
        return pd.DataFrame(rows, columns=["metric", "mean", "low", "high", "unit"])

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

    @property
    def plot(self) -> Figures:
        """Figures of these results, for example ``results.plot.timeline()``."""
        return Figures(self)

    def save(self, folder: str | Path, baseline: bool = False) -> Path:
        """Write scenario, tables, summary and provenance into a folder, and the traces where there are any."""
        target = Path(folder)
        target.mkdir(parents=True, exist_ok=True)
        (target / "scenario.toml").write_text(self.scenario.to_toml(), encoding="utf-8")
        self.summary(baseline).to_csv(target / "summary.csv", index=False)
        self._metrics(baseline).to_csv(target / "metrics.csv", index=False)
        self.viewers.to_parquet(target / "viewers.parquet", index=False)
        self.timeline.to_parquet(target / "timeline.parquet", index=False)
        origin = {
            "scenario_digest": self.scenario.digest,
            "seed": self.seed,
            "replications": len(self.runs),
            "versions": versions(),
        }
        (target / "provenance.json").write_text(json.dumps(origin, indent=2) + "\n", encoding="utf-8")
        for run in self.runs:
            if run.trace is not None:
                run.trace.write(target / f"trace-{run.totals.replication}")
        return target

    def _metrics(self, baseline: bool) -> pd.DataFrame:
        rows = [
            {"replication": run.totals.replication}
            | {name: value(metric, found) for name, metric in METRICS.items() if baseline or not metric.paired}
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
