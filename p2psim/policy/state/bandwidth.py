"""Bandwidth as the loader estimates it: bytes over time, on a clock that stands still while nothing loads.

Results are bytes/s. Times are in milliseconds, as upstream counts them: which of two equal peers is chosen depends on
the last bit of their figures.
"""

from collections import deque

__all__ = ["Bandwidth", "player_figure"]

_SHORTEST = 1.0
"""A span is never taken as shorter, milliseconds: bytes of one instant would be infinitely fast."""


class Bandwidth:
    """Samples of one source, or of all; `now` is in milliseconds."""

    def __init__(self, keep: float = 20.0) -> None:
        self._keep = keep * 1e3
        self._samples: deque[tuple[float, float, float]] = deque()  # loading clock, wall clock, bytes
        self._active = 0
        self._idle = 0.0
        self._stopped_at: float | None = None

    def start(self, now: float) -> None:
        """A download begins; samples older than `keep` seconds of loading are dropped."""
        if self._samples:
            oldest = self._samples[-1][0] - self._keep
            while self._samples and self._samples[0][0] <= oldest:
                self._samples.popleft()
        if self._active == 0 and self._stopped_at is not None:
            self._idle += now - self._stopped_at
        self._active += 1

    def stop(self, now: float) -> None:
        """A download ends."""
        if self._active > 0:
            self._active -= 1
            if self._active == 0:
                self._stopped_at = now

    def add(self, count: float, now: float) -> None:
        """Bytes arrive."""
        self._samples.append((now - self._idle, now, count))

    def clear(self) -> None:
        """Forget everything."""
        self._samples.clear()
        self._active, self._idle, self._stopped_at = 0, 0.0, None

    def loading_only(self, seconds: float, since: float = float("-inf")) -> float:
        """Bytes/s over the last `seconds` of loading time, counting samples not older than `since`."""
        span = seconds * 1e3
        if not self._samples:
            return 0.0
        newest = first = self._samples[-1][0]
        total = 0.0
        for clock, wall, count in reversed(self._samples):
            if clock < newest - span or wall < since:
                break
            first, total = clock, total + count
        return total * 1e3 / max(newest - first, _SHORTEST)

    def wall(self, seconds: float, now: float, since: float = float("-inf")) -> float:
        """Bytes/s over the last `seconds`, idle time included."""
        span = seconds * 1e3
        if not self._samples:
            return 0.0
        first, total = now, 0.0
        for _, wall, count in reversed(self._samples):
            if wall < now - span or wall < since:
                break
            first, total = wall, total + count
        return total * 1e3 / max(now - first, _SHORTEST)


def player_figure(
    everything: Bandwidth, http: Bandwidth, loaded_share: float, level: float, since: float, now: float
) -> float:
    """Bytes/s as told to the player with a segment; `level` is the bitrate of its quality (0: unknown).

    While the queue is nearly full, or the stream arrives as fast as it plays, the speed of loading counts; else what
    the line gave on average, idle time included.
    """
    if level == 0:
        return everything.loading_only(3)
    average = max(everything.wall(span, now, since) for span in (30, 60, 90))
    if loaded_share >= 0.8 or average >= 0.9 * level:
        return max(everything.loading_only(span) for span in (1, 3, 5))
    return max(average, *(http.loading_only(span) for span in (1, 3, 5)))
