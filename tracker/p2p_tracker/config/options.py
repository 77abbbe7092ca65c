"""The options of a tracker: what there is to decide, and what is a sensible value."""

import math
from dataclasses import dataclass

from p2p_tracker.core.matching import STRATEGIES
from p2p_tracker.errors import OptionError

__all__ = ["ServerOptions", "TrackerOptions", "require"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackerOptions:
    """How a tracker behaves.

    Raises
    ------
    OptionError
        When a value makes no sense.
    """

    interval: float = 120.0
    """Seconds between the announces of a peer, as it is told."""

    interval_jitter: float = 0.1
    """Share by which the interval varies, so that peers of a restarted tracker do not come back together."""

    membership_timeout: float | None = None
    """Seconds without an announce after which a peer is removed; None is two and a half intervals."""

    heartbeat_timeout: float = 60.0
    """Seconds of silence (no message, no pong) after which a connection is given up; may be infinite."""

    max_offers: int = 20
    """Offers of one announce that are passed on."""

    max_peers_per_swarm: int = 0
    """Peers in one swarm; 0 is no limit."""

    max_swarms: int = 0
    """Swarms in all; 0 is no limit."""

    max_swarms_per_connection: int = 1000
    """Peers (ids and swarms) on one connection; a page of many players needs a few dozen. 0 is no limit."""

    max_scrape: int = 1000
    """Swarms in one reply to a scrape; asking for all gives no more."""

    max_listed: int = 200
    """Peers in one list of a swarm."""

    matching: str = "random"
    """Name of the strategy that picks who gets an offer."""

    takeover: str = "always"
    """When a peer id announced from a second connection moves there: `always`, or once the first is `silent`."""

    def __post_init__(self) -> None:
        for name in ("interval", "heartbeat_timeout"):
            require(getattr(self, name) > 0, name, getattr(self, name), "a positive number of seconds")
        require(self.interval < math.inf, "interval", self.interval, "a finite number of seconds")
        if self.membership_timeout is not None:
            require(self.membership_timeout > 0, "membership_timeout", self.membership_timeout, "a positive number")
        require(0 <= self.interval_jitter < 1, "interval_jitter", self.interval_jitter, "a share from 0 up to 1")
        for name in _COUNTS:
            require(getattr(self, name) >= 0, name, getattr(self, name), "a whole number, not negative")
        require(self.matching in STRATEGIES, "matching", self.matching, "one of " + ", ".join(STRATEGIES))
        require(self.takeover in ("always", "silent"), "takeover", self.takeover, "always or silent")

    @property
    def lifetime(self) -> float:
        """Seconds that a membership lives after an announce."""
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
    """How a tracker behaves and where it listens.

    Raises
    ------
    OptionError
        When a value makes no sense.
    """

    host: str = "127.0.0.1"
    """Name or address to listen on; empty means every address of the machine."""

    port: int = 8000
    """TCP port for WebSocket and HTTP; 0 takes a free one."""

    tls_certificate: str = ""
    """File with the certificate chain (PEM); with it, only wss and https are spoken."""

    tls_key: str = ""
    """File with the private key of the certificate."""

    max_message: int = 256 * 1024
    """Bytes of one message of a client; an announce with ten offers has some 15 KB."""

    max_backlog: int = 1024 * 1024
    """Bytes that a client may leave unread before it is dropped."""

    ping_interval: float = 25.0
    """Seconds between pings; proxies cut what is idle for 60 s."""

    request_timeout: float = 20.0
    """Seconds in which a new connection must have said what it wants."""

    max_connections: int = 0
    """Connections in all; 0 is no limit."""

    max_memory: float = 2048.0
    """MiB by which the process may grow; above, no peer is let in, and slow readers are dropped. 0 is no limit."""

    max_refusals: int = 100
    """Messages of one connection that are refused before it is closed; one a second is forgiven. 0 is no limit."""

    max_connections_per_address: int = 0
    """Connections of one IPv4 address or IPv6 /64; 0 is no limit. Behind a proxy, name it in trusted_proxies."""

    announce_rate: float = 0.0
    """Announces per second that one IPv4 address or IPv6 /64 may send in the long run; 0 is no limit."""

    announce_burst: float = 200.0
    """Announces that one address may send at once, where announce_rate is set."""

    trusted_proxies: tuple[str, ...] = ()
    """Addresses and networks whose X-Forwarded-For is believed."""

    allow_hashes: tuple[str, ...] = ()
    """Info hashes that are served, in hexadecimal or as 20 characters, or @FILE; none named means all."""

    deny_hashes: tuple[str, ...] = ()
    """Info hashes that are not served."""

    allow_origins: tuple[str, ...] = ()
    """Origins of pages that may connect, such as https://*.example.org, or @FILE; none named means all."""

    deny_origins: tuple[str, ...] = ()
    """Origins of pages that may not connect."""

    require_origin: bool = False
    """Whether clients that send no origin (all that are no browsers) are turned away."""

    token_secret: str = ""
    """Secret of the signed tokens that clients must bring as ?token=; empty lets everybody in."""

    publish_swarms: bool = True
    """Whether info hashes and peers are shown over HTTP; counts always are."""

    geo_databases: tuple[str, ...] = ()
    """MaxMind files (.mmdb) with providers and countries, for matching by locality."""

    stun_urls: tuple[str, ...] = ()
    """STUN servers that /tracker/ice names, such as stun:stun.example.org."""

    turn_urls: tuple[str, ...] = ()
    """TURN servers that /tracker/ice names, such as turn:turn.example.org?transport=udp."""

    turn_secret: str = ""
    """Secret shared with the TURN servers (coturn: static-auth-secret)."""

    turn_lifetime: float = 6 * 3600.0
    """Seconds that a password for the TURN servers is good for."""

    libraries: str = "node_modules"
    """Folder of npm packages with the player's libraries; those it lacks come from a public CDN."""

    channels: str = ""
    """JSON file with the list of the channels page; without it there is a demonstration."""

    drain: float = 0.0
    """Seconds over which connections are closed when told to stop, so that clients do not come back all at once."""

    log_level: str = "info"
    """Least severe log lines written: debug, info, warning or error."""

    log_format: str = "text"
    """Form of log lines on standard error: text or json."""

    log_rate: int = 200
    """Lines per second of one kind of event; what is more is counted and told once a second. 0 is no limit."""

    def __post_init__(self) -> None:
        TrackerOptions.__post_init__(self)
        require(0 <= self.port <= 65535, "port", self.port, "a number from 0 to 65535")
        require(
            bool(self.tls_certificate) == bool(self.tls_key), "tls_key", self.tls_key, "a file with tls_certificate"
        )
        for name in ("max_message", "max_backlog"):
            require(getattr(self, name) >= 1024, name, getattr(self, name), "at least 1024 bytes")
        for name in ("ping_interval", "request_timeout", "turn_lifetime"):
            require(getattr(self, name) > 0, name, getattr(self, name), "a positive number of seconds")
        require(self.announce_burst >= 1, "announce_burst", self.announce_burst, "at least 1")
        for name in _NUMBERS:
            require(getattr(self, name) >= 0, name, getattr(self, name), "a number that is not negative")
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


def require(is_good: bool, name: str, value: object, accepted: str) -> None:
    """Refuse the value of an option that is not `accepted`.

    Raises
    ------
    OptionError
        When it is not good.
    """
    if not is_good:
        raise OptionError(f"{name} = {value!r}: {accepted} is accepted")
