"""Sweeps: the same table wherever and in whatever order runs are made; nothing lost, repeated or half written."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from p2psim.errors import InputError
from p2psim.experiment import Design, Sweep, simulate, sweep
from tests.experiment.small_sweep import BASE, DESIGN, LIMIT, ROOT, RUNS, Counting, assert_same, runs_in


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


@pytest.mark.slow
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


class Unlucky(ThreadPoolExecutor):
    """An executor on which some runs fail."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        if args[0].replication == 1:
            return super().submit(_fail)
        return super().submit(fn, *args, **kwargs)


def _fail() -> None:
    raise MemoryError("no room\nfor this")


@pytest.mark.slow
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


def wait_for(done: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    end = time.monotonic() + LIMIT  # noqa: TID251 - a real process is waited for
    while not done():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end  # noqa: TID251
        time.sleep(0.002)


@pytest.mark.slow
def test_a_killed_sweep_goes_on_where_it_was(design_file: Path, tmp_path: Path) -> None:
    design, out = Design.load(design_file), tmp_path / "out"
    total = len(design.jobs())
    before: dict[str, tuple[bytes, int]] = {}
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


@pytest.mark.slow
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
    assert "repeat the command to continue" in lines[0]
    assert len(runs_in(out)) >= 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"jobs": 2, "dask": "tcp://127.0.0.1:1"}, "pass only one of"),
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
