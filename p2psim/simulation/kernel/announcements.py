"""Neighbours in the data plane: what they tell each other, how they meet and part."""

import math

from p2psim.compiled import inner, tiny, touch
from p2psim.network.max_min_sharing import stage_capacity
from p2psim.policy.interface import abort_all, admits_peer, announced_state, concerns, drops_peer, is_readable
from p2psim.policy.state import BUSY, MUTE, NOBODY, STORED
from p2psim.policy.state.neighbours import connect, count
from p2psim.simulation.kernel.connections import (
    OPENED,
    abort_transfers,
    change_swarm,
    freeze,
    log_connection,
    lose_consent,
    part,
)
from p2psim.simulation.kernel.event_queue import ANNOUNCED, CONSENT, RELOAD, push
from p2psim.simulation.kernel.player import log_state, settle
from p2psim.simulation.kernel.state import AWAY, CRASHED, GONE, PLAYING, STALLED, STARTING, Plane
from p2psim.simulation.kernel.transfers import LIAR, mark

__all__ = ["CONSENT_EXPIRES", "hear", "leave", "meet", "stop_watching", "tell", "zap"]

CONSENT_EXPIRES = 30.0
"""Seconds after which a connection to a vanished peer is given up (RFC 7675)."""
_CACHED = 5000
"""Viewers of whom a cache holds what is looked at."""
_TAG = 4
"""News of a segment is its state, and how often the viewer changed swarms times this."""


@inner
def tell(P: Plane, v: int, now: float) -> None:
    """Announce to all neighbours what has changed since the last announcement; it arrives half a round trip later."""
    me = P.L.viewer[v]
    me.announce = 0
    slots = P.L.slot.shape[1]
    region = P.site[v].region
    arrival = now + P.rtt[region, region] / 2
    tag = _TAG * P.seat[v].epoch
    if not is_readable(P.L, P.o, v):
        return  # the neighbours go on with what they know
    lies = P.seat[v].role == LIAR
    first = max(0, me.last - slots)
    slot = first % slots - 1
    for segment in range(first, me.last):
        slot = slot + 1 if slot + 1 < slots else 0
        state = STORED if lies and segment >= me.first else announced_state(P.L, v, segment)
        if P.L.slot[v, slot].told != state:
            P.L.slot[v, slot].told = state
            push(P, arrival, ANNOUNCED, v, segment, tag + state)


@inner
def hear(P: Plane, v: int, segment: int, news: int, now: float) -> None:
    """An announcement reaches the neighbours of `v`; those for whom it changes anything decide anew."""
    state = news % _TAG
    if news // _TAG != P.seat[v].epoch:
        return  # of a swarm that the viewer has left
    slot = segment % P.L.slot.shape[1]
    old = P.L.slot[v, slot].announced
    if old == state:
        return
    P.L.slot[v, slot].announced = state
    if len(P.seat) > _CACHED:
        for k in range(P.L.viewer[v].degree):
            _look_at(P, P.L.link[v, k].neighbour, slot, state)
    for k in range(P.L.viewer[v].degree):
        n = P.L.link[v, k].neighbour
        count(P.L, n, slot, old, -1)
        count(P.L, n, slot, state, 1)
        heard_again = False
        if P.s.mutes:
            mirror = P.L.link[v, k].mirror
            heard_again = P.L.link[n, mirror].busy & MUTE != 0
            P.L.link[n, mirror].busy &= BUSY
        if P.seat[n].dirty == 0 and (heard_again or _may_matter(P, n, segment, state, now)):
            mark(P, n)
        else:
            P.seat[n].passed = now  # a pass without effect


@tiny
def _look_at(P: Plane, n: int, slot: int, state: int) -> None:
    """Ask for what will be read of a neighbour: in a large swarm it is in no cache."""
    touch(P.L.slot[n, slot])
    touch(P.seat[n])
    if state == STORED:
        touch(P.L.viewer[n])
        touch(P.L.request[0, n])


