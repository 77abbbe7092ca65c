"""Parallel simulation runs with a cache: each (scenario, seed, replication) is simulated once per session.

Results do not depend on the number of processes: every replication has its own random streams, and runs are returned
in the order of the jobs.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import joblib

from p2psim.errors import InputError, at_least
from p2psim.scenario import Scenario
from p2psim.simulation import Checkpoint, Control, Run, run
from p2psim.simulation.checkpoint import read_saved, write_run

__all__ = ["BASELINE", "Job", "Key", "Prepare", "Progress", "RunFolder", "Runs", "compile_kernels", "jobs_for"]

BASELINE = "http-only"
"""Policy of the paired runs that savings are computed against."""

Key = tuple[str | int, ...]
"""Identity of a run: digest, seed, replication, events, and the seed and replication of its viewers if they differ."""

Progress = Callable[[float, int], None]
"""Callback with the number of finished runs (including the finished fraction of the current one) and of all runs."""

Prepare = Callable[[Control], object]
"""Callback that adds user processes to a run before its clock starts."""


@dataclass(frozen=True, slots=True)
class RunFolder:
    """Folder of finished runs and of checkpoints of unfinished ones."""

    path: Path
    every: float = 600.0
    """Simulated seconds between two checkpoints."""


class Job(NamedTuple):
    """One run to simulate."""

    scenario: Scenario
    seed: int
    replication: int
    events: bool = False
    viewers: tuple[int, int] | None = None
    """Seed and replication that the viewers are drawn from; None: those of the run itself."""

    @property
    def key(self) -> Key:
        """Identity of the run; the scenario's name is not part of it."""
        return self.scenario.digest, self.seed, self.replication, self.events, *(self.viewers or ())


def jobs_for(scenario: Scenario, seed: int, replications: int, events: bool = False) -> list[Job]:
    """List the runs of all replications of a scenario."""
    return [Job(scenario, seed, replication, events) for replication in range(replications)]


class Runs:
    """Simulates runs, all with the same `prepare`, and caches them for the session.

    `processes` is the number of worker processes; None: one per processor.
    """

    def __init__(
        self,
        processes: int | None = None,
        progress: Progress | None = None,
        folder: RunFolder | None = None,
        prepare: Prepare | None = None,
    ) -> None:
        self.processes = joblib.cpu_count() if processes is None else at_least("jobs", processes, 1)
        if prepare is not None and not callable(prepare):
            raise InputError(f"prepare = {prepare!r}: a function is expected, to be called with the Control")
        self.progress = progress
        self._folder = folder
        self._prepare = prepare
        self._done: dict[Key, Run] = {}

    def make(self, jobs: Iterable[Job]) -> list[Run]:
        """Return the runs of `jobs` in their order; those that are not cached are simulated."""
        wanted = list(jobs)
        missing = list({job.key: job for job in wanted if job.key not in self._done}.values())
        for job, finished in zip(missing, self._simulate(missing), strict=True):
            self._done[job.key] = finished
        return [self._done[job.key] for job in wanted]

    def _simulate(self, jobs: Sequence[Job]) -> Iterator[Run]:
        if self.processes == 1 or len(jobs) < 2:
            for index, job in enumerate(jobs):
                yield _run(job, self._folder, self._prepare, self._within(index, len(jobs)))
                self._report(index + 1, len(jobs))
            return
        compile_kernels()
        pool = joblib.Parallel(n_jobs=min(self.processes, len(jobs)), return_as="generator", batch_size=1)
        work = (joblib.delayed(_run)(job, self._folder, self._prepare) for job in jobs)
        for index, finished in enumerate(pool(work)):
            self._report(index + 1, len(jobs))
            yield finished

    def _within(self, index: int, total: int) -> Callable[[float], None] | None:
        return None if self.progress is None else lambda done: self._report(index + done, total)

    def _report(self, done: float, total: int) -> None:
        if self.progress is not None:
            self.progress(done, total)


def _run(
    job: Job,
    folder: RunFolder | None = None,
    prepare: Prepare | None = None,
    progress: Callable[[float], None] | None = None,
) -> Run:
    simulate = partial(
        run, job.scenario, seed=job.seed, replication=job.replication, events=job.events, viewers=job.viewers,
        prepare=prepare, progress=progress,
    )  # fmt: skip
    if folder is None:
        return simulate()
    name = folder.path / "-".join(str(part) for part in job.key)
    finished, state = name.with_suffix(".run"), name.with_suffix(".state")
    if not finished.exists():
        write_run(simulate(checkpoint=Checkpoint(state, folder.every)), finished)
        state.unlink(missing_ok=True)
    return read_saved(finished, Run)


def compile_kernels() -> None:
    """Compile all kernels in this process, so that worker processes load the machine code from disk."""
    run(Scenario().replace({"duration": 10.0, "viewers.count": 2, "viewers.arrival_period": 1.0}))
