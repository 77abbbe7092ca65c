"""Scenario records: frozen dataclasses in canonical units, each field with its rules and the reason of its default.

`p2psim.scenario.scenario.Scenario` adds reading, changing and writing to these records. Presets (access profiles, NAT
mixes) are named here and resolved in `p2psim.scenario.presets`. The viewers of a scenario and a seed are drawn in
`p2psim.scenario.population`.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from p2p_tracker.config.options import TrackerOptions

from p2psim.errors import ScenarioError
from p2psim.scenario.cdn import Cdn, Devices, Hybrid, Relay
from p2psim.scenario.faults import Fault
from p2psim.scenario.geography import Carrier, Household, Neighbourhood, Regions
from p2psim.scenario.policy import Policy
from p2psim.scenario.records import by_name, setting
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
    "ScenarioRecord",
    "Stream",
    "Tracker",
    "Viewers",
]

SCHEMA = 1
_TRACKER = TrackerOptions()
MAX_CHANNELS = 10_000


@by_name
@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """The video: live channels or recordings (VOD), at one bitrate or with a ladder of bitrates."""

    kind: Literal["live", "vod"] = "live"
    """`live`: a live stream; `vod`: a recording, video on demand."""
    encrypted: bool = False
    """Measurements only: segments are encrypted (HLS AES-128), and shared encrypted. Their size is the same, so a
    simulation ignores it."""
    bitrate: Rate = setting(625_000.0, positive=True)
    """Media bytes per second of playback; 5 Mbit/s is the bitrate of the claims. Ignored if there is a ladder."""
    ladder: tuple[Rate, ...] = setting((), positive=True, example='["1 Mbit/s", "3 Mbit/s"]')
    """Bitrates that the player chooses from, ascending; segments of different levels are different objects. Empty: the
    one `bitrate`."""
    segment: Seconds = setting(4.0, positive=True)
    """Duration of a segment; peer-assisted CDNs recommend 3-4 s."""
    playlist_segments: int = setting(15, former="window", least=3)
    """Live: how many segments the playlist lists."""
    live_latency: Seconds = setting(24.0, former="latency")
    """Live: distance from the end of the playlist at which a player starts (hls.js liveSyncDuration)."""
    length: Seconds = setting(600.0, positive=True)
    """VOD: duration of the recording."""


@by_name
@dataclass(frozen=True, slots=True, kw_only=True)
class Viewers:
    """The audience: how many viewers, when they arrive, how long they stay, how they leave and behave."""

    count: int = setting(100, least=1)
    """Viewers that arrive during the run. With `poisson`, `flash` and `diurnal` arrivals: viewers that watch at the
    same time, in the steady state or averaged over a day."""
    arrivals: Literal["uniform", "poisson", "flash", "diurnal", "recorded"] = "uniform"
    """`uniform`: uniformly over `arrival_period`; `poisson`: a steady state with `mean_viewing_time`, whose first
    viewers arrive over `arrival_period`; `flash`: the same with a surge; `diurnal`: the same with a daily swing;
    `recorded`: at `arrival_times`."""
    arrival_period: Seconds = setting(10.0, former="over")
    """Time from the start of the run over which the (first) viewers arrive."""
    arrival_times: tuple[float, ...] = setting((), former="joins", example="[0.0, 2.5]")
    """Recorded arrival times, seconds from the start of the run."""
    viewing_times: tuple[float, ...] = setting((), former="stays")
    """Recorded viewing times in seconds, in the order of `arrival_times`; empty: drawn at random."""
    surge_factor: float = setting(10.0, former="surge", positive=True)
    """Flash crowd: arrival rate at its peak, in ordinary rates (kick-off and goals bring ten- to twentyfold)."""
    surge_at: Seconds = 60.0
    """Flash crowd: when the arrival rate begins to rise."""
    surge_rise: Seconds = 60.0
    """Flash crowd: time from the ordinary arrival rate to its peak."""
    surge_decay: Seconds = setting(300.0, positive=True)
    """Flash crowd: time constant of the exponential decay after the peak; 5-10 min."""
    day_length: Seconds = setting(86400.0, former="day", positive=True)
    """Diurnal: length of a day; a shorter one allows shorter runs."""
    start_time_of_day: Seconds = setting(64800.0, former="begins")
    """Diurnal: time of day at the start of the run."""
    peak_time_of_day: Seconds = setting(75600.0, former="peak")
    """Diurnal: time of day at which most viewers arrive; in the evening, 20 to 22 h."""
    daily_swing: Fraction = setting(1.0, former="swing")
    """Diurnal: arrival rate at the peak over its mean, minus 1; published ratios are 2-3, a cosine reaches 2."""
    mean_viewing_time: Seconds = setting(UNLIMITED, former="viewing", positive=True, unlimited=True)
    """Mean time that a viewer stays; unlimited: every viewer stays to the end of the run."""
    viewing_time_spread: float = setting(0.0, former="spread")
    """Sigma of lognormally distributed viewing times; 0: exponentially distributed."""
    fixed_viewing_time: bool = setting(False, former="fixed")
    """Every viewer stays exactly `mean_viewing_time`."""
    crash_share: Fraction = setting(0.2, former="crash")
    """Share of departures without a `stopped` announce; the tracker lists such viewers until their heartbeat
    expires."""
    sharing: Fraction = 1.0
    """Share of viewers that upload; the others only download (isP2PUploadDisabled)."""
    polluters: Fraction = 0.0
    """Share of viewers that answer requests with invalid bytes of the right size."""
    liars: Fraction = 0.0
    """Share of viewers that announce every segment of the playlist, and answer most requests with "absent"."""
    stallers: Fraction = 0.0
    """Share of viewers that never answer a request."""
    free_riders: Fraction = 0.0
    """Share of viewers that only download, in addition to those that `sharing` leaves out."""
    browsers: int = 0
    """Measurements only: number of viewers that watch in Chromium with the real p2p-media-loader; the others are aiortc
    peers."""


@by_name
@dataclass(frozen=True, slots=True, kw_only=True)
class Channels:
    """The channels that viewers choose from; each channel has its own swarm."""

    count: int = setting(1, least=1, most=MAX_CHANNELS)
    """Number of channels."""
    zipf: float = 1.0
    """Exponent of Zipf's law: the popularity of the k-th channel is proportional to 1/k to this power; published
    exponents are 0.8-1.2."""
    mean_time_on_channel: Seconds = setting(UNLIMITED, former="dwell", positive=True, unlimited=True)
    """Mean time (exponential) before a viewer zaps to another channel, which is chosen by popularity."""


@by_name
@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Access links, drawn from a mixture of profiles; `custom` is the profile that the fields below describe."""

    mix: Mapping[str, float] = field(default_factory=lambda: {"custom": 1.0})
    """Profile → share of the homes; profiles are listed in data/presets/access.toml."""
    uplink: Rate = setting(1_250_000.0, unlimited=True)
    """Uplink of a home in the custom profile."""
    downlink: Rate = setting(6_250_000.0, positive=True, unlimited=True)
    """Downlink of a home in the custom profile."""
    spread: float = 0.0
    """Sigma of the lognormal distribution of uplink and downlink around their medians, in the custom profile."""
    lent: Fraction = 1.0
    """Share of the uplink that may be used to upload to peers."""


