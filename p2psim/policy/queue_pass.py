"""The queue pass of p2p-media-loader 2.3, in pieces that versions share.

`begin_pass` measures the queue and tidies the retained requests, `serve_urgent` cares for a player that jumped, and
`assign` decides on one segment: whether to load it, and from whom. A pass changes the loader's rows at once and writes
the commands that its caller carries out (`p2psim.policy.state.commands`).
"""

from typing import NamedTuple

from p2psim.compiled import inner, tiny
from p2psim.policy.peer_choice import choose_holder
from p2psim.policy.queue import Windows, in_window, is_offered, queue_span, windows
from p2psim.policy.state.commands import (
    ABORT_HTTP,
    ABORT_P2P,
    COMPLETE,
    DELIVER,
    REJECT,
    START_HTTP,
    START_P2P,
    STORE,
    Commands,
    add,
    announce,
    clear,
)
from p2psim.policy.state.options import Options
from p2psim.policy.state.records import (
    FAILED,
    FAILING,
    HTTP,
    IDLE,
    LOADING,
    NOBODY,
    P2P,
    RESTLESS,
    ROUNDING,
    SPOILED,
    SUCCEEDED,
    URGENT,
    Loaders,
    Timeline,
)
from p2psim.policy.state.requests import abort, clear_failures, find, forget, loading, make, start
from p2psim.policy.state.storage import FULL, free_percent, store

__all__ = [
    "FORGIVEN_AFTER",
    "Pass",
    "abort_request",
    "assign",
    "assign_urgent",
    "begin_pass",
    "free_slot",
    "hold",
    "is_settled",
    "is_urgent",
    "loaded_share",
    "may_be_replaced",
    "serve_urgent",
    "start_http",
    "start_p2p",
]

FORGIVEN_AFTER = 60.0
"""Failed attempts are forgotten so many seconds after the last."""


class Pass(NamedTuple):
    """Queue and hold of a pass, as found before its decisions."""

    begin: int
    """First segment of the queue."""
    end: int
    """Segment behind the last of the queue."""
    grace: bool
    """The first segment is urgent although it is in no window."""
    held: bool
    """The initial hold of HTTP is on."""
    windows: Windows
    loaded: float
    """Share of the queue that is loaded."""


@tiny
def hold(L: Loaders, o: Options, v: int, now: float) -> bool:
    """Return whether the initial hold of HTTP is on."""
    return o.http_hold > 0 and now - L.viewer[v].born < o.http_hold - ROUNDING


@inner
def begin_pass(L: Loaders, o: Options, T: Timeline, v: int, now: float, out: Commands) -> Pass:
    """Return the queue as it is now, after tidying the requests: what is done is handed over, what is stale aborted."""
    clear(out)
    w = windows(o, free_percent(L, T, v))
    begin, end, grace = queue_span(L, o, T, v, w)
    loaded = _loaded_share(L, v, begin, end)
    _tidy(L, o, T, v, begin, end, now, out)
    L.viewer[v].last_pass_at = now
    return Pass(begin, end, grace, hold(L, o, v, now), w, loaded)


@inner
def loaded_share(L: Loaders, o: Options, T: Timeline, v: int) -> float:
    """Return the share of the queue that is loaded."""
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
    i, pending = 0, 0
    while i < L.viewer[v].retained:
        segment = L.request[i, v].segment
        status = L.request[i, v].status
        waited = L.viewer[v].waiting == segment
        keep = True
        if status == LOADING:
            kept = o.from_playhead and L.viewer[v].first <= segment < begin and T.end[segment] > L.viewer[v].position
            if not (begin <= segment < end) and not waited and not kept:
                abort_request(L, v, i, out)
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
            if L.request[i, v].failures > 0 and now - L.request[i, v].failed_at > FORGIVEN_AFTER + ROUNDING:
                clear_failures(L, v, i)
            pending |= FAILING if L.request[i, v].failures > 0 else 0
            i += 1
        else:
            forget(L, v, i)
    if L.viewer[v].stored_bytes >= FULL * L.storage[v]:
        pending |= RESTLESS
    L.viewer[v].pending = L.viewer[v].pending & URGENT | pending


