"""FIFO timer queue for entries that are already in order: sixteen bytes each, three hundred on the clock."""

import math
from array import array

import numpy as np
from numpy.typing import NDArray

__all__ = ["TimerQueue"]

_COMPACT_ABOVE = 4096
"""Finished entries that are kept before the queue is compacted."""
_NO_TIMES = np.zeros(0)


class TimerQueue:
    """Viewers in order of their times.

    Parameters
    ----------
    at
        Time of each viewer, seconds, shape (viewers,); infinite: the viewer is not queued.
    """

    __slots__ = ("_at", "_done", "_tags", "_viewers")

    def __init__(self, at: NDArray[np.float64] = _NO_TIMES) -> None:
        order = np.argsort(at, kind="stable")[: np.count_nonzero(np.isfinite(at))]
        self._at = array("d", at[order].tobytes())
        self._viewers, self._tags = array("i", order.astype(np.int32).tobytes()), array("i", bytes(4 * len(order)))
        self._done = 0

    @property
    def next(self) -> float:
        """Time of the first entry; infinite if the queue is empty."""
        return self._at[self._done] if self._done < len(self._at) else math.inf

    def add(self, at: float, viewer: int, tag: int) -> bool:
        """Append a viewer with a tag; return False, and append nothing, if the last entry has a later time."""
        if self._done < len(self._at) and at < self._at[-1]:
            return False
        self._at.append(at)
        self._viewers.append(viewer)
        self._tags.append(tag)
        return True

    def take(self) -> tuple[int, int]:
        """Remove the first entry; return its viewer and tag."""
        first = self._done
        entry = self._viewers[first], self._tags[first]
        self._done = first + 1
        if 2 * self._done > len(self._at) + _COMPACT_ABOVE:
            for column in (self._at, self._viewers, self._tags):
                del column[: self._done]
            self._done = 0
        return entry
