"""A lab that is killed leaves no process and no namespace, and so no device, rule or route."""

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from p2psim.testbed.lab.namespace import Namespace

pytestmark = pytest.mark.lab

MARK = "P2PSIM_TEST_OF_A_CRASH"
PROGRAM = """
import sys, time
from pathlib import Path
from p2psim.testbed.lab.blueprint import Blueprint, Carrier, Home
from p2psim.testbed.lab.lab import Lab
from p2psim.testbed.lab.coturn import Relay, relay_server
homes = [Home(number=n, viewers=(2 * n, 2 * n + 1), kind="restricted", carrier=0 if n else None) for n in range(4)]
plan = Blueprint(homes=tuple(homes), carriers=(Carrier(number=0, kind="symmetric"),), servers=(relay_server(),))
print("begin", flush=True)
folder = Path(sys.argv[1])
with Lab(plan, folder) as lab, Relay(lab.server("relay"), folder):
    print(*[namespace.path for namespace in lab.namespaces], flush=True)
    if sys.argv[2] == "raise":
        raise SystemExit(3)
    time.sleep(600)
"""
DEADLINE = 30.0


def begin(folder: Path, how: str = "wait") -> "tuple[subprocess.Popen[str], str]":
    """Start a program with a lab; return it and a mark in the environment of its processes."""
    mark = uuid.uuid4().hex
    root = Path(__file__).parents[3]
    environment = {**os.environ, MARK: mark, "PYTHONPATH": f"{root}{os.pathsep}{root / 'tracker'}"}
    child = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(folder), how],
        stdout=subprocess.PIPE, text=True, env=environment,
    )  # fmt: skip
    return child, mark


def read_line(child: "subprocess.Popen[str]") -> str:
    assert child.stdout is not None
    return child.stdout.readline()


def processes(mark: str) -> list[int]:
    """Return the running processes with a mark in their environment."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"{MARK}={mark}".encode() in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def wait_until(condition: Callable[[], bool], message: str) -> None:
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end, message
        time.sleep(0.02)


def named_namespaces() -> list[str]:
    folder = Path("/run/netns")
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def devices(namespace: Namespace) -> set[str]:
    return {line.split(":")[1].split("@")[0].strip() for line in namespace.run(["ip", "-o", "link"]).splitlines()}


@pytest.mark.slow
def test_a_killed_lab_leaves_nothing(tmp_path: Path) -> None:
    before = named_namespaces()
    child, mark = begin(tmp_path)
    outside = Namespace("outside")
    try:
        assert read_line(child) == "begin\n"
        paths = read_line(child).split()
        assert len(paths) == 1 + 8 + 4 + 1
        # a device dies with the namespace of its other end, and only then: one for each namespace of the lab
        for number, path in enumerate(paths):
            outside.run(
                ["ip", "link", "add", "name", f"spy{number}", "type", "veth", "peer", "name", "spied", "netns", path]
            )
        assert len(devices(outside)) == len(paths) + 1
        assert len(processes(mark)) == 3  # the program, the WAN, the relay
        child.send_signal(signal.SIGKILL)
        child.wait()
        wait_until(lambda: not processes(mark), "processes are left")
        wait_until(lambda: devices(outside) == {"lo"}, "namespaces are left")
    finally:
        child.kill()
        outside.close()
    assert named_namespaces() == before


@pytest.mark.slow
@pytest.mark.parametrize("after", [0.0, 0.1, 0.2, 0.35, 0.5])
def test_a_lab_killed_while_it_is_built_leaves_nothing(tmp_path: Path, after: float) -> None:
    """No process is left that holds a namespace, and no namespace has a name."""
    before = named_namespaces()
    child, mark = begin(tmp_path)
    read_line(child)
    time.sleep(after)
    child.kill()
    child.wait()
    wait_until(lambda: not processes(mark), "processes are left")
    assert named_namespaces() == before


@pytest.mark.slow
def test_an_error_leaves_nothing(tmp_path: Path) -> None:
    child, mark = begin(tmp_path, "raise")
    assert child.wait(60) == 3
    wait_until(lambda: not processes(mark), "processes are left")
