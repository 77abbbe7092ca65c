"""Scenario records of regions, homes, shared parts of the access network, and carriers."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from p2psim.scenario.records import by_name, setting
from p2psim.units import UNLIMITED, Fraction, Rate, Seconds

__all__ = ["Carrier", "Household", "Neighbourhood", "Regions"]


@by_name
@dataclass(frozen=True, slots=True, kw_only=True)
class Regions:
    """Places of the audience; two viewers of one place have the round-trip time of [network]."""

    mix: Mapping[str, float] = field(default_factory=dict)
    """Place → share of the homes; places are listed in data/presets/places.toml. Empty: a single place."""
    stretch: float = setting(2.0, least=1)
    """Length of the network path between two places over their great-circle distance."""
    added_rtt: Mapping[str, Seconds] = setting(factory=dict, former="between")
    """"place | place" → round-trip time that is added between them, instead of the one estimated from the distance."""


@by_name
@dataclass(frozen=True, slots=True, kw_only=True)
class Household:
    """Homes: the viewers behind one router share its NAT, uplink and downlink."""

    size_shares: tuple[float, ...] = setting((1.0,), former="shares")
    """Share of the homes with one, two, three … viewers."""
    lan_rate: Rate = setting(12_500_000.0, former="lan", positive=True)
    """Rate between two viewers of a home; 100 Mbit/s is an ordinary Wi-Fi."""
    rtt: Seconds = 0.005
    """Round-trip time between two viewers of a home."""
    direct_share: Fraction = setting(1.0, former="host")
    """Share of the homes whose viewers connect over the local network; in the others the router has to hairpin."""
    hairpin: Fraction = 0.24
    """Share of home routers that hairpin, that is, send packets back to their own network (Ford et al. 2005: 80 of 335
    NATs)."""


@by_name
@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbourhood:
    """A link of the access network that neighbours share: of a street cabinet, a cable node, a passive optical tree.

    Traffic between two neighbours crosses the link twice, up and down.
    """

    viewers: int = 0
    """Viewers behind each shared link; 0: there is none."""
    uplink: Rate = setting(UNLIMITED, positive=True, unlimited=True)
    """Rate of the shared link from the viewers."""
    downlink: Rate = setting(UNLIMITED, positive=True, unlimited=True)
    """Rate of the shared link to the viewers."""


@by_name
@dataclass(frozen=True, slots=True, kw_only=True)
class Carrier:
    """Carrier-grade NAT: a second layer of address translation that many homes share."""

    home_share: Fraction = setting(0.0, former="share")
    """Share of the homes behind a carrier-grade NAT."""
    count: int = setting(1, least=1)
    """Number of separate carrier-grade NATs."""
    kinds: Mapping[str, float] = field(default_factory=lambda: {"port-restricted": 1.0})
    """NAT kind → share of the carriers."""
    hairpin: Fraction = 0.0
    """Share of the carriers that hairpin between two of their homes; RFC 6888 requires it of all, so this default is
    cautious."""