@by_name
@dataclass(frozen=True, slots=True, kw_only=True)
class Nat:
    """The NATs between viewers, which decide who can connect to whom."""

    mix: str = setting("average", example='"mobile" (shares of your own are [nat.shares])')
    """Name of a mix of NAT kinds, listed in data/presets/nat.toml."""
    shares: Mapping[str, float] = field(default_factory=dict)
    """NAT kind → share of the homes: a mix of your own, used instead of `mix`."""
    ipv6: Fraction = 0.0
    """Share of the homes with native IPv6: two of them connect without NAT, and their firewalls let answers in."""
    failure: Fraction = 0.0
    """Share of connection attempts that fail although both NATs allow them."""


@by_name
@dataclass(frozen=True, slots=True, kw_only=True)
class Tracker:
    """The tracker and its clients."""

    interval: Seconds = setting(_TRACKER.interval, positive=True)
    """Time between announces of a viewer; the value that public trackers send."""
    offers: int = 5
    """WebRTC offers in each announce (p2p-media-loader 2.3)."""
    heartbeat: Seconds = setting(_TRACKER.heartbeat_timeout, positive=True)
    """The tracker drops a viewer from its list after this time without an announce."""
    one_way_delay: Seconds = setting(0.02, former="latency")
    """One-way network delay between a viewer and the tracker."""
    matching: str = _TRACKER.matching
    """How the tracker chooses the receivers of offers (`p2p_tracker.core.matching`); `locality`: viewers of the same
    home first, then of the same region."""


