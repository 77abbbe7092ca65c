"""Random HTTP prefetch: now and then a viewer fetches a segment that nobody has, so that the swarm gets seeds."""

import numpy as np
from numpy.typing import NDArray

from p2psim.compiled import entry, tiny
from p2psim.policy.loader import hold, start_http
from p2psim.policy.queue import in_window, is_offered, queue_span, windows
from p2psim.policy.requests import find, loading
from p2psim.policy.state import HTTP, LOADING, NOBODY, SUCCEEDED, Loaders, Options, Timeline
from p2psim.policy.storage import free_percent
from p2psim.rng import uniform

__all__ = ["prefetch_delay", "prefetch_round"]

_PERIOD = 1.0
"""Seconds to the next round, plus up to as much again for each connected peer."""


@entry
def prefetch_delay(L: Loaders, v: int) -> float:
    """Draw the time to the next round, seconds."""
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
        or L.viewer[v].requested == NOBODY
    ):
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


@tiny
def _candidates(L: Loaders, o: Options, T: Timeline, v: int, free: float, found: NDArray[np.int64]) -> int:
    w = windows(o, free)
    begin, end, _ = queue_span(L, o, T, v, w)
    count = 0
    for segment in range(begin, end):
        if count == len(found):
            break
        if not in_window(L, T, v, segment, w.http) or L.slot[v, segment % L.slot.shape[1]].stored != 0:
            continue
        if is_offered(L, v, segment) and in_window(L, T, v, segment, w.p2p):
            continue
        i = find(L, v, segment)
        if i != NOBODY and (
            L.request[v, i].status in (LOADING, SUCCEEDED) or L.request[v, i].http_failures >= o.http_retries
        ):
            continue
        found[count] = segment
        count += 1
    return count
