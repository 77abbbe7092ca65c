"""Exact max-min fair sharing of links between flows, repaired only where a rate may change.

A rate vector is max-min fair if and only if every flow runs at its own cap or has a bottleneck: a saturated link on its
path on which no flow is faster (Bertsekas and Gallager, Data Networks, §6.5.2). When a flow starts or ends, only the
flows of its saturated links are freed, and get new rates by water-filling; the others keep theirs. Then the condition
is checked wherever a load changed, and flows that violate it are freed too, until none does. The set of free flows only
grows, so the repair ends; since the condition is sufficient, it ends at the exact rates.

A path is an array of links, filled up with -1. Flows that end at the same time end in the order of their owners, those
of one owner in the order of their ranks.
"""

import numpy as np
from numpy.typing import NDArray

from p2psim.compiled import entry, inner, tiny
from p2psim.network.flows import (
    HOP_BITS,
    HOP_MASK,
    NONE,
    OPEN,
    RATE_CHANGES,
    STAGED,
    Network,
    add_to_link,
    allocate,
    remove_from_link,
)
from p2psim.network.heaps import build_shares, pop_share, push_finish, remove_finish, sift_down_share, update_finish

__all__ = [
    "Network",
    "allocate",
    "close_flow",
    "left_at",
    "next_finish",
    "open_flow",
    "set_capacity",
    "settle",
    "stage_capacity",
    "stage_close",
    "stage_open",
]

_SATURATED = 1.0 - 1e-9
"""Load of a saturated link, relative to its capacity."""
_SAME = 1e-9
"""Relative difference of two rates that count as equal."""
_CAPPED = -2
"""Bottleneck of a flow that runs at its own cap."""


@entry
def next_finish(N: Network) -> float:
    """Return the time at which the next flow ends; infinite if none does."""
    return N.finish[0].key if N.counts[OPEN] > 0 else np.inf


@entry
def left_at(N: Network, f: int, now: float) -> float:
    """Return the bytes that a flow still has to carry."""
    flow = N.flow[f]
    return max(0.0, flow.remaining - flow.rate * (now - flow.since))


@entry
def open_flow(N: Network, f: int, path: NDArray[np.int64], size: float, cap: float, now: float) -> None:
    """Open a flow of `size` bytes over the links of `path`, never faster than `cap` (bytes/s), and find all rates."""
    stage_open(N, f, path, size, cap, now)
    settle(N, now)


@entry
def close_flow(N: Network, f: int, now: float) -> float:
    """Close a flow, finished or not, and find all rates; return the bytes that it did not carry."""
    remaining = stage_close(N, f, now)
    settle(N, now)
    return remaining


@inner
def stage_open(N: Network, f: int, path: NDArray[np.int64], size: float, cap: float, now: float) -> None:
    """Open a flow; `settle` finds its rate and those that it changes."""
    flow = N.flow[f]
    flow.rate, flow.remaining, flow.since, flow.cap = 0.0, size, now, cap
    flow.bottleneck = NONE
    for p in range(N.node.shape[1]):
        link = path[p] if p < len(path) else NONE
        N.node[f, p].link = link
        if link != NONE:
            add_to_link(N, f, p, link)
    push_finish(N, f)
    count = _free(N, f, N.counts[STAGED])
    for p in range(N.node.shape[1]):
        link = N.node[f, p].link
        if link != NONE and N.link[link].load >= N.link[link].capacity * _SATURATED:
            count = _free_flows_of(N, link, count)
    N.counts[STAGED] = count


@inner
def stage_close(N: Network, f: int, now: float) -> float:
    """Close a flow and return the bytes that it did not carry; `settle` finds the rates that it changes."""
    remaining = left_at(N, f, now)
    rate = N.flow[f].rate
    count = N.counts[STAGED]
    remove_finish(N, f)
    for p in range(N.node.shape[1]):
        link = N.node[f, p].link
        if link == NONE:
            continue
        remove_from_link(N, f, p, link)
        row = N.link[link]
        saturated = row.load >= row.capacity * _SATURATED
        row.load = row.load - rate if row.flows > 0 else 0.0
        if saturated:
            count = _free_flows_of(N, link, count)
    if N.flow[f].free == 1:
        N.flow[f].free = 0
        for i in range(count):
            if N.members[i] == f:
                count -= 1
                N.members[i] = N.members[count]
                break
    N.counts[STAGED] = count
    return remaining


