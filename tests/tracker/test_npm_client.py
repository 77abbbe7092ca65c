"""The client that most players in the field use, against this tracker."""

import json
import queue
import shutil
import subprocess
import threading
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.tracker.clients import tracker_process

HERE = Path(__file__).parent
INFO_HASH, OTHER_HASH = "ff" * 20, "00" * 20
DEADLINE = 15.0

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("node") is None, reason="Node.js is not installed"),
]


@pytest.fixture(scope="module")
def client_module(node_modules) -> Path:
    return node_modules / "bittorrent-tracker" / "client.js"


class Clients:
    """A Node.js process with clients in it."""

    def __init__(self, module: Path, url: str):
        command = ["node", "--import", str(HERE / "npm/without_webrtc.mjs"), str(HERE / "npm/client.mjs"), module, url]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.events = queue.Queue()
        self.seen = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in self.process.stdout:
            self.events.put(json.loads(line))

    def tell(self, command: str, name: str, **options) -> None:
        self.process.stdin.write(json.dumps({"command": command, "name": name, **options}) + "\n")
        self.process.stdin.flush()

    def hear(self, kind: str, name: str | None = None) -> dict:
        """Wait for an event; the others are kept."""
        while True:
            event = self.events.get(timeout=DEADLINE)
            assert event["kind"] != "crash", event["text"]
            self.seen.append(event)
            if event["kind"] == kind and name in (None, event.get("name")):
                return event

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()


@contextmanager
def clients(module: Path, url: str):
    found = Clients(module, url)
    try:
        found.hear("ready")
        yield found
    finally:
        found.close()


def start(found: Clients, name: str, info_hash: str = INFO_HASH) -> None:
    found.tell("start", name, infoHash=info_hash, peerId=name.encode().hex().ljust(40, "e"))


def test_clients_meet_count_and_part(client_module):
    # two processes, since clients of one process share a socket
    with (
        tracker_process() as address,
        clients(client_module, address["url"]) as left,
        clients(client_module, address["url"]) as right,
    ):
        start(left, "one")
        assert left.hear("update")["incomplete"] == 1
        start(right, "two")
        assert right.hear("update")["incomplete"] == 2
        # an offer of two reaches one, and the answer comes back
        assert left.hear("peer")["name"] == "one"
        assert right.hear("peer")["name"] == "two"
        left.tell("complete", "one")
        assert left.hear("update")["complete"] == 1
        right.tell("scrape", "two")
        assert right.hear("scrape") == {"name": "two", "kind": "scrape", "complete": 1, "incomplete": 1}
        left.tell("stop", "one")
        assert left.hear("update")["complete"] == 0
        assert not [event for event in left.seen + right.seen if event["kind"] in ("warning", "error")]


def test_a_refusal_is_a_warning_that_neither_disconnects_nor_throws(client_module):
    with tracker_process("--deny-hashes", OTHER_HASH) as address, clients(client_module, address["url"]) as found:
        start(found, "bad", OTHER_HASH)
        assert "not served" in found.hear("warning", "bad")["text"]
        start(found, "good")  # shares the socket
        assert found.hear("update", "good")["incomplete"] == 1
        found.tell("update", "bad")
        assert "not served" in found.hear("warning", "bad")["text"]


def test_clients_come_back_after_a_restart(client_module):
    with ExitStack() as stack:
        with tracker_process() as address:
            found = [stack.enter_context(clients(client_module, address["url"])) for _ in range(2)]
            for name, process in zip(("one", "two"), found, strict=True):
                start(process, name)
                process.hear("update")
        for process in found:
            assert "Error connecting" in process.hear("warning")["text"]
        with tracker_process(port=address["port"]):
            assert sorted(process.hear("update")["incomplete"] for process in found) == [1, 2]
            for process in found:
                process.hear("peer")