@tiny
def _may_matter(P: Plane, n: int, segment: int, state: int, now: float) -> bool:
    """Return whether a pass of `n` could do anything after this news; True for all where shortcuts are switched off."""
    if not P.s.shortcuts or now >= P.seat[n].border_at:
        return True
    return concerns(P.L, P.o, P.T, n, segment, state, now)


@inner
def meet(P: Plane, a: int, b: int, relayed: int, now: float) -> bool:
    """A connection opens; False if one has left the swarm, is full, or knows the other already."""
    for v in (a, b):
        if P.seat[v].state == AWAY or P.seat[v].state >= GONE:
            return False
    if P.seat[a].channel != P.seat[b].channel or P.seat[a].level != P.seat[b].level:
        return False
    if not admits_peer(P.L, P.o, a) or not admits_peer(P.L, P.o, b) or not connect(P.L, a, b):
        return False
    if relayed == 1:
        P.L.link[a, P.L.viewer[a].degree - 1].relayed = 1
        P.L.link[b, P.L.viewer[b].degree - 1].relayed = 1
    if not is_readable(P.L, P.o, a):
        P.L.link[b, P.L.viewer[b].degree - 1].busy |= MUTE
    if not is_readable(P.L, P.o, b):
        P.L.link[a, P.L.viewer[a].degree - 1].busy |= MUTE
    if P.seat[a].role == LIAR:
        tell(P, a, now)
    if P.seat[b].role == LIAR:
        tell(P, b, now)
    log_connection(P, a, b, OPENED, now)
    mark(P, a)
    mark(P, b)
    _drop_surplus(P, a, now)
    _drop_surplus(P, b, now)
    return True


@inner
def _drop_surplus(P: Plane, v: int, now: float) -> None:
    """Close the connection that a viewer's loader wants to be rid of, if any."""
    place = drops_peer(P.L, P.o, v)
    if place != NOBODY:
        part(P, v, P.L.link[v, place].neighbour, now)


@inner
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
        if P.s.homes:
            freeze(P, v, now)
        else:
            stage_capacity(P.N, P.site[v].up, 0.0)
        push(P, now + CONSENT_EXPIRES, CONSENT, v, 0, 0)
    else:
        seat.state = GONE
        lose_consent(P, v, now)


@inner
def stop_watching(P: Plane, v: int, now: float) -> None:
    """Close a viewer's account: what is under way counts up to here."""
    seat = P.seat[v]
    abort_transfers(P, v, now)
    if seat.state == STALLED:
        seat.stalled += now - seat.stall_began
    settle(P, v, now)
    _take_back_unplayed(P, v)


@inner
def _take_back_unplayed(P: Plane, v: int) -> None:
    """Take back the segments that the player holds but never showed."""
    seat = P.seat[v]
    segment = seat.next - 1
    while segment >= seat.origin_index and P.T.start[segment] > seat.position and not math.isnan(seat.first_frame):
        slot = segment % P.L.slot.shape[1]
        size = P.size[P.L.slot[v, slot].level]
        from_http = min(P.from_http[v, slot], size)
        seat.played_http -= from_http
        seat.played_p2p -= size - from_http
        segment -= 1


@inner
def zap(P: Plane, v: int, channel: int, now: float) -> None:
    """A viewer turns to another channel: it begins anew there, in another swarm."""
    seat, me = P.seat[v], P.L.viewer[v]
    if seat.state >= GONE:
        return
    if seat.state == STALLED:
        seat.stalled += now - seat.stall_began
    settle(P, v, now)
    if seat.state == PLAYING or seat.state == STALLED:
        _take_back_unplayed(P, v)
    change_swarm(P, v, now)
    me.first, me.last, me.requested, me.jumped = 0, 0, NOBODY, 0
    seat.state = STARTING
    log_state(P, v, now)
    seat.state, seat.channel = AWAY, channel
    seat.next = seat.origin_index  # nothing to take back
    seat.border, seat.border_at, seat.urgent_at, seat.check_at = math.inf, math.inf, math.inf, math.inf
    seat.failures, seat.retry_at = 0, 0.0
    seat.visit += 1
    P.tally[v].zaps += 1
    P.tally[v].zapped_at = now
    push(P, now + 2 * P.s.origin_latency, RELOAD, v, seat.visit, 0)