@inner
def _hand_over(L: Loaders, o: Options, T: Timeline, v: int, i: int, waited: bool, out: Commands) -> None:
    segment = L.request[i, v].segment
    if L.request[i, v].source == HTTP:
        announce(L, v, out)
    if waited:
        add(out, DELIVER, segment, NOBODY, 0, 0)
        L.viewer[v].waiting = NOBODY
    if L.size.shape[1] > 1:
        L.size[v, segment % L.size.shape[1]] = L.request[i, v].bytes
    store(L, o, T, v, segment)
    if L.request[i, v].spoiled != 0:
        L.slot[v, segment % L.slot.shape[1]].stored = SPOILED
    add(out, STORE, segment, NOBODY, L.request[i, v].source, 0)
    announce(L, v, out)


@inner
def _review_failure(L: Loaders, o: Options, v: int, i: int, waited: bool, out: Commands) -> bool:
    if L.request[i, v].source == HTTP and L.request[i, v].handled == 0:
        announce(L, v, out)
    if waited and L.request[i, v].http_failures >= o.http_retries:
        L.viewer[v].waiting = NOBODY
        add(out, REJECT, L.request[i, v].segment, NOBODY, 0, 0)
    return waited or L.viewer[v].first <= L.request[i, v].segment < L.viewer[v].last


@inner
def serve_urgent(L: Loaders, o: Options, v: int, held: bool, out: Commands) -> None:
    """Start the segment that the player waits for after a jump, if a slot is free."""
    if L.viewer[v].waiting == NOBODY or L.viewer[v].pending & URGENT == 0:
        return
    segment = L.viewer[v].waiting
    i = find(L, v, segment)
    if i != NOBODY and L.request[i, v].status in (LOADING, SUCCEEDED):
        return
    tried = L.request[i, v].http_failures if i != NOBODY else 0
    if not held and tried < o.http_retries and loading(L, v, HTTP) < o.http_slots:
        start_http(L, v, segment, out)
    elif L.slot[v, segment % L.slot.shape[1]].holders > 0 and loading(L, v, P2P) < o.p2p_slots:
        start_p2p(L, v, segment, out)


@inner
def is_urgent(L: Loaders, T: Timeline, v: int, segment: int, q: Pass) -> bool:
    """Return whether a segment of the queue is in the high-demand window."""
    return (q.grace and segment == q.begin) or in_window(L, T, v, segment, q.windows.high_demand)


@inner
def is_settled(L: Loaders, v: int, segment: int) -> bool:
    """Return whether all bytes of a segment are here."""
    if L.slot[v, segment % L.slot.shape[1]].stored != 0:
        return True
    i = find(L, v, segment)
    return i != NOBODY and L.request[i, v].status == SUCCEEDED


@inner
def assign(L: Loaders, o: Options, T: Timeline, v: int, segment: int, q: Pass, out: Commands) -> bool:
    """Decide on one segment of the queue; False if no later one can be started either."""
    if L.slot[v, segment % L.slot.shape[1]].stored != 0:
        return True
    i = find(L, v, segment)
    status = L.request[i, v].status if i != NOBODY else IDLE
    if status == SUCCEEDED:
        return True
    if is_urgent(L, T, v, segment, q):
        assign_urgent(L, o, v, i, segment, q, out)
        return True
    if loading(L, v, P2P) >= o.p2p_slots:
        # windows open forward: nothing later is urgent, and only a free slot starts anything else
        return not _beyond_high_demand(L, T, v, segment, q.windows)
    if status != LOADING and is_offered(L, v, segment) and in_window(L, T, v, segment, q.windows.p2p):
        start_p2p(L, v, segment, out)
    return True


