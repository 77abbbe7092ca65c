"""How busy the machine is while a run lasts."""

import time
from collections.abc import Mapping
from typing import Any

import psutil

from p2psim.testbed.processes import Child

__all__ = ["Meter"]


class Meter:
    """CPU of the machine and of each process while the run lasts."""

    def __init__(self, children: Mapping[str, Child]) -> None:
        self._children = children
        self._machine = psutil.cpu_times()
        self._before = {}
        for name, child in children.items():
            child.check()
            self._before[name] = child.cpu
        self._began_at = self._read_at = time.monotonic()
        self._busy = 0.0
        self._used: dict[str, float] = {}
        self.errors = 0
        """Errors in workers that nobody handled."""

    def read(self) -> None:
        """Note what has been used so far."""
        self._read_at = time.monotonic()
        now, before = psutil.cpu_times(), self._machine
        total = sum(now) - sum(before) - (now.guest - before.guest)
        idle = now.idle - before.idle + now.iowait - before.iowait
        self._busy = 1.0 - idle / total if total > 0 else 0.0
        # who is gone keeps what it used, and who came later began with nothing
        self._used |= {name: child.cpu - self._before.get(name, 0.0) for name, child in self._children.items()}

    def to_dict(self) -> dict[str, Any]:
        """Share of all cores that was busy, and cores used by each process."""
        lasted = max(self._read_at - self._began_at, 1e-9)
        return {
            "cores": psutil.cpu_count(),
            "busy": round(self._busy, 3),
            "processes": {name: round(used / lasted, 3) for name, used in self._used.items()},
        }
