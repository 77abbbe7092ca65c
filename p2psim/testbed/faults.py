"""What goes wrong in a run, and when: a scenario's faults as changes of what its parts can carry.

As in a simulation, where faults overlap the last beginning or end counts.
"""

import math
from collections import defaultdict
from typing import Final

from p2psim.scenario import Population, Scenario
from p2psim.scenario.fault_targets import victims
from p2psim.scenario.faults import FaultKind

__all__ = ["MEASURABLE_FAULTS", "Change", "origin_changes", "tracker_changes", "uplink_changes"]

MEASURABLE_FAULTS: Final[tuple[FaultKind, ...]] = ("origin", "uplinks", "tracker")
"""Kinds of faults that a run on one machine can make."""

Change = tuple[float, float]
"""Second of the run, and the share of the capacity that is left from then on."""


def origin_changes(scenario: Scenario) -> list[Change]:
    """When the origin fails and recovers, in order."""
    return sorted(_changes(scenario, "origin"), key=_moment)


def tracker_changes(scenario: Scenario) -> list[Change]:
    """When the tracker goes (0) and comes back (1), in order."""
    return sorted(((at, float(left == 1)) for at, left in _changes(scenario, "tracker")), key=_moment)


def uplink_changes(scenario: Scenario, people: Population, seed: int) -> dict[int, list[Change]]:
    """When the uplinks of which viewers fail and recover, in order, by viewer."""
    found: dict[int, list[Change]] = defaultdict(list)
    for number, fault in enumerate(scenario.faults):
        if fault.what == "uplinks":
            for viewer in victims(scenario, people, number, seed):
                found[viewer] += _pair(scenario, number)
    return {viewer: sorted(changes, key=_moment) for viewer, changes in found.items()}


def _changes(scenario: Scenario, what: FaultKind) -> list[Change]:
    numbers = [number for number, fault in enumerate(scenario.faults) if fault.what == what]
    return [change for number in numbers for change in _pair(scenario, number)]


def _pair(scenario: Scenario, number: int) -> list[Change]:
    """Beginning and end of a fault, as far as they lie within the run."""
    fault = scenario.faults[number]
    left = 0.0 if fault.what == "tracker" else fault.left
    pair = [(fault.at, left), (fault.at + fault.lasts, 1.0)]
    return [(at, share) for at, share in pair if math.isfinite(at) and at < scenario.duration]


def _moment(change: Change) -> float:
    return change[0]
