"""Ten thousand viewers, coming and going: nothing grows, nothing is left behind, nobody waits.

A minute by default; SOAK_SECONDS=300 makes it the five minutes that the figures of the README come from.
"""

import json
import os
import resource
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import httpx
import pytest

HERE = Path(__file__).parent
SECONDS = float(os.environ.get("SOAK_SECONDS", "60"))
PEERS = int(os.environ.get("SOAK_PEERS", "10000"))

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def load(tmp_path_factory) -> Path:
    if shutil.which("g++") is None:
        pytest.skip("g++ is not installed")
    program = tmp_path_factory.mktemp("load") / "tracker_load"
    subprocess.run(["g++", "-O2", "-std=c++17", "-o", program, HERE / "tracker_load.cpp"], check=True)
    return program


@pytest.fixture
def tracker():
    process = subprocess.Popen(
        [sys.executable, "-m", "tracker", "--port", "0", "--json", "--log-level", "error", "--interval", "60"],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(HERE.parents[1])},
    )
    try:
        yield process, json.loads(process.stdout.readline())
    finally:
        process.terminate()
        process.communicate()


class Watch(threading.Thread):
    """Asks the tracker how it is, once a second."""

    def __init__(self, url: str):
        super().__init__(daemon=True)
        self._url = url
        self._ended = threading.Event()
        self.samples = []
        self.slowest = 0.0

    def run(self) -> None:
        with httpx.Client(base_url=self._url, timeout=10) as http:
            while not self._ended.wait(1.0):
                answer = http.get("/tracker/stats")
                self.slowest = max(self.slowest, answer.elapsed.total_seconds())
                self.samples.append(answer.json())

    def end(self) -> None:
        self._ended.set()
        self.join()


def test_nothing_grows_and_nothing_is_left_behind(load, tracker):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < PEERS + 100:
        pytest.skip(f"{PEERS} connections need as many open files, and {hard} are allowed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    process, address = tracker
    watch = Watch(address["http"])
    watch.start()
    try:
        arguments = ["soak", address["port"], process.pid, SECONDS, PEERS, PEERS // 100, 5]
        output = subprocess.run(
            [load, *map(str, arguments)], capture_output=True, text=True, check=True, timeout=SECONDS + 120
        ).stdout
    finally:
        watch.end()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    result = json.loads(output)
    full = [sample for sample in watch.samples if sample["peers"] > 0.97 * PEERS]
    early, late = full[len(full) // 4], full[-1]
    print(json.dumps({**result, "slowest_answer": watch.slowest, "samples": len(full)}))
    assert result["lost"] == 0
    assert result["open"] > 0.97 * PEERS
    assert len(full) > 0.8 * SECONDS
    assert late["peers"] <= PEERS
    assert late["memory"] < 1.05 * early["memory"] + 2e6
    assert watch.slowest < 2.0
    with httpx.Client(base_url=address["http"], timeout=10) as http:
        for _ in range(100):
            left = http.get("/tracker/stats").json()
            if left["connections"] == 0:
                break
    assert (left["connections"], left["peers"], left["swarms"]) == (0, 0, 0)
