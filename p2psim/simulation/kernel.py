"""The data plane's clock: events and ends of flows in order of time, then the queue passes they cause."""

import math

from p2psim.compiled import entry, inner, tiny, touch
from p2psim.network.sharing import next_finish, stage_capacity
from p2psim.network.sharing import settle as share
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
from p2psim.policy.neighbours import set_announced
from p2psim.policy.player import reload_delay, retry_delay
from p2psim.policy.prefetch import prefetch_delay, prefetch_round
from p2psim.policy.requests import find
from p2psim.policy.state import ABSENT, HTTP, NOBODY, P2P
from p2psim.policy.storage import reclaim
from p2psim.simulation.calendar import (
    ANNOUNCED,
    BEGIN,
    CHECK,
    CONNECT,
    CONSENT,
    DRY,
    PLAYER,
    PREFETCH,
    RELOAD,
    SECOND,
    URGENT,
    has_room,
    kind_of,
    next_event,
    pop,
    push,
)
from p2psim.simulation.parting import forget_fetched, lose_consent, part
from p2psim.simulation.plane import (
    AWAY,
    BIN_PEERS,
    BIN_STALLED,
    BIN_VIEWERS,
    GONE,
    N_CONNECTIONS,
    N_DIRTY,
    N_HANDLED,
    N_PASSES,
    N_PLAYED,
    N_STATES,
    N_SWITCHED,
    N_TRANSFERS,
    PLAYING,
    STALLED,
    STARTING,
    Plane,
)
from p2psim.simulation.swarm import hear, leave, meet, stop_watching, tell, zap
from p2psim.simulation.transfers import (
    ABORTED,
    ASKED,
    FLOWING,
    FREE,
    ask,
    begin,
    book,
    carried,
    finish,
    give_up,
    mark,
    sync,
    usable,
)
from p2psim.simulation.transfers import (
    STALLED as TIMED_OUT,
)
from p2psim.simulation.viewing import check, deliver, dry, media_end, position_at, reported_position, take_seat

__all__ = [
    "CALL",
    "DONE",
    "FULL",
    "advance",
    "arrive",
    "change_capacity",
    "close_run",
    "cut",
    "cut_all",
    "depart",
    "later_connect",
    "start_clock",
    "turn_to",
]

DONE, FULL, CALL = 0, 1, 2
_MOMENT = 1e-9
_ROOM = 4096
"""Entries that the logs keep free: more than one step of the clock can write."""


@entry
def advance(P: Plane, until: float) -> int:
    """Run until just before `until`.

    FULL if logs or calendar have to be emptied or enlarged first; CALL if viewers have changed to another quality, of
    which the control plane has to tell the tracker.
    """
    while True:
        if P.counts[N_SWITCHED] > 0:
            return CALL
        share(P.N, P.clock[0])
        at = min(next_event(P), next_finish(P.N))
        passes_due = P.counts[N_DIRTY] > 0 and at > P.clock[0]
        if at >= until and not passes_due:
            break
        if _crowded(P):
            return FULL
        if passes_due:
            _run_passes(P, P.clock[0])
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
def _finish(P: Plane, row: int, now: float) -> None:
    other = P.xfer[row].other
    if not finish(P, row, now):
        part(P, P.N.flow[row].owner, other, now)


@tiny
def _crowded(P: Plane) -> bool:
    if not has_room(P, _ROOM):
        return True
    if not P.s.events:
        return False
    return (
        P.counts[N_TRANSFERS] + _ROOM > len(P.transfers)
        or P.counts[N_PLAYED] + _ROOM > len(P.played)
        or P.counts[N_STATES] + _ROOM > len(P.states)
        or P.counts[N_CONNECTIONS] + _ROOM > len(P.connections)
    )


@entry
def arrive(P: Plane, v: int, now: float) -> None:
    """A viewer comes: it loads the playlists, then starts to play."""
    P.clock[0] = max(P.clock[0], now)
    P.seat[v].joined_at = now
    push(P, now + 2 * P.s.origin_latency, RELOAD, v, 0, 0)


@entry
def turn_to(P: Plane, v: int, channel: int, now: float) -> None:
    """A viewer zaps to another channel."""
    P.clock[0] = max(P.clock[0], now)
    zap(P, v, channel, now)


@entry
def change_capacity(P: Plane, link: int, capacity: float, now: float) -> None:
    """A link carries more or less from now on."""
    P.clock[0] = max(P.clock[0], now)
    stage_capacity(P.N, link, capacity)


