"""What is asked: frozen records, canonical units inside, each field with the reason of its default.

Presets (access profiles, NAT mixes) are named here and resolved in `p2psim.scenario.presets`; which viewers a
scenario and a seed make is decided in `p2psim.scenario.population`.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from p2p_tracker.config.options import BrainOptions

from p2psim.errors import ScenarioError
from p2psim.scenario.cdn import Cdn, Devices, Hybrid, Relay
from p2psim.scenario.faults import Fault
from p2psim.scenario.geography import Carrier, Household, Neighbourhood, Regions
from p2psim.scenario.policy import Policy
from p2psim.scenario.records import by_name
from p2psim.units import UNLIMITED, Fraction, Rate, Seconds, Size

__all__ = [
    "SCHEMA",
    "Access",
    "Carrier",
    "Cdn",
    "Channels",
    "Devices",
    "Fault",
    "Household",
    "Hybrid",
    "Nat",
    "Neighbourhood",
    "Network",
    "Origin",
    "Player",
    "Policy",
    "Regions",
    "Relay",
    "Scenario",
    "Stream",
    "Tracker",
    "Viewers",
]

SCHEMA = 1
_TRACKER = BrainOptions()


@by_name
@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """The video: live channels or recordings, at one bitrate or with a ladder of them."""

    kind: Literal["live", "vod"] = "live"
    encrypted: bool = False
    """Measuring only: segments are encrypted (HLS AES-128) and shared as they are; simulated, they are as large."""
    bitrate: Rate = 625_000.0
    """Media bytes per second of play; 5 Mbit/s, the bitrate of the claims. Not used where there is a ladder."""
    ladder: tuple[Rate, ...] = ()
    """Bitrates to choose from, ascending; segments of different levels are different objects. Empty: no choice."""
    segment: Seconds = 4.0
    """Length of a segment; 3-4 s is what peer-assisted CDNs recommend."""
    window: int = 15
    """Live: segments in the playlist."""
    latency: Seconds = 24.0
    """Live: how far behind the end of the playlist a player starts (hls.js liveSyncDuration)."""
    length: Seconds = 600.0
    """VOD: length of the recording."""


@by_name
@dataclass(frozen=True, slots=True, kw_only=True)
class Viewers:
    """Who watches, when they come and how they leave."""

    count: int = 100
    """How many come during the run; with `poisson`, `flash` and `diurnal` arrivals, how many watch at once, if nothing
    happens or on average over a day."""
    arrivals: Literal["uniform", "poisson", "flash", "diurnal", "recorded"] = "uniform"
    """`uniform`: spread over `over`; `poisson`: steady state with `viewing` on average, the first ones spread over
    `over`; `flash`: the same with a surge; `diurnal`: with the swing of a day; `recorded`: at the times in `joins`."""
    over: Seconds = 10.0
    joins: tuple[float, ...] = ()
    """Recorded arrival times, seconds from the start of the run."""
    stays: tuple[float, ...] = ()
    """Recorded viewing times, in the order of `joins`; empty: drawn."""
    surge: float = 10.0
    """Flash crowd: factor of the arrival rate at its peak (kick-off and goals bring ten- to twentyfold)."""
    surge_at: Seconds = 60.0
    surge_rise: Seconds = 60.0
    """From the ordinary rate to the peak."""
    surge_decay: Seconds = 300.0
    """Time constant of the way back; 5-10 min."""
    day: Seconds = 86400.0
    """Diurnal: length of a day; shorter ones make for shorter runs."""
    begins: Seconds = 64800.0
    """Diurnal: time of day at the start of the run."""
    peak: Seconds = 75600.0
    """Diurnal: time of day of the maximum; evenings, 20 to 22 h."""
    swing: Fraction = 1.0
    """Diurnal: peak over mean, less one; published ratios are 2-3, a cosine reaches 2."""
    viewing: Seconds = UNLIMITED
    """Mean viewing time; unlimited: everybody stays to the end."""
    spread: float = 0.0
    """Sigma of lognormal viewing times; 0: exponential."""
    fixed: bool = False
    """Everybody watches exactly as long as the mean."""
    crash: Fraction = 0.2
    """Share of departures without a goodbye: the tracker lists such viewers until their heartbeat expires."""
    sharing: Fraction = 1.0
    """Share of viewers that upload; the others only download (isP2PUploadDisabled)."""
    polluters: Fraction = 0.0
    """Share of viewers that send rubbish of the right size in answer to requests."""
    liars: Fraction = 0.0
    """Share that announces every segment of the playlist, and has to answer that it lacks most."""
    stallers: Fraction = 0.0
    """Share that never answers a request."""
    free_riders: Fraction = 0.0
    """Share that only downloads, beside those that do not share."""
    browsers: int = 0
    """Measuring only: how many of them watch in Chromium, with the real p2p-media-loader; the others are of aiortc."""


@by_name
@dataclass(frozen=True, slots=True, kw_only=True)
class Channels:
    """What there is to watch: every channel has a swarm of its own."""

    count: int = 1
    zipf: float = 1.0
    """Popularity of the k-th channel is proportional to 1/k to this power; published exponents are 0.8-1.2."""
    dwell: Seconds = UNLIMITED
    """Mean time (exponential) on a channel before a viewer zaps to another, chosen by popularity."""


@by_name
@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Access links, as a mixture of profiles; `custom` is described by the fields below."""

    mix: Mapping[str, float] = field(default_factory=lambda: {"custom": 1.0})
    """Profile → weight; profiles are listed in data/presets/access.toml."""
    uplink: Rate = 1_250_000.0
    downlink: Rate = 6_250_000.0
    spread: float = 0.0
    """Sigma of the lognormal spread of both links around their medians, in the custom profile."""
    lent: Fraction = 1.0
    """Share of the uplink that may be used for others."""


