"""Who is let in and what they may ask: the rules of access and the limits of one address, put together."""

from collections.abc import Mapping
from dataclasses import dataclass

from p2p_tracker.admission.access import HashRule, OriginRule
from p2p_tracker.admission.address_location import Locator
from p2p_tracker.admission.rate_limits import Budget, Quota, client_address, networks, quota_key
from p2p_tracker.admission.tokens import Claims, verify
from p2p_tracker.config.options import ServerOptions
from p2p_tracker.core.protocol import Announce, Incoming, Scrape
from p2p_tracker.core.swarm import Place
from p2p_tracker.errors import Refusal

__all__ = ["Gate", "Visitor"]

_POLICY = 1008


@dataclass(slots=True)
class Visitor:
    """Who is on a connection, as far as a rule asks for it."""

    key: str
    """Whose quota it is."""
    claims: Claims | None


class Gate:
    """The rules of a tracker.

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
        self._announces: Budget[str] = Budget(options.announce_rate, options.announce_burst)
        self._locator = Locator(options.geo_databases) if options.matching == "locality" else None
        self._is_known = bool(options.max_connections_per_address or options.announce_rate or options.token_secret)
        self.has_message_rules = bool(options.announce_rate or options.token_secret) or not self._hashes.is_open

    def admit(
        self, address: str, headers: Mapping[str, str], query: Mapping[str, str], wall_time: float
    ) -> tuple[Visitor | None, Place]:
        """Let a connection in; tell who is on it (None if no rule cares) and where it is.

        Raises
        ------
        Refusal
            With the reason and the close code, when it may not come in.
        """
        if not self._origins.allows(headers.get("origin")):
            raise Refusal("pages of this origin may not connect", close_code=_POLICY)
        claims = None
        if self._secret:
            claims = verify(self._secret, query.get("token", ""), wall_time)
            if claims is None:
                raise Refusal("a valid token is required", close_code=_POLICY)
        if not self._is_known and self._locator is None:
            return None, ()
        address = client_address(address, headers, self._trusted)
        place = () if self._locator is None else self._locator.locate(address)
        if not self._is_known:
            return None, place
        visitor = Visitor(quota_key(address), claims)
        if not self._connections.take(visitor.key):
            raise Refusal("too many connections from this address", close_code=_POLICY)
        return visitor, place

    def leave(self, visitor: Visitor) -> None:
        """Let a connection out."""
        self._connections.give_back(visitor.key)

    def admits_page(self, query: Mapping[str, str], wall_time: float) -> bool:
        """Tell whether an HTTP request brings what it takes to be told secrets."""
        return not self._secret or verify(self._secret, query.get("token", ""), wall_time) is not None

    def objection(self, visitor: Visitor | None, message: Incoming, now: float) -> str | None:
        """Say why a message is not served, if it is not."""
        if isinstance(message, Scrape):
            return None
        if not self._hashes.allows(message.info_hash):
            return "this info_hash is not served here"
        if visitor is None:
            return None
        if visitor.claims is not None and not visitor.claims.allows(message.info_hash):
            return "the token is not good for this info_hash"
        if isinstance(message, Announce) and message.event != "stopped" and not self._announces.spend(visitor.key, now):
            return "too many announces from this address"
        return None

    def forget(self, now: float) -> None:
        """Drop what is no longer needed; to be called now and then."""
        self._announces.forget(now)