@entry
def cut(P: Plane, a: int, b: int, now: float) -> None:
    """A connection is lost."""
    P.clock[0] = max(P.clock[0], now)
    part(P, a, b, now)


@entry
def cut_all(P: Plane, v: int, now: float) -> None:
    """A viewer closes all its connections."""
    P.clock[0] = max(P.clock[0], now)
    lose_consent(P, v, now)


@entry
def depart(P: Plane, v: int, crash: bool, now: float) -> None:
    """A viewer leaves."""
    P.clock[0] = max(P.clock[0], now)
    leave(P, v, crash, now)


@entry
def later_connect(P: Plane, a: int, b: int, relayed: int, at: float) -> bool:
    """Schedule the opening of a connection, direct or through a relay; False if the calendar is full."""
    return push(P, at, CONNECT, a, b, relayed)


@tiny
def _handle(P: Plane) -> None:
    event = P.today[0]
    now, kind, v = event.at, kind_of(event.order), event.viewer
    a, b = event.a, event.b
    pop(P)
    if kind == SECOND:
        _tick(P, now)
        return
    if kind == CONNECT:
        meet(P, v, a, b, now)
        return
    if kind == CONSENT:
        lose_consent(P, v, now)
        return
    if kind == ANNOUNCED:
        if P.seat[v].state < GONE:
            hear(P, v, a, b, now)
        return
    if P.seat[v].state >= GONE:
        return
    if kind == BEGIN:
        if P.xfer[a].serial == b and P.xfer[a].state == ASKED:
            begin(P, v, a, now)
    elif kind == CHECK:
        if P.xfer[a].serial == b and P.xfer[a].state != FREE:
            _check_progress(P, v, a, b, now)
    elif kind == PLAYER:
        check(P, v, now)
    elif kind == DRY:
        dry(P, v, now)
        check(P, v, now)
    elif kind == URGENT:
        _meet_border(P, v, now)
    elif a != P.seat[v].visit:
        return  # of a channel that the viewer has left
    elif kind == PREFETCH:
        _prefetch(P, v, now)
    elif kind == RELOAD:
        _reload(P, v, now)


# -- what the events do ---------------------------------------------------------------------------------------------


@tiny
def _check_progress(P: Plane, v: int, row: int, serial: int, now: float) -> None:
    """Time out a transfer that has brought nothing for too long: no byte over HTTP, no whole message from a peer."""
    x = P.xfer[row]
    limit, last = P.o.p2p_timeout, math.nan
    if x.source == P2P:
        last = _last_message(P, row, now)
    else:
        limit, got = P.o.http_timeout, carried(P, row, now)
        if got >= x.checked + 0.5:
            last = now if P.N.flow[row].rate > 0.0 else P.N.flow[row].since
        x.checked = got
    if last + limit > now + _MOMENT:
        push(P, last + limit, CHECK, v, row, serial)
        return
    other = x.other
    if give_up(P, v, row, TIMED_OUT, now):
        part(P, v, other, now)


@inner
def _last_message(P: Plane, row: int, now: float) -> float:
    """When the last message of a transfer came, be it the answer's head; NaN if none has since the last check."""
    x = P.xfer[row]
    if x.state != FLOWING:
        return math.nan
    got = carried(P, row, now)
    whole = math.floor((got + 0.5) / P.s.chunk) * P.s.chunk
    if whole <= x.checked:
        return x.first_byte_at if x.checked == 0.0 else math.nan
    x.checked = whole
    rate = P.N.flow[row].rate * P.s.goodput
    return max(x.first_byte_at, now - (got - whole) / rate) if rate > 0.0 else P.N.flow[row].since


@tiny
def _reload(P: Plane, v: int, now: float) -> None:
    """A playlist arrives, as it was half a request ago."""
    me = P.L.viewer[v]
    asked = now - P.s.origin_latency
    last = len(P.T.end)
    if P.s.live:
        last = math.floor(asked / P.s.segment + 1e-9) + P.s.window
    news = last > me.last
    if news:
        _extend(P, v, last)
    if P.seat[v].state == AWAY:
        take_seat(P, v, now)
        push(P, now + prefetch_delay(P.L, P.o, v), PREFETCH, v, P.seat[v].visit, 0)
        check(P, v, now)
    elif news:
        if me.waiting != NOBODY and me.waiting < me.first:
            me.waiting = NOBODY  # gone from the playlist: hls.js seeks to live, and its loader is aborted
        check(P, v, now)
        mark(P, v)
    if P.s.live:
        again = asked + reload_delay(P.s.segment, news) + P.s.origin_latency
        push(P, again, RELOAD, v, P.seat[v].visit, 0)


