"""p2p-media-loader 2.3: high-demand window over HTTP, the rest from peers, random HTTP prefetch."""

import math

from p2psim.compiled import inlined, inner
from p2psim.policy.queue_pass import FORGIVEN_AFTER, assign, begin_pass, hold, serve_urgent
from p2psim.policy.random_prefetch import random_prefetch_delay, random_prefetch_round
from p2psim.policy.state.commands import Commands
from p2psim.policy.state.options import Options
from p2psim.policy.state.records import FAILING, LOADING, NOBODY, P2P, RESTLESS, ROUNDING, STORED, Loaders, Timeline
from p2psim.policy.state.requests import find, loading

__all__ = ["concerns", "prefetch_delay", "prefetch_round", "queue_pass", "wakes_at", "window_border"]

prefetch_delay = random_prefetch_delay
prefetch_round = random_prefetch_round


@inner
def queue_pass(L: Loaders, o: Options, T: Timeline, v: int, now: float, out: Commands) -> float:
    """Decide on each segment of the queue by the rules of 2.3."""
    q = begin_pass(L, o, T, v, now, out)
    serve_urgent(L, o, v, q.held, out)
    for segment in range(q.begin, q.end):
        if not assign(L, o, T, v, segment, q, out):
            break
    return q.loaded


@inlined
def concerns(L: Loaders, o: Options, T: Timeline, v: int, segment: int, state: int, now: float) -> bool:
    """Return whether a pass could do anything after a neighbour announced `state` of a segment.

    A pass starts something new of a segment only once it is stored somewhere, while a slot is free or it is urgent.
    Behind the HTTP window any news may move the end of the queue.
    """
    me = L.viewer[v]
    if me.pending != 0 and (me.pending & RESTLESS != 0 or (me.pending & FAILING != 0 and _is_forgiven(L, v, now))):
        return True
    if me.requested < 0 or segment < me.requested:
        return False
    if T.start[segment] > me.position + max(o.high_demand_window, o.http_window) * me.rate:
        return True
    if state != STORED or L.slot[v, segment % L.slot.shape[1]].stored != 0:
        return False
    urgent = T.start[segment] <= me.position + o.high_demand_window
    if not urgent and loading(L, v, P2P) >= o.p2p_slots:
        return False
    i = find(L, v, segment)
    return i == NOBODY or L.request[i, v].status != LOADING


@inner
def window_border(L: Loaders, o: Options, T: Timeline, v: int, now: float) -> float:
    """Return the playhead position at which the next segment enters a window, or failed attempts are forgotten.

    inf: nothing of this is to come; -inf: any pass may do something.
    """
    me, border = L.viewer[v], math.inf
    if me.pending & RESTLESS != 0:
        return -math.inf
    if me.pending & FAILING != 0:
        for i in range(me.retained):
            if L.request[i, v].failures > 0:
                seconds = L.request[i, v].failed_at + FORGIVEN_AFTER - now
                border = min(border, me.position + max(0.0, seconds) * me.rate)
    for window in (o.high_demand_window, o.http_window, o.p2p_window):
        following = _segment_after(T, me.position + window)
        if following < len(T.start):
            border = min(border, T.start[following] - window)
    return border


@inner
def wakes_at(L: Loaders, o: Options, v: int, now: float) -> float:
    """Return when the initial hold of HTTP ends; inf: it is not on."""
    return L.viewer[v].born + o.http_hold if hold(L, o, v, now) else math.inf


@inner
def _is_forgiven(L: Loaders, v: int, now: float) -> bool:
    """Return whether the next pass forgets failed attempts, so that they can be repeated."""
    for i in range(L.viewer[v].retained):
        if L.request[i, v].failures > 0 and now - L.request[i, v].failed_at > FORGIVEN_AFTER + ROUNDING:
            return True
    return False


@inner
def _segment_after(T: Timeline, position: float) -> int:
    """First segment that starts after a position; segments of one length are assumed for the first guess alone."""
    length = T.end[0] - T.start[0]
    return math.floor(position / length) + 1
