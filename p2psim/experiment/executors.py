"""Execution of a sweep's runs: in this process, in processes of this machine, or on any executor.

A run gives the same bits everywhere and in any order: it depends on its scenario, seed and replication alone.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future, as_completed
from contextlib import contextmanager
from typing import Any

from p2psim.analysis.metrics import sums
from p2psim.analysis.runs import Job, compile_kernels
from p2psim.compiled import kept_in
from p2psim.errors import InputError
from p2psim.experiment.result_store import Outcome
from p2psim.simulation import run
from p2psim.simulation.checkpoint import fingerprint

__all__ = ["Made", "cluster", "in_processes", "in_turn", "on_executor", "simulate_one"]

Made = Generator[tuple[Job, Outcome], None, None]
Futures = dict[Future[Outcome], Job]
_ORPHANED = 1.0
"""Seconds between a worker's checks that its parent is alive."""


def simulate_one(job: Job) -> Outcome:
    """Simulate one run; an exception is its outcome too."""
    try:
        finished = run(job.scenario, seed=job.seed, replication=job.replication)
        return Outcome(sums(finished.totals))
    except Exception as error:
        return _failure(error)


def _failure(error: BaseException) -> Outcome:
    text = " ".join(str(error).split())
    return Outcome(None, f"{type(error).__name__}: {text}" if text else type(error).__name__)


def in_turn(jobs: Iterable[Job]) -> Made:
    """Simulate runs one after another in this process."""
    for job in jobs:
        yield job, simulate_one(job)


def in_processes(jobs: Sequence[Job], processes: int) -> Made:
    """Simulate runs in processes of this machine.

    A run whose process dies, for lack of memory for example, fails alone: the runs of the other processes, which the
    pool loses with it, are repeated.
    """
    compile_kernels()  # here, so that the workers find the machine code instead of all compiling it at once
    lost: list[Job] = []
    with _pool(min(processes, len(jobs))) as pool:
        yield from _collected(pool, jobs, lost)
    # one of the lost runs kills its process: repeat them in groups of as many as there are processes, then one by one
    for width in (processes, 1):
        suspects, lost = sorted(lost, key=jobs.index), []
        for first in range(0, len(suspects), width):
            wave = suspects[first : first + width]
            with _pool(len(wave)) as pool:
                yield from _collected(pool, wave, lost)
    for job in lost:
        yield job, Outcome(None, "the process of this run died (killed, or out of memory)")


def on_executor(jobs: Sequence[Job], executor: Executor) -> Made:
    """Simulate runs on any executor; raises InputError if it breaks."""
    lost: list[Job] = []
    futures: Futures = {}
    try:
        yield from _collected(executor, jobs, lost, futures)
    finally:
        for future in futures:
            future.cancel()
    if lost:
        raise InputError(f"the executor broke; {len(lost)} runs are not done, finished runs are kept")


@contextmanager
def cluster(address: str) -> Iterator[Executor]:
    """Executor on a running Dask cluster; raises InputError if there is none, or if its code differs."""
    try:
        from distributed import Client
    except ImportError:
        raise InputError("--dask needs Dask: pip install 'p2psim[dask]'") from None
    try:
        client: Any = Client(address, timeout=5, set_as_default=False)  # type: ignore[no-untyped-call]
    except (OSError, TimeoutError, ValueError) as error:
        raise InputError(f"{address}: no Dask scheduler answers there ({type(error).__name__})") from None
    with client:
        _check_workers(client, address)
        yield client.get_executor(pure=False)


def _check_workers(client: Any, address: str) -> None:
    workers = client.scheduler_info(n_workers=-1)["workers"]
    if not workers:
        raise InputError(f"{address}: the cluster has no workers; start some (dask worker {address})")
    try:
        fingerprints = client.run(fingerprint)
        one_per_host = {worker["host"]: name for name, worker in workers.items()}
        _compile_in_turns(client, list(one_per_host.values()))
    except ModuleNotFoundError as error:
        raise InputError(f"{address}: a worker cannot import {error.name}; install p2psim there") from None
    for worker, code in fingerprints.items():
        if code != fingerprint():
            raise InputError(f"{address}: worker {worker} has another version of p2psim or its packages than this one")


def _compile_in_turns(client: Any, workers: Sequence[str]) -> None:
    """Compile the kernels on one host for each folder that they are kept in, then on the other hosts.

    Hosts whose folders have one name may share a disk: the others then find there what the first has compiled. Where
    each has a disk of its own, the others compile together.
    """
    folders: dict[str, str] = client.run(kept_in, workers=list(workers))
    first = {folder: worker for worker, folder in folders.items()}.values()
    for turn in (list(first), [worker for worker in folders if worker not in first]):
        if turn:
            client.run(compile_kernels, workers=turn)


@contextmanager
def _pool(processes: int) -> Iterator[Executor]:
    """Executor of joblib.

    Workers are forked if this is the only thread, which saves two seconds of imports; in a notebook, where other
    threads may hold locks, new processes are started.
    """
    from joblib.externals.loky import ProcessPoolExecutor

    alone = threading.active_count() == 1 and hasattr(os, "fork")
    context = multiprocessing.get_context("fork") if alone else None
    pool = ProcessPoolExecutor(processes, context=context, initializer=_begin_work, initargs=(os.getpid(),))
    try:
        yield pool
    except BaseException:
        # without cancelling futures first: joblib's executor treats a cancelled future as an internal error
        pool.shutdown(wait=True, kill_workers=True)
        raise
    pool.shutdown(wait=True)


def _begin_work(parent: int) -> None:
    """Ignore Ctrl-C, which the parent handles, and end when the parent does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: int) -> None:
    pause = threading.Event()
    while os.getppid() == parent:
        pause.wait(_ORPHANED)
    os._exit(1)


def _collected(executor: Executor, jobs: Iterable[Job], lost: list[Job], futures: Futures | None = None) -> Made:
    """Yield outcomes as they are finished; jobs of a broken executor are added to `lost`."""
    work: Callable[[Job], Outcome] = simulate_one
    waiting = futures if futures is not None else {}
    for job in jobs:
        try:
            waiting[executor.submit(work, job)] = job
        except BrokenExecutor:
            lost.append(job)
    for future in as_completed(waiting):
        try:
            outcome = future.result()
        except BrokenExecutor:
            lost.append(waiting[future])
            continue
        except Exception as error:
            outcome = _failure(error)
        yield waiting[future], outcome
