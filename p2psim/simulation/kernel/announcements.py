"""Announcements of segments between neighbours: sent after a pass, received half a round trip later."""

from p2psim.compiled import inner, tiny, touch
from p2psim.policy.interface import announced_state, concerns, is_readable
from p2psim.policy.state import BUSY, FETCHING, MUTE, STORED
from p2psim.policy.state.neighbours import change
from p2psim.simulation.kernel.event_queue import ANNOUNCED, push
from p2psim.simulation.kernel.state import KernelState
from p2psim.simulation.kernel.transfers import LIAR, schedule_pass

__all__ = ["receive_announcement", "send_announcement"]

_CACHED_VIEWERS = 5000
"""Viewers whose rows fit into the cache, so that prefetching them gains nothing."""
_TAG = 4
"""An announced state is the state of the segment plus this times the swarm epoch of the viewer."""


@inner
def send_announcement(P: KernelState, v: int, now: float) -> None:
    """Announce the changes since the last announcement to all neighbours, who receive them half a round trip later."""
    me = P.L.viewer[v]
    me.announce = 0
    slots = P.L.slot.shape[1]
    region = P.location[v].region
    arrival = now + P.rtt[region, region] / 2
    tag = _TAG * P.viewer[v].swarm_epoch
    if not is_readable(P.L, P.o, v):
        return  # the neighbours keep the last state that they could read
    is_liar = P.viewer[v].role == LIAR
    first = max(0, me.last - slots)
    slot = first % slots - 1
    for segment in range(first, me.last):
        slot = slot + 1 if slot + 1 < slots else 0
        state = STORED if is_liar and segment >= me.first else announced_state(P.L, v, segment, slot)
        if P.L.slot[v, slot].announcing != state:
            P.L.slot[v, slot].announcing = state
            push(P, arrival, ANNOUNCED, v, segment, tag + state)


@inner
def receive_announcement(P: KernelState, v: int, segment: int, tagged_state: int, now: float) -> None:
    """Apply an announcement at the neighbours of `v`; those for which it may matter get a pass."""
    state = tagged_state % _TAG
    if tagged_state // _TAG != P.viewer[v].swarm_epoch:
        return  # the announcement belongs to a swarm that the viewer has left
    slot = segment % P.L.slot.shape[1]
    old = P.L.slot[v, slot].announced
    if old == state:
        return
    P.L.slot[v, slot].announced = state
    if len(P.viewer) > _CACHED_VIEWERS:
        for k in range(P.L.viewer[v].degree):
            _prefetch_neighbour(P, P.L.link[v, k].neighbour, slot, state)
    holders, fetchers = change(old, state, STORED), change(old, state, FETCHING)
    for k in range(P.L.viewer[v].degree):
        n = P.L.link[v, k].neighbour
        row = P.L.slot[n, slot]
        row.holders += holders
        row.fetchers += fetchers
        was_muted = False
        if P.s.mutes:
            mirror = P.L.link[v, k].mirror
            was_muted = P.L.link[n, mirror].busy & MUTE != 0
            P.L.link[n, mirror].busy &= BUSY
        if P.viewer[n].pass_due == 0 and (was_muted or _may_change_pass(P, n, segment, state, now)):
            schedule_pass(P, n)
        else:
            P.viewer[n].last_pass_at = now  # a pass without effect


@tiny
def _prefetch_neighbour(P: KernelState, n: int, slot: int, state: int) -> None:
    """Prefetch the rows of a neighbour: in a large swarm they are not in the cache."""
    touch(P.L.slot[n, slot])
    touch(P.viewer[n])
    if state == STORED:
        touch(P.L.viewer[n])
        touch(P.L.request[0, n])


@tiny
def _may_change_pass(P: KernelState, n: int, segment: int, state: int, now: float) -> bool:
    """Return whether a pass of `n` could act on this announcement; always True where shortcuts are switched off."""
    if not P.s.shortcuts or now >= P.viewer[n].border_at:
        return True
    return concerns(P.L, P.o, P.T, n, segment, state, now)