@inner
def _extend(P: Plane, v: int, last: int) -> None:
    me = P.L.viewer[v]
    slots = P.L.slot.shape[1]
    first = max(0, last - P.s.window) if P.s.live else 0
    for segment in range(max(me.last, first), last):
        reclaim(P.L, v, segment)
        forget_fetched(P, v, segment % slots)
        if P.L.slot[v, segment % slots].told != ABSENT:
            P.L.slot[v, segment % slots].told = ABSENT
            set_announced(P.L, v, segment, ABSENT)
    me.first, me.last = first, last


@inner
def _meet_border(P: Plane, v: int, now: float) -> None:
    """The playhead's report may have brought a segment into a window: such reports cause a pass once a second."""
    seat = P.seat[v]
    if now < seat.urgent_at:
        return
    if now - seat.passed > 1.0:
        mark(P, v)
        return
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


@tiny
def _prefetch(P: Plane, v: int, now: float) -> None:
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


# -- queue passes ---------------------------------------------------------------------------------------------------


@tiny
def _run_passes(P: Plane, now: float) -> None:
    """Run passes that are due, while there is room; one may make another due, of the same viewer or a neighbour."""
    done = 0
    while done < P.counts[N_DIRTY] and not _crowded(P):
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
            push(P, now + retry_delay(P.seat[v].failures), PLAYER, v, 0, 0)
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


# -- the time line --------------------------------------------------------------------------------------------------


@inner
def _tick(P: Plane, now: float) -> None:
    """Once a second: book the bytes of running transfers, count viewers, stalls and neighbours."""
    second = round(now)
    for i in range(P.N.counts[0]):
        row = P.N.finish[i].who
        book(P, row, usable(P, row, now), now)
    if second >= len(P.bins):
        return
    if second == math.ceil(P.s.warmup) and second > 0:
        _forget_warmup(P, now)
    for v in range(len(P.seat)):
        seat = P.seat[v]
        if seat.state == AWAY or seat.state >= GONE:
            continue
        degree = P.L.viewer[v].degree
        P.bins[second, BIN_VIEWERS] += 1
        P.bins[second, BIN_PEERS] += degree
        if seat.state == STALLED:
            P.bins[second, BIN_STALLED] += 1
        seat.peers_sum += degree
        seat.ticks += 1
        if P.s.live and seat.state == PLAYING:
            seat.latency_sum += media_end(P, now) - position_at(P, v, now)
            seat.latency_ticks += 1
    push(P, now + 1.0, SECOND, 0, 0, 0)


@inner
def _forget_warmup(P: Plane, now: float) -> None:
    """The run begins to count here."""
    for v in range(len(P.seat)):
        seat = P.seat[v]
        seat.bytes_http, seat.bytes_p2p, seat.bytes_up = 0.0, 0.0, 0.0
        tally = P.tally[v]
        tally.bytes_relayed, tally.bytes_far, tally.zap_wait, tally.zaps, tally.switches = 0.0, 0.0, 0.0, 0, 0
        seat.played_http, seat.played_p2p = 0.0, 0.0
        seat.http_wait, seat.p2p_wait, seat.http_time, seat.p2p_time = 0.0, 0.0, 0.0, 0.0
        seat.http_transfers, seat.p2p_transfers = 0, 0
        seat.peers_sum, seat.latency_sum, seat.stalled, seat.played = 0.0, 0.0, 0.0, 0.0
        seat.ticks, seat.latency_ticks, seat.stalls = 0, 0, 0
        seat.stall_began = max(seat.stall_began, now) if seat.state == STALLED else seat.stall_began
        if seat.state == PLAYING:
            seat.position, seat.anchor = position_at(P, v, now), now


@entry
def start_clock(P: Plane) -> None:
    """Start the time line."""
    push(P, 0.0, SECOND, 0, 0, 0)


@entry
def close_run(P: Plane, first: int, end: float) -> int:
    """The run is over: what is under way counts up to here. Gives the viewer to go on with once logs are emptied."""
    for v in range(first, len(P.seat)):
        if _crowded(P):
            return v
        if P.seat[v].state != AWAY and P.seat[v].state < GONE:
            stop_watching(P, v, end)
    return len(P.seat)
