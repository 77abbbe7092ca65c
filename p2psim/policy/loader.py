"""The queue pass of p2p-media-loader 2.3: tidy the retained requests, then decide what to load next, and from whom.

It runs after every event of interest. A pass changes the loader's rows at once and writes the commands that its
caller carries out, in order:

====================  =======  ====================================================================
command               link     meaning
====================  =======  ====================================================================
START_HTTP            bytes    fetch the segment over HTTP, from the given byte on
START_P2P             place    request it from the neighbour in this place (its bytes so far resume)
ABORT_HTTP            -        stop the fetch
ABORT_P2P             place    cancel the request
DELIVER               -        hand the segment to the player
REJECT                -        tell the player that it cannot be had
STORE                 source   keep it (already booked as stored)
COMPLETE              source   all its bytes were there already: report it as loaded
ANNOUNCE              -        tell the neighbours, once the pass is over
====================  =======  ====================================================================
"""

import numpy as np
from numpy.typing import NDArray

from p2psim.compiled import entry, inner, tiny
from p2psim.policy.custom import BY_HTTP, BY_P2P, STANDARD, call_decision
from p2psim.policy.peer_choice import choose_holder
from p2psim.policy.queue import Windows, in_window, is_offered, queue_span, windows
from p2psim.policy.requests import abort, clear_failures, find, forget, loading, make, start
from p2psim.policy.state import (
    FAILED,
    HTTP,
    IDLE,
    LOADING,
    NOBODY,
    P2P,
    SPOILED,
    SUCCEEDED,
    Loaders,
    Options,
    Timeline,
)
from p2psim.policy.storage import free_percent, store
from p2psim.rng import uniform

__all__ = [
    "ABORT_HTTP",
    "ABORT_P2P",
    "ANNOUNCE",
    "COMPLETE",
    "DELIVER",
    "PASS_INTERVAL",
    "REJECT",
    "ROUNDING",
    "START_HTTP",
    "START_P2P",
    "STORE",
    "abort_all",
    "command_buffer",
    "hold",
    "loaded_share",
    "player_requests",
    "playhead_moves",
    "queue_pass",
    "start_http",
]

Commands = NDArray[np.int64]

START_HTTP, START_P2P, ABORT_HTTP, ABORT_P2P, DELIVER, REJECT, STORE, COMPLETE, ANNOUNCE = range(9)

PASS_INTERVAL = 1.0
"""Reports of the playhead cause a pass at most once per so many seconds."""
ROUNDING = 1e-9
"""Seconds by which a difference of two times may be off."""
_FORGIVEN_AFTER = 60.0
"""Failed attempts are forgotten so long after the last."""


def command_buffer(requests: int, slots: int) -> Commands:
    """Make a buffer that no pass overflows: row 0 holds the count, rows 1… (command, segment, link)."""
    return np.zeros((4 * (requests + slots) + 16, 3), np.int64)


@inner
def _say(out: Commands, command: int, segment: int, link: int) -> None:
    n = out[0, 0] + 1
    out[0, 0] = n
    out[n, 0] = command
    out[n, 1] = segment
    out[n, 2] = link


@inner
def _announce(L: Loaders, v: int, out: Commands) -> None:
    if L.viewer[v].announce == 0 and L.viewer[v].uploads != 0:
        L.viewer[v].announce = 1
        _say(out, ANNOUNCE, NOBODY, NOBODY)


@entry
def player_requests(L: Loaders, v: int, segment: int) -> bool:
    """The player asks for a segment; True if it is stored and can be handed over at once.

    Otherwise it replaces what the player waited for before. Either way a pass is due.
    """
    L.viewer[v].requested = segment
    if L.slot[v, segment % L.slot.shape[1]].stored != 0:
        return True
    L.viewer[v].waiting = segment
    L.viewer[v].urgent = 0
    i = find(L, v, segment)
    if i != NOBODY and L.request[i, v].status == FAILED:
        clear_failures(L, v, i)
    return False


