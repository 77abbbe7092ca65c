"""Random HTTP prefetch of segments that no neighbour offers, by which a swarm of 2.3 gets its first copies."""

import numpy as np
from numpy.typing import NDArray

from p2psim.compiled import inner
from p2psim.policy.queue import Windows, in_window, is_offered, queue_span, windows
from p2psim.policy.queue_pass import hold, may_be_replaced, start_http
from p2psim.policy.state.commands import Commands, clear
from p2psim.policy.state.options import Options
from p2psim.policy.state.records import HTTP, LOADING, NOBODY, RESTLESS, SUCCEEDED, Loaders, Timeline
from p2psim.policy.state.requests import find, loading
from p2psim.policy.state.storage import free_percent
from p2psim.rng import uniform

__all__ = ["PERIOD", "is_missing", "may_prefetch", "prefetch", "random_prefetch_delay", "random_prefetch_round"]

PERIOD = 1.0
"""Seconds to the next round, plus up to as much again for each connected peer."""


@inner
def random_prefetch_delay(L: Loaders, _o: Options, v: int) -> float:
    """Draw the seconds until the next round."""
    return PERIOD + uniform(L.random, v) * PERIOD * L.viewer[v].degree


@inner
def may_prefetch(L: Loaders, o: Options, T: Timeline, v: int, now: float) -> bool:
    """Return whether a round may start anything: a free slot, peers, no hold of HTTP, room in the storage."""
    return not (
        hold(L, o, v, now)
        or free_percent(L, T, v) <= 10.0
        or loading(L, v, HTTP) >= o.http_slots
        or L.viewer[v].degree == 0
        or L.viewer[v].requested == NOBODY
    )


@inner
def random_prefetch_round(L: Loaders, o: Options, T: Timeline, v: int, now: float, out: Commands) -> None:
    """Start HTTP fetches of segments that nobody offers.

    With n viewers connected to each other every one of N such segments is started with probability 1/n per round and
    viewer.
    """
    clear(out)
    if not may_prefetch(L, o, T, v, now):
        return
    half = len(out.order) // 2
    missing, order = out.order[:half], out.order[half:]
    found = _missing(L, o, T, v, missing)
    viewers = L.viewer[v].degree + 1
    count = min(found, o.http_slots * viewers)
    for i in range(count):
        order[i] = i
    for i in range(count - 1, 0, -1):
        j = int(uniform(L.random, v) * (i + 1))
        order[i], order[j] = order[j], order[i]
    probability = count / viewers
    for n in range(count):
        if loading(L, v, HTTP) >= o.http_slots:
            return
        if probability >= 1 or uniform(L.random, v) <= probability:
            prefetch(L, o, T, v, missing[order[n]], out)
        probability -= 1
        if probability <= 0:
            return


@inner
def prefetch(L: Loaders, o: Options, T: Timeline, v: int, segment: int, out: Commands) -> None:
    """Fetch a segment over HTTP ahead of its time."""
    start_http(L, v, segment, out)
    if may_be_replaced(L, o, T, v, segment):
        L.viewer[v].pending |= RESTLESS


@inner
def _missing(L: Loaders, o: Options, T: Timeline, v: int, found: NDArray[np.int64]) -> int:
    """Write the missing segments of the queue to `found`; return their number."""
    w = windows(o, free_percent(L, T, v))
    begin, end, _ = queue_span(L, o, T, v, w)
    count = 0
    for segment in range(begin, end):
        if count == len(found):
            break
        if is_missing(L, o, T, v, segment, w):
            found[count] = segment
            count += 1
    return count


@inner
def is_missing(L: Loaders, o: Options, T: Timeline, v: int, segment: int, w: Windows) -> bool:
    """Return whether a segment of the HTTP window is neither here nor offered nor on its way."""
    if not in_window(L, T, v, segment, w.http) or L.slot[v, segment % L.slot.shape[1]].stored != 0:
        return False
    if is_offered(L, v, segment) and in_window(L, T, v, segment, w.p2p):
        return False
    i = find(L, v, segment)
    if i == NOBODY:
        return True
    return L.request[i, v].status not in (LOADING, SUCCEEDED) and L.request[i, v].http_failures < o.http_retries
