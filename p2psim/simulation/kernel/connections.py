"""Opening and closing of connections between viewers, and changes of swarm."""

import math

from p2psim.compiled import inner
from p2psim.network.max_min_sharing import stage_close, stage_open
from p2psim.policy.interface import abort_all, admits_peer, drops_peer, is_readable
from p2psim.policy.state import ABSENT, MUTE, NOBODY, P2P
from p2psim.policy.state.neighbours import connect, disconnect
from p2psim.simulation.kernel.announcements import send_announcement
from p2psim.simulation.kernel.state import AWAY, GONE, N_CONNECTIONS, KernelState
from p2psim.simulation.kernel.transfers import (
    ABORTED,
    FAILED,
    FLOWING,
    LIAR,
    discard_late_bytes,
    end_transfer,
    schedule_pass,
)

__all__ = [
    "abort_transfers",
    "change_swarm",
    "close_connection",
    "close_connections",
    "forget_fetched",
    "freeze_uploads",
    "open_connection",
]

OPENED, CLOSED = 1, 0


@inner
def open_connection(P: KernelState, a: int, b: int, relayed: int, now: float) -> bool:
    """Open a connection; return False if a viewer has left the swarm or is full, or both are connected already."""
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
    _log_connection(P, a, b, OPENED, now)
    schedule_pass(P, a)
    schedule_pass(P, b)
    _drop_surplus(P, a, now)
    _drop_surplus(P, b, now)
    return True


@inner
def _drop_surplus(P: KernelState, v: int, now: float) -> None:
    """Close the surplus connection that the loader of a viewer wants to drop, if any."""
    link = drops_peer(P.L, P.o, v)
    if link != NOBODY:
        close_connection(P, v, P.L.link[v, link].neighbour, now)


@inner
def close_connection(P: KernelState, a: int, b: int, now: float) -> None:
    """Close a connection; transfers over it fail."""
    _fail_transfers(P, a, b, now)
    _fail_transfers(P, b, a, now)
    if disconnect(P.L, a, b):
        # the conclusions of the last passes no longer hold: the next announcement may matter
        P.viewer[a].border_at, P.viewer[b].border_at = now, now
        _log_connection(P, a, b, CLOSED, now)


@inner
def _fail_transfers(P: KernelState, v: int, other: int, now: float) -> None:
    place, busy = 0, P.viewer[v].busy
    while busy != 0:
        row = P.row[v, place]
        if busy & 1 and P.transfer[row].source == P2P and P.transfer[row].other == other:
            end_transfer(P, v, row, FAILED, now)
        place, busy = place + 1, busy >> 1
    _discard_late_bytes(P, v, other, now)


@inner
def _discard_late_bytes(P: KernelState, v: int, other: int, now: float) -> None:
    """Discard late bytes still on their way from one neighbour, or from all (NOBODY)."""
    place, late_places = 0, P.viewer[v].late_places
    while late_places != 0:
        row = P.row[v, place]
        if late_places & 1 and (other == NOBODY or P.transfer[row].other == other):
            discard_late_bytes(P, row, now)
        place, late_places = place + 1, late_places >> 1


@inner
def abort_transfers(P: KernelState, v: int, now: float) -> None:
    """Abort all transfers to a viewer, whose loader has settled the requests already."""
    place, busy = 0, P.viewer[v].busy
    while busy != 0:
        if busy & 1:
            end_transfer(P, v, P.row[v, place], ABORTED, now)
        place, busy = place + 1, busy >> 1
    _discard_late_bytes(P, v, NOBODY, now)


@inner
def close_connections(P: KernelState, v: int, now: float) -> None:
    """Close all connections of a viewer."""
    while P.L.viewer[v].degree > 0:
        close_connection(P, v, P.L.link[v, P.L.viewer[v].degree - 1].neighbour, now)


@inner
def freeze_uploads(P: KernelState, v: int, now: float) -> None:
    """Freeze the uploads of a crashed viewer whose uplink is shared: its transfers make no progress."""
    for k in range(P.L.viewer[v].degree):
        n = P.L.link[v, k].neighbour
        _discard_late_bytes(P, n, v, now)
        for place in range(P.s.rows):
            row = P.row[n, place] if P.viewer[n].busy >> place & 1 else NOBODY
            if row != NOBODY and P.transfer[row].state == FLOWING and P.transfer[row].other == v:
                unsent = stage_close(P.N, row, now)
                for p in range(len(P.path)):
                    P.path[p] = NOBODY
                P.path[0] = P.s.dead
                stage_open(P.N, row, P.path, unsent, math.inf, now)


@inner
def change_swarm(P: KernelState, v: int, now: float) -> None:
    """Close all connections and forget all segments: those of another channel or quality are other objects.

    The real loader goes on serving the old quality for 30 s after a switch; this one does not.
    """
    abort_all(P.L, v, P.out)
    abort_transfers(P, v, now)
    close_connections(P, v, now)
    P.viewer[v].swarm_epoch += 1
    me, slots = P.L.viewer[v], P.L.slot.shape[1]
    me.retained, me.waiting, me.pending, me.announce, me.stored_bytes = 0, NOBODY, 0, 0, 0.0
    for slot in range(slots):
        P.L.slot[v, slot].stored = 0
        P.L.slot[v, slot].announced = ABSENT
        P.L.slot[v, slot].announcing = ABSENT
    for segment in range(P.viewer[v].next, me.last):
        forget_fetched(P, v, segment % slots)


@inner
def forget_fetched(P: KernelState, v: int, slot: int) -> None:
    """Reset the received bytes of a slot that another segment uses from now on."""
    P.http_bytes[v, slot] = 0.0
    if P.s.events:
        fetch = P.fetch[v, slot]
        fetch.requested_at, fetch.done_at, fetch.p2p = math.nan, math.nan, 0.0


@inner
def _log_connection(P: KernelState, a: int, b: int, change: int, now: float) -> None:
    """Log that a connection opened or closed."""
    if P.s.events:
        n = P.counts[N_CONNECTIONS]
        P.counts[N_CONNECTIONS] = n + 1
        entry = P.connection_log[n]
        entry.a, entry.b, entry.at, entry.change = a, b, now, change