@entry
def playhead_moves(L: Loaders, v: int, position: float, rate: float, mean_segment: float, now: float) -> bool:
    """Report the playhead; True if a pass is due: after a jump of half a segment, else once a second."""
    if position == L.viewer[v].position and rate == L.viewer[v].rate:
        return False
    jump = abs(position - L.viewer[v].position) / mean_segment > 0.5
    L.viewer[v].position = position
    if rate != 0:
        L.viewer[v].rate = rate
    if jump and L.viewer[v].waiting != NOBODY:
        L.viewer[v].urgent = 1
    L.viewer[v].jumped = 1
    return jump or now - L.viewer[v].passed > PASS_INTERVAL + ROUNDING


@tiny
def hold(L: Loaders, o: Options, v: int, now: float) -> bool:
    """Whether the initial hold of HTTP is on."""
    return o.http_hold > 0 and now - L.viewer[v].born < o.http_hold - ROUNDING


@entry
def queue_pass(L: Loaders, o: Options, T: Timeline, v: int, now: float, out: Commands) -> float:
    """Run one pass; gives the share of the queue that is loaded. Commands stand in `out` from row 1 on."""
    out[0, 0] = 0
    w = windows(o, free_percent(L, T, v))
    begin, end, grace = queue_span(L, o, T, v, w)
    ratio = _loaded_share(L, v, begin, end)
    _tidy(L, o, T, v, begin, end, now, out)
    L.viewer[v].passed = now
    if o.plain:
        _serve_player(L, o, v, out)
        return ratio
    held = hold(L, o, v, now)
    if L.viewer[v].waiting != NOBODY and L.viewer[v].urgent != 0:
        _serve_urgent(L, o, v, held, out)
    for segment in range(begin, end):
        urgent = (grace and segment == begin) or in_window(L, T, v, segment, w.high_demand)
        if not _assign(L, o, T, v, segment, end, urgent, held, w, out):
            break
    return ratio


@entry
def loaded_share(L: Loaders, o: Options, T: Timeline, v: int) -> float:
    """Share of the queue that is loaded."""
    begin, end, _ = queue_span(L, o, T, v, windows(o, free_percent(L, T, v)))
    return _loaded_share(L, v, begin, end)


@inner
def _loaded_share(L: Loaders, v: int, head: int, end: int) -> float:
    slots = L.slot.shape[1]
    if end <= head:
        return 0.0
    loaded, slot = 0, head % slots
    for _ in range(head, end):
        loaded += 1 if L.slot[v, slot].stored != 0 else 0
        slot = slot + 1 if slot + 1 < slots else 0
    for i in range(L.viewer[v].retained):
        inside = head <= L.request[i, v].segment < end
        if inside and L.request[i, v].status == SUCCEEDED:
            loaded += 1
    return loaded / (end - head)


@inner
def _tidy(L: Loaders, o: Options, T: Timeline, v: int, begin: int, end: int, now: float, out: Commands) -> None:
    i = 0
    while i < L.viewer[v].retained:
        segment = L.request[i, v].segment
        status = L.request[i, v].status
        waited = L.viewer[v].waiting == segment
        keep = True
        if status == LOADING:
            kept = o.from_playhead and L.viewer[v].first <= segment < begin and T.end[segment] > L.viewer[v].position
            if not (begin <= segment < end) and not waited and not kept:
                _abort(L, v, i, out)
                keep = False
        elif status == SUCCEEDED:
            _hand_over(L, o, T, v, i, waited, out)
            keep = False
        elif status == FAILED:
            keep = _review_failure(L, o, v, i, waited, out)
        else:
            keep = False
        if keep:
            L.request[i, v].handled = 1
            if L.request[i, v].failures > 0 and now - L.request[i, v].failed_at > _FORGIVEN_AFTER + ROUNDING:
                clear_failures(L, v, i)
            i += 1
        else:
            forget(L, v, i)


@inner
def _hand_over(L: Loaders, o: Options, T: Timeline, v: int, i: int, waited: bool, out: Commands) -> None:
    segment = L.request[i, v].segment
    if L.request[i, v].source == HTTP:
        _announce(L, v, out)
    if waited:
        _say(out, DELIVER, segment, NOBODY)
        L.viewer[v].waiting = NOBODY
    if L.size.shape[1] > 1:
        L.size[v, segment % L.size.shape[1]] = L.request[i, v].bytes
    store(L, o, T, v, segment)
    if L.request[i, v].spoiled != 0:
        L.slot[v, segment % L.slot.shape[1]].stored = SPOILED
    _say(out, STORE, segment, L.request[i, v].source)
    _announce(L, v, out)


