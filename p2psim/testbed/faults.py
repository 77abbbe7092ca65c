"""Fault schedule of a measured run: times at which the origin, the tracker or uplinks lose or regain capacity.

As in a simulation, where faults overlap, the last beginning or end holds.
"""

import math
from collections import defaultdict
from typing import Final

from p2psim.scenario import Population, Scenario
from p2psim.scenario.fault_targets import victims
from p2psim.scenario.faults import FaultKind

__all__ = ["MEASURABLE_FAULTS", "Change", "origin_changes", "tracker_changes", "uplink_changes"]

MEASURABLE_FAULTS: Final[tuple[FaultKind, ...]] = ("origin", "uplinks", "tracker")
"""Kinds of faults that a run on one machine can have."""

Change = tuple[float, float]
"""Second of the run, and the share of the capacity that remains from then on."""


def origin_changes(scenario: Scenario) -> list[Change]:
    """Return the changes of the origin's rate, in the order of time."""
    return sorted(_changes(scenario, "origin"), key=_time)


def tracker_changes(scenario: Scenario) -> list[Change]:
    """Return the times at which the tracker stops (0) and starts again (1), in order."""
    return sorted(((at, float(share == 1)) for at, share in _changes(scenario, "tracker")), key=_time)


def uplink_changes(scenario: Scenario, people: Population, seed: int) -> dict[int, list[Change]]:
    """Return, for each viewer whose uplink fails, the changes of its rate, in the order of time."""
    by_viewer: dict[int, list[Change]] = defaultdict(list)
    for number, fault in enumerate(scenario.faults):
        if fault.kind == "uplinks":
            for viewer in victims(scenario, people, number, seed):
                by_viewer[viewer] += _pair(scenario, number)
    return {viewer: sorted(changes, key=_time) for viewer, changes in by_viewer.items()}


def _changes(scenario: Scenario, kind: FaultKind) -> list[Change]:
    numbers = [number for number, fault in enumerate(scenario.faults) if fault.kind == kind]
    return [change for number in numbers for change in _pair(scenario, number)]


def _pair(scenario: Scenario, number: int) -> list[Change]:
    """Return the changes at the beginning and at the end of a fault, if they lie within the run."""
    fault = scenario.faults[number]
    share = 0.0 if fault.kind == "tracker" else fault.capacity_left
    pair = [(fault.at, share), (fault.at + fault.duration, 1.0)]
    return [(at, share) for at, share in pair if math.isfinite(at) and at < scenario.duration]


def _time(change: Change) -> float:
    return change[0]
