"""Where viewers are: regions, homes, shared parts of the access network, carriers."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from p2psim.scenario.records import by_name
from p2psim.units import UNLIMITED, Fraction, Rate, Seconds

__all__ = ["Carrier", "Household", "Neighbourhood", "Regions"]


@by_name
@dataclass(frozen=True, slots=True, kw_only=True)
class Regions:
    """Where on earth viewers are; the round trip of two in one region is that of [network]."""

    mix: Mapping[str, float] = field(default_factory=dict)
    """Place → share of the homes there; places are listed in data/presets/places.toml. Empty: one region."""
    stretch: float = 2.0
    """Length of the path between two places, in great-circle distances."""
    between: Mapping[str, Seconds] = field(default_factory=dict)
    """"place | place" → what the way between them adds to a round trip, where it is known better than by distance."""


@by_name
@dataclass(frozen=True, slots=True, kw_only=True)
class Household:
    """Viewers behind one home router: one NAT, one uplink, one downlink for all of them."""

    shares: tuple[float, ...] = (1.0,)
    """Share of the homes with one, two, three … viewers."""
    lan: Rate = 12_500_000.0
    """Between two viewers of a home; 100 Mbit/s, an ordinary Wi-Fi."""
    rtt: Seconds = 0.005
    host: Fraction = 1.0
    """Share of the homes whose viewers reach each other directly; in the others the router would have to hairpin."""
    hairpin: Fraction = 0.24
    """Share of routers that send packets back in (Ford et al. 2005: 80 of 335 NATs)."""


@by_name
@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbourhood:
    """A part of the access network that neighbours share: a street cabinet, a cable node, a passive optical tree.

    What two neighbours send each other passes it both ways: such equipment does not turn traffic back.
    """

    viewers: int = 0
    """Viewers behind each; 0: never the bottleneck."""
    uplink: Rate = UNLIMITED
    downlink: Rate = UNLIMITED


@by_name
@dataclass(frozen=True, slots=True, kw_only=True)
class Carrier:
    """Carrier-grade NAT: a second layer of translation that many homes share."""

    share: Fraction = 0.0
    """Share of the homes behind one."""
    count: int = 1
    """How many separate ones there are."""
    kinds: Mapping[str, float] = field(default_factory=lambda: {"port-restricted": 1.0})
    """Kind of NAT → share of the carriers."""
    hairpin: Fraction = 0.0
    """Share of carriers that connect two of their own homes; a cautious default, as RFC 6888 demands it of all."""
