"""HTTP servers (origin, caching edges, second CDN): which one answers a request, and when its first byte arrives.

An edge fetches a missing object from the origin, as a whole. The origin serves these fills one after another at its
rate, so that the end of a fill is known at its start and no transfer has to be simulated.
"""

import math

from p2psim.compiled import inner, tiny
from p2psim.policy.state import NOBODY
from p2psim.simulation.kernel.state import BIN_FILLED, KernelState

__all__ = ["ORIGIN_FREE", "ORIGIN_RATE", "respond"]

NOW, ORIGIN_FREE, ORIGIN_RATE = range(3)
"""Places in `KernelState.clock`."""
_NEVER = 1e12


@inner
def respond(P: KernelState, v: int, row: int, segment: int, now: float) -> float:
    """Choose the server of a request; return the seconds until its first byte."""
    x, s = P.transfer[row], P.s
    if s.edges == 0:
        x.via = s.origin
        return s.origin_latency
    edge = P.location[v].edge
    link = P.N.link[s.first_edge + edge]
    if s.overflow > 0.0 and link.load >= s.overflow * link.capacity:
        x.via = s.first_edge + s.edges
        return s.overflow_latency
    x.via = s.first_edge + edge
    return s.edge_latency + _until_cached(P, v, edge, segment, now)


@inner
def _until_cached(P: KernelState, v: int, edge: int, segment: int, now: float) -> float:
    slots = P.L.slot.shape[1]
    place = (P.viewer[v].channel * P.s.levels + P.viewer[v].level) * slots + segment % slots
    entry = P.cached[edge, place]
    is_cached = entry.segment == segment
    if is_cached and (entry.ready_at <= now or P.s.coalesce):
        entry.last_used_at = now
        return max(0.0, entry.ready_at - now)
    size = P.size[P.viewer[v].level]
    ready = _fill(P, size, now)
    if ready >= _NEVER:
        return ready
    if is_cached:
        entry.ready_at = min(entry.ready_at, ready)
    else:
        _discard(P, edge, place)
        if _make_room(P, edge, size, now):
            entry.segment, entry.size, entry.ready_at, entry.last_used_at = segment, size, ready, now
            P.cached_bytes[edge] += size
    return ready - now


@inner
def _fill(P: KernelState, size: float, now: float) -> float:
    """Start the fill of an edge by the origin; return the time at which the object is complete."""
    rate = P.clock[ORIGIN_RATE]
    if rate <= 0.0:
        return _NEVER
    wire_bytes = size / P.s.goodput
    begins = max(now + P.s.miss_latency, P.clock[ORIGIN_FREE])
    P.clock[ORIGIN_FREE] = begins + wire_bytes / rate
    P.bins[min(len(P.bins) - 1, max(0, math.ceil(now - 1e-9) - 1)), BIN_FILLED] += size
    return begins + wire_bytes / min(rate, P.s.fill_rate)


@inner
def _make_room(P: KernelState, edge: int, size: float, now: float) -> bool:
    """Evict the least recently used objects until a new one fits; return False if it never does."""
    if size > P.s.cache:
        return False
    while P.cached_bytes[edge] + size > P.s.cache:
        oldest = NOBODY
        for place in range(P.cached.shape[1]):
            entry = P.cached[edge, place]
            if (
                entry.segment >= 0
                and entry.ready_at <= now
                and (oldest == NOBODY or entry.last_used_at < P.cached[edge, oldest].last_used_at)
            ):
                oldest = place
        if oldest == NOBODY:
            return False  # all objects are still being filled
        _discard(P, edge, oldest)
    return True


@tiny
def _discard(P: KernelState, edge: int, place: int) -> None:
    entry = P.cached[edge, place]
    if entry.segment >= 0:
        P.cached_bytes[edge] -= entry.size
        entry.segment = NOBODY