@by_name
@dataclass(frozen=True, slots=True, kw_only=True)
class Nat:
    """Who can reach whom."""

    mix: str = "average"
    """A mix listed in data/presets/nat.toml."""
    shares: Mapping[str, float] = field(default_factory=dict)
    """A mix of one's own, in place of `mix`: kind → share of the homes."""
    ipv6: Fraction = 0.0
    """Share of the homes with native IPv6: two of them need no NAT, and their firewalls let answers in."""
    failure: Fraction = 0.0
    """Share of attempts that fail although both NATs would allow them."""


@by_name
@dataclass(frozen=True, slots=True, kw_only=True)
class Tracker:
    """The tracker and its clients."""

    interval: Seconds = _TRACKER.interval
    """Between announces; what public trackers send."""
    offers: int = 5
    """Offers with each announce (p2p-media-loader 2.3)."""
    heartbeat: Seconds = _TRACKER.heartbeat_timeout
    """A viewer silent for so long is dropped from the list."""
    latency: Seconds = 0.02
    """One way, viewer to tracker."""
    matching: str = _TRACKER.matching
    """How receivers of offers are chosen (`p2p_tracker.core.matching`); `locality`: same home, then same region."""


@by_name
@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """The HTTP server or CDN edge that fills the gaps."""

    rate: Rate = UNLIMITED
    """Of all responses together."""
    per_connection: Rate = UNLIMITED
    latency: Seconds = 0.02
    """Request to first byte: the median of cached objects at CDNs."""


@by_name
@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """What lies between viewers; these few numbers are calibrated against measured traces."""

    rtt: Seconds = 0.04
    """Median round trip between two viewers (models: same region < 50 ms)."""
    rtt_spread: float = 0.0
    """Sigma of its lognormal spread over pairs."""
    loss: Fraction = 0.0
    """Share of packets lost between two viewers, which caps a channel at √1.5 packets of 1200 bytes per round trip and
    root of the loss (Mathis et al. 1997). HTTP is taken not to suffer."""
    window: Size = 262_144.0
    """Bytes in flight on one data channel (usrsctp); a channel carries at most window/rtt."""
    channel_rate: Rate = UNLIMITED
    """Cap of one data channel whatever its round trip."""
    backlog: Size = 65_536.0
    """Bytes waiting in a data channel up to which its sender adds one more message (64 KiB in simple-peer): all of them
    still come when a request is cancelled, count as received, and hold up what is asked for next."""
    goodput: float = 0.97
    """Media bytes per byte on the link (headers of SCTP, DTLS, UDP and IP; TCP likewise)."""
    gather: Seconds = 0.2
    """To make the offers of an announce: 0.1-0.4 s in Chromium."""
    handshake_trips: float = 6.0
    """Round trips between answer and open channel (ICE 1, DTLS 2, SCTP 2, check 1)."""
    handshake: Seconds = 0.0
    """Fixed part of the same: computing keys, pacing of checks."""
    relay_setup: Seconds = 0.0
    """How much longer a connection through a relay takes to open than a direct one: direct ways are tried first."""
    request: Seconds = 0.0
    """Time a peer takes to serve a request before its first byte, beside the round trip."""
    http_request: Seconds = 0.0
    """Time that both ends spend on an HTTP request before its first byte, beside the latency of the server."""


