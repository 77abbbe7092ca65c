"""Scenario record of a fault: what fails, when, and by how much."""

from dataclasses import dataclass
from typing import Literal

from p2psim.scenario.records import by_name, setting
from p2psim.units import Fraction, Seconds

__all__ = ["Fault", "FaultKind"]

FaultKind = Literal["origin", "edges", "relay", "uplinks", "partition", "tracker"]


@by_name
@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A fault that begins at `at` and ends after `duration`."""

    kind: FaultKind = setting("origin", former="what")
    """`origin`, `edges`, `relay`: its capacity falls to `capacity_left`; `uplinks`: those of `home_share` of the homes
    fall to it; `partition`: viewers in `region` cannot reach peers outside of it; `tracker`: it stops, and starts again
    without memory. Edges still serve what they have cached while the origin fails.
    """
    at: Seconds = 0.0
    """Start of the fault, seconds from the start of the run."""
    duration: Seconds = setting(30.0, former="lasts", positive=True, unlimited=True)
    """Time from the start to the end of the fault."""
    capacity_left: Fraction = setting(0.0, former="left")
    """Share of the capacity that is left during the fault."""
    home_share: Fraction = setting(1.0, former="share")
    """Uplinks: share of the homes whose uplink the fault hits."""
    region: str = ""
    """Partition: the place that is cut off."""
