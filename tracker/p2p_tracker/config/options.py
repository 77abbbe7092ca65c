"""Options of the tracker with their defaults, and the values that they accept."""

import math
from dataclasses import dataclass

from p2p_tracker.core.matching import STRATEGIES
from p2p_tracker.errors import OptionError

__all__ = ["ServerOptions", "TrackerOptions", "require"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackerOptions:
    """Options of the sans-IO core.

    Raises
    ------
    OptionError
        When a value is invalid.
    """

    interval: float = 120.0
    """Announce interval in seconds, sent to clients in the reply to an announce."""

    interval_jitter: float = 0.1
    """Largest random deviation of the interval, as a share of it; it spreads announces after a restart."""

    membership_timeout: float | None = None
    """Seconds without an announce after which a peer is removed; None means two and a half intervals."""

    heartbeat_timeout: float = 60.0
    """Seconds without a message or pong after which a connection is closed and its peers removed; inf means never."""

    max_offers: int = 20
    """Maximum number of offers relayed per announce."""

    max_peers_per_swarm: int = 0
    """Maximum number of peers in a swarm; 0 means no limit."""

    max_swarms: int = 0
    """Maximum number of swarms; 0 means no limit."""

    max_swarms_per_connection: int = 1000
    """Maximum number of memberships (peer id and swarm) per connection; a page needs a few dozen. 0 means no limit."""

    max_scrape: int = 1000
    """Maximum number of swarms in the reply to a scrape, also to a scrape of all swarms."""

    max_listed: int = 200
    """Maximum number of peers in the reply to the extension action `peers`."""

    matching: str = "random"
    """Strategy that chooses the receivers of offers: random, least-recently-offered or locality."""

    takeover: str = "always"
    """When a peer id moves to another connection that announces it: always, or only if its old one is silent."""

    def __post_init__(self) -> None:
        for name in ("interval", "heartbeat_timeout"):
            require(getattr(self, name) > 0, name, getattr(self, name), "a positive number of seconds")
        require(self.interval < math.inf, "interval", self.interval, "a finite number of seconds")
        if self.membership_timeout is not None:
            timeout = self.membership_timeout
            require(timeout > 0, "membership_timeout", timeout, "a positive number of seconds")
        require(
            0 <= self.interval_jitter < 1,
            "interval_jitter",
            self.interval_jitter,
            "a number of at least 0 and less than 1",
        )
        for name in _COUNTS:
            require(getattr(self, name) >= 0, name, getattr(self, name), "a whole number of 0 or more")
        require(self.matching in STRATEGIES, "matching", self.matching, "one of " + ", ".join(STRATEGIES))
        require(self.takeover in ("always", "silent"), "takeover", self.takeover, "always or silent")

    @property
    def lifetime(self) -> float:
        """Seconds after an announce until a membership expires."""
        return 2.5 * self.interval if self.membership_timeout is None else self.membership_timeout


_COUNTS = (
    "max_offers",
    "max_peers_per_swarm",
    "max_swarms",
    "max_swarms_per_connection",
    "max_scrape",
    "max_listed",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions(TrackerOptions):
    """Options of the tracker server: those of the core, and those of sockets, admission, pages and logs.

    Raises
    ------
    OptionError
        When a value is invalid.
    """

    host: str = "127.0.0.1"
    """Host name or address on which the tracker listens; empty means every address of the machine."""

    port: int = 8000
    """TCP port for WebSocket and HTTP; 0 chooses a free port."""

    tls_certificate: str = ""
    """PEM file with the certificate chain; if it is set, only wss and https are accepted."""

    tls_key: str = ""
    """PEM file with the private key of the certificate."""

    max_message: int = 256 * 1024
    """Maximum size of a client's message in bytes; an announce with ten offers has about 15 KB."""

    max_backlog: int = 1024 * 1024
    """Bytes that a client may leave unread before it is dropped."""

    ping_interval: float = 25.0
    """Seconds between two pings to a client; many proxies close a connection that is idle for 60 s."""

    request_timeout: float = 20.0
    """Seconds within which the HTTP request of a new connection must be complete."""

    max_connections: int = 0
    """Maximum number of WebSockets; 0 means no limit."""

    max_memory: float = 2048.0
    """MiB by which the process may grow; above it, new peers are refused and slow readers dropped. 0 means no limit."""

    max_refusals: int = 100
    """Refused messages after which a connection is closed; one per second is not counted. 0 means no limit."""

    max_connections_per_address: int = 0
    """Maximum number of WebSockets per IPv4 address or IPv6 /64; 0 means no limit. See also trusted_proxies."""

    announce_rate: float = 0.0
    """Announces per second accepted from one IPv4 address or IPv6 /64 in the long run; 0 means no limit."""

    announce_burst: float = 200.0
    """Announces accepted from one address at once, if announce_rate is set."""

    trusted_proxies: tuple[str, ...] = ()
    """Addresses and networks of proxies whose X-Forwarded-For is trusted."""

    allow_hashes: tuple[str, ...] = ()
    """Info hashes that are served (40 hexadecimal digits, 20 characters, or @FILE); an empty list means all."""

    deny_hashes: tuple[str, ...] = ()
    """Info hashes that are not served (as in allow_hashes)."""

    allow_origins: tuple[str, ...] = ()
    """Origins whose pages may connect (such as https://*.example.org, or @FILE); an empty list means all."""

    deny_origins: tuple[str, ...] = ()
    """Origins whose pages may not connect (as in allow_origins)."""

    require_origin: bool = False
    """Refuse clients without an Origin header, which are not browsers."""

    token_secret: str = ""
    """Secret of the signed tokens that clients must send as ?token=; empty means that no token is needed."""

    publish_swarms: bool = True
    """Show info hashes and peers over HTTP and to a scrape of all swarms; counts are always shown."""

    geo_databases: tuple[str, ...] = ()
    """MaxMind files (.mmdb) with providers and countries, for matching by locality."""

    stun_urls: tuple[str, ...] = ()
    """STUN servers that /tracker/ice lists, such as stun:stun.example.org."""

    turn_urls: tuple[str, ...] = ()
    """TURN servers that /tracker/ice lists, such as turn:turn.example.org?transport=udp."""

    turn_secret: str = ""
    """Secret shared with the TURN servers (coturn: static-auth-secret)."""

    turn_lifetime: float = 6 * 3600.0
    """Seconds for which a TURN password is valid."""

    libraries: str = "node_modules"
    """Folder of npm packages with the player's libraries; browsers load missing ones from a public CDN."""

    channels: str = ""
    """JSON file with the list of channels; without it, the channels page shows demonstration streams."""

    drain: float = 0.0
    """Seconds over which connections are closed at shutdown, so that clients do not reconnect all at once."""

    log_level: str = "info"
    """Lowest severity that is logged: debug, info, warning or error."""

    log_format: str = "text"
    """Format of log lines on standard error: text or json."""

    log_rate: int = 200
    """Maximum log lines per second and kind of event; the number of omitted lines is logged. 0 means no limit."""

    def __post_init__(self) -> None:
        TrackerOptions.__post_init__(self)
        require(0 <= self.port <= 65535, "port", self.port, "a number from 0 to 65535")
        require(
            bool(self.tls_certificate) == bool(self.tls_key),
            "tls_key",
            self.tls_key,
            "a file together with tls_certificate, and nothing without it,",
        )
        for name in ("max_message", "max_backlog"):
            require(getattr(self, name) >= 1024, name, getattr(self, name), "a number of at least 1024 bytes")
        for name in ("ping_interval", "request_timeout", "turn_lifetime"):
            require(getattr(self, name) > 0, name, getattr(self, name), "a positive number of seconds")
        require(self.announce_burst >= 1, "announce_burst", self.announce_burst, "a number of at least 1")
        for name in _NUMBERS:
            require(getattr(self, name) >= 0, name, getattr(self, name), "a number of 0 or more")
        levels = ("debug", "info", "warning", "error")
        require(self.log_level in levels, "log_level", self.log_level, "one of " + ", ".join(levels))
        require(self.log_format in ("text", "json"), "log_format", self.log_format, "text or json")


_NUMBERS = (
    "max_connections",
    "max_memory",
    "max_refusals",
    "max_connections_per_address",
    "announce_rate",
    "drain",
    "log_rate",
)


def require(is_valid: bool, name: str, value: object, accepted: str) -> None:
    """Raise an error that names an option, its value and what is `accepted`, unless the value is valid.

    Raises
    ------
    OptionError
        When `is_valid` is False.
    """
    if not is_valid:
        raise OptionError(f"{name} = {value!r}: {accepted} is accepted")