@by_name
@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """The HTTP server that holds every segment."""

    rate: Rate = setting(UNLIMITED, positive=True, unlimited=True)
    """Capacity for all responses together."""
    rate_per_connection: Rate = setting(UNLIMITED, former="per_connection", positive=True, unlimited=True)
    """Limit of the rate of one response."""
    time_to_first_byte: Seconds = setting(0.02, former="latency")
    """Time from the request to the first byte of an idle server (network and server together); the median of cached
    objects at CDNs."""


@by_name
@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """The network between viewers; these few parameters are calibrated against measured traces."""

    rtt: Seconds = 0.04
    """Median round-trip time between two viewers (same region: below 50 ms)."""
    rtt_spread: float = 0.0
    """Sigma of the lognormal distribution of round-trip times over pairs."""
    loss: Fraction = 0.0
    """Share of packets lost between two viewers. It limits the rate of a data channel to 1200 bytes × √1.5 /
    (round-trip time × √loss) (Mathis et al. 1997); HTTP is not affected."""
    window: Size = setting(262_144.0, positive=True, unlimited=True)
    """SCTP window: bytes in flight on one data channel (usrsctp), whose rate is at most window / round-trip time."""
    channel_rate: Rate = setting(UNLIMITED, positive=True, unlimited=True)
    """Limit of the rate of one data channel, whatever its round-trip time."""
    backlog: Size = 65_536.0
    """Bytes queued in a data channel up to which the sender adds another message (64 KiB in simple-peer). After a
    request is cancelled they are still delivered: they count as received and delay the next request."""
    goodput: float = setting(0.97, positive=True, most=1)
    """Media bytes per byte on the link; the rest are headers of SCTP, DTLS, UDP and IP, or of TCP."""
    gather: Seconds = 0.2
    """Time to create the offers of an announce (ICE gathering): 0.1-0.4 s in Chromium."""
    handshake_trips: float = 6.0
    """Round trips between the answer and the open data channel (ICE 1, DTLS 2, SCTP 2, check 1)."""
    handshake: Seconds = 0.0
    """Time between the answer and the open data channel beside those round trips: computing keys, pacing of checks."""
    relay_setup: Seconds = 0.0
    """Additional time to open a connection through a relay: direct candidates are tried first."""
    request: Seconds = 0.0
    """Time that a peer takes before it sends the first byte of a requested segment, beside the round trip."""
    http_request: Seconds = 0.0
    """Time that client and server spend on an HTTP request before its first byte, beside `time_to_first_byte`."""


@by_name
@dataclass(frozen=True, slots=True, kw_only=True)
class Player:
    """The part of hls.js that decides when to request a segment, and in which quality."""

    buffer: Seconds = setting(15.0, positive=True)
    """Media that the player requests ahead of playback (maxBufferLength, as p2p-media-loader sets it)."""
    tick_interval: Seconds = setting(0.1, former="tick", positive=True)
    """Time between checks of the player's buffer."""
    update_interval: Seconds = setting(0.25, former="update", positive=True)
    """Time between `timeupdate` events of the media element."""
    initial_estimate: Rate = setting(62_500.0, former="estimate", positive=True)
    """Ladder: bandwidth assumed before the first segment (abrEwmaDefaultEstimate)."""
    fast_half_life: Seconds = setting(3.0, former="fast", positive=True)
    """Ladder: half-life, in seconds of loading, of the fast average of the bandwidth (abrEwmaFastLive); the lower of
    the fast and the slow average counts."""
    slow_half_life: Seconds = setting(9.0, former="slow", positive=True)
    """Ladder: half-life of the slow average of the bandwidth (abrEwmaSlowLive)."""
    margin: Fraction = setting(0.95, positive=True)
    """Ladder: share of the estimated bandwidth that a level may need to stay or to go down (abrBandWidthFactor)."""
    margin_up: Fraction = setting(0.7, positive=True)
    """Ladder: share of the estimated bandwidth that a level may need to go up (abrBandWidthUpFactor)."""


@by_name
@dataclass(frozen=True, slots=True, kw_only=True)
class ScenarioRecord:
    """Everything that a run depends on, except its seed."""

    name: str = "unnamed"
    """Name of the scenario, in tables and reports."""
    description: str = ""
    """What the scenario is for, in one line."""
    duration: Seconds = setting(120.0, positive=True)
    """Length of a run."""
    warmup: Seconds = 0.0
    """Time at the start of the run that metrics leave out."""
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
    """Faults during the run, in TOML tables [[faults]]."""

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
