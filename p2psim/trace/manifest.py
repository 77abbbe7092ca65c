"""Provenance of a trace: scenario, seed, replication, versions of the packages."""

import platform
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Literal

__all__ = ["FORMAT", "Manifest", "versions"]

FORMAT = 1
_PACKAGES = ("p2psim", "numpy", "numba", "simpy", "aiortc", "aioice", "aiohttp", "picows", "av")


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """Provenance of one run."""

    world: Literal["simulated", "measured"]
    scenario_digest: str
    seed: int
    replication: int
    duration: float
    """Seconds."""
    name: str = ""
    """Name of the run; empty: that of its scenario."""
    recorded_on: str = ""
    """Date of a measurement; empty for a simulation, whose result does not depend on the day."""
    versions: dict[str, str] = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict)
    """Facts of a measurement: CPU load, enforced fields of the scenario, bytes by who counted them."""
    format: int = FORMAT

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages on which a result depends."""
    installed = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            installed[package] = version(package)
        except PackageNotFoundError:
            continue
    return installed
