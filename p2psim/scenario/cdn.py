"""What serves viewers beside the origin and each other: CDN edges, a second CDN, relays; and when peers may help."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from p2psim.scenario.records import by_name
from p2psim.units import UNLIMITED, Fraction, Rate, Seconds, Size

__all__ = ["Cdn", "Devices", "Hybrid", "Relay"]


@by_name
@dataclass(frozen=True, slots=True, kw_only=True)
class Cdn:
    """Edges with caches between viewers and the origin.

    A viewer asks the edge of its region. What the edge lacks it fetches from the origin, which serves such fills one
    after another at its `origin.rate`; the request waits for the whole object, as nginx does under a cache lock.
    """

    edges: Literal["none", "one", "regions"] = "none"
    """`none`: viewers fetch from the origin; `one` edge for all; or one in each of the `regions`."""
    rate: Rate = UNLIMITED
    """Capacity of each edge."""
    latency: Seconds = 0.02
    """Request to first byte at the edge, for what is cached."""
    origin_latency: Seconds = 0.1
    """Added by a miss: the edge's request to the origin."""
    cache: Size = UNLIMITED
    """Room for objects at each edge; the one that was not asked for longest makes room."""
    coalesce: bool = True
    """Requests for what is being fetched wait for it; otherwise each fetches its own copy."""
    overflow: Fraction = 0.0
    """A second CDN takes new requests while the first is used to more than this share of `rate`; 0: there is none."""
    overflow_rate: Rate = UNLIMITED
    """Capacity of the second CDN."""
    overflow_latency: Seconds = 0.05
    """Request to first byte at the second CDN."""


@by_name
@dataclass(frozen=True, slots=True, kw_only=True)
class Relay:
    """TURN: what connects viewers whose NATs do not let them."""

    share: Fraction = 0.0
    """Share of such pairs for which a relay is there."""
    rate: Rate = UNLIMITED
    """Capacity of the relay, shared by all."""
    latency: Seconds = 0.03
    """Added to a round trip; 20-50 ms."""
    blocked: bool = True
    """Whether viewers whose UDP is blocked get through over TCP and TLS."""


@by_name
@dataclass(frozen=True, slots=True, kw_only=True)
class Devices:
    """What viewers watch with. Classes and what they can are listed in data/presets/devices.toml."""

    mix: Mapping[str, float] = field(default_factory=dict)
    """Class → share; empty: the device of the access profile."""
    upload_off: tuple[str, ...] = ("mobile",)
    """Classes that fetch from peers but do not serve them."""
    p2p_off: tuple[str, ...] = ()
    """Classes that only use HTTP."""
    encryption: bool = False
    """Whether a device's processor limits what it can send and receive encrypted (DTLS)."""


@by_name
@dataclass(frozen=True, slots=True, kw_only=True)
class Hybrid:
    """When peer-to-peer is on. Off, there are no announces and no connections."""

    begins: Seconds = 0.0
    ends: Seconds = UNLIMITED
    """On from `begins` until `ends`, in time of the run."""
    viewers: int = 0
    """Only while at least so many watch: CDN alone below, peers at the peaks."""
    load: Fraction = 0.0
    """Only while viewers fetch, from peers too, at least this share of what origin or edges can carry."""
    check: Seconds = 10.0
    """How often audience and load are looked at."""
