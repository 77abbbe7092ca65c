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
    close_connection,
    close_connections,
    freeze_uploads,
    log_connection,
)
from p2psim.simulation.kernel.event_queue import ANNOUNCED, CONSENT, RELOAD, push
from p2psim.simulation.kernel.player import log_state, stop_playhead
from p2psim.simulation.kernel.state import AWAY, CRASHED, GONE, PLAYING, STALLED, STARTING, KernelState
from p2psim.simulation.kernel.transfers import LIAR, schedule_pass

__all__ = [
    "CONSENT_EXPIRES",
    "leave",
    "open_connection",
    "receive_announcement",
    "send_announcement",
    "stop_watching",
    "zap",
]

CONSENT_EXPIRES = 30.0
"""Seconds after which a connection to a vanished peer is given up (RFC 7675)."""
_CACHED_VIEWERS = 5000
"""Viewers of whom a cache holds what is looked at."""
_TAG = 4
"""News of a segment is its state, and how often the viewer changed swarms times this."""


@inner
def send_announcement(P: KernelState, v: int, now: float) -> None:
    """Announce to all neighbours what has changed since the last announcement; it arrives half a round trip later."""
    me = P.L.viewer[v]
    me.announce = 0
    slots = P.L.slot.shape[1]
    region = P.location[v].region
    arrival = now + P.rtt[region, region] / 2
    tag = _TAG * P.viewer[v].swarm_epoch
    if not is_readable(P.L, P.o, v):
        return  # the neighbours go on with what they know
    lies = P.viewer[v].role == LIAR
    first = max(0, me.last - slots)
    slot = first % slots - 1
    for segment in range(first, me.last):
        slot = slot + 1 if slot + 1 < slots else 0
        state = STORED if lies and segment >= me.first else announced_state(P.L, v, segment)
        if P.L.slot[v, slot].announcing != state:
            P.L.slot[v, slot].announcing = state
            push(P, arrival, ANNOUNCED, v, segment, tag + state)


@inner
def receive_announcement(P: KernelState, v: int, segment: int, news: int, now: float) -> None:
    """An announcement reaches the neighbours of `v`; those for whom it changes anything decide anew."""
    state = news % _TAG
    if news // _TAG != P.viewer[v].swarm_epoch:
        return  # of a swarm that the viewer has left
    slot = segment % P.L.slot.shape[1]
    old = P.L.slot[v, slot].announced
    if old == state:
        return
    P.L.slot[v, slot].announced = state
    if len(P.viewer) > _CACHED_VIEWERS:
        for k in range(P.L.viewer[v].degree):
            _prefetch_neighbour(P, P.L.link[v, k].neighbour, slot, state)
    for k in range(P.L.viewer[v].degree):
        n = P.L.link[v, k].neighbour
        count(P.L, n, slot, old, -1)
        count(P.L, n, slot, state, 1)
        heard_again = False
        if P.s.mutes:
            mirror = P.L.link[v, k].mirror
            heard_again = P.L.link[n, mirror].busy & MUTE != 0
            P.L.link[n, mirror].busy &= BUSY
        if P.viewer[n].pass_due == 0 and (heard_again or _may_change_pass(P, n, segment, state, now)):
            schedule_pass(P, n)
        else:
            P.viewer[n].last_pass_at = now  # a pass without effect


@tiny
def _prefetch_neighbour(P: KernelState, n: int, slot: int, state: int) -> None:
    """Ask for what will be read of a neighbour: in a large swarm it is in no cache."""
    touch(P.L.slot[n, slot])
    touch(P.viewer[n])
    if state == STORED:
        touch(P.L.viewer[n])
        touch(P.L.request[0, n])


@tiny
def _may_change_pass(P: KernelState, n: int, segment: int, state: int, now: float) -> bool:
    """Return whether a pass of `n` could do anything after this news; True for all where shortcuts are switched off."""
    if not P.s.shortcuts or now >= P.viewer[n].border_at:
        return True
    return concerns(P.L, P.o, P.T, n, segment, state, now)


