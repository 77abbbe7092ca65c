"""Queue passes: when a viewer's loader decides, and what follows from its commands."""

import math

from p2psim.compiled import inner, tiny, touch
from p2psim.player.hls_js import retry_delay
from p2psim.policy.interface import (
    PASS_INTERVAL,
    after_pass,
    playhead_moved_unseen,
    prefetch_delay,
    prefetch_round,
    queue_pass,
    wakes_at,
    window_border,
)
from p2psim.policy.state import (
    ABORT_HTTP,
    ABORT_P2P,
    ANNOUNCE,
    COMPLETE,
    DELIVER,
    HTTP,
    NOBODY,
    P2P,
    REJECT,
    RESTLESS,
    START_HTTP,
    START_P2P,
)
from p2psim.simulation.kernel.announcements import tell
from p2psim.simulation.kernel.event_queue import PLAYER, PREFETCH, URGENT, WAKE, is_crowded, push
from p2psim.simulation.kernel.player import check, deliver, reported_position
from p2psim.simulation.kernel.state import GONE, N_DIRTY, N_PASSES, PLAYING, STARTING, Plane
from p2psim.simulation.kernel.transfers import ABORTED, ask, give_up, mark, sync

__all__ = ["meet_border", "plan_prefetch", "prefetch", "run_passes"]


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
    after_pass(P.L, P.o, P.T, v, now, P.out)
    _carry_out(P, v, now)
    _set_border(P, v, now)
    _set_wake_up(P, v, now)
    if delivered != NOBODY:
        deliver(P, v, delivered, now)
        check(P, v, now)


@inner
def _carry_out(P: Plane, v: int, now: float) -> int:
    """Do what a pass commands; gives the segment for the player, or -1."""
    delivered = NOBODY
    announce = False
    for n in range(P.out.count[0]):
        row = P.out.row[n]
        command, segment = row.kind, row.segment
        if command == START_HTTP:
            ask(P, v, segment, HTTP, NOBODY, float(row.first_byte), now)
        elif command == START_P2P:
            ask(P, v, segment, P2P, P.L.link[v, row.neighbour].neighbour, float(row.first_byte), now)
        elif command in (ABORT_HTTP, ABORT_P2P):
            give_up(P, v, _row(P, v, segment, row.source), ABORTED, now)
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
    prefetch_round(P.L, P.o, P.T, v, now, P.out)
    _carry_out(P, v, now)
    if P.L.viewer[v].pending & RESTLESS:
        _set_border(P, v, now)
    plan_prefetch(P, v, now)


@inner
def plan_prefetch(P: Plane, v: int, now: float) -> None:
    """Schedule a viewer's next round of prefetching, if its loader has any."""
    delay = prefetch_delay(P.L, P.o, v)
    if delay < math.inf:
        push(P, now + delay, PREFETCH, v, P.seat[v].visit, 0)


@inner
def _set_wake_up(P: Plane, v: int, now: float) -> None:
    """Schedule the pass that the loader wants at a certain time, whatever happens."""
    at = wakes_at(P.L, P.o, v, now)
    if now < at < math.inf and at != P.seat[v].wake_at:
        P.seat[v].wake_at = at
        push(P, at, WAKE, v, 0, 0)


@inner
def _report_playhead(P: Plane, v: int, now: float) -> None:
    if P.seat[v].state >= PLAYING and now >= P.seat[v].updates_from + P.s.update:
        playhead_moved_unseen(P.L, v, reported_position(P, v, now), P.s.segment)


@inner
def meet_border(P: Plane, v: int, now: float) -> None:
    """The playhead's report may have brought a segment into a window: such reports cause a pass once a second."""
    seat = P.seat[v]
    if now < seat.urgent_at:
        return
    if now - seat.passed > PASS_INTERVAL:
        mark(P, v)
        return
    _plan_border(P, v)


@inner
def _set_border(P: Plane, v: int, now: float) -> None:
    """Note the playhead position at which the next segment enters a window, and schedule its pass."""
    seat = P.seat[v]
    border = window_border(P.L, P.o, P.T, v, now)
    moved = border != seat.border
    seat.border = border
    if moved or math.isinf(seat.urgent_at) or now >= seat.urgent_at:
        _plan_border(P, v)


@inner
def _plan_border(P: Plane, v: int) -> None:
    seat = P.seat[v]
    if seat.state != PLAYING or seat.border == math.inf:
        seat.urgent_at, seat.border_at = math.inf, math.inf
        return
    due = seat.anchor + max(0.0, seat.border - seat.position)
    seat.border_at = _update_after(P, v, due)
    at = _update_after(P, v, max(due, seat.passed + PASS_INTERVAL + 1e-6))
    seat.urgent_at = at
    push(P, at, URGENT, v, 0, 0)


@inner
def _update_after(P: Plane, v: int, at: float) -> float:
    """First time update of the media element at or after a time."""
    begun = P.seat[v].updates_from
    return begun + math.ceil((at - begun) / P.s.update - 1e-9) * P.s.update