@tiny
def _beyond_high_demand(L: Loaders, T: Timeline, v: int, segment: int, w: Windows) -> bool:
    return L.viewer[v].position + w.high_demand * L.viewer[v].rate < T.start[segment]


@inner
def assign_urgent(L: Loaders, o: Options, v: int, i: int, segment: int, q: Pass, out: Commands) -> None:
    """Load an urgent segment: over HTTP if a slot can be had, also in the place of a peer, else from a peer."""
    tried = L.request[i, v].http_failures if i != NOBODY else 0
    http = not q.held and tried < o.http_retries
    if i != NOBODY and L.request[i, v].status == LOADING:
        if http and L.request[i, v].source == P2P and free_slot(L, v, HTTP, o.http_slots, segment, q.end, out):
            abort_request(L, v, i, out)
            start_http(L, v, segment, out)
        return
    if http and free_slot(L, v, HTTP, o.http_slots, segment, q.end, out):
        start_http(L, v, segment, out)
        return
    has_holder = L.slot[v, segment % L.slot.shape[1]].holders > 0
    if has_holder and free_slot(L, v, P2P, o.p2p_slots, segment, q.end, out) and not start_p2p(L, v, segment, out):
        L.viewer[v].pending |= RESTLESS  # what is behind gets the slot, and loses it again in the next pass


@inner
def free_slot(L: Loaders, v: int, source: int, slots: int, segment: int, end: int, out: Commands) -> bool:
    """Return whether a slot is free, if need be by aborting the last request of the queue behind `segment`."""
    if loading(L, v, source) < slots:
        return True
    victim, behind = NOBODY, segment
    for i in range(L.viewer[v].retained):
        other = L.request[i, v].segment
        if L.request[i, v].status == LOADING and L.request[i, v].source == source and behind < other < end:
            victim, behind = i, other
    if victim == NOBODY:
        return False
    abort_request(L, v, victim, out)
    return True


@inner
def may_be_replaced(L: Loaders, o: Options, T: Timeline, v: int, segment: int) -> bool:
    """Return whether the next pass may end a fetch of `segment` for an urgent one that a peer is sending."""
    for i in range(L.viewer[v].retained):
        row = L.request[i, v]
        is_earlier = row.status == LOADING and row.source == P2P and row.segment < segment
        if is_earlier and in_window(L, T, v, row.segment, o.high_demand_window):
            return True
    return False


@inner
def abort_request(L: Loaders, v: int, i: int, out: Commands) -> None:
    """Abort a request that is loading."""
    segment, source = L.request[i, v].segment, L.request[i, v].source
    if L.request[i, v].failures > 0:
        L.viewer[v].pending |= RESTLESS  # the next pass forgets the request, and may repeat what had failed
    link = abort(L, v, i)
    add(out, ABORT_P2P if source == P2P else ABORT_HTTP, segment, link, source, 0)


@inner
def start_http(L: Loaders, v: int, segment: int, out: Commands) -> None:
    """Fetch a segment over HTTP from where its partial bytes end."""
    i = make(L, v, segment)
    if i == NOBODY:
        return
    if start(L, v, i, HTTP, NOBODY):
        add(out, START_HTTP, segment, NOBODY, HTTP, int(L.request[i, v].bytes))
    else:
        add(out, COMPLETE, segment, NOBODY, HTTP, 0)
    announce(L, v, out)


@inner
def start_p2p(L: Loaders, v: int, segment: int, out: Commands) -> bool:
    """Request a segment from a neighbour that announced it and is idle; False if there is none."""
    link = choose_holder(L, v, segment)
    if link == NOBODY:
        return False
    i = make(L, v, segment)
    if i == NOBODY:
        return False
    if start(L, v, i, P2P, link):
        add(out, START_P2P, segment, link, P2P, int(L.request[i, v].bytes))
    else:
        add(out, COMPLETE, segment, link, P2P, 0)
    return True
