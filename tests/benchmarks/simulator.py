"""How fast and how lean the simulator is: every figure beside its target, in one command.

    python -m tests.benchmarks.simulator [--against SCRIPT] [--million] [--rounds N] [--json FILE] [--only PART …]
                                         [--quick]

Parts are `kernel`, `compile`, `hour`, `growth` and, if asked for, `million`. What is compared runs in turn, round by
round, so that noise of the machine hits all alike: ratios count, absolute seconds are of this machine and moment. Runs
of whole scenarios have a process each, which is where their memory is read. `--against` plays the kernel's transfers
with another script too (`tests.benchmarks.flows.by_external` says what it must have). `--quick` takes small sizes, to
see that everything works.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tests.benchmarks.flows import Outcome, Transfers, by_external, by_full_solution, by_kernel, transfers
from tests.benchmarks.simpy_twin import by_simpy

ROOT = Path(__file__).parents[2]
PARTS = ("kernel", "compile", "hour", "growth")
Solver = Callable[[Transfers], Outcome]


@dataclass(frozen=True)
class Figure:
    """A measured number; `target` says what is to be reached, `reached` whether it was (None: there is no target)."""

    part: str
    name: str
    value: float
    unit: str
    target: str = ""
    reached: bool | None = None
    spread: str = ""


@dataclass(frozen=True)
class Sizes:
    """How large the questions are."""

    flow_seconds: tuple[tuple[int, float, float], ...] = ((200, 0.5, 400.0), (1000, 0.5, 200.0), (1000, 0.8, 100.0))
    slow_transfers: int = 2000
    large_network: float = 40.0
    hour: str = "1 h"
    thousand: int = 1000
    many: int = 100_000
    million: int = 1_000_000
    duration: str = "10 min"


QUICK = Sizes(((60, 0.5, 20.0), (60, 0.8, 20.0)), 300, 2.0, "3 min", 40, 400, 1000, "3 min")


def main() -> int:
    """Measure, print and store."""
    options = _options()
    sizes = QUICK if options.quick else Sizes()
    parts: dict[str, Callable[[], Iterator[Figure]]] = {
        "kernel": partial(kernel, sizes, options.rounds, options.against),
        "compile": compiling,
        "hour": partial(hour, sizes, options.rounds),
        "growth": partial(growth, sizes, options.rounds),
        "million": partial(million, sizes),
    }
    chosen = options.only or [*PARTS, *(["million"] if options.million else [])]
    found = []
    for part in chosen:
        for figure in parts[part]():
            print(_line(figure), flush=True)
            found.append(figure)
    if options.json is not None:
        options.json.write_text(json.dumps([asdict(figure) for figure in found], indent=1) + "\n", encoding="utf-8")
    missed = [figure for figure in found if figure.reached is False]
    print(f"{len(found)} figures, {len(missed)} targets missed" + "".join(f"\n  {_line(figure)}" for figure in missed))
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--against", type=Path, help="script with another solver of the same transfers")
    parser.add_argument("--million", action="store_true", help="try a million viewers too")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="file for the figures")
    parser.add_argument("--only", nargs="+", choices=[*PARTS, "million"], help="these parts alone")
    parser.add_argument("--quick", action="store_true", help="small sizes")
    return parser.parse_args()


def _line(figure: Figure) -> str:
    verdict = {True: "reached", False: "MISSED", None: ""}[figure.reached]
    target = f"target {figure.target}" if figure.target else ""
    value = f"{figure.value:,.3g}" if abs(figure.value) < 1000 else f"{figure.value:,.0f}"
    what = f"{figure.part:8} {figure.name:62} {value:>10} {figure.unit:17}"
    return f"{what} {figure.spread:22} {target:16} {verdict}".rstrip()


# -- the kernel -----------------------------------------------------------------------------------------------------


def kernel(sizes: Sizes, rounds: int, against: Path | None) -> Iterator[Figure]:
    """Play traces of transfers on the kernel and on whatever there is to compare it with."""
    solvers: dict[str, Solver] = {"full re-solve, compiled": by_full_solution}
    if against is not None:
        solvers[against.name] = by_external(against)
    tiny = transfers(10, 5.0, 0.5)
    for solver in (by_kernel, *solvers.values()):
        solver(tiny)
    for viewers, load, seconds in sizes.flow_seconds:
        yield from _compared(transfers(viewers, seconds, load), f"{viewers} viewers, load {load:g}", solvers, rounds)
    viewers, load, _ = sizes.flow_seconds[0]
    yield from _beside_simpy(viewers, load, sizes.slow_transfers)
    large = transfers(10 * max(v for v, _, _ in sizes.flow_seconds), sizes.large_network, 0.5)
    took = min(_seconds(by_kernel, large)[0] for _ in range(rounds))
    yield Figure("kernel", f"transfers, {len(large.uplink)} viewers, load 0.5", len(large.at) / took, "transfers/s")


def _compared(work: Transfers, label: str, solvers: dict[str, Solver], rounds: int) -> Iterator[Figure]:
    # a full solution costs as much per event as there are transfers: a part of the trace must do for it
    short = _first(work, 4000)
    times: dict[str, list[float]] = {name: [] for name in ("kernel", "kernel, short", *solvers)}
    for _ in range(rounds):
        own_time, own = _seconds(by_kernel, work)
        short_time, own_short = _seconds(by_kernel, short)
        times["kernel"].append(own_time)
        times["kernel, short"].append(short_time)
        for name, solver in solvers.items():
            whole = solver is not by_full_solution
            took, other = _seconds(solver, work if whole else short)
            times[name].append(took)
            _same(own if whole else own_short, other, name)
    yield Figure(
        "kernel",
        f"transfers, {label}",
        len(work.at) / min(times["kernel"]),
        "transfers/s",
        spread=_range(times["kernel"]),
    )
    yield Figure("kernel", f"rates set per event, {label}", own.touched, "")
    error = float(np.max(np.abs(own_short.ended - by_full_solution(short).ended) / own_short.ended))
    yield Figure("kernel", f"finish times against full solutions, {label}", error, "relative", "≤ 1e-9", error <= 1e-9)
    for name, solver in solvers.items():
        mine = times["kernel" if solver is not by_full_solution else "kernel, short"]
        ratios = [theirs / ours for theirs, ours in zip(times[name], mine, strict=True)]
        is_judged = solver is not by_full_solution
        yield Figure(
            "kernel",
            f"speed beside {name}, {label}",
            statistics.median(ratios),
            "times as fast",
            "≥ 1" if is_judged else "",
            statistics.median(ratios) >= 1 if is_judged else None,
            _range(ratios),
        )


def _beside_simpy(viewers: int, load: float, count: int) -> Iterator[Figure]:
    work = _first(transfers(viewers, 400.0, load), count)
    own_time, own = min((_seconds(by_kernel, work) for _ in range(5)), key=lambda found: found[0])
    label = f"{viewers} viewers, load {load:g}"
    for rule in ("full", "local"):
        took, other = _seconds(partial(by_simpy, rule=rule), work)
        exact = " (inexact)" if rule == "local" else ""
        yield Figure("kernel", f"speed beside SimPy, {rule}{exact}, {label}", took / own_time, "times as fast")
        if rule == "full":
            _same(own, other, "SimPy")


def _first(work: Transfers, count: int) -> Transfers:
    uplink, downlink, *columns = work
    return Transfers(uplink, downlink, *(column[:count] for column in columns))  # type: ignore[arg-type]


def _seconds(solver: Solver, work: Transfers) -> tuple[float, Outcome]:
    began = time.process_time()
    found = solver(work)
    return time.process_time() - began, found


def _same(own: Outcome, other: Outcome, name: str) -> None:
    if not np.allclose(own.ended, other.ended, rtol=1e-6, atol=0):
        raise SystemExit(f"{name}: its transfers end at other times; the comparison would mean nothing")


def _range(values: list[float]) -> str:
    return f"[{min(values):.3g} … {max(values):.3g}]"


# -- whole runs -----------------------------------------------------------------------------------------------------


def compiling() -> Iterator[Figure]:
    """First use: all kernels compiled into an empty cache."""
    with tempfile.TemporaryDirectory() as cache:
        cold = _run("thousand-for-an-hour", {"duration": "3 min", "viewers.count": 20}, NUMBA_CACHE_DIR=cache)
        warm = _run("thousand-for-an-hour", {"duration": "3 min", "viewers.count": 20}, NUMBA_CACHE_DIR=cache)
    extra = cold["warm"]["seconds"] - warm["warm"]["seconds"]
    yield Figure("compile", "first use, beyond later ones", extra, "s", "≤ 30", extra <= 30)
    yield Figure("compile", "later first runs in a process", warm["warm"]["seconds"], "s")


def hour(sizes: Sizes, rounds: int) -> Iterator[Figure]:
    """1000 viewers for an hour."""
    scenario = {"duration": sizes.hour, "viewers.count": sizes.thousand}
    found = [_run("thousand-for-an-hour", scenario)["done"] for _ in range(rounds)]
    seconds = [run["seconds"] for run in found]
    name = f"{sizes.thousand:,} viewers for {sizes.hour}"
    yield Figure("hour", name, min(seconds), "s of one core", "≤ 10", min(seconds) <= 10, _range(seconds))
    yield Figure("hour", "events", found[0]["events"] / min(seconds), "events/s")
    yield Figure("hour", "P2P share", 100 * found[0]["p2p"], "%")


def growth(sizes: Sizes, rounds: int) -> Iterator[Figure]:
    """Cost of a viewer among many, beside that of a viewer among a thousand: the small runs before and after."""
    small = {"duration": sizes.duration, "viewers.count": sizes.thousand}
    few = [_run("hundred-thousand", small)["done"] for _ in range(rounds)]
    many = _run("hundred-thousand", {**small, "viewers.count": sizes.many}, watch=True)["done"]
    few += [_run("hundred-thousand", small)["done"] for _ in range(rounds)]
    cost = [1e6 * run["seconds"] / run["viewer_seconds"] for run in few]
    large = 1e6 * many["seconds"] / many["viewer_seconds"]
    name = f"{sizes.many:,} viewers for {sizes.duration}"
    memory = many["grown"] / many["viewers"]
    yield Figure("growth", name, many["seconds"] / 60, "min of one core", "≤ 10", many["seconds"] <= 600)
    yield Figure("growth", "memory per viewer, peak", memory, "bytes", "≤ 4096", memory <= 4096)
    yield Figure("growth", "peak memory of the process", many["memory"] / 2**30, "GiB")
    yield Figure(
        "growth",
        f"cost of a viewer among {sizes.thousand:,}",
        statistics.median(cost),
        "µs per second",
        spread=_range(cost),
    )
    yield Figure("growth", f"cost of a viewer among {sizes.many:,}", large, "µs per second")
    ratio = large / statistics.median(cost)
    yield Figure("growth", "growth of the cost", ratio, "times", "≤ 1.5", ratio <= 1.5)
    yield Figure("growth", "P2P share", 100 * many["p2p"], "%")


def million(sizes: Sizes) -> Iterator[Figure]:
    """As many as it takes, told as it goes."""
    scenario = {"duration": sizes.duration, "viewers.count": sizes.million}
    found = _run("hundred-thousand", scenario, watch=True)
    if "done" not in found:
        last = found.get("progress", {"share": 0.0, "seconds": 0.0, "memory": 0})
        yield Figure(
            "million", f"{sizes.million:,} viewers: ended early, share done", 100 * last["share"], "%", "100", False
        )
        yield Figure("million", "peak memory until then", last["memory"] / 2**30, "GiB")
        return
    done = found["done"]
    yield Figure("million", f"{sizes.million:,} viewers for {sizes.duration}", done["seconds"] / 60, "min of one core")
    yield Figure(
        "million",
        "memory per viewer, peak",
        done["grown"] / done["viewers"],
        "bytes",
        "≤ 4096",
        done["grown"] <= 4096 * done["viewers"],
    )
    yield Figure("million", "peak memory of the process", done["memory"] / 2**30, "GiB")
    yield Figure("million", "cost of a viewer", 1e6 * done["seconds"] / done["viewer_seconds"], "µs per second")
    yield Figure("million", "P2P share", 100 * done["p2p"], "%")


def _run(scenario: str, changes: dict[str, object], watch: bool = False, **environment: str) -> dict[str, Any]:
    """Run a scenario in a process of its own; gives the last line of each step that it told."""
    command = [sys.executable, "-m", "tests.benchmarks.run_once", scenario, json.dumps(changes)]
    found: dict[str, Any] = {}
    told = 0.0
    with subprocess.Popen(
        command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tracker'}", **environment},
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            step = json.loads(line)
            found[step["step"]] = step
            if watch and step["step"] == "progress" and step["seconds"] - told >= 10:
                told = step["seconds"]
                done = f"{step['share']:4.0%} after {told:,.0f} s, {step['memory'] / 2**30:.2f} GiB"
                print(f"  {done}", file=sys.stderr, flush=True)
    if process.returncode and not watch:
        raise SystemExit(f"{' '.join(command)} ended with status {process.returncode}")
    return found


if __name__ == "__main__":
    sys.exit(main())
