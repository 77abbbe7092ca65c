import json
import time

import msgspec
import pytest

from p2psim.scenario import Scenario
from p2psim.testbed.peer.config import ViewerPlan
from p2psim.testbed.peer.worker import Task
from p2psim.testbed.processes import ChildFailedError, ChildProcess

pytestmark = pytest.mark.testbed


@pytest.fixture
def task(tmp_path):
    path = tmp_path / "scenario.toml"
    path.write_text(Scenario().to_toml())
    return Task(
        scenario=str(path), seed=1, viewers=[], master="http://127.0.0.1:9/", trackers=("ws://127.0.0.1:9/",),
        event_log=str(tmp_path / "event_log.jsonl"),
    )  # fmt: skip


def test_waits_for_the_start_and_says_when_it_is_done(task, tmp_path):
    with ChildProcess("worker", ["-m", "p2psim.testbed.peer.worker"], tmp_path) as worker:
        worker.send(msgspec.json.encode(task))
        assert worker.receive(120) == {"ready": 0}
        worker.send(b'{"start": 0}')
        done = worker.receive(20)
        assert (done["done"], done["errors"]) == (0, 0)


def test_a_task_that_makes_no_sense_ends_it(tmp_path):
    with ChildProcess("worker", ["-m", "p2psim.testbed.peer.worker"], tmp_path) as worker:
        worker.send(b'{"seed": 1}')
        with pytest.raises(ChildFailedError, match="worker ended with status 1"):
            worker.receive(30)


def test_ends_when_nobody_listens_any_more(task, tmp_path):
    plan = ViewerPlan(
        index=0, name="v0000", joined_at=60.0, left_at=90.0, departure="end", uplink=None, downlink=None,
        device="desktop", uploads=True,
    )  # fmt: skip
    with ChildProcess("worker", ["-m", "p2psim.testbed.peer.worker"], tmp_path) as worker:
        worker.send(msgspec.json.encode(msgspec.structs.replace(task, viewers=[plan])))
        worker.receive(120)
        worker.send(json.dumps({"start": time.monotonic()}).encode())
        worker._process.stdin.close()
        assert worker._process.wait(10) == 1


def test_without_anybody_to_start_it_it_ends(task, tmp_path):
    with ChildProcess("worker", ["-m", "p2psim.testbed.peer.worker"], tmp_path) as worker:
        worker.send(msgspec.json.encode(task))
        worker.receive(120)
        worker._process.stdin.close()
        assert worker._process.wait(10) == 1
