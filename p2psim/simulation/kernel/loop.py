"""Main loop of the kernel: events and ends of flows in order of time, then the queue passes that they cause."""

import math

from p2psim.compiled import entry, inner, tiny
from p2psim.network.max_min_sharing import next_finish
from p2psim.network.max_min_sharing import settle as settle_rates
from p2psim.player.hls_js import reload_delay
from p2psim.policy.state import ABSENT, NOBODY, P2P
from p2psim.policy.state.neighbours import set_announced
from p2psim.policy.state.storage import reclaim
from p2psim.simulation.kernel.announcements import receive_announcement
from p2psim.simulation.kernel.connections import close_connection, close_connections, forget_fetched, open_connection
from p2psim.simulation.kernel.departures import stop_watching
from p2psim.simulation.kernel.event_queue import (
    ANNOUNCED,
    BUFFER_EMPTY,
    CONNECT,
    CONSENT,
    FIRST_BYTE,
    PLAYER,
    PREFETCH,
    PROGRESS_CHECK,
    RELOAD,
    SECOND,
    URGENT,
    WAKE,
    event_kind,
    is_nearly_full,
    next_event,
    pop,
    push,
)
from p2psim.simulation.kernel.player import check, handle_empty_buffer, start_player
from p2psim.simulation.kernel.scheduling import check_border, plan_prefetch, prefetch, run_passes
from p2psim.simulation.kernel.state import (
    AWAY,
    GONE,
    N_HANDLED,
    N_PASSES_DUE,
    N_SWITCHED,
    KernelState,
)
from p2psim.simulation.kernel.timeline import tick
from p2psim.simulation.kernel.transfers import (
    FLOWING,
    FREE,
    REQUESTED,
    begin,
    end_transfer,
    finish,
    received_bytes,
    schedule_pass,
)
from p2psim.simulation.kernel.transfers import (
    STALLED as TIMED_OUT,
)

__all__ = [
    "DONE",
    "LEVELS_CHANGED",
    "NO_ROOM",
    "advance",
    "close_run",
    "start_clock",
]

DONE, NO_ROOM, LEVELS_CHANGED = 0, 1, 2
_MOMENT = 1e-9


@entry
def advance(P: KernelState, until: float) -> int:
    """Run until just before `until`; return DONE, NO_ROOM or LEVELS_CHANGED.

    NO_ROOM: logs have to be emptied or the event queue enlarged first. LEVELS_CHANGED: viewers have changed to another
    quality, whose swarm the control plane has to join at the tracker.
    """
    while True:
        if P.counts[N_SWITCHED] > 0:
            return LEVELS_CHANGED
        settle_rates(P.N, P.clock[0])
        at = min(next_event(P), next_finish(P.N))
        passes_due = P.counts[N_PASSES_DUE] > 0 and at > P.clock[0]
        if at >= until and not passes_due:
            break
        if is_nearly_full(P):
            return NO_ROOM
        if passes_due:
            run_passes(P, P.clock[0])
            continue
        P.clock[0] = max(P.clock[0], at)
        P.counts[N_HANDLED] += 1
        if next_finish(P.N) <= next_event(P):
            _finish(P, P.N.finish[0].who, P.clock[0])
        else:
            _handle(P)
    P.clock[0] = max(P.clock[0], until) if not math.isinf(until) else P.clock[0]
    return DONE


@tiny
def _finish(P: KernelState, row: int, now: float) -> None:
    other = P.transfer[row].other
    if not finish(P, row, now):
        close_connection(P, P.N.flow[row].owner, other, now)


@tiny
def _handle(P: KernelState) -> None:
    event = P.event_heap[0]
    now, kind, v = event.at, event_kind(event.order), event.viewer
    a, b = event.a, event.b
    pop(P)
    if kind == SECOND:
        tick(P, now)
        return
    if kind == CONNECT:
        open_connection(P, v, a, b, now)
        return
    if kind == CONSENT:
        close_connections(P, v, now)
        return
    if kind == ANNOUNCED:
        if P.viewer[v].state < GONE:
            receive_announcement(P, v, a, b, now)
        return
    if P.viewer[v].state >= GONE:
        return
    if kind == FIRST_BYTE:
        if P.transfer[a].serial == b and P.transfer[a].state == REQUESTED:
            begin(P, v, a, now)
    elif kind == PROGRESS_CHECK:
        if P.transfer[a].serial == b and P.transfer[a].state != FREE:
            _check_progress(P, v, a, b, now)
    elif kind == PLAYER:
        check(P, v, now)
    elif kind == BUFFER_EMPTY:
        handle_empty_buffer(P, v, now)
        check(P, v, now)
    elif kind == URGENT:
        check_border(P, v, now)
    elif kind == WAKE:
        schedule_pass(P, v)
    elif a != P.viewer[v].channel_epoch:
        return  # the event belongs to a channel that the viewer has left
    elif kind == PREFETCH:
        prefetch(P, v, now)
    elif kind == RELOAD:
        _reload(P, v, now)


