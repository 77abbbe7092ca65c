"""Tests of the worker process and its protocol on standard input and output."""

import json
import time
from pathlib import Path

import msgspec
import pytest

from p2psim.scenario import Scenario
from p2psim.testbed.peer.config import ViewerPlan
from p2psim.testbed.peer.worker import Task
from p2psim.testbed.processes import ChildFailedError, ChildProcess

pytestmark = pytest.mark.testbed


@pytest.fixture
def task(tmp_path: Path) -> Task:
    """Task without viewers."""
    path = tmp_path / "scenario.toml"
    path.write_text(Scenario().to_toml())
    return Task(
        scenario=str(path), seed=1, viewers=[], master="http://127.0.0.1:9/", trackers=("ws://127.0.0.1:9/",),
        event_log=str(tmp_path / "event_log.jsonl"),
    )  # fmt: skip


def close_input(worker: ChildProcess) -> int:
    """Close a worker's standard input; return its exit status."""
    process = worker._process
    assert process is not None
    assert process.stdin is not None
    process.stdin.close()
    return process.wait(10)


@pytest.mark.slow
def test_a_worker_waits_for_the_start_and_reports_its_end(task: Task, tmp_path: Path) -> None:
    with ChildProcess("worker", ["-m", "p2psim.testbed.peer.worker"], tmp_path) as worker:
        worker.send(msgspec.json.encode(task))
        assert worker.receive(120) == {"ready": 0}
        worker.send(b'{"start": 0}')
        done = worker.receive(20)
        assert (done["done"], done["errors"]) == (0, 0)


@pytest.mark.slow
def test_a_malformed_task_ends_the_worker(tmp_path: Path) -> None:
    with ChildProcess("worker", ["-m", "p2psim.testbed.peer.worker"], tmp_path) as worker:
        worker.send(b'{"seed": 1}')
        with pytest.raises(ChildFailedError, match="worker ended with status 1"):
            worker.receive(30)


@pytest.mark.slow
def test_a_running_worker_ends_when_its_input_is_closed(task: Task, tmp_path: Path) -> None:
    plan = ViewerPlan(
        index=0, name="v0000", joined_at=60.0, left_at=90.0, departure="end", uplink=None, downlink=None,
        device="desktop", uploads=True,
    )  # fmt: skip
    with ChildProcess("worker", ["-m", "p2psim.testbed.peer.worker"], tmp_path) as worker:
        worker.send(msgspec.json.encode(msgspec.structs.replace(task, viewers=[plan])))
        worker.receive(120)
        worker.send(json.dumps({"start": time.monotonic()}).encode())
        assert close_input(worker) == 1


@pytest.mark.slow
def test_a_waiting_worker_ends_when_its_input_is_closed(task: Task, tmp_path: Path) -> None:
    with ChildProcess("worker", ["-m", "p2psim.testbed.peer.worker"], tmp_path) as worker:
        worker.send(msgspec.json.encode(task))
        worker.receive(120)
        assert close_input(worker) == 1
