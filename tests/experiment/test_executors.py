"""Executors: processes that die, and a Dask cluster."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from p2psim.analysis.runs import Job, compile_kernels
from p2psim.experiment import Design, Sweep, executors, sweep
from p2psim.experiment.result_store import Outcome
from tests.experiment.small_sweep import BASE, DESIGN, LIMIT, ROOT, RUNS, assert_same, runs_in


class Deadly:
    """Kills its process for one job."""

    def __init__(self, victim: Job) -> None:
        self.victim = victim.key

    def __call__(self, job: Job) -> Outcome:
        if job.key == self.victim:
            os.kill(os.getpid(), signal.SIGKILL)
        return SIMULATE_ONE(job)


SIMULATE_ONE = executors.simulate_one


@pytest.mark.slow
def test_a_run_that_kills_its_process_fails_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    design = Design.of(BASE, grid={"stream.live_latency": [8.0, 24.0]}, replications=3, metrics=["p2p_ratio"])
    victim = design.jobs()[2]
    monkeypatch.setattr(executors, "simulate_one", Deadly(victim))
    found = sweep(design, jobs=2, progress=False)
    failed = found.status[found.status["status"] == "failed"]
    assert found.count("ok") == 5
    assert list(failed["replication"]) == [victim.replication]
    assert "the process of this run died" in failed["reason"].iloc[0]


@pytest.fixture
def dask_cluster(tmp_path: Path) -> Iterator[str]:
    """A real scheduler and two real worker processes."""
    pytest.importorskip("distributed", reason="Dask is not installed")
    contact = tmp_path / "scheduler.json"
    common = ["--scheduler-file", str(contact), "--no-dashboard"]
    scheduler = [*_dask("scheduler"), *common, "--host", "127.0.0.1", "--port", "0"]
    worker = [*_dask("worker"), *common, "--host", "127.0.0.1", "--nworkers", "2", "--nthreads", "1"]
    worker += ["--local-directory", str(tmp_path)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with (tmp_path / "dask.log").open("wb") as log:
        started = [subprocess.Popen(each, stdout=log, stderr=log, env=environment) for each in (scheduler, worker)]
        try:
            end = time.monotonic() + LIMIT  # noqa: TID251
            while not contact.exists() or not contact.read_text().strip().endswith("}"):
                assert time.monotonic() < end, (tmp_path / "dask.log").read_text()  # noqa: TID251
                time.sleep(0.05)
            address = json.loads(contact.read_text())["address"]
            from distributed import Client

            with Client(address, set_as_default=False) as client:  # type: ignore[no-untyped-call]
                client.wait_for_workers(2, timeout=LIMIT)
            yield address
        finally:
            for process in reversed(started):
                process.terminate()
            for process in started:
                process.wait(timeout=LIMIT)


def _dask(verb: str) -> list[str]:
    return [sys.executable, "-m", "dask", verb]


@pytest.mark.slow
def test_a_dask_cluster_gives_the_same_bits(dask_cluster: str, alone: Sweep, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert_same(sweep(DESIGN, out, dask=dask_cluster, progress=False), alone)
    assert len(runs_in(out)) == RUNS


class Hosts:
    """The part of Dask's client that has a function called on workers, each of a host with a folder for kernels."""

    def __init__(self, folders: dict[str, str]) -> None:
        self.folders = folders
        self.turns: list[set[str]] = []

    def run(self, function: Callable[[], object], **where: Sequence[str]) -> dict[str, str]:
        if function is compile_kernels:
            self.turns.append(set(where["workers"]))
        return {worker: self.folders[worker] for worker in where["workers"]}


def test_hosts_that_may_share_a_disk_do_not_compile_at_once() -> None:
    hosts = Hosts({"a": "/shared/zen4", "b": "/shared/zen4", "c": "/shared/skylake", "d": "/shared/zen4", "e": "/own"})
    executors._compile_in_turns(hosts, list("abcde"))
    filled: set[str] = set()
    for turn in hosts.turns:
        folders = [hosts.folders[host] for host in turn]
        assert all(folder in filled or folders.count(folder) == 1 for folder in folders)
        filled |= set(folders)
    assert sorted(host for turn in hosts.turns for host in turn) == list("abcde")
    assert len(hosts.turns) == 2

    alone = Hosts({"a": "/own"})
    executors._compile_in_turns(alone, ["a"])
    assert alone.turns == [{"a"}]
