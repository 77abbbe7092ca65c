"""Child processes: messages, failures, and their end."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import psutil
import pytest

from p2psim.testbed.processes import ChildFailedError, ChildProcess

SPEAKER = "import json, sys; print(json.dumps({'heard': sys.stdin.readline().strip()}), flush=True); sys.stdin.read()"


def alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)


def gone(pid: int, seconds: float = 5) -> bool:
    """Return whether a process has ended within some seconds."""
    deadline = time.monotonic() + seconds
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not alive(pid)


def test_messages_are_exchanged_and_the_process_ends(tmp_path: Path) -> None:
    with ChildProcess("speaker", ["-c", SPEAKER], tmp_path) as child:
        child.send(b"hello")
        assert child.receive(10) == {"heard": "hello"}
        assert child.poll(0.01) is None
        child.check()
        assert child.cpu > 0
        pid = child.pid
    assert gone(pid)


def test_the_error_has_the_exit_status_and_the_last_line_of_the_log(tmp_path: Path) -> None:
    with (
        ChildProcess("loser", ["-c", "import sys; sys.exit('no luck today')"], tmp_path) as child,
        pytest.raises(ChildFailedError, match="loser ended with status 1: no luck today"),
    ):
        child.receive(10)


def test_a_process_that_writes_no_line_in_time_has_failed(tmp_path: Path) -> None:
    with (
        ChildProcess("mute", ["-c", "import sys; sys.stdin.read()"], tmp_path) as child,
        pytest.raises(ChildFailedError, match="mute wrote no line"),
    ):
        child.receive(0.05)


def test_a_process_that_was_killed_has_failed(tmp_path: Path) -> None:
    with ChildProcess("speaker", ["-c", SPEAKER], tmp_path) as child:
        os.kill(child.pid, signal.SIGKILL)
        with pytest.raises(ChildFailedError, match="status -9"):
            child.receive(10)
        with pytest.raises(ChildFailedError):
            child.check()
        with pytest.raises(ChildFailedError):
            child.send(b"anybody?")


@pytest.mark.slow
def test_a_process_that_ignores_sigterm_and_its_children_are_killed(tmp_path: Path) -> None:
    stubborn = textwrap.dedent("""
        import json, signal, subprocess, sys
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        print(json.dumps({"child": child.pid}), flush=True)
        signal.pause()
    """)
    with ChildProcess("stubborn", ["-c", stubborn], tmp_path) as child:
        pids = child.pid, child.receive(10)["child"]
        assert all(alive(pid) for pid in pids)
    assert all(gone(pid) for pid in pids)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux kills a process with its parent")
def test_a_process_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    parent = textwrap.dedent(f"""
        import sys, time
        from pathlib import Path
        from p2psim.testbed.processes import ChildProcess
        with ChildProcess("mute", ["-c", "import time; time.sleep(60)"], Path({str(tmp_path)!r})) as child:
            print(child.pid, flush=True)
            time.sleep(60)
    """)
    with subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        assert alive(pid)
        process.kill()
    assert gone(pid)
