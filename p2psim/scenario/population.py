"""Which viewers a scenario and a seed make: both worlds, simulated and measured, draw them here.

Every property of a viewer comes from the stream of that property, by inversion of one uniform draw: change one
property of the scenario and the others stay as they were (common random numbers).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from p2psim.rng import stream
from p2psim.scenario.model import Scenario
from p2psim.scenario.presets import NAT_KINDS, access_profiles, nat_mixes

__all__ = ["CLEAN", "CRASH", "END", "Population", "populate", "viewer_name"]

CLEAN, CRASH, END = 0, 1, 2
"""Departures: with a goodbye, without, and not before the end of the run."""

Floats = NDArray[np.float64]
Draw = Callable[[str], Floats]


@dataclass(frozen=True, slots=True, kw_only=True)
class Population:
    """Viewers of one replication, in order of arrival; every array has shape (viewers,)."""

    joined_at: Floats
    left_at: Floats
    """Capped at the end of the run."""
    departure: NDArray[np.int8]
    uplink: Floats
    """Lent part, bytes/s."""
    downlink: Floats
    nat: NDArray[np.int8]
    """Index into NAT_KINDS."""
    mobile: NDArray[np.bool_]
    uploads: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.joined_at)

    @property
    def nat_names(self) -> list[str]:
        """Names of the NAT kinds, viewer by viewer."""
        return [NAT_KINDS[kind] for kind in self.nat]

    @property
    def departures(self) -> list[str]:
        """Names of the departures, viewer by viewer."""
        return [("clean", "crash", "end")[kind] for kind in self.departure]


def viewer_name(index: int) -> str:
    """Name of a viewer in every table, of both worlds."""
    return f"v{index:04d}"


def populate(scenario: Scenario, seed: int, replication: int = 0) -> Population:
    """Draw the viewers of a replication."""
    joined = _arrivals(scenario, seed, replication)
    count = len(joined)

    def draw(purpose: str) -> Floats:
        return stream(seed, replication, purpose).random(count)

    left = joined + _viewing(scenario, draw("viewing"))
    end = left >= scenario.duration
    departure = np.where(draw("crash") < scenario.viewers.crash, CRASH, CLEAN)
    uplink, downlink, mobile = _links(scenario, draw)
    mix = np.cumsum(nat_mixes()[scenario.nat.mix])
    return Population(
        joined_at=joined,
        left_at=np.minimum(left, scenario.duration),
        departure=np.where(end, END, departure).astype(np.int8),
        uplink=uplink * scenario.access.lent,
        downlink=downlink,
        nat=np.minimum(np.searchsorted(mix, draw("nat") * mix[-1], side="right"), len(mix) - 1).astype(np.int8),
        mobile=mobile,
        uploads=~mobile & (draw("sharing") < scenario.viewers.sharing),
    )


def _arrivals(scenario: Scenario, seed: int, replication: int) -> Floats:
    viewers = scenario.viewers
    rng = stream(seed, replication, "arrivals")
    if viewers.arrivals == "recorded":
        return np.sort(np.array(viewers.joins, float))
    if viewers.arrivals == "uniform":
        return np.sort(rng.random(viewers.count) * min(viewers.over, scenario.duration))
    present = rng.poisson(viewers.count)
    first = np.sort(rng.random(present) * min(viewers.over, scenario.duration))
    rate = viewers.count / viewers.viewing
    later = np.cumsum(rng.exponential(1 / rate, int(rate * scenario.duration * 1.5) + 50))
    return np.sort(np.concatenate([first, later[later < scenario.duration]]))


def _viewing(scenario: Scenario, u: Floats) -> Floats:
    mean, sigma = scenario.viewers.viewing, scenario.viewers.spread
    if np.isinf(mean):
        return np.full(len(u), np.inf)
    if sigma == 0:
        return -mean * np.log1p(-u)
    quantile: Floats = np.exp(np.log(mean) - sigma**2 / 2 + sigma * ndtri(np.maximum(u, 1e-300)))
    return quantile


def _links(scenario: Scenario, draw: Draw) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    access = scenario.access
    names = list(access.mix)
    edges = np.cumsum([access.mix[name] for name in names])
    chosen = np.minimum(np.searchsorted(edges, draw("profile") * edges[-1], side="right"), len(names) - 1)
    normal = ndtri(np.maximum(draw("link"), 1e-300))
    uplink, downlink = np.empty(len(chosen)), np.empty(len(chosen))
    mobile = np.zeros(len(chosen), bool)
    for index, name in enumerate(names):
        profile = access_profiles()[name]
        here = chosen == index
        up, down, sigma = (
            (profile.uplink, profile.downlink, profile.spread)
            if profile is not None
            else (access.uplink, access.downlink, access.spread)
        )
        uplink[here] = up * np.exp(sigma * normal[here])
        downlink[here] = down * np.exp(sigma * normal[here])
        mobile[here] = profile is not None and profile.device == "mobile"
    return uplink, downlink, mobile