@by_name
@dataclass(frozen=True, slots=True, kw_only=True)
class Player:
    """The part of hls.js that decides when a segment is asked for."""

    buffer: Seconds = 15.0
    """Asked for ahead (maxBufferLength as p2p-media-loader sets it)."""
    tick: Seconds = 0.1
    """Period of the player's own checks."""
    update: Seconds = 0.25
    """Period of the media element's time updates."""
    estimate: Rate = 62_500.0
    """Ladder: bandwidth assumed before the first segment, 500 kbit/s (abrEwmaDefaultEstimate)."""
    fast: Seconds = 3.0
    """Ladder: half-lives, in seconds of loading, of the two averages of which the lower counts (abrEwmaFastLive)."""
    slow: Seconds = 9.0
    """The same, of the slower one (abrEwmaSlowLive)."""
    margin: Fraction = 0.95
    """Ladder: share of the estimate that a level may need if the player is there or above (abrBandWidthFactor)."""
    margin_up: Fraction = 0.7
    """The same, to go up (abrBandWidthUpFactor)."""


@by_name
@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """Everything that a run depends on, but for its seed."""

    name: str = "unnamed"
    description: str = ""
    duration: Seconds = 120.0
    warmup: Seconds = 0.0
    """Cut from the start of every metric."""
    stream: Stream = Stream()
    viewers: Viewers = Viewers()
    access: Access = Access()
    nat: Nat = Nat()
    tracker: Tracker = Tracker()
    origin: Origin = Origin()
    network: Network = Network()
    player: Player = Player()
    policy: Policy = field(default_factory=Policy)
    channels: Channels = Channels()
    regions: Regions = field(default_factory=Regions)
    household: Household = field(default_factory=Household)
    neighbourhood: Neighbourhood = field(default_factory=Neighbourhood)
    carrier: Carrier = field(default_factory=Carrier)
    devices: Devices = field(default_factory=Devices)
    cdn: Cdn = field(default_factory=Cdn)
    relay: Relay = field(default_factory=Relay)
    hybrid: Hybrid = field(default_factory=Hybrid)
    faults: tuple[Fault, ...] = ()

    def __post_init__(self) -> None:
        for entry in dataclasses.fields(self):
            name, value = entry.name, getattr(self, entry.name)
            if (
                isinstance(entry.type, type)
                and not isinstance(value, entry.type)
                and dataclasses.is_dataclass(entry.type)
            ):
                instead = f"Scenario().replace({{'{name}.…': …}}) sets one of its fields"
                raise ScenarioError(f"{name} = {value!r}: a section is expected; {instead}")

    def replace(self, changes: Mapping[str, object] | None = None, /, **more: object) -> "Scenario":
        """Give a changed copy; names are dotted (``"nat.mix"``), values canonical numbers or quantities in words."""
        from p2psim.scenario.toml_io import replaced

        return replaced(self, {**(changes or {}), **more})

    @staticmethod
    def load(path: str | Path) -> "Scenario":
        """Read a TOML file; raises ScenarioError with one line that names the value at fault."""
        from p2psim.scenario.toml_io import load

        return load(path)

    def to_toml(self) -> str:
        """Write it as TOML that `load` reads back to an equal scenario."""
        from p2psim.scenario.toml_io import to_toml

        return to_toml(self)

    @property
    def digest(self) -> str:
        """Hash of everything that changes results (not of name and description)."""
        from p2psim.scenario.toml_io import digest

        return digest(self)
