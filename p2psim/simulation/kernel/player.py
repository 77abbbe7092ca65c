"""Player of a simulated viewer: requests, start, stalls and quality changes (rules: `p2psim.player.hls_js`)."""

import math

from p2psim.compiled import inner, tiny
from p2psim.player.hls_js import (
    SLACK,
    buffer_empty_at,
    is_buffer_empty,
    next_index,
    playhead,
    start_index,
    start_position,
    wants_next,
)
from p2psim.player.quality_choice import best_level, estimate, learn
from p2psim.policy.interface import player_requests
from p2psim.policy.state import NOBODY, SPOILED
from p2psim.simulation.kernel.connections import change_swarm
from p2psim.simulation.kernel.event_queue import BUFFER_EMPTY, PLAYER, push
from p2psim.simulation.kernel.state import (
    ENDED,
    N_PLAYED,
    N_STATES,
    N_SWITCHED,
    PLAYING,
    STALLED,
    STARTING,
    KernelState,
)
from p2psim.simulation.kernel.transfers import schedule_pass, usable_bytes

__all__ = [
    "check",
    "deliver",
    "handle_empty_buffer",
    "log_state",
    "media_end",
    "position_at",
    "reported_position",
    "start_player",
    "stop_playhead",
]


@inner
def position_at(P: KernelState, v: int, now: float) -> float:
    """Return the media time of the playhead, seconds."""
    viewer = P.viewer[v]
    if viewer.state != PLAYING:
        return viewer.position
    return playhead(viewer.position, viewer.anchor, now, 1.0, viewer.buffer_end)


@tiny
def reported_position(P: KernelState, v: int, now: float) -> float:
    """Return the playhead at the last time update of the media element, which is what the loader knows."""
    viewer = P.viewer[v]
    if viewer.state != PLAYING:
        return viewer.position
    last = viewer.updates_from + math.floor((now - viewer.updates_from) / P.s.update + 1e-9) * P.s.update
    return position_at(P, v, max(last, viewer.anchor))


@inner
def media_end(P: KernelState, now: float) -> float:
    """Return the media time up to which the stream is published, seconds."""
    return now + P.s.window * P.s.segment if P.s.live else P.T.end[len(P.T.end) - 1]


@inner
def start_player(P: KernelState, v: int, now: float) -> None:
    """Start the player when the first playlist has arrived: choose its start position."""
    viewer, me = P.viewer[v], P.L.viewer[v]
    index = start_index(me.first, me.last, P.s.segment, P.s.latency, P.s.live)
    viewer.state = STARTING
    viewer.position = start_position(me.first, me.last, P.s.segment, P.s.latency, P.s.live)
    viewer.next, viewer.origin_index = index, index
    viewer.buffer_end = P.T.start[index]
    me.position, me.born = P.T.start[index], now
    if viewer.channel_epoch == 0:  # otherwise it was logged when the viewer zapped
        log_state(P, v, now)


@inner
def check(P: KernelState, v: int, now: float) -> None:
    """Request the next segment if the buffer is short, the playlist lists it and no retry is pending."""
    viewer, me = P.viewer[v], P.L.viewer[v]
    if now < viewer.retry_at or me.waiting != NOBODY or viewer.state < STARTING or viewer.state > STALLED:
        return
    target = next_index(viewer.next, me.first, me.last, P.s.segment, P.s.latency, P.s.live)
    if target != viewer.next:
        _jump_to_live(P, v, target, now)
    if viewer.next >= me.last:
        return
    if not wants_next(position_at(P, v, now), viewer.buffer_end, P.s.buffer):
        short_at = viewer.anchor + (viewer.buffer_end - P.s.buffer - viewer.position)
        # the player checks its buffer on ticks; the slack keeps the present tick from being scheduled again
        ticks = math.floor((max(now, short_at) + 2 * SLACK - viewer.joined_at) / P.s.tick) + 1
        at = viewer.joined_at + ticks * P.s.tick
        if at != viewer.buffer_check_at:
            viewer.buffer_check_at = at
            push(P, at, PLAYER, v, 0, 0)
        return
    if P.s.levels > 1:
        _choose_level(P, v, now)
    segment = viewer.next
    if player_requests(P.L, v, segment):
        deliver(P, v, segment, now)
    schedule_pass(P, v)


@inner
def _choose_level(P: KernelState, v: int, now: float) -> None:
    """Choose the quality of the next segment; another quality is another swarm."""
    viewer = P.viewer[v]
    bandwidth = estimate(P.bandwidth_estimate, v, P.s.estimate, P.s.fast, P.s.slow)
    buffered = math.inf if P.s.live else viewer.buffer_end - position_at(P, v, now)
    level = best_level(P.bitrate, viewer.level, bandwidth, P.s.margin, P.s.margin_up, P.s.segment, buffered)
    if level == viewer.level:
        return
    change_swarm(P, v, now)
    viewer.level = level
    if viewer.next != viewer.origin_index or not math.isnan(viewer.first_frame):
        P.viewer_totals[v].switches += 1
    P.switched[P.counts[N_SWITCHED]] = v
    P.counts[N_SWITCHED] += 1


