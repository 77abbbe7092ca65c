"""Network namespaces that nothing but this process holds.

They have no name in the file system: a namespace lives as long as somebody has it open or runs in it, and takes its
devices, addresses, rules and routes with it. Whatever way its holder ends, the kernel clears up, so nothing can be
left behind and nothing has to be swept.
"""

import ctypes
import fcntl
import os
import struct
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from p2psim.errors import TestbedError

__all__ = ["CommandFailedError", "Namespace", "run_command"]

_NEW_NET: Final = 0x40000000  # CLONE_NEWNET
_SET_INTERFACE: Final = 0x400454CA  # TUNSETIFF
_TUN_WITHOUT_HEADER: Final = 0x1001  # IFF_TUN | IFF_NO_PI
_MINE: Final = "/proc/thread-self/ns/net"
_TIMEOUT: Final = 60.0

_libc = ctypes.CDLL(None, use_errno=True)


class CommandFailedError(TestbedError):
    """A command that sets up the lab has failed; the message has its words."""


class Namespace:
    """A network namespace: ``with namespace:`` takes the calling thread into it, and what it starts there.

    `label` is for error messages. It ends with `close`, once the processes in it have ended as well.
    """

    def __init__(self, label: str) -> None:
        self.label = label
        self._outside = threading.local()
        outside = os.open(_MINE, os.O_RDONLY | os.O_CLOEXEC)
        try:
            if _libc.unshare(_NEW_NET) != 0:
                raise TestbedError(f"network namespace {label}: {os.strerror(ctypes.get_errno())}")
            try:
                self._file = os.open(_MINE, os.O_RDONLY | os.O_CLOEXEC)
            finally:
                _enter(outside)
        finally:
            os.close(outside)

    @property
    def path(self) -> str:
        """Where other programs find it: ``nsenter --net=PATH``, ``ip link … netns PATH``."""
        return f"/proc/{os.getpid()}/fd/{self._file}"

    @property
    def identity(self) -> int:
        """Its number in the kernel, as in the links ``/proc/PID/ns/net`` of the processes in it."""
        return os.fstat(self._file).st_ino

    def __enter__(self) -> Self:
        if not hasattr(self._outside, "files"):
            self._outside.files = []
        outside = os.open(_MINE, os.O_RDONLY | os.O_CLOEXEC)
        self._outside.files.append(outside)
        _enter(self._file)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        outside = self._outside.files.pop()
        _enter(outside)
        os.close(outside)

    def close(self) -> None:
        """Let go of it."""
        os.close(self._file)

    def run(self, arguments: Sequence[str], text: str = "") -> str:
        """Run a command in it, with `text` on its standard input; gives what it wrote.

        Raises
        ------
        CommandFailedError
            It ended with another status than 0.
        """
        with self:
            return run_command(arguments, text, where=self.label)

    def set_kernel(self, values: Mapping[str, str]) -> None:
        """Set parameters of the kernel below /proc/sys/net, which each namespace has of its own."""
        with self:
            for name, value in values.items():
                path = Path("/proc/sys/net") / name
                if path.exists():
                    path.write_text(value, encoding="ascii")

    def open_tun(self, device: str) -> int:
        """Make a TUN device; gives the file from which its packets are read, from wherever."""
        with self:
            file = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            with self:
                fcntl.ioctl(file, _SET_INTERFACE, struct.pack("16sH22x", device.encode(), _TUN_WITHOUT_HEADER))
        except OSError as error:
            os.close(file)
            raise TestbedError(f"TUN device {device} of {self.label}: {error.strerror}") from None
        return file


def run_command(arguments: Sequence[str], text: str = "", where: str = "") -> str:
    """Run a command in the namespace of the calling thread; see `Namespace.run`."""
    done = subprocess.run(arguments, input=text, capture_output=True, text=True, timeout=_TIMEOUT, check=False)
    if done.returncode != 0:
        words = (done.stderr or done.stdout).strip().splitlines() or ["no words"]
        raise CommandFailedError(
            f"{where}: {' '.join(arguments)} ended with status {done.returncode}: {' '.join(words)}"
        )
    return done.stdout


def _enter(file: int) -> None:
    if _libc.setns(file, _NEW_NET) != 0:
        raise TestbedError(f"entering a network namespace: {os.strerror(ctypes.get_errno())}")