@inner
def _review_failure(L: Loaders, o: Options, v: int, i: int, waited: bool, out: Commands) -> bool:
    if L.request[i, v].source == HTTP and L.request[i, v].handled == 0:
        _announce(L, v, out)
    if waited and L.request[i, v].http_failures >= o.http_retries:
        L.viewer[v].waiting = NOBODY
        _say(out, REJECT, L.request[i, v].segment, NOBODY)
    return waited or L.viewer[v].first <= L.request[i, v].segment < L.viewer[v].last


@inner
def _serve_player(L: Loaders, o: Options, v: int, out: Commands) -> None:
    """Fetch just what the player asks for."""
    if L.viewer[v].waiting == NOBODY:
        return
    i = find(L, v, L.viewer[v].waiting)
    if i == NOBODY or (L.request[i, v].status != LOADING and L.request[i, v].http_failures < o.http_retries):
        start_http(L, v, L.viewer[v].waiting, out)


@inner
def _serve_urgent(L: Loaders, o: Options, v: int, held: bool, out: Commands) -> None:
    segment = L.viewer[v].waiting
    i = find(L, v, segment)
    if i != NOBODY and L.request[i, v].status in (LOADING, SUCCEEDED):
        return
    tried = L.request[i, v].http_failures if i != NOBODY else 0
    if not held and tried < o.http_retries and loading(L, v, HTTP) < o.http_slots:
        start_http(L, v, segment, out)
    elif L.slot[v, segment % L.slot.shape[1]].holders > 0 and loading(L, v, P2P) < o.p2p_slots:
        _start_p2p(L, v, segment, out)


@inner
def _assign(
    L: Loaders,
    o: Options,
    T: Timeline,
    v: int,
    segment: int,
    end: int,
    urgent: bool,
    held: bool,
    w: Windows,
    out: Commands,
) -> bool:
    """Decide on one segment; False if no later one can be started either."""
    slots = L.slot.shape[1]
    if L.slot[v, segment % slots].stored != 0:
        return True
    i = find(L, v, segment)
    status = L.request[i, v].status if i != NOBODY else IDLE
    if status == SUCCEEDED:
        return True
    if o.decide != 0:
        _obey(L, o, T, v, i, segment, end, urgent, held, w, out)
        return True
    if urgent:
        _assign_urgent(L, o, v, i, segment, end, held, out)
        return True
    if loading(L, v, P2P) >= o.p2p_slots:
        # windows open forward: nothing later is urgent, and only a free slot starts anything else
        return not _beyond_high_demand(L, T, v, segment, w)
    if status != LOADING and is_offered(L, v, segment) and in_window(L, T, v, segment, w.p2p):
        _start_p2p(L, v, segment, out)
    return True


@inner
def _obey(
    L: Loaders, o: Options, T: Timeline, v: int, i: int, segment: int, end: int, urgent: bool, held: bool, w: Windows,
    out: Commands,
) -> None:  # fmt: skip
    """Do with one segment what the user's own function says."""
    state = int(L.request[i, v].source) if i != NOBODY and L.request[i, v].status == LOADING else 0
    tried = L.request[i, v].http_failures if i != NOBODY else 0
    facts = L.facts
    facts[0], facts[1], facts[2], facts[3] = T.start[segment], T.end[segment], L.viewer[v].position, L.viewer[v].rate
    facts[4] = w.high_demand
    facts[5] = L.slot[v, segment % L.slot.shape[1]].holders
    facts[6] = L.slot[v, segment % L.slot.shape[1]].fetchers
    facts[7] = L.viewer[v].degree
    facts[8] = 1.0 if urgent else 0.0
    facts[9] = state
    facts[10] = tried
    facts[11] = o.http_slots - loading(L, v, HTTP)
    facts[12] = o.p2p_slots - loading(L, v, P2P)
    facts[13] = 1.0 if held else 0.0
    facts[14] = 1.0 if L.viewer[v].waiting == segment else 0.0
    facts[15] = uniform(L.random, v)
    choice = call_decision(o.decide, facts)
    if choice == STANDARD:
        if urgent:
            _assign_urgent(L, o, v, i, segment, end, held, out)
        elif state == 0 and facts[12] > 0 and is_offered(L, v, segment) and in_window(L, T, v, segment, w.p2p):
            _start_p2p(L, v, segment, out)
    elif choice == BY_HTTP and state != HTTP and _free_slot(L, v, HTTP, o.http_slots, segment, end, out):
        if state == P2P:
            _abort(L, v, i, out)
        start_http(L, v, segment, out)
    elif choice == BY_P2P and state == 0 and _free_slot(L, v, P2P, o.p2p_slots, segment, end, out):
        _start_p2p(L, v, segment, out)


