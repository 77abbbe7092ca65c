"""Child processes of a run: each in its own process group, with messages as lines of JSON, ended with the run."""

import contextlib
import ctypes
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, Self

import psutil

from p2psim.errors import TestbedError

__all__ = ["ChildFailedError", "ChildProcess"]

_SET_PARENT_DEATH_SIGNAL: Final = 1
_TERM_TIMEOUT: Final = 3.0
_TAIL: Final = 600


class ChildFailedError(TestbedError):
    """Process of the testbed that ended too early or did not answer."""


class ChildProcess:
    """Python module as a process: ``with ChildProcess("tracker", ["-m", "p2p_tracker"], logs) as child``.

    Its standard error goes to ``NAME.log`` in the folder `logs`. With `has_family` the CPU of the processes that it
    starts counts as its own; `files` are open in it under the same numbers; `program` is run instead of Python.
    """

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        logs: Path,
        *,
        has_family: bool = False,
        files: Sequence[int] = (),
        program: str = sys.executable,
    ) -> None:
        self.name = name
        self._has_family = has_family
        self._files, self._program = files, program
        self._arguments = arguments
        self._log_path = logs / f"{name}.log"
        self._log: IO[bytes] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._buffer = b""
        self.cpu = 0.0
        """Seconds of CPU that it had used at the last `check`."""

    def __enter__(self) -> Self:
        self._log = self._log_path.open("wb")
        roots = [str(Path(str(files(package))).resolve().parent) for package in ("p2psim", "p2p_tracker")]
        paths = [*dict.fromkeys(roots), *filter(None, [os.environ.get("PYTHONPATH")])]
        self._process = subprocess.Popen(
            [self._program, *self._arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
            pass_fds=self._files,
            start_new_session=True,  # Ctrl-C reaches this process alone, which ends the others in order
            preexec_fn=_die_with_parent if sys.platform == "linux" else None,
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """Process id."""
        return self._running.pid

    @property
    def _running(self) -> "subprocess.Popen[bytes]":
        if self._process is None:
            raise RuntimeError(f"{self.name} has not been started")
        return self._process

    def send(self, line: bytes) -> None:
        """Write a line to its standard input."""
        pipe = self._running.stdin
        try:
            if pipe is not None:
                pipe.write(line + b"\n")
                pipe.flush()
        except BrokenPipeError:
            raise self.failure() from None

    def receive(self, timeout: float) -> Mapping[str, Any]:
        """Return the next line of JSON on its standard output.

        Raises
        ------
        ChildFailedError
            It ended, or wrote no line in time.
        """
        message = self.poll(timeout)
        if message is None:
            raise ChildFailedError(f"{self.name} wrote no line for {timeout:g} s{self._log_tail()}")
        return message

    def poll(self, timeout: float) -> Mapping[str, Any] | None:
        """Return the next line of JSON, or None if there is none within `timeout` seconds."""
        pipe = self._running.stdout
        if pipe is None:
            return None
        deadline = time.monotonic() + timeout
        with selectors.DefaultSelector() as selector:
            selector.register(pipe, selectors.EVENT_READ)
            while b"\n" not in self._buffer:
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    return None
                data = os.read(pipe.fileno(), 65_536)
                if not data:
                    raise self.failure()
                self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        message: Mapping[str, Any] = json.loads(line)
        return message

    def check(self) -> None:
        """Update its CPU.

        Raises
        ------
        ChildFailedError
            It has ended.
        """
        if self._running.poll() is not None:
            raise self.failure()
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(self.pid)
            family = [process, *(process.children(recursive=True) if self._has_family else [])]
            self.cpu = max(self.cpu, sum(_cpu(member) for member in family))

    def failure(self) -> ChildFailedError:
        """Return the error with its exit status and the last line of its log."""
        status = self._running.wait(_TERM_TIMEOUT)
        return ChildFailedError(f"{self.name} ended with status {status}{self._log_tail()}")

    @property
    def status(self) -> int | None:
        """Exit status; None while it runs."""
        return self._running.poll()

    def _log_tail(self) -> str:
        text = self._log_path.read_text("utf-8", errors="replace").strip()[-_TAIL:]
        return f": {text.splitlines()[-1]}" if text else ""

    def kill(self) -> None:
        """Kill its process group at once (SIGKILL)."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        self.stop()

    def stop(self) -> None:
        """End it by SIGTERM, then kill what is left of its process group."""
        process = self._process
        if process is None:
            return
        if process.poll() is None:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_TERM_TIMEOUT)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for pipe in (process.stdin, process.stdout, self._log):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
        self._process, self._log = None, None


def _cpu(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.Error:  # it has ended meanwhile
        return 0.0
    return float(times.user + times.system)


def _die_with_parent() -> None:
    """Have the kernel kill the new process when its parent dies (Linux); runs in the new process."""
    ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)
