"""What goes wrong, and when."""

from dataclasses import dataclass
from typing import Literal

from p2psim.scenario.records import by_name
from p2psim.units import Fraction, Seconds

__all__ = ["Fault", "FaultKind"]

FaultKind = Literal["origin", "edges", "relay", "uplinks", "partition", "tracker"]


@by_name
@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A disturbance that begins at `at` and is over after `lasts`."""

    what: FaultKind = "origin"
    """`origin`, `edges`, `relay`: carries only the share `left`; `uplinks`: those of a `share` of the homes do;
    `partition`: nobody in `region` reaches a peer outside of it; `tracker`: gone, its memory too. An origin behind
    edges still serves through them what they have cached.
    """
    at: Seconds = 0.0
    lasts: Seconds = 30.0
    left: Fraction = 0.0
    """Share of the capacity that is left."""
    share: Fraction = 1.0
    """Uplinks: share of the homes that are hit."""
    region: str = ""
    """Partition: the place that is cut off."""
