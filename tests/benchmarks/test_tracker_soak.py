"""Soak test with ten thousand viewers: no connection is lost, memory does not grow, and viewers reconnect and expire.

It takes twenty seconds by default. The figures of the README come from SOAK_SECONDS=300, which also uses the default
heartbeat timeout.
"""

import json
import os
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self, TypeAlias

import httpx
import pytest

Metrics: TypeAlias = dict[str, Any]

HERE = Path(__file__).parent
SECONDS = float(os.environ.get("SOAK_SECONDS", "20"))
PEERS = int(os.environ.get("SOAK_PEERS", "10000"))
CHURNING = PEERS // 10
"""Further viewers that join and leave repeatedly."""
HEARTBEAT = 60.0 if SECONDS >= 300 else 10.0
TOLERANCE = 30.0
"""Acceptable delay on a busy machine in seconds."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.alone,
    pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not installed"),
]


@pytest.fixture(scope="module")
def load(tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = tmp_path_factory.mktemp("load") / "tracker_load"
    subprocess.run(["g++", "-O2", "-std=c++17", "-o", program, HERE / "tracker_load.cpp"], check=True)
    return program


@pytest.fixture
def open_files() -> Iterator[None]:
    """Raise the limit of open files of this process and its children to the maximum."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < PEERS + CHURNING + 100:
        pytest.skip(f"{PEERS + CHURNING} connections need as many open files, and {hard} are allowed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class Tracker:
    """Tracker in a process of its own, and an HTTP client that polls its metrics."""

    def __init__(self, port: int = 0) -> None:
        arguments = ["--port", port, "--json", "--log-level", "error", "--interval", 30]
        arguments += ["--heartbeat-timeout", HEARTBEAT, "--ping-interval", HEARTBEAT * 25 / 60]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "p2p_tracker", *map(str, arguments)],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(HERE.parents[1] / "tracker")},
        )
        assert self.process.stdout is not None
        address = json.loads(self.process.stdout.readline())
        self.port = address["port"]
        self._http = httpx.Client(base_url=address["http"], timeout=TOLERANCE)
        self.waits: list[float] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._http.close()
        self.process.terminate()
        self.process.communicate()

    def metrics(self) -> Metrics:
        response = self._http.get("/tracker/stats")
        self.waits.append(response.elapsed.total_seconds())
        metrics: Metrics = response.json()
        return metrics

    def wait(self, condition: Callable[[Metrics], bool], deadline: float) -> float:
        """Wait until the metrics fulfil a condition; return the seconds that it took."""
        began = time.perf_counter()
        while not condition(metrics := self.metrics()):
            assert time.perf_counter() - began < deadline, metrics
            time.sleep(0.1)
        return time.perf_counter() - began


class Sampler(threading.Thread):
    """Thread that samples the metrics of a tracker once a second."""

    def __init__(self, tracker: Tracker) -> None:
        super().__init__(daemon=True)
        self._tracker = tracker
        self._ended = threading.Event()
        self.samples: list[Metrics] = []

    def run(self) -> None:
        while not self._ended.wait(1.0):
            self.samples.append(self._tracker.metrics())

    def end(self) -> None:
        self._ended.set()
        self.join()


def test_ten_thousand_viewers_are_served_reconnect_and_expire(load: Path, open_files: None) -> None:
    peers = PEERS + CHURNING
    with Tracker() as tracker:
        arguments = ["soak", tracker.port, tracker.process.pid, SECONDS, PEERS, PEERS // 100, 5, CHURNING]
        viewers = subprocess.Popen([load, *map(str, arguments)], stdout=subprocess.PIPE)
        try:
            sampler = Sampler(tracker)
            sampler.start()
            assert viewers.stdout is not None
            result = json.loads(viewers.stdout.readline())
            sampler.end()
            full = [sample for sample in sampler.samples if sample["peers"] >= PEERS]
            early, late = full[len(full) // 5], full[-1]
            tenths = [round(sample["memory"] / 2**20, 1) for sample in full[:: max(1, len(full) // 10)]]
            waits = sorted(tracker.waits)
            http = {"median": statistics.median(waits), "95 %": waits[int(0.95 * len(waits))], "most": waits[-1]}
            print(json.dumps({**result, "seconds_for_http": http, "mebibytes_of_memory": tenths}))
            assert result["lost"] == 0
            assert result["open"] >= PEERS
            # without the replies to viewers that left before they received one
            assert result["replies"] > result["announces"] - 2 * result["connections"] - 100
            assert len(full) > 0.8 * SECONDS
            assert max(sample["peers"] for sample in full) <= peers
            # memory rises once when messages queue up on a busy machine
            assert late["memory"] < 1.15 * early["memory"] + 1e6
            assert http["95 %"] < 2.0

            tracker.process.send_signal(signal.SIGTERM)
            tracker.process.wait(timeout=TOLERANCE)
            with Tracker(tracker.port) as restarted:
                back = restarted.wait(lambda metrics: metrics["peers"] >= peers, 10 + TOLERANCE)
                print(f"all {peers} had reconnected {back:.1f} s after the restart; each waits 1 to 10 s by itself")
                viewers.send_signal(signal.SIGSTOP)  # they neither close nor send anything from now on
                gone = restarted.wait(lambda metrics: metrics["connections"] == 0, HEARTBEAT + TOLERANCE)
                remaining = restarted.metrics()
                print(f"all had expired {gone:.1f} s after they fell silent")
                assert (remaining["peers"], remaining["swarms"]) == (0, 0)
        finally:
            viewers.kill()
            viewers.communicate()
