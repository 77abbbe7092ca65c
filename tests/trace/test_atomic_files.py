"""Files and folders are complete or absent, also when the program that writes them is killed."""

import dataclasses
import itertools
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from p2psim.trace import Manifest, Trace
from p2psim.trace.atomic_files import atomic_write
from tests.traces import duet

NEW = duet().manifest.to_dict() | {"name": "new"}


def test_a_complete_file_replaces_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file"
    for content in (b"old", b"new"):
        with atomic_write(path) as file:
            file.write(content)
            assert not path.exists() or path.read_bytes() == b"old"
        assert path.read_bytes() == content
    assert [entry.name for entry in path.parent.iterdir()] == ["file"]


def test_after_an_error_the_old_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(ZeroDivisionError), atomic_write(path) as file:
        file.write(bytes(1 // 0))
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def killed_at(step: int, work: Callable[[], object]) -> bool:
    """Return whether a process was killed before its step-th change of the file system; False: it made fewer."""
    child = os.fork()
    if child == 0:
        changes = itertools.count(1)

        def watch(event: str, arguments: tuple[object, ...]) -> None:
            if (
                event in {"open", "os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.chmod"}
                and next(changes) == step
            ):
                os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(watch)
        work()
        os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


@pytest.mark.slow
def test_a_trace_is_complete_or_absent_wherever_its_writer_is_killed(tmp_path: Path) -> None:
    old, new, target = duet(), dataclasses.replace(duet(), manifest=Manifest(**NEW)), tmp_path / "trace"
    old.write(target)
    seen = set()
    for step in itertools.count(1):
        if not killed_at(step, lambda: new.write(target)):
            break
        if target.exists():
            seen.add(Trace.read(target).name)
        else:
            seen.add("between two renames")
        old.write(target)
    assert seen == {"duet", "between two renames", "new"}
    assert Trace.read(target).name == "new"


def test_a_file_is_old_or_new_wherever_its_writer_is_killed(tmp_path: Path) -> None:
    path, seen = tmp_path / "file", set()

    def write() -> None:
        with atomic_write(path) as file:
            file.write(b"new")

    for step in itertools.count(1):
        path.write_bytes(b"old")
        if not killed_at(step, write):
            break
        seen.add(path.read_bytes())
    assert seen == {b"old", b"new"}
