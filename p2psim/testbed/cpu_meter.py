"""How busy the cores of a run are while it lasts: those that its processes may use, all of the machine unless bound."""

import time
from collections.abc import Mapping
from typing import Any, Final

import psutil

from p2psim.testbed.processes import ChildProcess

__all__ = ["MAX_BUSY", "MAX_OTHER_CORES", "CpuMeter", "load_warnings"]

MAX_BUSY: Final = 0.8
"""Share of the cores above which real peers are late, and what is measured is the machine."""
MAX_OTHER_CORES: Final = 0.25
"""Cores used by what is not of the run that are too many; a kernel's own work and a shell stay below."""


class CpuMeter:
    """CPU of the run's cores and of each process while the run lasts."""

    def __init__(self, children: Mapping[str, ChildProcess]) -> None:
        self._children = children
        self._cores = psutil.Process().cpu_affinity()
        self._before_all, self._spent = self._times(), _spent()
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
        total, idle = (now - before for now, before in zip(self._times(), self._before_all, strict=True))
        self._busy = 1.0 - idle / total if total > 0 else 0.0
        # who is gone keeps what it used, and who came later began with nothing
        self._used |= {name: child.cpu - self._before.get(name, 0.0) for name, child in self._children.items()}

    def to_dict(self) -> dict[str, Any]:
        """Share of the cores that was busy, cores used by each process, and by all that is not of the run."""
        lasted = max(self._read_at - self._began_at, 1e-9)
        cores = len(self._cores)
        own = sum(self._used.values()) + _spent() - self._spent
        return {
            "cores": cores,
            "busy": round(self._busy, 3),
            "others": round(max(0.0, self._busy * cores - own / lasted), 3),
            "processes": {name: round(used / lasted, 3) for name, used in self._used.items()},
        }

    def _times(self) -> tuple[float, float]:
        """Seconds that the cores have been there, and of these idle; time of guests is in that of users."""
        times = psutil.cpu_times(percpu=True)
        cores = [times[core] for core in self._cores]
        return sum(sum(core) - core.guest - core.guest_nice for core in cores), sum(
            core.idle + core.iowait for core in cores
        )


def _spent() -> float:
    """Seconds of CPU that this process has used."""
    times = psutil.Process().cpu_times()
    return float(times.user + times.system)


def load_warnings(cpu: Mapping[str, Any]) -> list[str]:
    """Say in lines why a measurement may show the machine rather than the swarm; `cpu` is the manifest's."""
    found = []
    if cpu["busy"] > MAX_BUSY:
        found.append(
            f"the machine was busy to {cpu['busy']:.0%}, more than {MAX_BUSY:.0%}: measure fewer viewers, or less"
        )
    if cpu.get("others", 0.0) > MAX_OTHER_CORES:
        found.append(f"something else used {cpu['others']:.2f} cores meanwhile; more than {MAX_OTHER_CORES:g} disturb")
    return found
