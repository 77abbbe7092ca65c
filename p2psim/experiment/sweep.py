"""Sweeps: many scenarios × replications, simulated anywhere and in any order, gathered into one table."""

import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import joblib
import pandas as pd

from p2psim.analysis.metrics import METRICS, described, estimate, metric_value, with_baseline
from p2psim.analysis.runs import Job, Key, compile_kernels
from p2psim.analysis.statistics import Interval
from p2psim.errors import InputError
from p2psim.experiment.design import Design, Point, baseline
from p2psim.experiment.design_points import say_value
from p2psim.experiment.executors import Made, cluster, in_processes, in_turn, on_executor
from p2psim.experiment.progress_bar import Bar
from p2psim.experiment.result_store import Outcome, Store

__all__ = ["Sweep", "gathered", "sweep"]


def sweep(
    design: Design | str | Path,
    out: str | Path | None = None,
    *,
    jobs: int | None = None,
    executor: Executor | None = None,
    dask: str | None = None,
    task: str | tuple[int, int] | None = None,
    retry: bool = False,
    progress: bool = True,
) -> "Sweep":
    """Simulate all runs of a design that are not finished yet.

    Parameters
    ----------
    design
        A design, its path (TOML, see `p2psim.experiment.design`), or the name of a bundled design.
    out
        Folder in which each finished run is kept; None: nothing is written. A sweep that was stopped, even killed,
        continues from there.
    jobs
        Processes of this machine; None: one per processor.
    executor
        Any `concurrent.futures.Executor`, instead of local processes.
    dask
        Address of the scheduler of a running Dask cluster, instead of local processes.
    task
        ``"k/n"``: only the k-th of n parts of the design, for job arrays; all parts share the folder `out`.
    retry
        Repeat failed runs.

    Results do not depend on where runs are simulated. A run that fails is reported, and the others continue.

    Raises
    ------
    InputError
        Before any run: for a design that cannot be read, a folder that is not of a sweep or in use, a cluster that
        does not answer.
    """
    plan = design if isinstance(design, Design) else Design.load(design)
    if sum(choice is not None for choice in (jobs, executor, dask)) > 1:
        raise InputError("pass only one of jobs, executor, dask")
    if jobs is not None and jobs < 1:
        raise InputError(f"jobs = {jobs}: at least 1 is needed")
    k, n = (1, 1) if task is None else _part(task)
    if task is not None and out is None:
        raise InputError(f"task {k}/{n}: needs a folder (out) that all tasks share")
    with closing(Store(out)) as store:
        store.open("all" if task is None else f"{k}-of-{n}")
        if task is None:
            store.tidy()
        store.write("design.toml", plan.text)
        own = plan.jobs()[k - 1 :: n]
        todo = [job for job in own if _is_open(store, job, retry)]
        with Bar("sweep", quiet=not progress) as bar, _outcomes(todo, jobs, executor, dask) as outcomes:
            bar(len(own) - len(todo), len(own))
            for done, (job, outcome) in enumerate(outcomes, start=len(own) - len(todo) + 1):
                store.put(job, outcome)
                bar(done, len(own))
        result = gathered(plan, store)
        if result.is_complete:
            result.write(store)
    return result


def gathered(design: Design, store: Store) -> "Sweep":
    """Return the finished runs of a design; nothing is simulated."""
    outcomes = ((job.key, store.get(job)) for job in design.jobs())
    return Sweep(design, {key: outcome for key, outcome in outcomes if outcome is not None})


def _is_open(store: Store, job: Job, retry: bool) -> bool:
    outcome = store.get(job)
    if outcome is not None and outcome.sums is None and retry:
        store.forget(job)
        outcome = None
    return outcome is None


@contextmanager
def _outcomes(todo: Sequence[Job], jobs: int | None, executor: Executor | None, dask: str | None) -> Iterator[Made]:
    if dask is not None:
        with cluster(dask) as pool, closing(on_executor(todo, pool)) as outcomes:
            yield outcomes
        return
    processes = int(joblib.cpu_count()) if jobs is None else jobs
    if executor is not None:
        if todo:
            compile_kernels()  # its workers may be on this machine, and would all compile
        outcomes = on_executor(todo, executor)
    else:
        outcomes = in_turn(todo) if processes == 1 or len(todo) < 2 else in_processes(todo, processes)
    with closing(outcomes):
        yield outcomes