@tiny
def _beyond_high_demand(L: Loaders, T: Timeline, v: int, segment: int, w: Windows) -> bool:
    return L.viewer[v].position + w.high_demand * L.viewer[v].rate < T.start[segment]


@inner
def _assign_urgent(L: Loaders, o: Options, v: int, i: int, segment: int, end: int, held: bool, out: Commands) -> None:
    tried = L.request[i, v].http_failures if i != NOBODY else 0
    http = not held and tried < o.http_retries
    if i != NOBODY and L.request[i, v].status == LOADING:
        if http and L.request[i, v].source == P2P and _free_slot(L, v, HTTP, o.http_slots, segment, end, out):
            _abort(L, v, i, out)
            start_http(L, v, segment, out)
        return
    if http and _free_slot(L, v, HTTP, o.http_slots, segment, end, out):
        start_http(L, v, segment, out)
    elif L.slot[v, segment % L.slot.shape[1]].holders > 0 and _free_slot(L, v, P2P, o.p2p_slots, segment, end, out):
        _start_p2p(L, v, segment, out)


@inner
def _free_slot(L: Loaders, v: int, source: int, slots: int, segment: int, end: int, out: Commands) -> bool:
    """Whether a slot is free, if need be by aborting the last request of the queue behind `segment`."""
    if loading(L, v, source) < slots:
        return True
    victim, behind = NOBODY, segment
    for i in range(L.viewer[v].retained):
        other = L.request[i, v].segment
        if L.request[i, v].status == LOADING and L.request[i, v].source == source and behind < other < end:
            victim, behind = i, other
    if victim == NOBODY:
        return False
    _abort(L, v, victim, out)
    return True


@inner
def _abort(L: Loaders, v: int, i: int, out: Commands) -> None:
    segment, source = L.request[i, v].segment, L.request[i, v].source
    link = abort(L, v, i)
    _say(out, ABORT_P2P if source == P2P else ABORT_HTTP, segment, link)


@entry
def abort_all(L: Loaders, v: int, out: Commands) -> None:
    """Abort every request that is loading: the viewer leaves."""
    out[0, 0] = 0
    L.viewer[v].waiting = NOBODY
    for i in range(L.viewer[v].retained):
        if L.request[i, v].status == LOADING:
            _abort(L, v, i, out)


@inner
def start_http(L: Loaders, v: int, segment: int, out: Commands) -> None:
    """Fetch a segment over HTTP from where its partial bytes end."""
    i = make(L, v, segment)
    if i == NOBODY:
        return
    if start(L, v, i, HTTP, NOBODY):
        _say(out, START_HTTP, segment, int(L.request[i, v].bytes))
    else:
        _say(out, COMPLETE, segment, HTTP)
    _announce(L, v, out)


@inner
def _start_p2p(L: Loaders, v: int, segment: int, out: Commands) -> None:
    link = choose_holder(L, v, segment)
    if link == NOBODY:
        return
    i = make(L, v, segment)
    if i == NOBODY:
        return
    if start(L, v, i, P2P, link):
        _say(out, START_P2P, segment, link)
    else:
        _say(out, COMPLETE, segment, P2P)
