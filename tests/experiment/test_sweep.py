"""Sweeps: the same table wherever and in whatever order runs are made; nothing lost, repeated or half written."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from p2psim.analysis.runs import Job
from p2psim.errors import DesignError, InputError
from p2psim.experiment import Design, Sweep, executors, simulate, sweep
from p2psim.experiment.result_store import Outcome, Store
from p2psim.scenario import Scenario

ROOT = Path(__file__).parents[2]
BASE = Scenario(name="base").replace(
    {
        "duration": "40 s",
        "viewers.count": 6,
        "viewers.arrival_period": "10 s",
        "stream.bitrate": "1 Mbit/s",
        "stream.segment": "2 s",
        "nat.mix": "open",
        "tracker.interval": "20 s",
    }
)
GRID = {"stream.live_latency": [8.0, 24.0], "access.uplink": [250_000.0, 1_000_000.0]}
DESIGN = Design.of(BASE, grid=GRID, replications=3, metrics=["p2p_ratio", "origin_saving", "startup"])
RUNS = len(DESIGN.jobs())
LIMIT = 60.0


@pytest.fixture(scope="module")
def alone() -> Sweep:
    return sweep(DESIGN, jobs=1, progress=False)


def assert_same(one: Sweep, other: Sweep) -> None:
    pd.testing.assert_frame_equal(one.table, other.table, check_exact=True)
    pd.testing.assert_frame_equal(one.runs, other.runs, check_exact=True)


def test_a_summary_of_a_sweep_has_units_and_descriptions(alone: Sweep) -> None:
    shown, raw = alone.summary(), alone.summary(raw=True)
    factors = ["stream.live_latency", "access.uplink"]
    assert list(shown.columns) == [
        *factors, "replications", "metric", "mean", "low", "high", "unit", "description",
    ]  # fmt: skip
    assert len(shown) == len(raw) == 4 * 3
    assert shown[factors].iloc[0].to_list() == ["8 s", "2 Mbit/s"]
    assert raw[factors].iloc[0].to_list() == [8.0, 250_000.0]
    last = shown[shown["metric"] == "p2p_ratio"].iloc[-1]
    assert last["unit"] == "%"
    assert last["mean"] == pytest.approx(100 * alone.table["p2p_ratio"].iloc[-1], abs=0.005)


def test_a_sweep_is_the_simulations_of_its_points(alone: Sweep) -> None:
    assert alone.is_complete
    assert list(alone.table["stream.live_latency"]) == [8.0, 8.0, 24.0, 24.0]
    for point, (_, row) in zip(DESIGN.points, alone.table.iterrows(), strict=True):
        summary = simulate(point.scenario, 3, jobs=1, progress=False).summary(baseline=True, raw=True)
        summary = summary.set_index("metric")
        for name in DESIGN.metrics:
            assert row[name] == summary.loc[name, "mean"]
            assert row[f"{name}_low"] == summary.loc[name, "low"]
            assert row[f"{name}_high"] == summary.loc[name, "high"]
    assert len(alone.runs) == 4 * 3 * 3


@pytest.mark.parametrize("place", ["processes", "threads", "folder", "tasks"])
def test_the_table_does_not_depend_on_the_place(place: str, alone: Sweep, tmp_path: Path) -> None:
    if place == "processes":
        found = sweep(DESIGN, jobs=2, progress=False)
    elif place == "threads":
        with ThreadPoolExecutor(2) as executor:
            found = sweep(DESIGN, executor=executor, progress=False)
    elif place == "folder":
        sweep(DESIGN, tmp_path, jobs=1, progress=False)
        found = sweep(DESIGN, tmp_path, jobs=1, progress=False)
    else:
        parts = [sweep(DESIGN, tmp_path, jobs=1, task=f"{k}/3", progress=False) for k in (3, 1, 2)]
        assert [part.count("ok") for part in parts] == [RUNS // 3, 2 * RUNS // 3, RUNS]
        found = parts[-1]
    assert_same(found, alone)
    if place in ("folder", "tasks"):
        pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "table.csv"), alone.table)


class Counting(ThreadPoolExecutor):
    """An executor that notes what it is given, and stops after some."""

    def __init__(self, limit: int = 1_000_000) -> None:
        super().__init__(1)
        self.limit, self.given = limit, []  # type: ignore[var-annotated]

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.given.append(args[0].key)
        if len(self.given) > self.limit:
            raise KeyboardInterrupt
        return super().submit(fn, *args, **kwargs)


class Unlucky(ThreadPoolExecutor):
    """An executor on which some runs fail."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        if args[0].replication == 1:
            return super().submit(_fail)
        return super().submit(fn, *args, **kwargs)


