"""Scheduling of queue passes and prefetch rounds, and execution of their commands."""

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
from p2psim.simulation.kernel.announcements import send_announcement
from p2psim.simulation.kernel.event_queue import PLAYER, PREFETCH, URGENT, WAKE, is_nearly_full, push
from p2psim.simulation.kernel.player import check, deliver, reported_position
from p2psim.simulation.kernel.state import GONE, N_PASSES, N_PASSES_DUE, PLAYING, STARTING, KernelState
from p2psim.simulation.kernel.transfers import ABORTED, end_transfer, schedule_pass, start_transfer, update_requests

__all__ = ["check_border", "plan_prefetch", "prefetch", "run_passes"]


@tiny
def run_passes(P: KernelState, now: float) -> None:
    """Run the passes that are due, while the logs have room; a pass may make others due."""
    done = 0
    while done < P.counts[N_PASSES_DUE] and not is_nearly_full(P):
        v = P.pass_queue[done]
        done += 1
        if done < P.counts[N_PASSES_DUE]:
            _prefetch_next(P, P.pass_queue[done])
        P.viewer[v].pass_due = 0
        if P.viewer[v].state >= STARTING and P.viewer[v].state < GONE and P.L.viewer[v].requested >= 0:
            _pass(P, v, now)
        if done >= len(P.pass_queue) // 2:
            _remove_done(P, done)
            done = 0
    _remove_done(P, done)


@tiny
def _prefetch_next(P: KernelState, v: int) -> None:
    """Prefetch the rows that the next pass reads, while this one runs."""
    touch(P.L.slot[v, 0])
    touch(P.L.slot[v, P.L.slot.shape[1] // 2])
    touch(P.L.request[0, v])
    touch(P.L.link[v, 0])
    touch(P.transfer[P.row[v, 0]])


@inner
def _remove_done(P: KernelState, done: int) -> None:
    remaining = P.counts[N_PASSES_DUE] - done
    for i in range(remaining):
        P.pass_queue[i] = P.pass_queue[done + i]
    P.counts[N_PASSES_DUE] = remaining


@tiny
def _pass(P: KernelState, v: int, now: float) -> None:
    P.counts[N_PASSES] += 1
    _report_playhead(P, v, now)
    update_requests(P, v, now)
    queue_pass(P.L, P.o, P.T, v, now, P.out)
    P.viewer[v].last_pass_at = now
    delivered = _execute_commands(P, v, now)
    after_pass(P.L, P.o, P.T, v, now, P.out)
    _execute_commands(P, v, now)
    _set_border(P, v, now)
    _set_wake_up(P, v, now)
    if delivered != NOBODY:
        deliver(P, v, delivered, now)
        check(P, v, now)


@inner
def _execute_commands(P: KernelState, v: int, now: float) -> int:
    """Execute the commands of a pass; return the segment to deliver to the player, or -1."""
    delivered = NOBODY
    announces = False
    for n in range(P.out.count[0]):
        row = P.out.row[n]
        command, segment = row.kind, row.segment
        if command == START_HTTP:
            start_transfer(P, v, segment, HTTP, NOBODY, float(row.first_byte), now)
        elif command == START_P2P:
            start_transfer(P, v, segment, P2P, P.L.link[v, row.neighbour].neighbour, float(row.first_byte), now)
        elif command in (ABORT_HTTP, ABORT_P2P):
            end_transfer(P, v, _row(P, v, segment, row.source), ABORTED, now)
        elif command == DELIVER:
            delivered = segment
        elif command == REJECT:
            P.viewer[v].failures += 1
            P.viewer[v].retry_at = now + retry_delay(P.viewer[v].failures)
            push(P, P.viewer[v].retry_at, PLAYER, v, 0, 0)
        elif command == COMPLETE:
            if P.s.events:
                P.fetch[v, segment % P.fetch.shape[1]].done_at = now
        elif command == ANNOUNCE:
            announces = True
    if announces:
        send_announcement(P, v, now)
    return delivered


@tiny
def _row(P: KernelState, v: int, segment: int, source: int) -> int:
    place, busy = 0, P.viewer[v].busy
    while busy != 0:
        row = P.row[v, place]
        if busy & 1 and P.transfer[row].segment == segment and P.transfer[row].source == source:
            return row
        place, busy = place + 1, busy >> 1
    return NOBODY


@tiny
def prefetch(P: KernelState, v: int, now: float) -> None:
    """Run a prefetch round of a viewer, and schedule the next."""
    _report_playhead(P, v, now)
    update_requests(P, v, now)
    prefetch_round(P.L, P.o, P.T, v, now, P.out)
    _execute_commands(P, v, now)
    if P.L.viewer[v].pending & RESTLESS:
        _set_border(P, v, now)
    plan_prefetch(P, v, now)


@inner
def plan_prefetch(P: KernelState, v: int, now: float) -> None:
    """Schedule the next prefetch round of a viewer, if its loader has any."""
    delay = prefetch_delay(P.L, P.o, v)
    if delay < math.inf:
        push(P, now + delay, PREFETCH, v, P.viewer[v].channel_epoch, 0)


@inner
def _set_wake_up(P: KernelState, v: int, now: float) -> None:
    """Schedule the pass that the loader needs at a certain time, even without an event."""
    at = wakes_at(P.L, P.o, v, now)
    if now < at < math.inf and at != P.viewer[v].wake_at:
        P.viewer[v].wake_at = at
        push(P, at, WAKE, v, 0, 0)


@inner
def _report_playhead(P: KernelState, v: int, now: float) -> None:
    if P.viewer[v].state >= PLAYING and now >= P.viewer[v].updates_from + P.s.update:
        playhead_moved_unseen(P.L, v, reported_position(P, v, now), P.s.segment)


@inner
def check_border(P: KernelState, v: int, now: float) -> None:
    """Schedule a pass if a report of the playhead may bring a segment into a window, at most once a second."""
    viewer = P.viewer[v]
    if now < viewer.urgent_at:
        return
    if now - viewer.last_pass_at > PASS_INTERVAL:
        schedule_pass(P, v)
        return
    _schedule_border_pass(P, v)


@inner
def _set_border(P: KernelState, v: int, now: float) -> None:
    """Set the playhead position at which the next segment enters a window, and schedule the pass for it."""
    viewer = P.viewer[v]
    border = window_border(P.L, P.o, P.T, v, now)
    has_moved = border != viewer.border
    viewer.border = border
    if has_moved or math.isinf(viewer.urgent_at) or now >= viewer.urgent_at:
        _schedule_border_pass(P, v)


@inner
def _schedule_border_pass(P: KernelState, v: int) -> None:
    viewer = P.viewer[v]
    if viewer.state != PLAYING or viewer.border == math.inf:
        viewer.urgent_at = math.inf
        viewer.border_at = -math.inf if viewer.border <= viewer.position else math.inf
        return
    due = viewer.anchor + max(0.0, viewer.border - viewer.position)
    viewer.border_at = _update_after(P, v, due)
    at = _update_after(P, v, max(due, viewer.last_pass_at + PASS_INTERVAL + 1e-6))
    viewer.urgent_at = at
    push(P, at, URGENT, v, 0, 0)


@inner
def _update_after(P: KernelState, v: int, at: float) -> float:
    """Return the first time update of the media element at or after a time."""
    first_update = P.viewer[v].updates_from
    return first_update + math.ceil((at - first_update) / P.s.update - 1e-9) * P.s.update
