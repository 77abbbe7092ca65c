"""Scenario records of CDN edges, TURN relays, device classes, and the times at which peer-to-peer is on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from p2psim.scenario.records import by_name, setting
from p2psim.units import UNLIMITED, Fraction, Rate, Seconds, Size

__all__ = ["Cdn", "Devices", "Hybrid", "Relay"]


@by_name
@dataclass(frozen=True, slots=True, kw_only=True)
class Cdn:
    """CDN edges with caches between viewers and the origin.

    A viewer requests segments from the edge of its region. A miss is fetched from the origin, which serves misses one
    after another at `origin.rate`; the request waits for the whole segment, as in nginx with a cache lock.
    """

    edges: Literal["none", "one", "regions"] = "none"
    """`none`: viewers fetch from the origin; `one`: one edge for all; `regions`: one edge in each region."""
    rate: Rate = setting(UNLIMITED, positive=True, unlimited=True)
    """Capacity of each edge."""
    time_to_first_byte: Seconds = setting(0.02, former="latency")
    """Time from the request to the first byte of a segment that an idle edge holds."""
    miss_delay: Seconds = setting(0.1, former="origin_latency")
    """Additional time to the first byte of a segment that the edge has to fetch from the origin."""
    cache: Size = setting(UNLIMITED, positive=True, unlimited=True)
    """Size of each edge's cache; the least recently requested segment is evicted first."""
    coalesce: bool = True
    """Requests for a segment that is being fetched wait for it; otherwise each fetches its own copy."""
    overflow_threshold: Fraction = setting(0.0, former="overflow")
    """A second CDN takes new requests while the first one uses more than this share of `rate`; 0: no second CDN."""
    overflow_rate: Rate = setting(UNLIMITED, positive=True, unlimited=True)
    """Capacity of the second CDN."""
    overflow_time_to_first_byte: Seconds = setting(0.05, former="overflow_latency")
    """Time from the request to the first byte at the idle second CDN."""


@by_name
@dataclass(frozen=True, slots=True, kw_only=True)
class Relay:
    """TURN relays, which connect viewers whose NATs allow no direct connection."""

    availability: Fraction = setting(0.0, former="share")
    """Share of the pairs in need of a relay for which one is available."""
    rate: Rate = setting(UNLIMITED, positive=True, unlimited=True)
    """Capacity of the relay, shared by all connections."""
    added_rtt: Seconds = setting(0.03, former="latency")
    """Round-trip time that the detour through the relay adds; 20-50 ms."""
    over_tcp: bool = setting(True, former="blocked")
    """Viewers whose UDP is blocked reach the relay over TCP or TLS."""


@by_name
@dataclass(frozen=True, slots=True, kw_only=True)
class Devices:
    """Devices of the viewers. Device classes are listed in data/presets/devices.toml."""

    mix: Mapping[str, float] = field(default_factory=dict)
    """Device class → share of the viewers; empty: the device of the access profile."""
    upload_off: tuple[str, ...] = ("mobile",)
    """Device classes that download from peers but do not upload."""
    p2p_off: tuple[str, ...] = ()
    """Device classes that use HTTP alone."""
    limited_by_encryption: bool = setting(False, former="encryption")
    """The rate at which the device's processor encrypts and decrypts (DTLS) limits its peer-to-peer traffic."""


@by_name
@dataclass(frozen=True, slots=True, kw_only=True)
class Hybrid:
    """The conditions under which peer-to-peer is on. While it is off, nobody announces or connects."""

    begins: Seconds = 0.0
    """Peer-to-peer is off before this time of the run."""
    ends: Seconds = setting(UNLIMITED, unlimited=True)
    """Peer-to-peer is off from this time of the run on."""
    min_viewers: int = setting(0, former="viewers")
    """Peer-to-peer is on only while at least this many viewers watch."""
    min_load: Fraction = setting(0.0, former="load")
    """Peer-to-peer is on only while viewers download, over HTTP and from peers, at least this share of the capacity of
    origin or edges."""
    check_interval: Seconds = setting(10.0, former="check", positive=True)
    """Time between checks of audience and load."""