@inner
def open_connection(P: KernelState, a: int, b: int, relayed: int, now: float) -> bool:
    """A connection opens; False if one has left the swarm, is full, or knows the other already."""
    for v in (a, b):
        if P.viewer[v].state == AWAY or P.viewer[v].state >= GONE:
            return False
    if P.viewer[a].channel != P.viewer[b].channel or P.viewer[a].level != P.viewer[b].level:
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
    if P.viewer[a].role == LIAR:
        send_announcement(P, a, now)
    if P.viewer[b].role == LIAR:
        send_announcement(P, b, now)
    log_connection(P, a, b, OPENED, now)
    schedule_pass(P, a)
    schedule_pass(P, b)
    _drop_surplus(P, a, now)
    _drop_surplus(P, b, now)
    return True


@inner
def _drop_surplus(P: KernelState, v: int, now: float) -> None:
    """Close the connection that a viewer's loader wants to be rid of, if any."""
    place = drops_peer(P.L, P.o, v)
    if place != NOBODY:
        close_connection(P, v, P.L.link[v, place].neighbour, now)


@inner
def leave(P: KernelState, v: int, crash: bool, now: float) -> None:
    """A viewer goes: its downloads are aborted; its connections close now, or, after a crash, when consent expires."""
    viewer = P.viewer[v]
    if viewer.state >= GONE:
        return
    abort_all(P.L, v, P.out)
    stop_watching(P, v, now)
    viewer.left_at = now
    if crash:
        viewer.state = CRASHED
        if P.s.homes:
            freeze_uploads(P, v, now)
        else:
            stage_capacity(P.N, P.location[v].up, 0.0)
        push(P, now + CONSENT_EXPIRES, CONSENT, v, 0, 0)
    else:
        viewer.state = GONE
        close_connections(P, v, now)


@inner
def stop_watching(P: KernelState, v: int, now: float) -> None:
    """Close a viewer's account: what is under way counts up to here."""
    viewer = P.viewer[v]
    abort_transfers(P, v, now)
    if viewer.state == STALLED:
        viewer.stalled += now - viewer.stall_began
    stop_playhead(P, v, now)
    _uncount_unplayed(P, v)


@inner
def _uncount_unplayed(P: KernelState, v: int) -> None:
    """Take back the segments that the player holds but never showed."""
    viewer = P.viewer[v]
    segment = viewer.next - 1
    while (
        segment >= viewer.origin_index and P.T.start[segment] > viewer.position and not math.isnan(viewer.first_frame)
    ):
        slot = segment % P.L.slot.shape[1]
        size = P.size[P.L.slot[v, slot].level]
        http_bytes = min(P.http_bytes[v, slot], size)
        viewer.played_http -= http_bytes
        viewer.played_p2p -= size - http_bytes
        segment -= 1


@inner
def zap(P: KernelState, v: int, channel: int, now: float) -> None:
    """A viewer turns to another channel: it begins anew there, in another swarm."""
    viewer, me = P.viewer[v], P.L.viewer[v]
    if viewer.state >= GONE:
        return
    if viewer.state == STALLED:
        viewer.stalled += now - viewer.stall_began
    stop_playhead(P, v, now)
    if viewer.state == PLAYING or viewer.state == STALLED:
        _uncount_unplayed(P, v)
    change_swarm(P, v, now)
    me.first, me.last, me.requested, me.jumped = 0, 0, NOBODY, 0
    viewer.state = STARTING
    log_state(P, v, now)
    viewer.state, viewer.channel = AWAY, channel
    viewer.next = viewer.origin_index  # nothing to take back
    viewer.border, viewer.border_at, viewer.urgent_at, viewer.buffer_check_at = math.inf, math.inf, math.inf, math.inf
    viewer.failures, viewer.retry_at = 0, 0.0
    viewer.channel_epoch += 1
    P.viewer_totals[v].zaps += 1
    P.viewer_totals[v].zapped_at = now
    push(P, now + 2 * P.s.origin_latency, RELOAD, v, viewer.channel_epoch, 0)