@inner
def settle(N: Network, now: float) -> None:
    """Find the rates after all changes staged at this instant."""
    count = N.counts[STAGED]
    if count > 0:
        N.counts[STAGED] = 0
        _repair(N, count, now)


@entry
def set_capacity(N: Network, link: int, capacity: float, now: float) -> None:
    """Change the capacity of a link (bytes/s), and find all rates."""
    stage_capacity(N, link, capacity)
    settle(N, now)


@inner
def stage_capacity(N: Network, link: int, capacity: float) -> None:
    """Change the capacity of a link (bytes/s); `settle` finds the rates that it changes."""
    N.link[link].capacity = capacity
    N.counts[STAGED] = _free_flows_of(N, link, N.counts[STAGED])


@tiny
def _free(N: Network, f: int, count: int) -> int:
    """Free a flow unless it is free; return the new number of free flows."""
    if N.flow[f].free == 0:
        N.flow[f].free = 1
        N.members[count] = f
        count += 1
    return count


@inner
def _free_flows_of(N: Network, link: int, count: int) -> int:
    """Free the flows of a link; return the new number of free flows."""
    node = N.link[link].head
    while node != NONE:
        count = _free(N, node >> HOP_BITS, count)
        node = N.node[node >> HOP_BITS, node & HOP_MASK].next
    return count


@tiny
def _repair(N: Network, count: int, now: float) -> None:
    """Find rates of `count` free flows, and of those that have to be freed with them."""
    while True:
        touched = _fill(N, count)
        grown = _free_without_bottleneck(N, count, touched)
        if grown == count:
            break
        count = grown
    for i in range(count):
        f = N.members[i]
        N.flow[f].free = 0
        _set_rate(N, f, N.flow[f].new_rate, now)


@tiny
def _set_rate(N: Network, f: int, rate: float, now: float) -> None:
    flow = N.flow[f]
    if rate == flow.rate:
        return
    change = rate - flow.rate
    for p in range(N.node.shape[1]):
        link = N.node[f, p].link
        if link != NONE:
            N.link[link].load += change
    flow.remaining = max(0.0, flow.remaining - flow.rate * (now - flow.since))
    flow.since = now
    flow.rate = rate
    N.counts[RATE_CHANGES] += 1
    update_finish(N, f, now + flow.remaining / rate if rate > 0.0 else np.inf)


@tiny
def _fill(N: Network, count: int) -> int:
    """Find rates of the free flows by water-filling what the others leave; return the number of touched links."""
    touched = _residuals(N, count)
    size = build_shares(N, touched)
    caps = _lowest_cap(N, count)
    unfixed = count
    while unfixed > 0:
        share = np.inf
        if size > 0:
            link = N.shares[0].who
            row = N.link[link]
            if row.unfixed == 0:
                size = pop_share(N, size)
                continue
            share = row.residual / row.unfixed
            if share > N.shares[0].key * (1.0 + 1e-12):
                N.shares[0].key = share
                sift_down_share(N, 0, size)
                continue
        if caps <= share:
            unfixed -= _fix_capped(N, count, caps)
            caps = _lowest_cap(N, count)
        else:
            unfixed -= _fix_link(N, N.shares[0].who, share)
    return touched


@tiny
def _residuals(N: Network, count: int) -> int:
    """Find what links leave to the free flows that cross them; return the number of these links."""
    touched = 0
    for i in range(count):
        flow = N.flow[N.members[i]]
        flow.new_rate = -1.0
        for p in range(N.node.shape[1]):
            link = N.node[N.members[i], p].link
            if link == NONE:
                continue
            row = N.link[link]
            if row.touched == 0:
                row.touched, row.scanned = 1, 0
                row.unfixed = 0
                row.residual = row.capacity - row.load
                N.links[touched] = link
                touched += 1
            row.residual += flow.rate
            row.unfixed += 1
    for i in range(touched):
        row = N.link[N.links[i]]
        row.residual = max(0.0, row.residual)
    return touched


@inner
def _lowest_cap(N: Network, count: int) -> float:
    lowest = np.inf
    for i in range(count):
        flow = N.flow[N.members[i]]
        if flow.new_rate < 0.0 and flow.cap < lowest:
            lowest = flow.cap
    return lowest


