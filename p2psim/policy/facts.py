"""Facts that a user's own decision may read, one table: a field has its name, its meaning, and how it is filled."""

from typing import NamedTuple

import numpy as np

from p2psim.compiled import inner
from p2psim.policy.queue_pass import Pass, is_urgent
from p2psim.policy.state.options import Options
from p2psim.policy.state.records import HTTP, LOADING, NOBODY, P2P, Loaders, Timeline
from p2psim.policy.state.requests import find, loading
from p2psim.rng import uniform

__all__ = ["FACT", "Facts", "collect"]


class Facts(NamedTuple):
    """Facts on one segment of the queue at the time of its decision; all are floats."""

    start: float
    """Start of the segment, seconds of media time."""
    end: float
    """End of the segment, seconds of media time."""
    position: float
    """Playhead, seconds of media time."""
    rate: float
    """Rate of play."""
    high_demand: float
    """Length of the high-demand window, seconds."""
    holders: float
    """Neighbours that announce the segment as stored."""
    fetchers: float
    """Neighbours that announce the segment as being loaded over HTTP."""
    neighbours: float
    """Connected neighbours."""
    urgent: float
    """1: the segment is in the high-demand window."""
    loading: float
    """0: the segment is not being loaded; 1: over HTTP; 2: from a peer."""
    http_failures: float
    """Failed attempts at the segment over HTTP."""
    http_free: float
    """Free slots for HTTP downloads."""
    p2p_free: float
    """Free slots for downloads from peers."""
    held: float
    """1: the initial hold of HTTP is on."""
    awaited: float
    """1: the player waits for the segment."""
    draw: float
    """Random number from [0, 1), a new one for each segment."""


FACT = np.dtype([(name, "f8") for name in Facts._fields])
"""The same as a record, which compiled decisions read."""


@inner
def collect(L: Loaders, o: Options, T: Timeline, v: int, segment: int, q: Pass) -> Facts:
    """Return the facts of one segment of the queue."""
    slot = L.slot[v, segment % L.slot.shape[1]]
    i = find(L, v, segment)
    urgent = 1.0 if is_urgent(L, T, v, segment, q) else 0.0
    held = 1.0 if q.held else 0.0
    awaited = 1.0 if L.viewer[v].waiting == segment else 0.0
    source, http_failures = 0, 0
    if i != NOBODY:
        http_failures = L.request[i, v].http_failures
        if L.request[i, v].status == LOADING:
            source = L.request[i, v].source
    return Facts(
        start=T.start[segment],
        end=T.end[segment],
        position=L.viewer[v].position,
        rate=L.viewer[v].rate,
        high_demand=q.windows.high_demand,
        holders=float(slot.holders),
        fetchers=float(slot.fetchers),
        neighbours=float(L.viewer[v].degree),
        urgent=urgent,
        loading=float(source),
        http_failures=float(http_failures),
        http_free=float(o.http_slots - loading(L, v, HTTP)),
        p2p_free=float(o.p2p_slots - loading(L, v, P2P)),
        held=held,
        awaited=awaited,
        draw=uniform(L.random, v),
    )
