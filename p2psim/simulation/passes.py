"""Queue passes: when a viewer's loader decides, and what follows from its commands."""

import math

from p2psim.compiled import inner, tiny, touch
from p2psim.policy.loader import (
    ABORT_HTTP,
    ABORT_P2P,
    ANNOUNCE,
    COMPLETE,
    DELIVER,
    REJECT,
    START_HTTP,
    START_P2P,
    hold,
    queue_pass,
)
from p2psim.policy.player import retry_delay
from p2psim.policy.prefetch import prefetch_delay, prefetch_round
from p2psim.policy.requests import find
from p2psim.policy.state import HTTP, NOBODY, P2P
from p2psim.simulation.calendar import PLAYER, PREFETCH, URGENT, is_crowded, push
from p2psim.simulation.plane import GONE, N_DIRTY, N_PASSES, PLAYING, STARTING, Plane
from p2psim.simulation.swarm import tell
from p2psim.simulation.transfers import ABORTED, ask, give_up, mark, sync
from p2psim.simulation.viewing import check, deliver, reported_position

__all__ = ["meet_border", "prefetch", "run_passes"]


@tiny
def run_passes(P: Plane, now: float) -> None:
    """Run passes that are due, while there is room; one may make another due, of the same viewer or a neighbour."""
    done = 0
    while done < P.counts[N_DIRTY] and not is_crowded(P):
        v = P.dirty[done]
        done += 1
        if done < P.counts[N_DIRTY]:
            _look_ahead(P, P.dirty[done])
        P.seat[v].dirty = 0
        if P.seat[v].state >= STARTING and P.seat[v].state < GONE and P.L.viewer[v].requested >= 0:
            _pass(P, v, now)
        if done >= len(P.dirty) // 2:
            _forget_done(P, done)
            done = 0
    _forget_done(P, done)


@tiny
def _look_ahead(P: Plane, v: int) -> None:
    """Ask for what the next pass will read, while this one runs."""
    touch(P.L.slot[v, 0])
    touch(P.L.slot[v, P.L.slot.shape[1] // 2])
    touch(P.L.request[0, v])
    touch(P.L.link[v, 0])
    touch(P.xfer[P.row[v, 0]])


@inner
def _forget_done(P: Plane, done: int) -> None:
    rest = P.counts[N_DIRTY] - done
    for i in range(rest):
        P.dirty[i] = P.dirty[done + i]
    P.counts[N_DIRTY] = rest


@tiny
def _pass(P: Plane, v: int, now: float) -> None:
    P.counts[N_PASSES] += 1
    _report_playhead(P, v, now)
    sync(P, v, now)
    queue_pass(P.L, P.o, P.T, v, now, P.out)
    P.seat[v].passed = now
    delivered = _carry_out(P, v, now)
    if P.o.election:
        prefetch_round(P.L, P.o, P.T, v, now, P.out, P.scratch)
        _carry_out(P, v, now)
    _set_border(P, v, now)
    if hold(P.L, P.o, v, now):
        push(P, P.L.viewer[v].born + P.o.http_hold, PLAYER, v, 0, 0)
    if delivered != NOBODY:
        deliver(P, v, delivered, now)
        check(P, v, now)


@inner
def _carry_out(P: Plane, v: int, now: float) -> int:
    """Do what a pass commands; gives the segment for the player, or -1."""
    delivered = NOBODY
    announce = False
    for n in range(1, P.out[0, 0] + 1):
        command, segment, link = P.out[n, 0], P.out[n, 1], P.out[n, 2]
        if command == START_HTTP:
            ask(P, v, segment, HTTP, NOBODY, float(link), now)
        elif command == START_P2P:
            other = P.L.link[v, link].neighbour
            ask(P, v, segment, P2P, other, P.L.request[find(P.L, v, segment), v].bytes, now)
        elif command in (ABORT_HTTP, ABORT_P2P):
            source = HTTP if command == ABORT_HTTP else P2P
            give_up(P, v, _row(P, v, segment, source), ABORTED, now)
        elif command == DELIVER:
            delivered = segment
        elif command == REJECT:
            P.seat[v].failures += 1
            P.seat[v].retry_at = now + retry_delay(P.seat[v].failures)
            push(P, P.seat[v].retry_at, PLAYER, v, 0, 0)
        elif command == COMPLETE:
            if P.s.events:
                P.fetch[v, segment % P.fetch.shape[1]].done_at = now
        elif command == ANNOUNCE:
            announce = True
    if announce:
        tell(P, v, now)
    return delivered


@tiny
def _row(P: Plane, v: int, segment: int, source: int) -> int:
    place, busy = 0, P.seat[v].busy
    while busy != 0:
        row = P.row[v, place]
        if busy & 1 and P.xfer[row].segment == segment and P.xfer[row].source == source:
            return row
        place, busy = place + 1, busy >> 1
    return NOBODY


@tiny
def prefetch(P: Plane, v: int, now: float) -> None:
    """A viewer's round of prefetching at random, and the time of its next."""
    _report_playhead(P, v, now)
    sync(P, v, now)
    prefetch_round(P.L, P.o, P.T, v, now, P.out, P.scratch)
    _carry_out(P, v, now)
    push(P, now + prefetch_delay(P.L, P.o, v), PREFETCH, v, P.seat[v].visit, 0)


@inner
def _report_playhead(P: Plane, v: int, now: float) -> None:
    me = P.L.viewer[v]
    if P.seat[v].state >= PLAYING and now >= P.seat[v].updates_from + P.s.update:
        position = reported_position(P, v, now)
        if abs(position - me.position) > 0.5 * P.s.segment and me.waiting != NOBODY and me.jumped == 0:
            me.urgent = 1
        me.position = position
        me.jumped = 1


@inner
def meet_border(P: Plane, v: int, now: float) -> None:
    """The playhead's report may have brought a segment into a window: such reports cause a pass once a second."""
    seat = P.seat[v]
    if now < seat.urgent_at:
        return
    if now - seat.passed > 1.0:
        mark(P, v)
        return
    _plan_border(P, v)


@inner
def _set_border(P: Plane, v: int, now: float) -> None:
    """Note the playhead position at which the next segment enters a window, and schedule its pass."""
    me, seat = P.L.viewer[v], P.seat[v]
    border = math.inf
    for window in (P.o.high_demand_window, P.o.http_window, P.o.p2p_window):
        reach = me.position + window
        following = math.floor(reach / P.s.segment) + 1
        if following < len(P.T.start):
            border = min(border, P.T.start[following] - window)
    moved = border != seat.border
    seat.border = border
    if moved or math.isinf(seat.urgent_at) or now >= seat.urgent_at:
        _plan_border(P, v)


@inner
def _plan_border(P: Plane, v: int) -> None:
    seat = P.seat[v]
    if seat.state != PLAYING or math.isinf(seat.border):
        seat.urgent_at, seat.border_at = math.inf, math.inf
        return
    due = seat.anchor + max(0.0, seat.border - seat.position)
    seat.border_at = _update_after(P, v, due)
    at = _update_after(P, v, max(due, seat.passed + 1.0 + 1e-6))
    seat.urgent_at = at
    push(P, at, URGENT, v, 0, 0)


@inner
def _update_after(P: Plane, v: int, at: float) -> float:
    """First time update of the media element at or after a time."""
    begun = P.seat[v].updates_from
    return begun + math.ceil((at - begun) / P.s.update - 1e-9) * P.s.update
