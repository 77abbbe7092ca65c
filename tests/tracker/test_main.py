import json
import logging
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from p2p_tracker.__main__ import main
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.tracker.examples import wire_announce


@pytest.fixture(autouse=True)
def _own_log():
    yield
    logging.getLogger("p2p_tracker").handlers.clear()


def start(*arguments: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "p2p_tracker", "--port", "0", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path.cwd() / "tracker")},
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_says_where_it_listens_and_stops_when_told(number):
    process = start("--json", "--log-format", "json")
    try:
        address = json.loads(process.stdout.readline())
        assert address["url"] == f"ws://127.0.0.1:{address['port']}/tracker/ws"
        with connect(address["url"]) as client:
            client.send(json.dumps(wire_announce(1)))
            client.recv(timeout=5)
            process.send_signal(number)
            with pytest.raises(ConnectionClosed) as caught:
                client.recv(timeout=5)
            assert caught.value.rcvd.code == 1001
        output, log = process.communicate(timeout=10)
        assert process.returncode == 0
        assert output == ""
        events = [json.loads(line)["event"] for line in log.splitlines()]
        assert events[:2] == ["swarm created", "peer added"]
        assert events[-2:] == ["peer removed", "swarm removed"]
    finally:
        process.kill()
        process.communicate()


def test_a_line_of_text_names_the_address():
    process = start("--host", "127.0.0.1")
    try:
        assert process.stdout.readline().startswith("listening on ws://127.0.0.1:")
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--port", "many"], "many"),
        (["--port", "70000"], "70000"),
        (["--matching", "psychic"], "psychic"),
        (["--no-such-option"], "--no-such-option"),
        (["--interval", "-5"], "interval"),
    ],
)
def test_bad_options_end_with_status_2_and_one_line(arguments, named, capsys):
    assert main(arguments) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.count("\n") == 1
    assert named in output.err


def test_a_taken_port_ends_with_status_2_and_one_line(capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["--port", str(port)]) == 2
    output = capsys.readouterr()
    assert str(port) in output.err
    assert output.err.count("\n") == 1
