"""Where a trace comes from: scenario, seed, world, versions."""

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
    name: str = ""
    recorded_on: str = ""
    """Date of a measurement; empty for a simulation, which must not depend on the day."""
    versions: dict[str, str] = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict)
    """What the world says of itself: CPU load, what was enforced, checks that were made."""
    format: int = FORMAT

    def to_dict(self) -> dict[str, Any]:
        """Give plain values for JSON."""
        return asdict(self)


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that a result depends on."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
