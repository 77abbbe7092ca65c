"""Measured runs on the loopback, from their checks to their end."""

import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import psutil
import pytest

from p2psim.errors import PortInUseError, ScenarioError, TestbedError, TrackerUnreachableError
from p2psim.scenario import Scenario
from p2psim.testbed import measure
from p2psim.trace import Trace, discrepancies, totals

pytestmark = pytest.mark.testbed

SCENARIO = Scenario(name="small").replace(
    {
        "duration": 20.0,
        "stream.bitrate": 62_500.0,
        "stream.segment": 2.0,
        "viewers.count": 4,
        "viewers.arrival_period": 3.0,
        "nat.mix": "open",
        "tracker.interval": 10.0,
        "tracker.one_way_delay": 0.001,
        "origin.rate": 1e6,
        "origin.time_to_first_byte": 0.002,
        "policy.highDemandTimeWindow": 6.0,
        "player.buffer": 8.0,
    }
)


def children() -> set[int]:
    return {process.pid for process in psutil.Process().children(recursive=True)}


@pytest.fixture
def nothing_left() -> Iterator[None]:
    """Check that no process of a run outlives it."""
    before = children()
    yield
    deadline = time.monotonic() + 5
    while children() - before and time.monotonic() < deadline:
        time.sleep(0.02)
    assert children() - before == set()


@pytest.mark.slow
def test_measures_viewers_that_share(nothing_left: None, tmp_path: Path) -> None:
    shares: list[float] = []
    trace = measure(
        SCENARIO.replace({"viewers.mean_viewing_time": 30.0, "viewers.crash_share": 0.5}), seed=5,
        out=tmp_path / "trace", progress=shares.append, keep_logs=tmp_path / "logs",
    )  # fmt: skip
    transfers, notes = trace["transfers"], trace.manifest.notes
    p2p = transfers[transfers["source"] == "p2p"]["bytes"].sum()
    assert p2p > 0.1 * transfers["bytes"].sum()
    balance = notes["bytes"]
    assert (balance["p2p_unexplained"], balance["http_unexplained"], balance["segments_wrong"]) == (0, 0, 0)
    assert balance["segments_held"] > 40
    assert notes["unhandled_errors"] == 0
    assert sorted(set(trace["viewers"]["departure"])) == ["clean", "crash", "end"]
    assert discrepancies(trace, 0.05) == []
    assert totals(trace).viewers["startup"].max() < 5
    assert (trace["connections"]["opened_at"] > trace["connections"]["initiated_at"]).any()
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert Trace.read(tmp_path / "trace").manifest.world == "measured"
    assert {path.name for path in (tmp_path / "logs").iterdir()} >= {"origin.jsonl", "worker-0.jsonl", "tracker.log"}


def test_a_tracker_that_does_not_answer_is_refused(nothing_left: None) -> None:
    with pytest.raises(TrackerUnreachableError, match=r"ws://127\.0\.0\.1:9/"):
        measure(SCENARIO, tracker_url="ws://127.0.0.1:9/")


def test_trackers_other_than_the_public_ones_are_used(nothing_left: None) -> None:
    with pytest.raises(TrackerUnreachableError, match=r"ws://127\.0\.0\.1:9/"):
        measure(SCENARIO.replace({"policy.announceTrackers": ("ws://127.0.0.1:9/",)}))


@pytest.mark.parametrize("port", ["origin_port", "tracker_port"])
def test_a_port_in_use_is_refused(nothing_left: None, port: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ports: Any = {port: taken.getsockname()[1]}
        with pytest.raises(PortInUseError, match=r"port \d+"):
            measure(SCENARIO, **ports)


def test_a_run_that_cannot_be_measured_is_refused(nothing_left: None) -> None:
    with pytest.raises(ScenarioError, match=r"nat\.mix"):
        measure(SCENARIO.replace({"nat.mix": "average"}))
    with pytest.raises(TestbedError, match="processes = 0"):
        measure(SCENARIO, processes=0)


def test_an_unknown_argument_is_named_with_the_accepted_ones() -> None:
    unknown: Any = {"process": 2}
    with pytest.raises(TypeError, match=r"measure\(\): no such argument; did you mean 'processes'\?"):
        measure(SCENARIO, **unknown)


@pytest.mark.slow
@pytest.mark.parametrize("victim", ["p2psim.testbed.peer.worker", "p2p_tracker", "p2psim.testbed.origin.server"])
def test_a_process_that_is_killed_ends_the_run_and_all_others(nothing_left: None, victim: str) -> None:
    def kill() -> None:
        while True:
            for process in psutil.Process().children():
                if process.is_running() and victim in process.cmdline():
                    os.kill(process.pid, signal.SIGKILL)
                    return
            time.sleep(0.05)

    killer = Thread(target=kill)

    def kill_once_it_runs(share: float) -> None:
        if share > 0 and not killer.ident:
            killer.start()

    with pytest.raises(TestbedError, match="ended with status -9"):
        measure(SCENARIO, progress=kill_once_it_runs)
    killer.join(5)


@pytest.mark.slow
def test_an_interrupt_leaves_no_process(nothing_left: None) -> None:
    def interrupt(share: float) -> None:
        if share > 0:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure(SCENARIO, progress=interrupt)
