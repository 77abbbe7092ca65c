"""Blueprint of a lab: homes with their viewers, carriers, servers, and the delay and loss between them.

`blueprint` makes it from the same scenario and population as the simulator. Addresses are computed here from the
numbers of homes, viewers and carriers, so that rules, routes and tests agree on them:

======================  ================================================================
10.H.H.0/24             LAN of home H; the router is .1, its viewers follow
198.18.H.H              home H on the WAN
198.19.V.V              viewer V with a public address
100.64.H.H              home H towards its carrier
203.0.113.128 + C       carrier C on the WAN
203.0.113.1 …           servers
2001:db8:0:H::/64       home H with IPv6
======================  ================================================================
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import Final

import numpy as np
from numpy.typing import NDArray

from p2psim.errors import ScenarioError
from p2psim.network.round_trip import pair_rtt, regional_rtt
from p2psim.scenario import Population, Scenario
from p2psim.scenario.nat_kinds import KINDS, NAT_KINDS, PUBLIC, Dependence
from p2psim.scenario.population import HAIRPIN, HOST, NOWHERE, region_names
from p2psim.scenario.presets import places

__all__ = [
    "MOST_HOMES",
    "Blueprint",
    "Carrier",
    "Home",
    "Impairment",
    "Link",
    "Server",
    "Translation",
    "blueprint",
    "translation",
]

MOST_HOMES: Final = 250
"""Greatest number of homes: select() handles at most 1024 files, and each home takes some."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Translation:
    """Behaviour of a NAT for UDP (RFC 4787)."""

    mapping: Dependence
    filtering: Dependence
    blocks_udp: bool = False


