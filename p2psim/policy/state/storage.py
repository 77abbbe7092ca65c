"""The segment storage: in memory, with eviction only when something is stored (upstream's SegmentMemoryStorage)."""

from p2psim.compiled import entry, tiny
from p2psim.policy.state.options import Options
from p2psim.policy.state.records import Loaders, Timeline

__all__ = ["FULL", "free_percent", "reclaim", "segment_size", "store"]


FULL = 0.9
"""Share of the storage from which on windows may shrink."""


@tiny
def segment_size(L: Loaders, v: int, segment: int) -> float:
    """Size of a stored segment, bytes."""
    if L.size.shape[0] == 1 and L.size.shape[1] == 1:
        return L.size[0, 0]
    return L.size[v, segment % L.slot.shape[1]]


@entry
def free_percent(L: Loaders, T: Timeline, v: int) -> float:
    """Free share of the storage in per cent; what lies behind the playhead does not count as used."""
    storage = L.storage[v]
    if L.viewer[v].jumped == 0 or L.viewer[v].stored_bytes < FULL * storage:
        # before the first report all counts; above 10 %, whatever lies behind, no rule looks closer
        return 100.0 - L.viewer[v].stored_bytes / storage * 100.0
    used = 0.0
    slots = L.slot.shape[1]
    for segment in range(max(0, L.viewer[v].last - slots), L.viewer[v].last):
        if L.slot[v, segment % slots].stored != 0 and L.viewer[v].position <= T.end[segment]:
            used += segment_size(L, v, segment)
    return 100.0 - used / storage * 100.0


@entry
def store(L: Loaders, o: Options, T: Timeline, v: int, segment: int) -> None:
    """Keep a segment, after making room for it."""
    slots = L.slot.shape[1]
    size = segment_size(L, v, segment)
    full = L.viewer[v].stored_bytes + size > L.storage[v]
    if L.viewer[v].jumped != 0 and (full or o.live):
        margin = o.high_demand_window if o.live else 0.0
        for other in range(max(0, L.viewer[v].last - slots), L.viewer[v].last):
            slot = other % slots
            if L.slot[v, slot].stored == 0 or other == segment or L.viewer[v].position <= T.end[other] + margin:
                continue
            L.slot[v, slot].stored = 0
            L.viewer[v].stored_bytes -= segment_size(L, v, other)
            if not o.live and L.viewer[v].stored_bytes + size <= L.storage[v]:
                break
    L.slot[v, segment % slots].stored = 1
    L.viewer[v].stored_bytes += size


@entry
def reclaim(L: Loaders, v: int, segment: int) -> None:
    """Free the slot that a segment new in the playlist will use: whoever had it is long out of every window."""
    slots = L.slot.shape[1]
    if segment >= slots and L.slot[v, segment % slots].stored != 0:
        L.viewer[v].stored_bytes -= segment_size(L, v, segment - slots)
        L.slot[v, segment % slots].stored = 0