@tiny
def _jump_to_live(P: KernelState, v: int, target: int, now: float) -> None:
    """Restart behind the end of the playlist, from which the next segment has vanished."""
    stop_playhead(P, v, now)
    viewer, me = P.viewer[v], P.L.viewer[v]
    viewer.position = start_position(me.first, me.last, P.s.segment, P.s.latency, P.s.live)
    viewer.next = target
    viewer.buffer_end = P.T.start[target]


@inner
def deliver(P: KernelState, v: int, segment: int, now: float) -> None:
    """Append a segment to the buffer of the player."""
    viewer = P.viewer[v]
    if segment != viewer.next:
        return
    viewer.failures = 0
    late = viewer.state != PLAYING
    due = now if viewer.state == STARTING else viewer.anchor + P.T.start[segment] - viewer.position
    if viewer.state == STALLED:
        due = viewer.stall_began
    viewer.buffer_end = P.T.end[segment]
    viewer.next = segment + 1
    slot = segment % P.L.slot.shape[1]
    if P.L.slot[v, slot].stored == SPOILED:
        viewer.poisoned += 1
    size = P.size[viewer.level]
    http_bytes = min(P.http_bytes[v, slot], size)
    viewer.played_http += http_bytes
    viewer.played_p2p += size - http_bytes
    if P.s.levels > 1:
        P.L.slot[v, slot].level = viewer.level
        _measure(P, v, size, now)
    if late:
        _resume(P, v, now)
    if P.s.events:
        _log_played(P, v, segment, due, now if late else max(now, due))
    push(P, buffer_empty_at(viewer.position, viewer.anchor, 1.0, viewer.buffer_end), BUFFER_EMPTY, v, 0, 0)


@inner
def _measure(P: KernelState, v: int, size: float, now: float) -> None:
    """Report the bandwidth at which a segment was loaded to the player.

    As in the real loader, it is that of all transfers while anything was loading, not that of this segment alone.
    """
    bandwidth_meter = P.bandwidth_meter[v]
    received, loading = bandwidth_meter.received, bandwidth_meter.loading
    place, busy = 0, P.viewer[v].busy
    if busy != 0:
        loading += now - bandwidth_meter.since
    while busy != 0:
        if busy & 1:
            received += usable_bytes(P, P.row[v, place], now)
        place, busy = place + 1, busy >> 1
    new_bytes, seconds = received - bandwidth_meter.last_received, loading - bandwidth_meter.last_loading
    if new_bytes <= 0.0 or seconds <= 0.0:
        return  # the segment had been loaded before
    bandwidth_meter.last_received, bandwidth_meter.last_loading = received, loading
    learn(P.bandwidth_estimate, v, size, size * seconds / new_bytes, P.s.fast, P.s.slow)


@inner
def _resume(P: KernelState, v: int, now: float) -> None:
    viewer = P.viewer[v]
    if viewer.state == STARTING:
        if math.isnan(viewer.first_frame):
            viewer.first_frame = now
        else:
            P.viewer_totals[v].zap_wait += now - P.viewer_totals[v].zapped_at
        viewer.updates_from = now
    else:
        viewer.stalled += now - viewer.stall_began
    viewer.state, viewer.anchor = PLAYING, now
    log_state(P, v, now)


@inner
def handle_empty_buffer(P: KernelState, v: int, now: float) -> None:
    """Stall, or end the recording, if the buffer has run out."""
    viewer = P.viewer[v]
    if viewer.state != PLAYING or not is_buffer_empty(position_at(P, v, now), viewer.buffer_end):
        return
    stop_playhead(P, v, now)
    if not P.s.live and viewer.next >= len(P.T.end):
        viewer.state = ENDED
    else:
        viewer.state = STALLED
        viewer.stall_began = now
        viewer.stalls += 1
    log_state(P, v, now)


@inner
def stop_playhead(P: KernelState, v: int, now: float) -> None:
    """Stop the playhead at its present position, which is reported at once."""
    viewer = P.viewer[v]
    if viewer.state == PLAYING:
        position = position_at(P, v, now)
        if viewer.border <= position:
            viewer.border_at = min(viewer.border_at, now)
        viewer.played += position - viewer.position
        viewer.position, viewer.anchor = position, now


@inner
def log_state(P: KernelState, v: int, now: float) -> None:
    """Log a change of the state of the player."""
    if not P.s.events:
        return
    n = P.counts[N_STATES]
    P.counts[N_STATES] = n + 1
    viewer, entry = P.viewer[v], P.state_log[n]
    entry.viewer, entry.state, entry.at = v, viewer.state, now
    entry.position = viewer.position
    entry.buffer = max(0.0, viewer.buffer_end - viewer.position)
    entry.latency = media_end(P, now) - viewer.position if P.s.live else math.nan


@inner
def _log_played(P: KernelState, v: int, segment: int, due: float, played: float) -> None:
    n = P.counts[N_PLAYED]
    P.counts[N_PLAYED] = n + 1
    slot, entry = segment % P.L.slot.shape[1], P.played_log[n]
    fetch = P.fetch[v, slot]
    entry.viewer, entry.segment = v, segment
    entry.requested_at, entry.done_at, entry.due_at, entry.played_at = fetch.requested_at, fetch.done_at, due, played
    entry.http, entry.p2p = P.http_bytes[v, slot], fetch.p2p
    entry.channel, entry.level = P.viewer[v].channel, P.L.slot[v, slot].level
    entry.poisoned = 1 if P.L.slot[v, slot].stored == SPOILED else 0