def _fail() -> None:
    raise MemoryError("no room\nfor this")


def test_a_failing_run_is_reported_and_ends_nothing(alone: Sweep, tmp_path: Path) -> None:
    with Unlucky(1) as executor:
        found = sweep(DESIGN, tmp_path, executor=executor, progress=False)
    failed = found.status[found.status["status"] == "failed"]
    assert len(failed) == RUNS // 3
    assert set(failed["reason"]) == {"MemoryError: no room for this"}
    assert found.count("ok") == 2 * RUNS // 3
    assert set(found.table["replications"]) == {2}
    with Counting() as executor:
        assert sweep(DESIGN, tmp_path, executor=executor, progress=False).count("failed") == RUNS // 3
        assert executor.given == []
        mended = sweep(DESIGN, tmp_path, executor=executor, retry=True, progress=False)
        assert len(executor.given) == RUNS // 3
    assert_same(mended, alone)


def test_a_grown_design_makes_only_what_is_new(tmp_path: Path) -> None:
    small = Design.of(BASE, grid={"stream.live_latency": [8.0]}, replications=2, metrics=["p2p_ratio"])
    large = Design.of(BASE, grid={"stream.live_latency": [8.0, 24.0]}, replications=3, metrics=["p2p_ratio"])
    with Counting() as executor:
        sweep(small, tmp_path, executor=executor, progress=False)
        sweep(large, tmp_path, executor=executor, progress=False)
        assert len(executor.given) == len(set(executor.given)) == 6


class Deadly:
    """Kills its process for one job."""

    def __init__(self, victim: Job) -> None:
        self.victim = victim.key

    def __call__(self, job: Job) -> Outcome:
        if job.key == self.victim:
            os.kill(os.getpid(), signal.SIGKILL)
        return SIMULATE_ONE(job)


SIMULATE_ONE = executors.simulate_one


def test_a_run_that_kills_its_process_fails_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    design = Design.of(BASE, grid={"stream.live_latency": [8.0, 24.0]}, replications=3, metrics=["p2p_ratio"])
    victim = design.jobs()[2]
    monkeypatch.setattr(executors, "simulate_one", Deadly(victim))
    found = sweep(design, jobs=2, progress=False)
    failed = found.status[found.status["status"] == "failed"]
    assert found.count("ok") == 5
    assert list(failed["replication"]) == [victim.replication]
    assert "process died" in failed["reason"].iloc[0]


# -- kills ------------------------------------------------------------------------------------------------------------

FILE = """
scenario = "base.toml"
replications = 12
metrics = ["p2p_ratio", "origin_saving"]
[grid]
"stream.live_latency" = ["8 s", "24 s"]
"""


@pytest.fixture
def design_file(tmp_path: Path) -> Path:
    (tmp_path / "base.toml").write_text(BASE.replace({"viewers.count": 40}).to_toml(), encoding="utf-8")
    (tmp_path / "design.toml").write_text(FILE, encoding="utf-8")
    return tmp_path / "design.toml"


def start(design: Path, out: Path, jobs: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "p2psim", "sweep", str(design), "--out", str(out), "--jobs", str(jobs), "--json"]
    # a shell that works in the background has its children ignore SIGINT: undone here
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    finally:
        signal.signal(signal.SIGINT, before)


def runs_in(out: Path) -> dict[str, tuple[bytes, int]]:
    found = {}
    for path in out.glob("runs/[!.]*.json"):
        found[path.name] = (path.read_bytes(), path.stat().st_mtime_ns)
    return found


