"""Benchmark of the tracker's speed and memory beside bittorrent-tracker, with one load generator in one run.

    python tests/benchmarks/tracker_bench.py [--rounds 5] [--modules DIR] [--only NAME]

It needs g++, Node.js and npm. bittorrent-tracker is installed into a temporary folder, unless `--modules` names a
node_modules folder that has it. Each round loads one server after the other, the server on one core and the load on
another, so that noise of the machine affects both. The result is the ratio of work per second of processor time.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
NPM_PACKAGE = "bittorrent-tracker@11.2.3"

# the server's own file, because the package's main file also loads the client with its native modules
NODE_SERVER = """
import Server from {module}
const server = new Server({{ http: true, udp: false, ws: true, stats: false }})
server.on('warning', () => {{}})
server.listen(0, '127.0.0.1', () => console.log(JSON.stringify({{ port: server.http.address().port }})))
"""


@dataclass(frozen=True)
class Workload:
    """Load on a server, and the unit of its result."""

    name: str
    mode: str
    peers: int
    swarms: int
    offers: int
    unit: str

    def value(self, result: dict[str, float]) -> float:
        """Return work per second of processor time, or bytes per connection."""
        if self.mode == "idle":
            return (result["memory"] - result["memory_before"]) / result["open"]
        if self.mode == "connect":
            return result["connections"] / result["cpu"]
        return (result["messages_in"] + result["messages_out"]) / result["cpu"]


WORKLOADS = [
    Workload("offers and answers", "signal", 200, 20, 5, "messages per CPU second"),
    Workload("bare announces", "signal", 200, 20, 0, "messages per CPU second"),
    Workload("connections", "connect", 100, 1, 0, "connections per CPU second"),
    Workload("memory, announced without offers", "idle", 5000, 500, 0, "bytes per connection"),
    Workload("memory, announced with 5 offers", "idle", 5000, 500, 5, "bytes per connection"),
]


@contextmanager
def server(command: list[str], core: int) -> Iterator[tuple[int, int]]:
    """Run a server on a core of its own; yield its process id and port."""
    process = subprocess.Popen(
        ["taskset", "-c", str(core), *command],
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT / "tracker")},
    )
    try:
        assert process.stdout is not None
        yield process.pid, json.loads(process.stdout.readline())["port"]
    finally:
        process.terminate()
        process.communicate()


def commands(stack: ExitStack, modules: str | None) -> dict[str, list[str]]:
    """Return the command line of each server by its name."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tracker-bench-")))
    if modules is None:
        subprocess.run(["npm", "install", "--ignore-scripts", "--no-audit", NPM_PACKAGE], cwd=folder, check=True)
        modules = str(folder / "node_modules")
    script = folder / "server.mjs"
    script.write_text(NODE_SERVER.format(module=json.dumps(str(Path(modules) / "bittorrent-tracker" / "server.js"))))
    tracker = [sys.executable, "-m", "p2p_tracker", "--port", "0", "--json", "--log-level", "error"]
    return {"tracker": tracker, "bittorrent-tracker": ["node", str(script)]}


def compile_load(folder: Path) -> Path:
    """Compile the load generator; return the program."""
    program = folder / "tracker_load"
    subprocess.run(
        ["g++", "-O2", "-std=c++17", "-o", program, Path(__file__).with_name("tracker_load.cpp")], check=True
    )
    return program


def measure(load: Path, workload: Workload, command: list[str], seconds: float, cores: tuple[int, int]) -> float:
    """Load a fresh server once; return the result."""
    with server(command, cores[0]) as (process, port):
        arguments = [workload.mode, port, process, seconds, workload.peers, workload.swarms, workload.offers]
        output = subprocess.run(
            ["taskset", "-c", str(cores[1]), load, *map(str, arguments)], check=True, capture_output=True, text=True
        ).stdout
    result = json.loads(output)
    if result["lost"] or (workload.mode != "connect" and result["open"] < workload.peers):
        print(f"  {result['lost']} connections lost, {result['open']} open", file=sys.stderr)
    return workload.value(result)


def main() -> None:
    """Run the benchmark and print its results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="duration of the load in each round")
    parser.add_argument("--modules", help="node_modules folder that has bittorrent-tracker")
    parser.add_argument("--only", default="", help="run only workloads whose name contains this")
    parser.add_argument("--cores", default="0,1", help="CORE_OF_SERVER,CORE_OF_LOAD")
    arguments = parser.parse_args()
    first, second = (int(core) for core in arguments.cores.split(","))
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tracker-load-")))
        load, servers = compile_load(folder), commands(stack, arguments.modules)
        for workload in WORKLOADS:
            if arguments.only not in workload.name:
                continue
            values: dict[str, list[float]] = {name: [] for name in servers}
            for _ in range(arguments.rounds):
                for name, command in servers.items():
                    values[name].append(measure(load, workload, command, arguments.seconds, (first, second)))
            report(workload, values)


def report(workload: Workload, values: dict[str, list[float]]) -> None:
    """Print median, minimum and maximum of each server, and the ratio of the pairs of runs."""
    print(f"{workload.name} ({workload.unit})")
    for name, results in values.items():
        print(f"  {name:20} {statistics.median(results):12,.0f}   {min(results):,.0f} to {max(results):,.0f}")
    ours, theirs = values.values()
    ratios = [one / other for one, other in zip(ours, theirs, strict=True)]
    print(f"  {'ratio':20} {statistics.median(ratios):12.2f}   {min(ratios):.2f} to {max(ratios):.2f}", flush=True)


if __name__ == "__main__":
    main()
