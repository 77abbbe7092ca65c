"""Who is due when: what comes in order needs no heap, and sixteen bytes instead of the clock's three hundred."""

import math
from array import array

import numpy as np
from numpy.typing import NDArray

__all__ = ["TimerQueue"]

_COMPACT_ABOVE = 4096
"""Entries that are left where they are."""
_NO_TIMES = np.zeros(0)


class TimerQueue:
    """Viewers in the order in which they are due.

    Parameters
    ----------
    at
        Time of each viewer, seconds, shape (viewers,); who has an infinite one is not due.
    """

    __slots__ = ("_at", "_done", "_tags", "_viewers")

    def __init__(self, at: NDArray[np.float64] = _NO_TIMES) -> None:
        order = np.argsort(at, kind="stable")[: np.count_nonzero(np.isfinite(at))]
        self._at = array("d", at[order].tobytes())
        self._viewers, self._tags = array("i", order.astype(np.int32).tobytes()), array("i", bytes(4 * len(order)))
        self._done = 0

    @property
    def next(self) -> float:
        """Time of the first; infinite if nobody is due."""
        return self._at[self._done] if self._done < len(self._at) else math.inf

    def add(self, at: float, viewer: int, tag: int) -> bool:
        """Note one as the last, and a number to be given back; False if another is due later."""
        if self._done < len(self._at) and at < self._at[-1]:
            return False
        self._at.append(at)
        self._viewers.append(viewer)
        self._tags.append(tag)
        return True

    def take(self) -> tuple[int, int]:
        """Take out the first, and the number that was noted."""
        first = self._done
        entry = self._viewers[first], self._tags[first]
        self._done = first + 1
        if 2 * self._done > len(self._at) + _COMPACT_ABOVE:
            for column in (self._at, self._viewers, self._tags):
                del column[: self._done]
            self._done = 0
        return entry
