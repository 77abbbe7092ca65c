"""Reachability of pairs of viewers: within their home, directly, through a relay, or not at all."""

import zlib

import numpy as np

from p2psim.network.nat import BLOCKED, PUBLIC, reachability, twice_translated
from p2psim.scenario import Population, Scenario
from p2psim.scenario.population import HAIRPIN, HOST, NOWHERE

__all__ = ["Reachability"]


class Reachability:
    """Paths between the viewers of a population, named as in the trace (host, srflx, relay); "": there is none."""

    def __init__(self, scenario: Scenario, people: Population, seed: int, replication: int) -> None:
        self.isolated: set[int] = set()
        """Regions that are partitioned from all others."""
        self._people, self._relay = people, scenario.relay
        self._key = f"{seed}/{replication}/relay"
        self._kind = _kinds(people)
        self._direct = reachability()
        if not scenario.policy.rtcConfig:
            # without STUN nobody knows its public address: one of the two viewers must have no NAT
            self._direct[1:, 1:] = False

    def path(self, a: int, b: int) -> str:
        """Return the best path between two viewers now."""
        if self.isolated and self.is_cut(a, b):
            return ""
        return self.way(a, b) or ("relay" if self.relay(a, b) else "")

    def is_cut(self, a: int, b: int) -> bool:
        """Return whether two viewers are in different regions of which one is partitioned."""
        here, there = int(self._people.region[a]), int(self._people.region[b])
        return here != there and not self.isolated.isdisjoint((here, there))

    def way(self, a: int, b: int) -> str:
        """Return the best path between two viewers without a relay."""
        people = self._people
        if people.home[a] == people.home[b] and a != b:
            within = int(people.within[a])
            # a hairpinned connection crosses the same NAT twice: its kind must let such a pair connect
            turned = within == HAIRPIN and self._direct[people.nat[a], people.nat[b]]
            return "host" if within == HOST else "srflx" if turned else ""
        kinds = self._kind[a], self._kind[b]
        if BLOCKED in kinds:
            return ""
        if people.ipv6[a] and people.ipv6[b]:
            return "host"  # two firewalls, no translation
        carrier = people.carrier[a]
        if carrier != NOWHERE and carrier == people.carrier[b] and not people.carrier_hairpin[carrier]:
            return ""
        if not self._direct[kinds]:
            return ""
        return "host" if kinds == (PUBLIC, PUBLIC) else "srflx"

    def relay(self, a: int, b: int) -> bool:
        """Return whether a relay is available to a pair without another path, which is fixed for each pair."""
        share = self._relay.availability
        if share == 0 or (not self._relay.over_tcp and BLOCKED in (self._kind[a], self._kind[b])):
            return False
        return zlib.crc32(f"{self._key}/{min(a, b)}/{max(a, b)}".encode()) < share * 2**32


def _kinds(people: Population) -> np.ndarray[tuple[int], np.dtype[np.int8]]:
    """Return the kind of NAT of each viewer as seen from outside, through both layers."""
    kinds = people.nat.copy()
    for v in np.flatnonzero(people.carrier != NOWHERE):
        kinds[v] = twice_translated(int(people.nat[v]), int(people.carrier_nat[people.carrier[v]]))
    return kinds
