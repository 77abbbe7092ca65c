"""Anonymous network namespaces, held by this process alone.

They have no name in the file system: a namespace exists as long as a process has it open or runs in it. The kernel
removes it with its devices, addresses, rules and routes, however the process that holds it ends.
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
    """Command for the lab that has failed; the message has its output."""


class Namespace:
    """Network namespace: ``with namespace:`` moves the calling thread into it, and the processes that it starts there.

    `label` is for error messages. The namespace ends with `close`, once the processes in it have ended too.
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
        """Path for other programs: ``nsenter --net=PATH``, ``ip link … netns PATH``."""
        return f"/proc/{os.getpid()}/fd/{self._file}"

    @property
    def identity(self) -> int:
        """Inode number, as in the links ``/proc/PID/ns/net`` of the processes in it."""
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
        """Close the file that holds it."""
        os.close(self._file)

    def run(self, arguments: Sequence[str], text: str = "") -> str:
        """Run a command in it with `text` on its standard input; return its standard output.

        Raises
        ------
        CommandFailedError
            Its exit status is not 0.
        """
        with self:
            return run_command(arguments, text, where=self.label)

    def set_kernel(self, values: Mapping[str, str]) -> None:
        """Set kernel parameters below /proc/sys/net in this namespace; unknown ones are skipped."""
        with self:
            for name, value in values.items():
                path = Path("/proc/sys/net") / name
                if path.exists():
                    path.write_text(value, encoding="ascii")

    def open_tun(self, device: str) -> int:
        """Create a TUN device; return the file of its packets, which can be used outside of the namespace too."""
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
    """Run a command in the namespace of the calling thread; return its standard output (see `Namespace.run`)."""
    done = subprocess.run(arguments, input=text, capture_output=True, text=True, timeout=_TIMEOUT, check=False)
    if done.returncode != 0:
        output = (done.stderr or done.stdout).strip().splitlines() or ["no output"]
        raise CommandFailedError(
            f"{where}: {' '.join(arguments)} ended with status {done.returncode}: {' '.join(output)}"
        )
    return done.stdout


def _enter(file: int) -> None:
    if _libc.setns(file, _NEW_NET) != 0:
        raise TestbedError(f"entering a network namespace: {os.strerror(ctypes.get_errno())}")
