"""CPU load of a measured run: of the cores that its processes may use, and of each process."""

import time
from collections.abc import Mapping
from typing import Any, Final

import psutil

from p2psim.testbed.processes import ChildProcess

__all__ = ["MAX_BUSY", "MAX_OTHER_CORES", "CpuMeter", "load_warnings"]

MAX_BUSY: Final = 0.8
"""Load of the cores above which real peers are late: then the run measures the machine, not the swarm."""
MAX_OTHER_CORES: Final = 0.25
"""Cores that other programs may use; the kernel's own work and a shell stay below."""


class CpuMeter:
    """Meter of the CPU of the run's cores and of each process, from its construction to the last `read`."""

    def __init__(self, children: Mapping[str, ChildProcess]) -> None:
        self._children = children
        self._cores = psutil.Process().cpu_affinity()
        self._times_before, self._own_before = self._times(), _own_cpu()
        self._before = {}
        for name, child in children.items():
            child.check()
            self._before[name] = child.cpu
        self._began_at = self._read_at = time.monotonic()
        self._busy = 0.0
        self._used: dict[str, float] = {}
        self.errors = 0
        """Exceptions in workers that nothing handled."""

    def read(self) -> None:
        """Update the load and the CPU of each process."""
        self._read_at = time.monotonic()
        total, idle = (now - before for now, before in zip(self._times(), self._times_before, strict=True))
        self._busy = 1.0 - idle / total if total > 0 else 0.0
        # a process that has ended keeps what it used; one that started later began at 0
        self._used |= {name: child.cpu - self._before.get(name, 0.0) for name, child in self._children.items()}

    def to_dict(self) -> dict[str, Any]:
        """Return the load of the cores, the cores used by each process, and those used by other programs."""
        lasted = max(self._read_at - self._began_at, 1e-9)
        cores = len(self._cores)
        own = sum(self._used.values()) + _own_cpu() - self._own_before
        return {
            "cores": cores,
            "busy": round(self._busy, 3),
            "others": round(max(0.0, self._busy * cores - own / lasted), 3),
            "processes": {name: round(used / lasted, 3) for name, used in self._used.items()},
        }

    def _times(self) -> tuple[float, float]:
        """Return the seconds since the cores were started, and the idle ones; guest time is part of user time."""
        times = psutil.cpu_times(percpu=True)
        cores = [times[core] for core in self._cores]
        return sum(sum(core) - core.guest - core.guest_nice for core in cores), sum(
            core.idle + core.iowait for core in cores
        )


def _own_cpu() -> float:
    """Return the seconds of CPU that this process has used."""
    times = psutil.Process().cpu_times()
    return float(times.user + times.system)


def load_warnings(cpu: Mapping[str, Any]) -> list[str]:
    """Return a line for each reason why a run may have measured the machine; `cpu` is the manifest's."""
    warnings = []
    if cpu["busy"] > MAX_BUSY:
        warnings.append(
            f"the machine was busy to {cpu['busy']:.0%}, more than {MAX_BUSY:.0%}: measure fewer viewers, or less"
        )
    if cpu.get("others", 0.0) > MAX_OTHER_CORES:
        warnings.append(
            f"other programs used {cpu['others']:.2f} cores during the run, more than {MAX_OTHER_CORES:g}: stop them"
        )
    return warnings
