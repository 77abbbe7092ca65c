"""Many things that expire, and one answer to when the next does.

Items stand in buckets of one granule of time. Putting off an expiry only sets `expires`; the item is looked at when its
bucket begins, and moves to a later bucket then. So a message costs nothing here, and an item one move per lifetime.
"""

import heapq
import math
from typing import Generic, TypeVar

__all__ = ["Deadlines", "Expiring"]


class Expiring:
    """Something that expires at `expires` (seconds)."""

    __slots__ = ("bucket", "expires")

    def __init__(self, expires: float):
        self.expires = expires
        self.bucket = -1


E = TypeVar("E", bound=Expiring)


class Deadlines(Generic[E]):
    """Items by when they expire.

    Parameters
    ----------
    granule
        Seconds by which an item is found late at most, if `due` is asked whenever `next` says.
    """

    def __init__(self, granule: float = 1.0):
        self._granule = granule
        self._buckets: dict[int, dict[E, None]] = {}  # of dicts, not sets: order must not depend on memory
        self._order: list[int] = []

    def add(self, item: E) -> None:
        """Watch an item; one that never expires needs no watching."""
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
        """Stop watching an item."""
        bucket = self._buckets.get(item.bucket)
        if bucket is not None:
            bucket.pop(item, None)

    def next(self) -> float | None:
        """Tell when to ask `due` at the latest, or None if nothing is watched."""
        while self._order and not self._buckets[self._order[0]]:
            del self._buckets[heapq.heappop(self._order)]
        return (self._order[0] + 1) * self._granule if self._order else None

    def due(self, now: float) -> list[E]:
        """Take out the items that have expired, oldest first."""
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
