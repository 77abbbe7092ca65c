"""Timeouts of many items, with cheap postponement (a lazy timer wheel).

Items are kept in buckets of one granule of time. Postponing an item only changes its `expires`; when its old bucket is
reached, the item moves to a later one. So a message costs nothing here, and an item costs one move per lifetime.
"""

import heapq
import math
from typing import Generic, TypeVar

__all__ = ["Deadlines", "Expiring"]


class Expiring:
    """Base of items with a timeout; `expires` is its time in seconds."""

    __slots__ = ("bucket", "expires")

    def __init__(self, expires: float):
        self.expires = expires
        self.bucket = -1


E = TypeVar("E", bound=Expiring)


class Deadlines(Generic[E]):
    """Items ordered by the time at which they expire.

    Parameters
    ----------
    granule
        Width of a bucket in seconds: the longest delay of an expiry for a caller that calls `due` at `next`.
    """

    def __init__(self, granule: float = 1.0):
        self._granule = granule
        self._buckets: dict[int, dict[E, None]] = {}  # dicts instead of sets, whose order varies
        self._order: list[int] = []

    def add(self, item: E) -> None:
        """Add an item; one with an infinite `expires` is ignored."""
        if item.expires == math.inf:
            return
        number = int(item.expires // self._granule)
        bucket = self._buckets.get(number)
        if bucket is None:
            bucket = self._buckets[number] = {}
            heapq.heappush(self._order, number)
        bucket[item] = None
        item.bucket = number

    def discard(self, item: E) -> None:
        """Remove an item, if it is present."""
        bucket = self._buckets.get(item.bucket)
        if bucket is not None:
            bucket.pop(item, None)

    def next(self) -> float | None:
        """Return the latest time at which `due` should be called next; None if there are no items."""
        while self._order and not self._buckets[self._order[0]]:
            del self._buckets[heapq.heappop(self._order)]
        return (self._order[0] + 1) * self._granule if self._order else None

    def due(self, now: float) -> list[E]:
        """Remove the items that have expired and return them, those with the earliest `expires` first."""
        expired: list[E] = []
        later: list[E] = []
        while self._order and self._order[0] * self._granule <= now:
            for item in self._buckets.pop(heapq.heappop(self._order)):
                (expired if item.expires <= now else later).append(item)
        for item in later:
            self.add(item)
        expired.sort(key=_expires)
        return expired


def _expires(item: Expiring) -> float:
    return item.expires
