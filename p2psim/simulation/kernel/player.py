"""The player of a simulated viewer: when it asks, starts, stalls and goes on (rules: `p2psim.player.hls_js`)."""

import math

from p2psim.compiled import inner, tiny
from p2psim.player.hls_js import SLACK, dry_at, is_dry, next_index, playhead, start_index, start_position, wants_next
from p2psim.player.quality_choice import best_level, estimate, learn
from p2psim.policy.interface import player_requests
from p2psim.policy.state import NOBODY, SPOILED
from p2psim.simulation.kernel.connections import change_swarm
from p2psim.simulation.kernel.event_queue import DRY, PLAYER, push
from p2psim.simulation.kernel.state import ENDED, N_PLAYED, N_STATES, N_SWITCHED, PLAYING, STALLED, STARTING, Plane
from p2psim.simulation.kernel.transfers import mark, usable

__all__ = [
    "check",
    "deliver",
    "dry",
    "log_state",
    "media_end",
    "position_at",
    "reported_position",
    "settle",
    "take_seat",
]


@inner
def position_at(P: Plane, v: int, now: float) -> float:
    """Media time of the playhead."""
    seat = P.seat[v]
    if seat.state != PLAYING:
        return seat.position
    return playhead(seat.position, seat.anchor, now, 1.0, seat.buffer_end)


@tiny
def reported_position(P: Plane, v: int, now: float) -> float:
    """Playhead at the media element's last time update: what the loader knows."""
    seat = P.seat[v]
    if seat.state != PLAYING:
        return seat.position
    last = seat.updates_from + math.floor((now - seat.updates_from) / P.s.update + 1e-9) * P.s.update
    return position_at(P, v, max(last, seat.anchor))


@inner
def media_end(P: Plane, now: float) -> float:
    """Media time of the newest byte published."""
    return now + P.s.window * P.s.segment if P.s.live else P.T.end[len(P.T.end) - 1]


@inner
def take_seat(P: Plane, v: int, now: float) -> None:
    """The playlist has come for the first time: choose where to start."""
    seat, me = P.seat[v], P.L.viewer[v]
    index = start_index(me.first, me.last, P.s.segment, P.s.latency, P.s.live)
    seat.state = STARTING
    seat.position = start_position(me.first, me.last, P.s.segment, P.s.latency, P.s.live)
    seat.next, seat.origin_index = index, index
    seat.buffer_end = P.T.start[index]
    me.position, me.born = P.T.start[index], now
    if seat.visit == 0:  # else it was noted when the viewer turned to the channel
        log_state(P, v, now)


@inner
def check(P: Plane, v: int, now: float) -> None:
    """Ask for the next segment if the buffer is short, the playlist has it and no retry is being waited for."""
    seat, me = P.seat[v], P.L.viewer[v]
    if now < seat.retry_at or me.waiting != NOBODY or seat.state < STARTING or seat.state > STALLED:
        return
    target = next_index(seat.next, me.first, me.last, P.s.segment, P.s.latency, P.s.live)
    if target != seat.next:
        _jump(P, v, target, now)
    if seat.next >= me.last:
        return
    if not wants_next(position_at(P, v, now), seat.buffer_end, P.s.buffer):
        short_at = seat.anchor + (seat.buffer_end - P.s.buffer - seat.position)
        # the player looks at its buffer on ticks; the slack keeps a tick on the very edge from being found again
        ticks = math.floor((max(now, short_at) + 2 * SLACK - seat.joined_at) / P.s.tick) + 1
        at = seat.joined_at + ticks * P.s.tick
        if at != seat.check_at:
            seat.check_at = at
            push(P, at, PLAYER, v, 0, 0)
        return
    if P.s.levels > 1:
        _choose_level(P, v, now)
    segment = seat.next
    if player_requests(P.L, v, segment):
        deliver(P, v, segment, now)
    mark(P, v)


@inner
def _choose_level(P: Plane, v: int, now: float) -> None:
    """Let the player choose the quality of the segment it asks for; another quality is another swarm."""
    seat = P.seat[v]
    bandwidth = estimate(P.guess, v, P.s.estimate, P.s.fast, P.s.slow)
    buffered = math.inf if P.s.live else seat.buffer_end - position_at(P, v, now)
    level = best_level(P.bitrate, seat.level, bandwidth, P.s.margin, P.s.margin_up, P.s.segment, buffered)
    if level == seat.level:
        return
    change_swarm(P, v, now)
    seat.level = level
    if seat.next != seat.origin_index or not math.isnan(seat.first_frame):
        P.tally[v].switches += 1
    P.switched[P.counts[N_SWITCHED]] = v
    P.counts[N_SWITCHED] += 1


