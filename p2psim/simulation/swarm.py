"""Neighbours in the data plane: what they tell each other, how they meet and part."""

import math

from p2psim.compiled import index, inner, tiny
from p2psim.network.sharing import stage_capacity
from p2psim.policy.loader import abort_all
from p2psim.policy.neighbours import connect, count, disconnect
from p2psim.policy.requests import find, loading
from p2psim.policy.state import ABSENT, FETCHING, HTTP, LOADING, NOBODY, P2P, STORED
from p2psim.simulation.calendar import ANNOUNCED, CONSENT, push
from p2psim.simulation.plane import AWAY, CRASHED, GONE, N_CONNECTIONS, STALLED, Plane
from p2psim.simulation.transfers import ABORTED, FAILED, give_up, mark
from p2psim.simulation.viewing import settle

__all__ = ["CONSENT_EXPIRES", "hear", "leave", "lose_consent", "meet", "part", "stop_watching", "tell"]

CONSENT_EXPIRES = 30.0
"""Seconds after which a connection to a vanished peer is given up (RFC 7675)."""
_OPENED, _CLOSED = 1, 0


@tiny
def tell(P: Plane, v: int, now: float) -> None:
    """Announce to all neighbours what has changed since the last announcement; it arrives half a round trip later."""
    me = P.L.viewer[v]
    me.announce = 0
    slots = P.L.slot.shape[1]
    arrival = now + P.s.rtt / 2
    for segment in range(max(0, me.last - slots), me.last):
        state = STORED if P.L.slot[v, segment % slots].stored != 0 else ABSENT
        if state == ABSENT and me.first <= segment:
            i = find(P.L, v, segment)
            if i != NOBODY and P.L.request[v, i].source == HTTP:
                state = FETCHING
        kept = P.kept[v, segment % slots]
        if kept.told != state:
            kept.told = state
            push(P, arrival, ANNOUNCED, v, segment, state)


@tiny
def hear(P: Plane, v: int, segment: int, state: int, now: float) -> None:
    """An announcement reaches the neighbours of `v`; those for whom it changes anything decide anew."""
    slot = segment % P.L.slot.shape[1]
    old = P.L.slot[v, slot].announced
    if old == state:
        return
    P.L.slot[v, slot].announced = state
    for k in range(P.L.viewer[v].degree):
        n = index(P.L.link[v, k].neighbour)
        count(P.L, n, slot, old, -1)
        count(P.L, n, slot, state, 1)
        if P.seat[n].dirty == 0 and _matters(P, n, segment, state, now):
            mark(P, n)
        else:
            P.seat[n].passed = now  # a pass without effect


@tiny
def _matters(P: Plane, n: int, segment: int, state: int, now: float) -> bool:
    """Whether a queue pass of `n` could do anything after this news: a necessary condition, checked quickly."""
    if now >= P.seat[n].border_at:
        return True
    if state != STORED or P.L.slot[n, segment % P.L.slot.shape[1]].stored != 0:
        return False
    me = P.L.viewer[n]
    if me.requested < 0 or segment < me.requested:
        return False
    urgent = P.T.start[segment] <= me.position + P.o.high_demand_window
    if not urgent and loading(P.L, n, P2P) >= P.o.p2p_slots:
        return False
    i = find(P.L, n, segment)
    return i == NOBODY or P.L.request[n, i].status != LOADING


@tiny
def meet(P: Plane, a: int, b: int, now: float) -> bool:
    """A connection opens; False if one of them has left, is full, or knows the other already."""
    for v in (a, b):
        if P.seat[v].state == AWAY or P.seat[v].state >= GONE:
            return False
    if not connect(P.L, a, b):
        return False
    _log(P, a, b, _OPENED, now)
    mark(P, a)
    mark(P, b)
    return True


@inner
def part(P: Plane, a: int, b: int, now: float) -> None:
    """A connection closes; what was being sent over it fails."""
    _cut(P, a, b, now)
    _cut(P, b, a, now)
    if disconnect(P.L, a, b):
        _log(P, a, b, _CLOSED, now)


@inner
def _cut(P: Plane, v: int, other: int, now: float) -> None:
    row, busy = v * P.s.rows, P.seat[v].busy
    while busy != 0:
        if busy & 1 and P.xfer[row].source == P2P and P.xfer[row].other == other:
            give_up(P, v, row, FAILED, now)
        row, busy = row + 1, busy >> 1


@tiny
def leave(P: Plane, v: int, crash: bool, now: float) -> None:
    """A viewer goes: its downloads are aborted; its connections close now, or, after a crash, when consent expires."""
    seat = P.seat[v]
    if seat.state >= GONE:
        return
    abort_all(P.L, v, P.out)
    stop_watching(P, v, now)
    seat.left_at = now
    if crash:
        seat.state = CRASHED
        stage_capacity(P.N, 1 + 2 * v, 0.0)
        push(P, now + CONSENT_EXPIRES, CONSENT, v, 0, 0)
    else:
        seat.state = GONE
        lose_consent(P, v, now)


@inner
def lose_consent(P: Plane, v: int, now: float) -> None:
    """Close all connections of a viewer."""
    while P.L.viewer[v].degree > 0:
        part(P, v, index(P.L.link[v, P.L.viewer[v].degree - 1].neighbour), now)


@inner
def stop_watching(P: Plane, v: int, now: float) -> None:
    """Close a viewer's account: what is under way counts up to here."""
    seat = P.seat[v]
    row, busy = v * P.s.rows, P.seat[v].busy
    while busy != 0:
        if busy & 1:
            give_up(P, v, row, ABORTED, now)
        row, busy = row + 1, busy >> 1
    if seat.state == STALLED:
        seat.stalled += now - seat.stall_began
    settle(P, v, now)
    _take_back_unplayed(P, v)


@tiny
def _take_back_unplayed(P: Plane, v: int) -> None:
    """Take back the segments that the player holds but never showed."""
    seat = P.seat[v]
    segment = seat.next - 1
    while segment >= seat.origin_index and P.T.start[segment] > seat.position and not math.isnan(seat.first_frame):
        from_http = min(P.kept[v, segment % P.kept.shape[1]].http, P.s.size)
        seat.played_http -= from_http
        seat.played_p2p -= P.s.size - from_http
        segment -= 1


@inner
def _log(P: Plane, a: int, b: int, change: int, now: float) -> None:
    if P.s.events:
        n = P.counts[N_CONNECTIONS]
        P.counts[N_CONNECTIONS] = n + 1
        entry = P.connections[n]
        entry.a, entry.b, entry.at, entry.change = a, b, now, change
