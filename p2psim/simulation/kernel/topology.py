"""Links of a scenario, their capacities, and the location of each viewer in this network.

Links are numbered in this order: the origin, then uplink and downlink of each home, then, where the scenario has them,
uplink and downlink of each neighbourhood, the processor of each viewer, the edges, the second CDN, the relay; last a
link without capacity.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from p2psim.bundle import records
from p2psim.network.round_trip import regional_rtt
from p2psim.scenario import Population, Scenario
from p2psim.scenario.population import device_names, region_names
from p2psim.scenario.presets import crypto_rates, places
from p2psim.simulation.kernel.state import LOCATION

__all__ = ["Links", "lay_links", "region_rtt"]

ORIGIN = 0


@dataclass(frozen=True, slots=True)
class Links:
    """Numbered links and the viewers that use them."""

    capacity: NDArray[np.float64]
    """Shape (links,), bytes/s."""
    location: Any
    """Shape (viewers,), see LOCATION."""
    edges: int
    first_edge: int
    """Number of the first edge; the second CDN follows the last edge."""
    relay: int
    dead: int
    longest: int
    """Largest number of links of a path."""


def lay_links(scenario: Scenario, people: Population) -> Links:
    """Return the links of a scenario and the location of each viewer."""
    _, first, home = np.unique(people.home, return_index=True, return_inverse=True)
    capacity = [np.array([scenario.origin.rate]), _interleaved(people.uplink[first], people.downlink[first])]
    location = records(len(people), LOCATION)
    location["up"], location["down"] = 1 + 2 * home, 2 + 2 * home
    location["shared_up"] = location["shared_down"] = location["crypto"] = -1
    location["region"], location["home"] = people.region, people.home
    longest, size = 2, 1 + 2 * len(first)
    if scenario.neighbourhood.viewers > 0:
        count = int(people.neighbourhood.max(initial=-1)) + 1
        shared = scenario.neighbourhood
        capacity.append(_interleaved(np.full(count, shared.uplink), np.full(count, shared.downlink)))
        location["shared_up"] = size + 2 * people.neighbourhood
        location["shared_down"] = location["shared_up"] + 1
        size, longest = size + 2 * count, longest + 2
    if scenario.devices.limited_by_encryption:
        rates = np.array([crypto_rates()[name] for name in device_names()])
        capacity.append(rates[people.device])
        location["crypto"] = size + np.arange(len(people))
        size, longest = size + len(people), longest + 2
    edges = _edge_count(scenario)
    location["edge"] = people.region if scenario.cdn.edges == "regions" else 0
    capacity.append(np.full(edges, scenario.cdn.rate))
    capacity.append(np.array([scenario.cdn.overflow_rate, scenario.relay.rate, 0.0]))
    longest += scenario.relay.availability > 0
    return Links(
        capacity=np.concatenate(capacity),
        location=location,
        edges=edges,
        first_edge=size,
        relay=size + edges + 1,
        dead=size + edges + 2,
        longest=int(longest),
    )


def region_rtt(scenario: Scenario) -> NDArray[np.float64]:
    """Return the median round-trip time between viewers of two regions, seconds; shape (regions, regions)."""
    names, own = region_names(scenario), scenario.network.rtt
    if not scenario.regions.mix:
        return np.array([[float(own)]])
    regions = [places()[name] for name in names]
    rtt = regional_rtt(
        own,
        np.array([place.latitude for place in regions]),
        np.array([place.longitude for place in regions]),
        scenario.regions.stretch,
    )
    for pair, added in scenario.regions.added_rtt.items():
        a, b = (names.index(end.strip()) for end in pair.split("|"))
        rtt[a, b] = rtt[b, a] = own + added
    return rtt


def _edge_count(scenario: Scenario) -> int:
    return {"none": 0, "one": 1, "regions": len(region_names(scenario))}[scenario.cdn.edges]


def _interleaved(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.stack([one, other], axis=1).ravel()