@tiny
def _jump(P: Plane, v: int, target: int, now: float) -> None:
    """The playlist has moved past what the viewer wanted: it starts anew behind its end."""
    settle(P, v, now)
    seat, me = P.seat[v], P.L.viewer[v]
    seat.position = start_position(me.first, me.last, P.s.segment, P.s.latency, P.s.live)
    seat.next = target
    seat.buffer_end = P.T.start[target]


@inner
def deliver(P: Plane, v: int, segment: int, now: float) -> None:
    """A segment reaches the player."""
    seat = P.seat[v]
    if segment != seat.next:
        return
    seat.failures = 0
    late = seat.state != PLAYING
    due = now if seat.state == STARTING else seat.anchor + P.T.start[segment] - seat.position
    if seat.state == STALLED:
        due = seat.stall_began
    seat.buffer_end = P.T.end[segment]
    seat.next = segment + 1
    slot = segment % P.L.slot.shape[1]
    if P.L.slot[v, slot].stored == SPOILED:
        seat.poisoned += 1
    size = P.size[seat.level]
    from_http = min(P.from_http[v, slot], size)
    seat.played_http += from_http
    seat.played_p2p += size - from_http
    if P.s.levels > 1:
        P.L.slot[v, slot].level = seat.level
        _measure(P, v, size, now)
    if late:
        _go_on(P, v, now)
    if P.s.events:
        _log_played(P, v, segment, due, now if late else max(now, due))
    push(P, dry_at(seat.position, seat.anchor, 1.0, seat.buffer_end), DRY, v, 0, 0)


@inner
def _measure(P: Plane, v: int, size: float, now: float) -> None:
    """Tell the player how fast its segment came.

    As the real loader does: not how long this one took, but what all transfers brought while anything was loading.
    """
    meter = P.meter[v]
    got, loading = meter.got, meter.loading
    place, busy = 0, P.seat[v].busy
    if busy != 0:
        loading += now - meter.since
    while busy != 0:
        if busy & 1:
            got += usable(P, P.row[v, place], now)
        place, busy = place + 1, busy >> 1
    fresh, seconds = got - meter.got_then, loading - meter.loading_then
    if fresh <= 0.0 or seconds <= 0.0:
        return  # it was there already
    meter.got_then, meter.loading_then = got, loading
    learn(P.guess, v, size, size * seconds / fresh, P.s.fast, P.s.slow)


@inner
def _go_on(P: Plane, v: int, now: float) -> None:
    seat = P.seat[v]
    if seat.state == STARTING:
        if math.isnan(seat.first_frame):
            seat.first_frame = now
        else:
            P.tally[v].zap_wait += now - P.tally[v].zapped_at
        seat.updates_from = now
    else:
        seat.stalled += now - seat.stall_began
    seat.state, seat.anchor = PLAYING, now
    log_state(P, v, now)


@inner
def dry(P: Plane, v: int, now: float) -> None:
    """The buffer may have run out: the player stalls, or is at the end of the recording."""
    seat = P.seat[v]
    if seat.state != PLAYING or not is_dry(position_at(P, v, now), seat.buffer_end):
        return
    settle(P, v, now)
    if not P.s.live and seat.next >= len(P.T.end):
        seat.state = ENDED
    else:
        seat.state = STALLED
        seat.stall_began = now
        seat.stalls += 1
    log_state(P, v, now)


@inner
def settle(P: Plane, v: int, now: float) -> None:
    """Stop the playhead where it is."""
    seat = P.seat[v]
    if seat.state == PLAYING:
        position = position_at(P, v, now)
        seat.played += position - seat.position
        seat.position, seat.anchor = position, now


@inner
def log_state(P: Plane, v: int, now: float) -> None:
    """Note a change of the player's state."""
    if not P.s.events:
        return
    n = P.counts[N_STATES]
    P.counts[N_STATES] = n + 1
    seat, entry = P.seat[v], P.states[n]
    entry.viewer, entry.state, entry.at = v, seat.state, now
    entry.position = seat.position
    entry.buffer = max(0.0, seat.buffer_end - seat.position)
    entry.latency = media_end(P, now) - seat.position if P.s.live else math.nan


@inner
def _log_played(P: Plane, v: int, segment: int, due: float, played: float) -> None:
    n = P.counts[N_PLAYED]
    P.counts[N_PLAYED] = n + 1
    slot, entry = segment % P.L.slot.shape[1], P.played[n]
    fetch = P.fetch[v, slot]
    entry.viewer, entry.segment = v, segment
    entry.asked_at, entry.done_at, entry.due_at, entry.played_at = fetch.asked_at, fetch.done_at, due, played
    entry.http, entry.p2p = P.from_http[v, slot], fetch.p2p
    entry.channel, entry.level = P.seat[v].channel, P.L.slot[v, slot].level
    entry.poisoned = 1 if P.L.slot[v, slot].stored == SPOILED else 0