def translation(kind: str) -> Translation | None:
    """Return the behaviour of a kind of NAT; None for public addresses.

    Raises
    ------
    ScenarioError
        There is no such kind.
    """
    record = next((each for each in KINDS if each.name == kind), None)
    if record is None:
        raise ScenarioError(f"kind of NAT {kind!r}; one of {', '.join(NAT_KINDS)} is accepted")
    if not record.translates:
        return None
    return Translation(mapping=record.mapping, filtering=record.filtering, blocks_udp=record.blocks_udp)


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """Rates of an access link, bytes/s."""

    uplink: float = math.inf
    downlink: float = math.inf


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """Router with its access link, and the viewers behind it."""

    number: int
    viewers: tuple[int, ...]
    kind: str = PUBLIC
    link: Link = Link()
    carrier: int | None = None
    hairpin: bool = False
    """True if the router returns packets that its viewers send to its own address."""
    is_lan_open: bool = True
    """True if its viewers reach each other directly."""
    ipv6: bool = False

    @property
    def is_translated(self) -> bool:
        """True if the router has a NAT."""
        return self.kind != PUBLIC

    @property
    def address(self) -> str:
        """Address of the router towards the WAN or its carrier."""
        return _nth("198.18.0.0" if self.carrier is None else "100.64.0.0", self.number + 1)

    @property
    def transit(self) -> str:
        """Address of the router on its link to the carrier, which is not the address that its NAT uses."""
        return _nth("100.96.0.0", self.number + 1)

    @property
    def gateway(self) -> str:
        """Address of the router in the LAN."""
        return _nth("10.0.0.0", self.number * 256 + 1)

    def viewer_address(self, viewer: int) -> str:
        """Return the IPv4 address of one of its viewers."""
        if not self.is_translated and self.carrier is None:
            return _nth("198.19.0.0", viewer + 1)
        return _nth("10.0.0.0", self.number * 256 + 2 + self.viewers.index(viewer))

    @property
    def prefix(self) -> str:
        """IPv6 prefix of the home, without its length of 64."""
        return f"2001:db8:0:{self.number + 1:x}::"

    def viewer_address6(self, viewer: int) -> str:
        """Return the IPv6 address of one of its viewers."""
        return f"{self.prefix}{2 + self.viewers.index(viewer):x}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Carrier:
    """Carrier-grade NAT in front of homes, which reach each other through it only by hairpinning."""

    number: int
    kind: str
    hairpin: bool = False

    @property
    def address(self) -> str:
        """Address on the WAN."""
        return _nth("203.0.113.0", 128 + self.number)


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Server with public addresses and an uplink (bytes/s)."""

    name: str
    addresses: tuple[str, ...]
    uplink: float = math.inf


@dataclass(frozen=True, slots=True, kw_only=True)
class Impairment:
    """Delay and jitter of packets from one node to another, seconds, and the share of them that is lost."""

    delay: float = 0.0
    jitter: float = 0.0
    loss: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Blueprint:
    """Description of a lab.

    A node is a server, a carrier, or a home without carrier: whatever is attached to the WAN.
    """

    homes: tuple[Home, ...]
    carriers: tuple[Carrier, ...] = ()
    servers: tuple[Server, ...] = ()
    default_impairment: Impairment = Impairment()
    """Between nodes that have no entry in `impairments`."""
    impairments: dict[tuple[str, str], Impairment] = field(default_factory=dict)
    """Between two nodes, by their names, in either order."""

    def node_of(self, home: Home) -> str:
        """Return the name of the node through which a home is attached to the WAN."""
        return f"home-{home.number}" if home.carrier is None else f"carrier-{home.carrier}"

    @property
    def nodes(self) -> tuple[str, ...]:
        """Names of all nodes."""
        return (
            *(server.name for server in self.servers),
            *(f"carrier-{carrier.number}" for carrier in self.carriers),
            *(f"home-{home.number}" for home in self.homes if home.carrier is None),
        )

    def between(self, a: str, b: str) -> Impairment:
        """Return the impairment from one node to another."""
        return self.impairments.get((a, b)) or self.impairments.get((b, a)) or self.default_impairment

    def home_of(self, viewer: int) -> Home:
        """Return the home of a viewer."""
        return next(home for home in self.homes if viewer in home.viewers)


def blueprint(scenario: Scenario, population: Population, seed: int, servers: Sequence[Server] = ()) -> Blueprint:
    """Return the blueprint for a scenario and its population (of replication 0).

    Raises
    ------
    ScenarioError
        The population has more than MOST_HOMES homes.
    """
    numbers = sorted({int(home) for home in population.home})
    if len(numbers) > MOST_HOMES:
        raise ScenarioError(f"{len(numbers)} homes: a lab has room for {MOST_HOMES}")
    homes = tuple(_home(population, drawn, number) for number, drawn in enumerate(numbers))
    carriers = tuple(
        Carrier(
            number=number,
            kind=NAT_KINDS[int(population.carrier_nat[number])],
            hairpin=bool(population.carrier_hairpin[number]),
        )
        for number in range(len(population.carrier_nat))
        if number in population.carrier
    )
    plan = Blueprint(
        homes=homes,
        carriers=carriers,
        servers=tuple(servers),
        default_impairment=Impairment(delay=scenario.network.rtt / 2),
    )
    plan.impairments.update(_impairments_between_homes(scenario, population, seed, plan))
    return plan


def _home(population: Population, drawn: int, number: int) -> Home:
    """Return home `number` of the lab, which has the number `drawn` in the population."""
    viewers = tuple(int(viewer) for viewer in np.flatnonzero(population.home == drawn))
    first = viewers[0]
    carrier = int(population.carrier[first])
    within = int(population.within[first])
    return Home(
        number=number,
        viewers=viewers,
        kind=NAT_KINDS[int(population.nat[first])],
        link=Link(uplink=float(population.uplink[first]), downlink=float(population.downlink[first])),
        carrier=None if carrier == NOWHERE else carrier,
        hairpin=within == HAIRPIN,
        is_lan_open=within == HOST,
        ipv6=bool(population.ipv6[first]),
    )


def _impairments_between_homes(
    scenario: Scenario, population: Population, seed: int, plan: Blueprint
) -> dict[tuple[str, str], Impairment]:
    """Return the impairments between nodes of homes, by the simulator's rule for the first viewer of each."""
    network = scenario.network
    spread = float(network.rtt_spread)
    medians = _medians(scenario)
    first: dict[str, int] = {}  # node → viewer
    for home in plan.homes:
        first.setdefault(plan.node_of(home), home.viewers[0])
    impairments = {}
    for a, one in first.items():
        for b, other in first.items():
            if one <= other:
                median = float(medians[population.region[one], population.region[other]])
                rtt = median if a == b else pair_rtt(median, spread, seed * 1009 % 2147483647, one, other)
                impairments[a, b] = Impairment(delay=rtt / 2, loss=network.loss if a != b else 0.0)
    return impairments


def _medians(scenario: Scenario) -> NDArray[np.float64]:
    """Return the median round-trip times between regions, shape (regions, regions)."""
    own = scenario.network.rtt
    if not scenario.regions.mix:
        return np.array([[own]])
    names = region_names(scenario)
    known = [places()[name] for name in names]
    latitude, longitude = (np.array([getattr(place, axis) for place in known]) for axis in ("latitude", "longitude"))
    medians = regional_rtt(own, latitude, longitude, scenario.regions.stretch)
    for pair, added in scenario.regions.added_rtt.items():
        a, b = (names.index(end.strip()) for end in pair.split("|"))
        medians[a, b] = medians[b, a] = own + added
    return medians


def _nth(network: str, number: int) -> str:
    return str(IPv4Address(network) + number)
