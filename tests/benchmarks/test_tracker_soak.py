"""Ten thousand viewers: none is lost, nothing grows, all come back after a restart, and the silent are forgotten.

Twenty seconds by default; SOAK_SECONDS=300 makes it the five minutes that the figures of the README come from, then
with the usual heartbeat.
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
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

HERE = Path(__file__).parent
SECONDS = float(os.environ.get("SOAK_SECONDS", "20"))
PEERS = int(os.environ.get("SOAK_PEERS", "10000"))
RESTLESS = PEERS // 10
"""How many more come and go meanwhile."""
HEARTBEAT = 60.0 if SECONDS >= 300 else 10.0
LATE = 30.0
"""Seconds that a busy machine may take beyond the time that is promised."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not installed"),
]


@pytest.fixture(scope="module")
def load(tmp_path_factory) -> Path:
    program = tmp_path_factory.mktemp("load") / "tracker_load"
    subprocess.run(["g++", "-O2", "-std=c++17", "-o", program, HERE / "tracker_load.cpp"], check=True)
    return program


@pytest.fixture
def open_files():
    """Let this process and those that it starts open as many files as the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < PEERS + RESTLESS + 100:
        pytest.skip(f"{PEERS + RESTLESS} connections need as many open files, and {hard} are allowed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class Tracker:
    """A tracker in a process, and a client that asks it how it is."""

    def __init__(self, port: int = 0):
        arguments = ["--port", port, "--json", "--log-level", "error", "--interval", 30]
        arguments += ["--heartbeat-timeout", HEARTBEAT, "--ping-interval", HEARTBEAT * 25 / 60]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "p2p_tracker", *map(str, arguments)],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(HERE.parents[1] / "tracker")},
        )
        address = json.loads(self.process.stdout.readline())
        self.port = address["port"]
        self._http = httpx.Client(base_url=address["http"], timeout=LATE)
        self.waits = []

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        self._http.close()
        self.process.terminate()
        self.process.communicate()

    def figures(self) -> dict:
        answer = self._http.get("/tracker/stats")
        self.waits.append(answer.elapsed.total_seconds())
        return answer.json()

    def wait(self, condition: Callable[[dict], bool], deadline: float) -> float:
        """Wait until the figures are as they should be; return the seconds it took."""
        began = time.perf_counter()
        while not condition(figures := self.figures()):
            assert time.perf_counter() - began < deadline, figures
            time.sleep(0.1)
        return time.perf_counter() - began


class Watch(threading.Thread):
    """Asks a tracker how it is, once a second."""

    def __init__(self, tracker: Tracker):
        super().__init__(daemon=True)
        self._tracker = tracker
        self._ended = threading.Event()
        self.samples = []

    def run(self) -> None:
        while not self._ended.wait(1.0):
            self.samples.append(self._tracker.figures())

    def end(self) -> None:
        self._ended.set()
        self.join()


def test_ten_thousand_viewers(load, open_files):
    peers = PEERS + RESTLESS
    with Tracker() as tracker:
        arguments = ["soak", tracker.port, tracker.process.pid, SECONDS, PEERS, PEERS // 100, 5, RESTLESS]
        viewers = subprocess.Popen([load, *map(str, arguments)], stdout=subprocess.PIPE)
        try:
            watch = Watch(tracker)
            watch.start()
            result = json.loads(viewers.stdout.readline())
            watch.end()
            full = [sample for sample in watch.samples if sample["peers"] >= PEERS]
            early, late = full[len(full) // 5], full[-1]
            tenths = [round(sample["memory"] / 2**20, 1) for sample in full[:: max(1, len(full) // 10)]]
            waits = sorted(tracker.waits)
            http = {"median": statistics.median(waits), "95 %": waits[int(0.95 * len(waits))], "most": waits[-1]}
            print(json.dumps({**result, "seconds_for_http": http, "mebibytes_of_memory": tenths}))
            assert result["lost"] == 0
            assert result["open"] >= PEERS
            # but for those that went away before it came
            assert result["replies"] > result["announces"] - 2 * result["connections"] - 100
            assert len(full) > 0.8 * SECONDS
            assert max(sample["peers"] for sample in full) <= peers
            # it goes up, once, when a busy machine lets messages pile up
            assert late["memory"] < 1.15 * early["memory"] + 1e6
            assert http["95 %"] < 2.0

            tracker.process.send_signal(signal.SIGTERM)
            tracker.process.wait(timeout=LATE)
            with Tracker(tracker.port) as restarted:
                back = restarted.wait(lambda figures: figures["peers"] >= peers, 10 + LATE)
                # whoever waited longest asked last
                print(f"all {peers} were back {back:.1f} s after the restart, each having waited 1 to 10 s by itself")
                viewers.send_signal(signal.SIGSTOP)  # no goodbye, no packet, ever
                gone = restarted.wait(lambda figures: figures["connections"] == 0, HEARTBEAT + LATE)
                left = restarted.figures()
                print(f"all were forgotten {gone:.1f} s after they fell silent")
                assert (left["peers"], left["swarms"]) == (0, 0)
        finally:
            viewers.kill()
            viewers.communicate()
