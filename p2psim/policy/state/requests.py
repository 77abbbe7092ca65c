"""The requests that a loader retains, with their partial bytes (upstream's Request and RequestsContainer).

A request is made by the first attempt and kept until it succeeds, is given up or leaves the queue.
"""

from p2psim.compiled import entry, inlined, inner, tiny
from p2psim.policy.state.records import (
    ABORTED,
    BUSY,
    FAILED,
    FAILING,
    HTTP,
    IDLE,
    LOADING,
    NOBODY,
    P2P,
    SUCCEEDED,
    Loaders,
)

__all__ = [
    "abort",
    "blame",
    "clear_failures",
    "fail",
    "find",
    "forget",
    "loading",
    "make",
    "start",
    "succeed",
]


@entry
def find(L: Loaders, v: int, segment: int) -> int:
    """Row of the request for a segment, or -1."""
    for i in range(L.viewer[v].retained):
        if L.request[i, v].segment == segment:
            return i
    return NOBODY


@inlined
def loading(L: Loaders, v: int, source: int) -> int:
    """Return the number of requests that are loading from a source."""
    count = 0
    for i in range(L.viewer[v].retained):
        if L.request[i, v].status == LOADING and L.request[i, v].source == source:
            count += 1
    return count


@inner
def make(L: Loaders, v: int, segment: int) -> int:
    """Row of the request for a segment, made if there is none; -1 if all rows hold requests in use."""
    i = find(L, v, segment)
    if i != NOBODY:
        return i
    if L.viewer[v].retained == L.request.shape[0]:
        _drop_oldest_idle(L, v)
        if L.viewer[v].retained == L.request.shape[0]:
            return NOBODY
    i = L.viewer[v].retained
    L.viewer[v].retained = i + 1
    L.request[i, v].segment = segment
    L.request[i, v].status = IDLE
    L.request[i, v].source = 0
    L.request[i, v].link = NOBODY
    L.request[i, v].bytes = 0.0
    L.request[i, v].total = 0.0
    L.request[i, v].http_failures = 0
    L.request[i, v].failures = 0
    L.request[i, v].failed_at = 0.0
    L.request[i, v].handled = 0
    L.request[i, v].spoiled = 0
    return i


@inner
def forget(L: Loaders, v: int, i: int) -> None:
    """Remove a request and its partial bytes; later rows move up."""
    last = L.viewer[v].retained - 1
    for j in range(i, last):
        L.request[j, v] = L.request[j + 1, v]
    L.viewer[v].retained = last


@inner
def start(L: Loaders, v: int, i: int, source: int, link: int) -> bool:
    """Begin an attempt; False if all bytes are there already, in which case the request has succeeded."""
    L.request[i, v].source = source
    L.request[i, v].handled = 0
    complete = L.request[i, v].total > 0 and L.request[i, v].bytes == L.request[i, v].total
    if L.request[i, v].total > 0 and L.request[i, v].bytes > L.request[i, v].total:
        L.request[i, v].bytes = 0.0
        L.request[i, v].total = 0.0
    if L.request[i, v].bytes == 0:
        L.request[i, v].spoiled = 0
    L.request[i, v].link = link if source == P2P else NOBODY
    L.request[i, v].status = SUCCEEDED if complete else LOADING
    if source == P2P and not complete:
        L.link[v, link].busy |= BUSY
    return not complete


@tiny
def abort(L: Loaders, v: int, i: int) -> int:
    """Stop an attempt by decision of the loader; gives the neighbour's place that is free again, or -1."""
    return _end(L, v, i, ABORTED)


@entry
def succeed(L: Loaders, v: int, i: int) -> int:
    """All bytes are there and valid; gives the neighbour's place that is free again, or -1."""
    link = _end(L, v, i, SUCCEEDED)
    L.request[i, v].total = L.request[i, v].bytes
    if link != NOBODY:
        L.link[v, link].strikes = 0
    return link


@entry
def fail(L: Loaders, v: int, i: int, now: float, timed_out: bool) -> int:
    """An attempt failed; partial bytes stay. Gives the neighbour's place that is free again, or -1.

    What a neighbour delivered before is forgotten; a time-out is a strike against it.
    """
    if L.request[i, v].source == HTTP:
        L.request[i, v].http_failures += 1
    L.request[i, v].failures += 1
    L.request[i, v].failed_at = now
    L.viewer[v].pending |= FAILING
    link = _end(L, v, i, FAILED)
    if link != NOBODY:
        L.link[v, link].speed = 0.0
        L.link[v, link].span = 0.0
        if timed_out:
            L.link[v, link].strikes += 1
    return link


@tiny
def blame(L: Loaders, v: int, link: int) -> None:
    """Count a failure of a neighbour."""
    L.link[v, link].blame = min(255, L.link[v, link].blame + 1)


@tiny
def clear_failures(L: Loaders, v: int, i: int) -> None:
    """Forget the failed attempts of a request."""
    L.request[i, v].http_failures = 0
    L.request[i, v].failures = 0


@inner
def _end(L: Loaders, v: int, i: int, status: int) -> int:
    link = int(L.request[i, v].link) if L.request[i, v].source == P2P else NOBODY
    if link != NOBODY:
        L.link[v, link].busy &= ~BUSY & 0xFF
    L.request[i, v].link = NOBODY
    L.request[i, v].status = status
    L.request[i, v].handled = 0
    return link


@tiny
def _drop_oldest_idle(L: Loaders, v: int) -> None:
    for i in range(L.viewer[v].retained):
        if L.request[i, v].status not in (LOADING, SUCCEEDED) and L.request[i, v].segment != L.viewer[v].waiting:
            forget(L, v, i)
            return