def wait_for(done: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    end = time.monotonic() + LIMIT  # noqa: TID251 - a real process is waited for
    while not done():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end  # noqa: TID251
        time.sleep(0.002)


def test_a_killed_sweep_goes_on_where_it_was(design_file: Path, tmp_path: Path) -> None:
    design, out = Design.load(design_file), tmp_path / "out"
    total, before = len(design.jobs()), {}
    workers_left: list[Path] = []
    for jobs, target in ((2, 3), (1, total // 2)):
        with start(design_file, out, jobs) as process:
            wait_for(lambda target=target: len(runs_in(out)) >= target, process)  # type: ignore[misc]
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            workers_left += [Path(f"/proc/{child}") for child in children]
            process.kill()
        now = runs_in(out)
        assert len(now) < total
        assert before.items() <= now.items()  # neither lost nor made again
        assert all(json.loads(content)["status"] == "ok" for content, _ in now.values())
        before = now
    found = sweep(design, out, jobs=1, progress=False)
    assert before.items() <= runs_in(out).items()
    assert_same(found, sweep(design, jobs=1, progress=False))
    assert not list(out.glob("**/*.part"))
    assert workers_left  # and workers end with their parent
    end = time.monotonic() + LIMIT  # noqa: TID251 - a real process is waited for
    while any(worker.exists() for worker in workers_left):
        assert time.monotonic() < end  # noqa: TID251
        time.sleep(0.05)


@pytest.mark.parametrize(("sign", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_sweep_says_one_line_and_keeps_what_is_done(
    sign: signal.Signals, status: int, design_file: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with start(design_file, out, 2) as process:
        wait_for(lambda: len(runs_in(out)) >= 2, process)
        process.send_signal(sign)
        said, complained = process.communicate(timeout=LIMIT)
    assert process.returncode == status
    assert said == ""
    lines = [line for line in complained.splitlines() if "runs [" not in line and line.strip()]
    assert len(lines) == 1, complained
    assert "the same command goes on" in lines[0]
    assert len(runs_in(out)) >= 2


# -- the folder -------------------------------------------------------------------------------------------------------


def test_two_sweeps_do_not_work_in_one_folder(tmp_path: Path) -> None:
    code = (
        "from p2psim.experiment.result_store import Store\n"
        f"store = Store({str(tmp_path)!r}); store.open(); print(1, flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline()
        store = Store(tmp_path)
        with pytest.raises(DesignError, match="another process is at work"):
            store.open()
        other.kill()
    store.open()
    store.close()


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(DesignError, match="not empty and not the folder of a sweep"):
        sweep(DESIGN, tmp_path, progress=False)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_runs_of_other_code_are_not_mixed_in(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.open()
    store.close()
    manifest = tmp_path / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"fingerprint": "', '"fingerprint": "0'))
    with pytest.raises(DesignError, match="another version"):
        store.open()


def test_a_damaged_run_is_made_again(tmp_path: Path, alone: Sweep) -> None:
    sweep(DESIGN, tmp_path, jobs=1, progress=False)
    for path, damage in zip(sorted(tmp_path.glob("runs/*.json")), ("", "{", "[]", '{"status": "ok"}'), strict=False):
        path.write_text(damage)
    with Counting() as executor:
        assert_same(sweep(DESIGN, tmp_path, executor=executor, progress=False), alone)
        assert len(executor.given) == 4


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"jobs": 2, "dask": "tcp://127.0.0.1:1"}, "one place"),
        ({"jobs": 0}, "jobs = 0"),
        ({"task": "3/2", "out": "x"}, "task 3/2"),
        ({"task": "1/2"}, "needs a folder"),
        ({"dask": "tcp://127.0.0.1:1"}, "no Dask scheduler answers"),
    ],
)
def test_bad_arguments_are_refused(
    arguments: dict[str, Any], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=said):
        sweep(DESIGN, progress=False, **arguments)


# -- Dask -------------------------------------------------------------------------------------------------------------


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
            while not contact.exists():
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


def test_a_dask_cluster_gives_the_same_bits(dask_cluster: str, alone: Sweep, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert_same(sweep(DESIGN, out, dask=dask_cluster, progress=False), alone)
    assert len(runs_in(out)) == RUNS