@tiny
def _fix_capped(N: Network, count: int, cap: float) -> int:
    fixed = 0
    for i in range(count):
        f = N.members[i]
        if N.flow[f].new_rate < 0.0 and N.flow[f].cap <= cap:
            _fix(N, f, N.flow[f].cap)
            fixed += 1
    return fixed


@tiny
def _fix_link(N: Network, link: int, share: float) -> int:
    fixed = 0
    node = N.link[link].head
    while node != NONE:
        f = node >> HOP_BITS
        if N.flow[f].free == 1 and N.flow[f].new_rate < 0.0:
            _fix(N, f, share)
            fixed += 1
        node = N.node[f, node & HOP_MASK].next
    return fixed


@inner
def _fix(N: Network, f: int, rate: float) -> None:
    N.flow[f].new_rate = rate
    for p in range(N.node.shape[1]):
        link = N.node[f, p].link
        if link != NONE:
            row = N.link[link]
            row.residual = max(0.0, row.residual - rate)
            row.unfixed -= 1


@tiny
def _free_without_bottleneck(N: Network, count: int, touched: int) -> int:
    """Free the flows that have no bottleneck any more; return the new number of free flows."""
    before = count
    for i in range(touched):
        node = N.link[N.links[i]].head if not np.isinf(N.link[N.links[i]].capacity) else NONE
        while node != NONE:
            f = node >> HOP_BITS
            node = N.node[f, node & HOP_MASK].next
            flow = N.flow[f]
            if flow.free == 0 and flow.bottleneck == N.links[i] and not _has_bottleneck(N, f):
                count = _free(N, f, count)
                flow.new_rate = flow.rate
    for i in range(before):
        f = N.members[i]
        if not _has_bottleneck(N, f):
            count = _free_faster(N, f, count)
    for i in range(touched):
        N.link[N.links[i]].touched = 0
    return count


@inner
def _has_bottleneck(N: Network, f: int) -> bool:
    """Return whether a flow runs at its cap or has a bottleneck, and remember which."""
    flow = N.flow[f]
    rate = flow.new_rate if flow.free == 1 else flow.rate
    if rate >= flow.cap * (1.0 - _SAME):
        flow.bottleneck = _CAPPED
        return True
    for p in range(N.node.shape[1]):
        link = N.node[f, p].link
        if link == NONE or np.isinf(N.link[link].capacity):
            continue
        if _saturated(N, link) and rate >= N.link[link].fastest * (1.0 - _SAME):
            flow.bottleneck = link
            return True
    return False


@inner
def _saturated(N: Network, link: int) -> bool:
    """Return whether a link is full with the rates found so far; if so, `fastest` is up to date."""
    row = N.link[link]
    if (row.touched == 1 and row.scanned == 0) or row.touched == 0:
        _scan(N, link)
    return row.residual == 0.0


@tiny
def _scan(N: Network, link: int) -> None:
    """Update the residual and the greatest rate of a link; a residual of exactly 0 marks it as saturated."""
    row = N.link[link]
    total, fastest = 0.0, 0.0
    node = row.head
    while node != NONE:
        f = node >> HOP_BITS
        flow = N.flow[f]
        rate = flow.new_rate if flow.free == 1 else flow.rate
        total += rate
        fastest = max(fastest, rate)
        node = N.node[f, node & HOP_MASK].next
    row.fastest = fastest
    row.residual = 0.0 if total >= row.capacity * _SATURATED else row.capacity - total
    row.scanned = 1


@tiny
def _free_faster(N: Network, f: int, count: int) -> int:
    """Free the flows that are faster than `f` on a saturated link of its path; return the new number of free flows."""
    path = N.node.shape[1]
    rate = N.flow[f].new_rate
    for p in range(path):
        link = N.node[f, p].link
        if link == NONE or np.isinf(N.link[link].capacity) or not _saturated(N, link):
            continue
        node = N.link[link].head
        while node != NONE:
            other = node >> HOP_BITS
            node = N.node[other, node & HOP_MASK].next
            if N.flow[other].free == 0 and N.flow[other].rate > rate * (1.0 + _SAME):
                count = _free(N, other, count)
                N.flow[other].new_rate = N.flow[other].rate
    return count
