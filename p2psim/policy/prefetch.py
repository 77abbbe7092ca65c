"""HTTP prefetch of segments that nobody has, so that the swarm gets seeds: at random (2.3), or as elected (5.0)."""

import numpy as np
from numpy.typing import NDArray

from p2psim.compiled import entry, inner
from p2psim.policy.election import item_hash
from p2psim.policy.loader import hold, start_http
from p2psim.policy.queue import Windows, in_window, is_offered, queue_span, windows
from p2psim.policy.requests import find, loading
from p2psim.policy.state import HTTP, LOADING, NOBODY, SUCCEEDED, Loaders, Options, Timeline
from p2psim.policy.storage import free_percent
from p2psim.rng import uniform

__all__ = ["prefetch_delay", "prefetch_round"]

_MARGIN = 0.5
"""Seconds by which a substitute is early."""
_PERIOD = 1.0
"""Seconds to the next round, plus up to as much again for each connected peer."""


@entry
def prefetch_delay(L: Loaders, o: Options, v: int) -> float:
    """Draw the time to the next round, seconds."""
    if o.election:
        return _PERIOD + uniform(L.random, v) * _PERIOD
    return _PERIOD + uniform(L.random, v) * _PERIOD * L.viewer[v].degree


@entry
def prefetch_round(
    L: Loaders, o: Options, T: Timeline, v: int, now: float, out: NDArray[np.int64], scratch: NDArray[np.int64]
) -> None:
    """Start HTTP fetches of segments that nobody offers; commands as those of a queue pass.

    `scratch` has at least twice as many elements as there are slots. With n viewers connected to each other every
    one of N such segments is started with probability 1/n per round and viewer.
    """
    out[0, 0] = 0
    free = free_percent(L, T, v)
    busy = loading(L, v, HTTP)
    if (
        hold(L, o, v, now)
        or free <= 10.0
        or busy >= o.http_slots
        or L.viewer[v].degree == 0
        or o.plain
        or o.decide != 0
        or L.viewer[v].requested == NOBODY
    ):
        return
    if o.election:
        _elect(L, o, T, v, free, out)
        return
    half = len(scratch) // 2
    found = _candidates(L, o, T, v, free, scratch[:half])
    viewers = L.viewer[v].degree + 1
    count = min(found, o.http_slots * viewers)
    if count == 0:
        return
    order = scratch[half : half + count]
    for i in range(count):
        order[i] = i
    for i in range(count - 1, 0, -1):
        j = int(uniform(L.random, v) * (i + 1))
        order[i], order[j] = order[j], order[i]
    probability = count / viewers
    for i in order:
        if loading(L, v, HTTP) >= o.http_slots:
            return
        if probability >= 1 or uniform(L.random, v) <= probability:
            start_http(L, v, scratch[i], out)
        probability -= 1
        if probability <= 0:
            return


@inner
def _candidates(L: Loaders, o: Options, T: Timeline, v: int, free: float, found: NDArray[np.int64]) -> int:
    w = windows(o, free)
    begin, end, _ = queue_span(L, o, T, v, w)
    count = 0
    for segment in range(begin, end):
        if count == len(found):
            break
        if _is_missing(L, o, T, v, segment, w):
            found[count] = segment
            count += 1
    return count


@inner
def _is_missing(L: Loaders, o: Options, T: Timeline, v: int, segment: int, w: Windows) -> bool:
    """Whether a segment of the HTTP window is neither here nor offered nor on its way."""
    if not in_window(L, T, v, segment, w.http) or L.slot[v, segment % L.slot.shape[1]].stored != 0:
        return False
    if is_offered(L, v, segment) and in_window(L, T, v, segment, w.p2p):
        return False
    i = find(L, v, segment)
    if i == NOBODY:
        return True
    return L.request[i, v].status not in (LOADING, SUCCEEDED) and L.request[i, v].http_failures < o.http_retries


@inner
def _elect(L: Loaders, o: Options, T: Timeline, v: int, free: float, out: NDArray[np.int64]) -> None:
    """Fetch what falls to this viewer: at once what it is first for, the rest as it becomes urgent."""
    w = windows(o, free)
    begin, end, _ = queue_span(L, o, T, v, w)
    for segment in range(begin, end):
        if loading(L, v, HTTP) >= o.http_slots:
            return
        if not _is_missing(L, o, T, v, segment, w):
            continue
        rank = _rank(L, v, segment)
        left = (T.start[segment] - L.viewer[v].position) / L.viewer[v].rate - w.high_demand
        if rank == 0 or left <= L.fetch_time[v] * (1 + 1 / rank) + _MARGIN:
            start_http(L, v, segment, out)


@inner
def _rank(L: Loaders, v: int, segment: int) -> int:
    """How many neighbours come before a viewer in the order that a segment puts them in."""
    item = segment + L.first_id[0]
    mine, before = item_hash(L.identity[v], item), 0
    for k in range(L.viewer[v].degree):
        if item_hash(L.identity[L.link[v, k].neighbour], item) < mine:
            before += 1
    return before