@tiny
def _check_progress(P: KernelState, v: int, row: int, serial: int, now: float) -> None:
    """Time out a transfer without progress: no byte over HTTP, no whole message from a peer."""
    x = P.transfer[row]
    limit, last = P.o.p2p_timeout, math.nan
    if x.source == P2P:
        last = _last_message(P, row, now)
    else:
        limit, received = P.o.http_timeout, received_bytes(P, row, now)
        if received >= x.checked_bytes + 0.5:
            last = now if P.N.flow[row].rate > 0.0 else P.N.flow[row].since
        x.checked_bytes = received
    if last + limit > now + _MOMENT:
        push(P, last + limit, PROGRESS_CHECK, v, row, serial)
        return
    other = x.other
    if end_transfer(P, v, row, TIMED_OUT, now):
        close_connection(P, v, other, now)


@inner
def _last_message(P: KernelState, row: int, now: float) -> float:
    """Return the time of the last message, the response header included; NaN: none since the last check."""
    x = P.transfer[row]
    if x.state != FLOWING:
        return math.nan
    received = received_bytes(P, row, now)
    complete = math.floor((received + 0.5) / P.s.chunk) * P.s.chunk
    if complete <= x.checked_bytes:
        return x.first_byte_at if x.checked_bytes == 0.0 else math.nan
    x.checked_bytes = complete
    rate = P.N.flow[row].rate * P.s.goodput
    return max(x.first_byte_at, now - (received - complete) / rate) if rate > 0.0 else P.N.flow[row].since


@tiny
def _reload(P: KernelState, v: int, now: float) -> None:
    """Process a playlist, which shows the stream as it was half a request ago."""
    me = P.L.viewer[v]
    as_of = now - P.s.origin_latency
    last = len(P.T.end)
    if P.s.live:
        last = math.floor(as_of / P.s.segment + 1e-9) + P.s.window
    has_grown = last > me.last
    if has_grown:
        _extend(P, v, last)
    if P.viewer[v].state == AWAY:
        start_player(P, v, now)
        plan_prefetch(P, v, now)
        check(P, v, now)
    elif has_grown:
        if me.waiting != NOBODY and me.waiting < me.first:
            me.waiting = NOBODY  # it has left the playlist: hls.js seeks to the live edge and aborts its loader
        check(P, v, now)
        schedule_pass(P, v)
    if P.s.live:
        next_reload_at = as_of + reload_delay(P.s.segment, has_grown) + P.s.origin_latency
        push(P, next_reload_at, RELOAD, v, P.viewer[v].channel_epoch, 0)


@inner
def _extend(P: KernelState, v: int, last: int) -> None:
    me = P.L.viewer[v]
    slots = P.L.slot.shape[1]
    first = max(0, last - P.s.window) if P.s.live else 0
    for segment in range(max(me.last, first), last):
        reclaim(P.L, v, segment)
        forget_fetched(P, v, segment % slots)
        if P.L.slot[v, segment % slots].announcing != ABSENT:
            P.L.slot[v, segment % slots].announcing = ABSENT
            set_announced(P.L, v, segment, ABSENT)
    me.first, me.last = first, last


@entry
def start_clock(P: KernelState) -> None:
    """Start the time line."""
    push(P, 0.0, SECOND, 0, 0, 0)


@entry
def close_run(P: KernelState, first: int, end: float) -> int:
    """Close the totals of all viewers from `first` on; return the viewer to continue with once the logs are emptied."""
    for v in range(first, len(P.viewer)):
        if is_nearly_full(P):
            return v
        if P.viewer[v].state != AWAY and P.viewer[v].state < GONE:
            stop_watching(P, v, end)
    return len(P.viewer)
