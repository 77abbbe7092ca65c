import json
import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from p2p_tracker.__main__ import main
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.tracker.examples import wire_announce


@pytest.fixture(autouse=True)
def _own_log() -> Iterator[None]:
    yield
    logging.getLogger("p2p_tracker").handlers.clear()


def start(*arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "p2p_tracker", "--port", "0", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path.cwd() / "tracker")},
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_prints_its_address_and_stops_on_a_signal(number: signal.Signals) -> None:
    process = start("--json", "--log-format", "json")
    assert process.stdout is not None
    try:
        address = json.loads(process.stdout.readline())
        assert address["url"] == f"ws://127.0.0.1:{address['port']}/tracker/ws"
        with connect(address["url"]) as client:
            client.send(json.dumps(wire_announce(1)))
            client.recv(timeout=5)
            process.send_signal(number)
            with pytest.raises(ConnectionClosed) as caught:
                client.recv(timeout=5)
            assert caught.value.rcvd is not None
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


def test_it_prints_its_address_as_text() -> None:
    process = start("--host", "127.0.0.1")
    assert process.stdout is not None
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
def test_invalid_options_end_with_status_2_and_one_line(
    arguments: list[str], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.count("\n") == 1
    assert named in output.err


def test_a_port_in_use_ends_with_status_2_and_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["--port", str(port)]) == 2
    output = capsys.readouterr()
    assert str(port) in output.err
    assert output.err.count("\n") == 1


@pytest.mark.parametrize(
    ("error", "status", "says"),
    [
        (RuntimeError("two\nlines"), 70, "tracker: internal error: RuntimeError: two lines; --debug shows where\n"),
        (
            OSError("no file is to blame"),
            70,
            "tracker: internal error: OSError: no file is to blame; --debug shows where\n",
        ),
        (KeyboardInterrupt(), 130, "tracker: interrupted\n"),
    ],
)
def test_an_unforeseen_error_is_one_line_and_status_70(
    error: BaseException, status: int, says: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_: object) -> None:
        raise error

    monkeypatch.setattr("p2p_tracker.__main__.serve", fail)
    assert main(["--port", "0"]) == status
    assert capsys.readouterr().err == says
    if status == 70:
        assert main(["--port", "0", "--debug"]) == status
        shown = capsys.readouterr().err
        assert shown.startswith("Traceback (most recent call last):\n")
        assert shown.endswith(says.replace("; --debug shows where", ""))


@pytest.mark.parametrize("arguments", [["--port", "0"], ["--make-token", "60", "--token-secret", "x" * 32]])
def test_an_address_that_nobody_reads_is_status_141(arguments: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "p2p_tracker", *arguments],
            stdout=writer,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(Path.cwd())},
            timeout=30,
            check=False,
        )
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")


def test_help_tells_the_exit_statuses(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    shown = " ".join(capsys.readouterr().out.split())
    assert "--debug" in shown
    for status in ("0 when told to stop", "2 when it cannot", "70 after an error", "130 when interrupted", "141 when"):
        assert status in shown
