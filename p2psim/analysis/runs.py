"""Runs by need: each (scenario, seed, replication) is simulated once, in parallel, and shared by who asks again.

Results do not depend on the number of processes: every replication has streams of its own, and runs are handed back
in the order in which they were asked for.
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
from p2psim.simulation.checkpoint import read_run, write_run

__all__ = ["BASELINE", "Job", "Key", "Prepare", "Progress", "RunFolder", "Runs", "compile_kernels", "jobs_for"]

BASELINE = "http-only"
"""The policy that every saving is measured against."""

Key = tuple[str | int, ...]
"""What tells a run from others: digest, seed, replication, events and, where others' viewers come, whose."""

Progress = Callable[[float, int], None]
"""Told how many runs are done (a fraction of the one under way included), and of how many."""

Prepare = Callable[[Control], None]
"""Adds processes of one's own to a run before its clock starts."""


@dataclass(frozen=True, slots=True)
class RunFolder:
    """Where finished runs are kept, and those under way saved now and again."""

    path: Path
    every: float = 600.0
    """Simulated seconds."""


class Job(NamedTuple):
    """One run to make."""

    scenario: Scenario
    seed: int
    replication: int
    events: bool = False
    viewers: tuple[int, int] | None = None
    """Seed and replication whose viewers come; None: its own."""

    @property
    def key(self) -> Key:
        """What tells this run from others; a scenario's name does not."""
        return self.scenario.digest, self.seed, self.replication, self.events, *(self.viewers or ())


def jobs_for(scenario: Scenario, seed: int, replications: int, events: bool = False) -> list[Job]:
    """List the runs of all replications of a scenario."""
    return [Job(scenario, seed, replication, events) for replication in range(replications)]


class Runs:
    """Makes runs, all with the same `prepare`, and keeps them for the session; `processes` None: one per processor."""

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
        """Give the runs of `jobs`, in their order, simulating those that are not there yet."""
        wanted = list(jobs)
        missing = list({job.key: job for job in wanted if job.key not in self._done}.values())
        for job, made in zip(missing, self._simulate(missing), strict=True):
            self._done[job.key] = made
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
        for index, made in enumerate(pool(work)):
            self._report(index + 1, len(jobs))
            yield made

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
    make = partial(
        run, job.scenario, seed=job.seed, replication=job.replication, events=job.events, viewers=job.viewers,
        prepare=prepare, progress=progress,
    )  # fmt: skip
    if folder is None:
        return make()
    name = folder.path / "-".join(str(part) for part in job.key)
    done, state = name.with_suffix(".run"), name.with_suffix(".state")
    if not done.exists():
        write_run(make(checkpoint=Checkpoint(state, folder.every)), done)
        state.unlink(missing_ok=True)
    return read_run(done)


def compile_kernels() -> None:
    """Compile in this process, so that the workers find the machine code on disk and do not all make it at once."""
    run(Scenario().replace({"duration": 10.0, "viewers.count": 2, "viewers.over": 1.0}))