def _part(task: str | tuple[int, int]) -> tuple[int, int]:
    try:
        k, n = (int(number) for number in (task.split("/") if isinstance(task, str) else task))
    except ValueError:
        k, n = 0, 0
    if not 1 <= k <= n:
        raise InputError(f"task {task}: k/n is expected, with 1 ≤ k ≤ n, for example 3/16")
    return k, n


@dataclass(frozen=True)
class Sweep:
    """Results of the runs of a design, as far as they are finished."""

    design: Design
    outcomes: Mapping[Key, Outcome] = field(repr=False)

    def summary(self, raw: bool = False) -> pd.DataFrame:
        """Return one row per point and metric.

        Columns: the factors as text with units, replications, metric, mean, low, high (its 95 % interval), unit,
        description; numbers have four figures. With `raw`: factors and numbers in canonical units, unrounded, and no
        description.
        """
        rows = []
        for point, row in zip(self.design.points, self.table.to_dict("records"), strict=True):
            factors = {
                name: row[name] if raw else _factor_text(name, point.changes.get(name)) for name in self.design.factors
            }
            for name in self.design.metrics:
                ends = {"mean": row[name], "low": row[f"{name}_low"], "high": row[f"{name}_high"]}
                unit = METRICS[name].unit
                rows.append({**factors, "replications": row["replications"], "metric": name, **ends, "unit": unit})
        table = pd.DataFrame(rows)
        return table if raw else described(table, ["mean", "low", "high"])

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row per point, in canonical units: its factors, number of replications, metrics with 95 % intervals.

        Each metric has three columns: its name, name_low and name_high.
        """
        rows = []
        for point in self.design.points:
            sums = list(self._sums(point).values())
            row = {name: _cell(point.changes.get(name)) for name in self.design.factors} | {"replications": len(sums)}
            for name in self.design.metrics:
                ends = (estimate(name, sums) if sums else Interval(float("nan"))).to_dict()
                row |= {name: ends["mean"], f"{name}_low": ends["low"], f"{name}_high": ends["high"]}
            rows.append(row)
        return pd.DataFrame(rows)

    @cached_property
    def runs(self) -> pd.DataFrame:
        """One row per point, replication and metric, in canonical units: the factors, replication, metric, value."""
        rows = []
        for point in self.design.points:
            factors = {name: _cell(point.changes.get(name)) for name in self.design.factors}
            for replication, sums in self._sums(point).items():
                for name in self.design.metrics:
                    number = metric_value(METRICS[name], sums)
                    rows.append({**factors, "replication": replication, "metric": name, "value": number})
        return pd.DataFrame(rows, columns=[*self.design.factors, "replication", "metric", "value"])

    @cached_property
    def status(self) -> pd.DataFrame:
        """One row per run: the digest of its scenario, replication, status (pending, ok, failed), reason."""
        rows = []
        for job in self.design.jobs():
            outcome = self.outcomes.get(job.key)
            status, reason = ("pending", "") if outcome is None else (outcome.status, outcome.reason)
            rows.append((job.scenario.digest, job.scenario.policy.name, job.replication, status, reason))
        return pd.DataFrame(rows, columns=["scenario", "policy", "replication", "status", "reason"])

    def count(self, status: str) -> int:
        """Number of runs that are ``pending``, ``ok`` or ``failed``."""
        return int((self.status["status"] == status).sum())

    @property
    def is_complete(self) -> bool:
        """True if no run is pending."""
        return self.count("pending") == 0

    def write(self, store: Store) -> None:
        """Write the tables beside the runs."""
        store.write("table.csv", self.table.to_csv(index=False))
        store.write("runs.csv", self.runs.to_csv(index=False))
        store.write("status.csv", self.status.to_csv(index=False))

    def _sums(self, point: Point) -> dict[int, Mapping[str, float]]:
        """Sums of the finished replications of a point."""
        finished = {}
        other = baseline(point.scenario) if self.design.is_paired else None
        for replication in range(self.design.replications):
            own = self._finished(point.scenario.digest, replication)
            base = None if other is None else self._finished(other.digest, replication)
            if own is not None and (other is None or base is not None):
                finished[replication] = own if base is None else with_baseline(own, base)
        return finished

    def _finished(self, digest: str, replication: int) -> Mapping[str, float] | None:
        outcome = self.outcomes.get((digest, self.design.seed, replication, False))
        return None if outcome is None else outcome.sums


def _factor_text(name: str, value: Any) -> str:
    return "" if value is None else say_value(name, value)


def _cell(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, Mapping | tuple | list) else value
