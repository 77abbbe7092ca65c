"""Binary heaps of the finish times of flows and of the fair shares of links."""

import numpy as np

from p2psim.compiled import inner, tiny
from p2psim.network.flows import OPEN, Network

__all__ = ["build_shares", "pop_share", "push_finish", "remove_finish", "sift_down_share", "update_finish"]


@tiny
def _put_finish(N: Network, i: int, key: float, f: int) -> None:
    N.finish[i].key = key
    N.finish[i].who = f
    N.flow[f].heap_index = i


@inner
def _before(N: Network, key: float, f: int, other_key: float, other: int) -> bool:
    if key != other_key:
        return key < other_key
    mine, theirs = N.flow[f], N.flow[other]
    if mine.owner != theirs.owner:
        return mine.owner < theirs.owner
    return mine.rank < theirs.rank or (mine.rank == theirs.rank and f < other)


@inner
def _sift_up_finish(N: Network, i: int) -> int:
    key, f = N.finish[i].key, N.finish[i].who
    while i > 0:
        parent = (i - 1) >> 1
        if not _before(N, key, f, N.finish[parent].key, N.finish[parent].who):
            break
        _put_finish(N, i, N.finish[parent].key, N.finish[parent].who)
        i = parent
    _put_finish(N, i, key, f)
    return i


@inner
def _sift_down_finish(N: Network, i: int) -> None:
    size = N.counts[OPEN]
    key, f = N.finish[i].key, N.finish[i].who
    while True:
        child = 2 * i + 1
        if child >= size:
            break
        right = child + 1
        if right < size and _before(
            N, N.finish[right].key, N.finish[right].who, N.finish[child].key, N.finish[child].who
        ):
            child = right
        if not _before(N, N.finish[child].key, N.finish[child].who, key, f):
            break
        _put_finish(N, i, N.finish[child].key, N.finish[child].who)
        i = child
    _put_finish(N, i, key, f)


@tiny
def push_finish(N: Network, f: int) -> None:
    """Add a flow to the heap of finish times; it has none yet."""
    n = N.counts[OPEN]
    N.counts[OPEN] = n + 1
    _put_finish(N, n, np.inf, f)
    _sift_up_finish(N, n)


@tiny
def remove_finish(N: Network, f: int) -> None:
    """Remove a flow from the heap of finish times."""
    i = N.flow[f].heap_index
    last = N.counts[OPEN] - 1
    N.counts[OPEN] = last
    if i != last:
        _put_finish(N, i, N.finish[last].key, N.finish[last].who)
        _sift_down_finish(N, _sift_up_finish(N, i))


@tiny
def update_finish(N: Network, f: int, key: float) -> None:
    """Change the finish time of a flow."""
    i = N.flow[f].heap_index
    N.finish[i].key = key
    _sift_down_finish(N, _sift_up_finish(N, i))


@tiny
def build_shares(N: Network, touched: int) -> int:
    """Build the heap of fair shares of the touched links: residual capacity by unfixed flow; return its size."""
    size = 0
    for i in range(touched):
        row = N.link[N.links[i]]
        if not np.isinf(row.capacity):
            N.shares[size].key = row.residual / row.unfixed
            N.shares[size].who = N.links[i]
            size += 1
    for i in range(size // 2 - 1, -1, -1):
        sift_down_share(N, i, size)
    return size


@tiny
def pop_share(N: Network, size: int) -> int:
    """Remove the least share; return the new size of the heap."""
    size -= 1
    if size > 0:
        N.shares[0].key, N.shares[0].who = N.shares[size].key, N.shares[size].who
        sift_down_share(N, 0, size)
    return size


@inner
def sift_down_share(N: Network, i: int, size: int) -> None:
    """Restore the heap after the share at `i` has grown."""
    key, item = N.shares[i].key, N.shares[i].who
    while True:
        child = 2 * i + 1
        if child >= size:
            break
        if child + 1 < size and N.shares[child + 1].key < N.shares[child].key:
            child += 1
        if N.shares[child].key >= key:
            break
        N.shares[i].key, N.shares[i].who = N.shares[child].key, N.shares[child].who
        i = child
    N.shares[i].key, N.shares[i].who = key, item
