"""The queue: which segments, from the one the player asked for last, are worth loading, and how urgently.

Windows are closed at both ends and measured from the playhead at the current rate of play.
"""

from typing import NamedTuple

from p2psim.compiled import entry, inner, tiny
from p2psim.policy.state.options import Options
from p2psim.policy.state.records import NOBODY, Loaders, Timeline

__all__ = ["Windows", "in_window", "is_offered", "queue_span", "windows"]


class Windows(NamedTuple):
    """Lengths of the three windows, seconds, after the storage rules."""

    high_demand: float
    http: float
    p2p: float


@inner
def windows(o: Options, free: float) -> Windows:
    """Shrink the windows when the storage has little free space (`free` in per cent)."""
    if free <= 5.0:
        return Windows(o.high_demand_window, 0.0, 0.0)
    if free <= 10.0:
        return Windows(o.high_demand_window, o.http_window, o.http_window)
    return Windows(o.high_demand_window, o.http_window, o.p2p_window)


@inner
def in_window(L: Loaders, T: Timeline, v: int, segment: int, length: float) -> bool:
    """Return whether a segment overlaps the next `length` seconds of playback."""
    position = L.viewer[v].position
    return not (position + length * L.viewer[v].rate < T.start[segment] or position > T.end[segment])


@tiny
def is_offered(L: Loaders, v: int, segment: int) -> bool:
    """Return whether a neighbour announces the segment, as stored or as being loaded over HTTP."""
    slot = segment % L.slot.shape[1]
    return L.slot[v, slot].holders > 0 or L.slot[v, slot].fetchers > 0


@entry
def queue_span(L: Loaders, o: Options, T: Timeline, v: int, w: Windows) -> tuple[int, int, bool]:
    """Begin and end (exclusive) of the queue, and whether its head is urgent by grace.

    It begins at the segment requested last. The walk stops at the first segment in no window. A head in no window is
    kept, as urgent, if the next one is in one: the player asks slightly behind a playhead that has moved.
    """
    head = L.viewer[v].requested
    end, grace = _walk(L, T, v, head, w)
    if end == head and o.from_playhead and head != NOBODY:
        head = _to_be_played(L, T, v)
        end, grace = _walk(L, T, v, head, w)
    return head, end, grace


@inner
def _walk(L: Loaders, T: Timeline, v: int, head: int, w: Windows) -> tuple[int, bool]:
    end = L.viewer[v].last
    if head < L.viewer[v].first or head >= end:
        return head, False
    grace = not _actual(L, T, v, head, w)
    segment = head + 1
    if grace and (segment >= end or not _actual(L, T, v, segment, w)):
        return head, False
    while segment < end and _actual(L, T, v, segment, w):
        segment += 1
    return segment, grace


@tiny
def _to_be_played(L: Loaders, T: Timeline, v: int) -> int:
    """Return the first segment of the playlist that is not behind the playhead."""
    segment = L.viewer[v].first
    while segment < L.viewer[v].last and T.end[segment] <= L.viewer[v].position:
        segment += 1
    return segment


@inner
def _actual(L: Loaders, T: Timeline, v: int, segment: int, w: Windows) -> bool:
    if in_window(L, T, v, segment, max(w.high_demand, w.http)):
        return True
    return in_window(L, T, v, segment, w.p2p) and is_offered(L, v, segment)
