"""How neighbours part: one of them leaves, is lost, or goes over to another swarm."""

import math

from p2psim.compiled import inner
from p2psim.network.max_min_sharing import stage_close, stage_open
from p2psim.policy.interface import abort_all
from p2psim.policy.state import ABSENT, NOBODY, P2P
from p2psim.policy.state.neighbours import disconnect
from p2psim.simulation.kernel.state import N_CONNECTIONS, Plane
from p2psim.simulation.kernel.transfers import ABORTED, FAILED, FLOWING, dry_up, give_up

__all__ = [
    "CLOSED",
    "OPENED",
    "abort_transfers",
    "change_swarm",
    "forget_fetched",
    "freeze",
    "log_connection",
    "lose_consent",
    "part",
]

OPENED, CLOSED = 1, 0


@inner
def part(P: Plane, a: int, b: int, now: float) -> None:
    """A connection closes; what was being sent over it fails."""
    _cut(P, a, b, now)
    _cut(P, b, a, now)
    if disconnect(P.L, a, b):
        # what the last passes concluded no longer holds: the next news may matter
        P.seat[a].border_at, P.seat[b].border_at = now, now
        log_connection(P, a, b, CLOSED, now)


@inner
def _cut(P: Plane, v: int, other: int, now: float) -> None:
    place, busy = 0, P.seat[v].busy
    while busy != 0:
        row = P.row[v, place]
        if busy & 1 and P.xfer[row].source == P2P and P.xfer[row].other == other:
            give_up(P, v, row, FAILED, now)
        place, busy = place + 1, busy >> 1
    _dry(P, v, other, now)


@inner
def _dry(P: Plane, v: int, other: int, now: float) -> None:
    """Let nothing late come any more, from one neighbour, or from all (NOBODY)."""
    place, draining = 0, P.seat[v].draining
    while draining != 0:
        row = P.row[v, place]
        if draining & 1 and (other == NOBODY or P.xfer[row].other == other):
            dry_up(P, row, now)
        place, draining = place + 1, draining >> 1


@inner
def abort_transfers(P: Plane, v: int, now: float) -> None:
    """End all that a viewer is loading; its loader has settled the requests already."""
    place, busy = 0, P.seat[v].busy
    while busy != 0:
        if busy & 1:
            give_up(P, v, P.row[v, place], ABORTED, now)
        place, busy = place + 1, busy >> 1
    _dry(P, v, NOBODY, now)


@inner
def lose_consent(P: Plane, v: int, now: float) -> None:
    """Close all connections of a viewer."""
    while P.L.viewer[v].degree > 0:
        part(P, v, P.L.link[v, P.L.viewer[v].degree - 1].neighbour, now)


@inner
def freeze(P: Plane, v: int, now: float) -> None:
    """Let nothing more come from a viewer whose uplink others use: what it sends hangs."""
    for k in range(P.L.viewer[v].degree):
        n = P.L.link[v, k].neighbour
        _dry(P, n, v, now)
        for place in range(P.s.rows):
            row = P.row[n, place] if P.seat[n].busy >> place & 1 else NOBODY
            if row != NOBODY and P.xfer[row].state == FLOWING and P.xfer[row].other == v:
                left = stage_close(P.N, row, now)
                for p in range(len(P.path)):
                    P.path[p] = NOBODY
                P.path[0] = P.s.dead
                stage_open(P.N, row, P.path, left, math.inf, now)


@inner
def change_swarm(P: Plane, v: int, now: float) -> None:
    """Leave all neighbours and forget all segments: those of another channel or quality are other objects.

    The real loader goes on serving the old quality for 30 s after a switch; this one does not.
    """
    abort_all(P.L, v, P.out)
    abort_transfers(P, v, now)
    lose_consent(P, v, now)
    P.seat[v].epoch += 1
    me, slots = P.L.viewer[v], P.L.slot.shape[1]
    me.retained, me.waiting, me.pending, me.announce, me.stored_bytes = 0, NOBODY, 0, 0, 0.0
    for slot in range(slots):
        P.L.slot[v, slot].stored = 0
        P.L.slot[v, slot].announced = ABSENT
        P.L.slot[v, slot].told = ABSENT
    for segment in range(P.seat[v].next, me.last):
        forget_fetched(P, v, segment % slots)


@inner
def forget_fetched(P: Plane, v: int, slot: int) -> None:
    """Another segment has a slot now, of which nothing has come."""
    P.from_http[v, slot] = 0.0
    if P.s.events:
        fetch = P.fetch[v, slot]
        fetch.asked_at, fetch.done_at, fetch.p2p = math.nan, math.nan, 0.0


@inner
def log_connection(P: Plane, a: int, b: int, change: int, now: float) -> None:
    """Note that a connection opened or closed."""
    if P.s.events:
        n = P.counts[N_CONNECTIONS]
        P.counts[N_CONNECTIONS] = n + 1
        entry = P.connections[n]
        entry.a, entry.b, entry.at, entry.change = a, b, now, change
