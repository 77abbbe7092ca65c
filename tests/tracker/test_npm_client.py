"""Clients of the npm package bittorrent-tracker, which most players use, against this tracker."""

import json
import queue
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from tests.tracker.clients import tracker_process

Event: TypeAlias = dict[str, Any]

HERE = Path(__file__).parent
INFO_HASH, OTHER_HASH = "ff" * 20, "00" * 20
DEADLINE = 15.0

pytestmark = [
    pytest.mark.slow,
    pytest.mark.alone,
    pytest.mark.skipif(shutil.which("node") is None, reason="Node.js is not installed"),
]


@pytest.fixture(scope="module")
def client_module(node_modules: Path) -> Path:
    return node_modules / "bittorrent-tracker" / "client.js"


class Clients:
    """Node.js process that runs clients."""

    def __init__(self, module: Path, url: str) -> None:
        command = [
            "node",
            "--import",
            str(HERE / "npm/without_webrtc.mjs"),
            str(HERE / "npm/client.mjs"),
            str(module),
            url,
        ]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.events: queue.Queue[Event] = queue.Queue()
        self.received: list[Event] = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.events.put(json.loads(line))

    def command(self, action: str, name: str, **options: object) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"command": action, "name": name, **options}) + "\n")
        self.process.stdin.flush()

    def wait_for(self, kind: str, name: str | None = None) -> Event:
        """Return the next event of a kind; every event is kept in `received`."""
        while True:
            event = self.events.get(timeout=DEADLINE)
            assert event["kind"] != "crash", event["text"]
            self.received.append(event)
            if event["kind"] == kind and name in (None, event.get("name")):
                return event

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()


@contextmanager
def clients(module: Path, url: str) -> Iterator[Clients]:
    running = Clients(module, url)
    try:
        running.wait_for("ready")
        yield running
    finally:
        running.close()


def start(clients: Clients, name: str, info_hash: str = INFO_HASH) -> None:
    clients.command("start", name, infoHash=info_hash, peerId=name.encode().hex().ljust(40, "e"))


def test_clients_meet_count_and_part(client_module: Path) -> None:
    # two processes, since clients of one process share a socket
    with (
        tracker_process() as address,
        clients(client_module, address["url"]) as left,
        clients(client_module, address["url"]) as right,
    ):
        start(left, "one")
        assert left.wait_for("update")["incomplete"] == 1
        start(right, "two")
        assert right.wait_for("update")["incomplete"] == 2
        # an offer of two reaches one, and the answer comes back
        assert left.wait_for("peer")["name"] == "one"
        assert right.wait_for("peer")["name"] == "two"
        left.command("complete", "one")
        assert left.wait_for("update")["complete"] == 1
        right.command("scrape", "two")
        assert right.wait_for("scrape") == {"name": "two", "kind": "scrape", "complete": 1, "incomplete": 1}
        left.command("stop", "one")
        assert left.wait_for("update")["complete"] == 0
        assert not [event for event in left.received + right.received if event["kind"] in ("warning", "error")]


def test_a_refusal_is_a_warning_that_neither_disconnects_nor_throws(client_module: Path) -> None:
    with tracker_process("--deny-hashes", OTHER_HASH) as address, clients(client_module, address["url"]) as node:
        start(node, "bad", OTHER_HASH)
        assert "not served" in node.wait_for("warning", "bad")["text"]
        start(node, "good")  # shares the socket
        assert node.wait_for("update", "good")["incomplete"] == 1
        node.command("update", "bad")
        assert "not served" in node.wait_for("warning", "bad")["text"]


def test_clients_come_back_after_a_restart(client_module: Path) -> None:
    with ExitStack() as stack:
        with tracker_process() as address:
            processes = [stack.enter_context(clients(client_module, address["url"])) for _ in range(2)]
            for name, process in zip(("one", "two"), processes, strict=True):
                start(process, name)
                process.wait_for("update")
        for process in processes:
            assert "Error connecting" in process.wait_for("warning")["text"]
        with tracker_process(port=address["port"]):
            assert sorted(process.wait_for("update")["incomplete"] for process in processes) == [1, 2]
            for process in processes:
                process.wait_for("peer")
