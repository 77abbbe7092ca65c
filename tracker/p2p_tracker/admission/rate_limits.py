"""How much one address may ask for, and whose address counts."""

import ipaddress
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from typing import Generic, TypeAlias, TypeVar

from p2p_tracker.errors import OptionError

__all__ = ["Budget", "Quota", "client_address", "networks", "quota_key"]

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

_IPV6_SITE = 64  # one customer has at least this much


def networks(texts: Sequence[str], name: str) -> list[Network]:
    """Read addresses and networks.

    Raises
    ------
    OptionError
        When one is neither.
    """
    found: list[Network] = []
    for text in texts:
        try:
            found.append(ipaddress.ip_network(text.strip(), strict=False))
        except ValueError:
            message = f"{name} = {text!r}: an address or a network such as 10.0.0.0/8 is accepted"
            raise OptionError(message) from None
    return found


def client_address(address: str, headers: Mapping[str, str], trusted: Sequence[Network]) -> str:
    """Find the address of who asks: that of the socket, or what a trusted proxy says.

    X-Forwarded-For is read from the right, through as many trusted proxies as there are; the rest anybody could write.
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
    """Name who shares a quota with an address: an IPv4 address alone, an IPv6 address with its /64."""
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
    """How many of something one key may hold at a time; 0 is no limit."""

    def __init__(self, limit: int):
        self._limit = limit
        self._held: Counter[str] = Counter()

    def take(self, key: str) -> bool:
        """Take one, if there is one left."""
        if self._limit and self._held[key] >= self._limit:
            return False
        if self._limit:
            self._held[key] += 1
        return True

    def give_back(self, key: str) -> None:
        """Give one back."""
        if self._held[key] > 1:
            self._held[key] -= 1
        else:
            del self._held[key]


K = TypeVar("K", bound=Hashable)


class Budget(Generic[K]):
    """How often one key may do something: `rate` per second in the long run, `burst` at once; 0 is no limit."""

    def __init__(self, rate: float, burst: float):
        self._rate = rate
        self._burst = burst
        self._spent: dict[K, tuple[float, float]] = {}  # how much, when

    def spend(self, key: K, now: float) -> bool:
        """Spend one, if the budget allows."""
        if not self._rate:
            return True
        spent, at = self._spent.get(key, (0.0, now))
        spent = max(0.0, spent - (now - at) * self._rate) + 1.0
        if spent > self._burst:
            return False
        self._spent[key] = (spent, now)
        return True

    def drop(self, key: K) -> None:
        """Forget what a key has spent."""
        self._spent.pop(key, None)

    def forget(self, now: float) -> None:
        """Drop the keys whose budget is whole again."""
        recovery = self._burst / self._rate if self._rate else 0.0
        self._spent = {key: (spent, at) for key, (spent, at) in self._spent.items() if now - at < recovery}
