"""Limits per client address, and the client's address behind trusted proxies."""

import ipaddress
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from typing import Generic, TypeAlias, TypeVar

from p2p_tracker.errors import OptionError

__all__ = ["Quota", "RateLimiter", "client_address", "networks", "quota_key"]

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

_IPV6_SITE = 64  # bits; a customer is assigned a network of at least this size


def networks(texts: Sequence[str], name: str) -> list[Network]:
    """Return the networks that texts denote; an address is a network of one address.

    Raises
    ------
    OptionError
        When a text is neither an address nor a network.
    """
    result: list[Network] = []
    for text in texts:
        try:
            result.append(ipaddress.ip_network(text.strip(), strict=False))
        except ValueError:
            message = f"{name} = {text!r}: an address or a network such as 10.0.0.0/8 is accepted"
            raise OptionError(message) from None
    return result


def client_address(address: str, headers: Mapping[str, str], trusted: Sequence[Network]) -> str:
    """Return the client's address: that of the socket, or the one that trusted proxies report.

    X-Forwarded-For is read from the right, as long as the address is that of a trusted proxy; what stands further left
    may be forged.
    """
    chain = [part.strip() for part in headers.get("x-forwarded-for", "").split(",") if part.strip()]
    while chain and _is_in(address, trusted):
        address = chain.pop()
    return address


def _is_in(address: str, trusted: Sequence[Network]) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(parsed in network for network in trusted)


def quota_key(address: str) -> str:
    """Return the key under which an address is limited: an IPv4 address itself, the /64 of an IPv6 address."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, _IPV6_SITE), strict=False))
    return str(parsed)


class Quota:
    """Limit of what one key may hold at a time, such as connections; 0 is no limit."""

    def __init__(self, limit: int):
        self._limit = limit
        self._held: Counter[str] = Counter()

    def acquire(self, key: str) -> bool:
        """Count one more for a key and return True, or return False if the key has reached its limit."""
        if self._limit and self._held[key] >= self._limit:
            return False
        if self._limit:
            self._held[key] += 1
        return True

    def release(self, key: str) -> None:
        """Count one less for a key."""
        if self._held[key] > 1:
            self._held[key] -= 1
        else:
            del self._held[key]


K = TypeVar("K", bound=Hashable)


class RateLimiter(Generic[K]):
    """Token bucket per key: `rate` events per second in the long run, `burst` at once; a rate of 0 is no limit."""

    def __init__(self, rate: float, burst: float):
        self._rate = rate
        self._burst = burst
        self._spent: dict[K, tuple[float, float]] = {}  # level of the bucket, and when it was computed

    def allow(self, key: K, now: float) -> bool:
        """Count an event of a key and return True, or return False if the key is over its limit."""
        if not self._rate:
            return True
        spent, at = self._spent.get(key, (0.0, now))
        spent = max(0.0, spent - (now - at) * self._rate) + 1.0
        if spent > self._burst:
            return False
        self._spent[key] = (spent, now)
        return True

    def reset(self, key: K) -> None:
        """Delete the state of a key."""
        self._spent.pop(key, None)

    def prune(self, now: float) -> None:
        """Delete the keys whose bucket is full again."""
        recovery = self._burst / self._rate if self._rate else 0.0
        self._spent = {key: (spent, at) for key, (spent, at) in self._spent.items() if now - at < recovery}
