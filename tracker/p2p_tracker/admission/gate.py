"""Admission of connections and messages by the rules of access and the limits per address."""

from collections.abc import Mapping
from dataclasses import dataclass

from p2p_tracker.admission.access import HashRule, OriginRule
from p2p_tracker.admission.address_location import Locator
from p2p_tracker.admission.rate_limits import Quota, RateLimiter, client_address, networks, quota_key
from p2p_tracker.admission.tokens import Claims, verify
from p2p_tracker.config.options import ServerOptions
from p2p_tracker.core.protocol import Announce, Incoming, Scrape
from p2p_tracker.core.swarm import Location
from p2p_tracker.errors import Refusal

__all__ = ["AdmittedClient", "Gate"]

_POLICY = 1008


@dataclass(slots=True)
class AdmittedClient:
    """Properties of an admitted client that later rules need."""

    key: str
    """Key of its address in the limits per address (`rate_limits.quota_key`)."""
    claims: Claims | None
    """Claims of its token; None if tokens are not required."""


class Gate:
    """Admission rules of a tracker.

    Raises
    ------
    OptionError
        When a list or file of the options cannot be read.
    """

    def __init__(self, options: ServerOptions):
        self._trusted = networks(options.trusted_proxies, "trusted_proxies")
        self._origins = OriginRule(options.allow_origins, options.deny_origins, is_required=options.require_origin)
        self._hashes = HashRule(options.allow_hashes, options.deny_hashes)
        self._secret = options.token_secret
        self._connections = Quota(options.max_connections_per_address)
        self._announces: RateLimiter[str] = RateLimiter(options.announce_rate, options.announce_burst)
        self._locator = Locator(options.geo_databases) if options.matching == "locality" else None
        self._has_client_rules = bool(
            options.max_connections_per_address or options.announce_rate or options.token_secret
        )
        self.has_message_rules = bool(options.announce_rate or options.token_secret) or not self._hashes.is_open

    def admit(
        self, address: str, headers: Mapping[str, str], query: Mapping[str, str], wall_time: float
    ) -> tuple[AdmittedClient | None, Location]:
        """Admit a connection; return its client (None if no later rule needs it) and its location.

        Parameters
        ----------
        wall_time
            Seconds since the epoch.

        Raises
        ------
        Refusal
            With the reason and the close code, when the connection is not admitted.
        """
        if not self._origins.allows(headers.get("origin")):
            raise Refusal("pages of this origin may not connect", close_code=_POLICY)
        claims = None
        if self._secret:
            claims = verify(self._secret, query.get("token", ""), wall_time)
            if claims is None:
                raise Refusal("a valid token is required", close_code=_POLICY)
        if not self._has_client_rules and self._locator is None:
            return None, ()
        address = client_address(address, headers, self._trusted)
        location = () if self._locator is None else self._locator.locate(address)
        if not self._has_client_rules:
            return None, location
        client = AdmittedClient(quota_key(address), claims)
        if not self._connections.acquire(client.key):
            raise Refusal("too many connections from this address", close_code=_POLICY)
        return client, location

    def release(self, client: AdmittedClient) -> None:
        """Release the connection of a client, so that it no longer counts towards its address's limit."""
        self._connections.release(client.key)

    def admits_request(self, query: Mapping[str, str], wall_time: float) -> bool:
        """Return whether an HTTP request may receive secrets: it must bring a valid token if tokens are required."""
        return not self._secret or verify(self._secret, query.get("token", ""), wall_time) is not None

    def refusal_reason(self, client: AdmittedClient | None, message: Incoming, now: float) -> str | None:
        """Return the reason why a message is refused; None if it is served."""
        if isinstance(message, Scrape):
            return None
        if not self._hashes.allows(message.info_hash):
            return "this info_hash is not served here"
        if client is None:
            return None
        if client.claims is not None and not client.claims.allows(message.info_hash):
            return "the token is not good for this info_hash"
        if isinstance(message, Announce) and message.event != "stopped" and not self._announces.allow(client.key, now):
            return "too many announces from this address"
        return None

    def prune(self, now: float) -> None:
        """Delete state that no longer has an effect; to be called from time to time."""
        self._announces.prune(now)
