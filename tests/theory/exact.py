"""Two slow and exact solvers of max-min sharing, from its definition.

`filled` is progressive filling in rational numbers, without rounding or tolerance. `programmed` maximises the least
rate by a linear program, fixes the flows that cannot have more, and maximises the next. `finishes` computes a full
solution after every opening, closing or end of a flow.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from scipy.optimize import linprog

__all__ = ["Change", "Flow", "filled", "finishes", "programmed"]


@dataclass(frozen=True, slots=True)
class Flow:
    """Links that a flow crosses, the rate that it never exceeds, and its size."""

    path: tuple[int, ...]
    cap: float = math.inf
    size: float = math.inf


@dataclass(frozen=True, slots=True)
class Change:
    """Change at a time: a flow opens or is closed, or a link gets another capacity."""

    at: float
    opens: tuple[int, Flow] | None = None
    closes: int | None = None
    link: tuple[int, float] | None = None


def filled(capacity: Sequence[float], flows: Mapping[int, Flow]) -> dict[int, Fraction]:
    """Return exact rates by progressive filling; every flow has a finite cap or crosses a link of finite capacity."""
    level, frozen = Fraction(0), dict[int, Fraction]()
    while len(frozen) < len(flows):
        rising = {f for f in flows if f not in frozen}
        headroom = dict[int, Fraction]()
        for link, whole in enumerate(capacity):
            users = [f for f in flows if link in flows[f].path]
            share = [f for f in users if f in rising]
            if share and not math.isinf(whole):
                used = sum((frozen.get(f, level) for f in users), Fraction(0))
                headroom[link] = (Fraction(whole) - used) / len(share)
        steps = [*headroom.values(), *(Fraction(flows[f].cap) - level for f in rising if not math.isinf(flows[f].cap))]
        step = min(steps)
        level += step
        full = {link for link, room in headroom.items() if room == step}
        for f in rising:
            if full & set(flows[f].path) or flows[f].cap == level:
                frozen[f] = level
    return frozen


def programmed(capacity: Sequence[float], flows: Mapping[int, Flow]) -> dict[int, float]:
    """Return rates by a sequence of linear programs (HiGHS), with an error of about 1e-7 of the largest."""
    names, fixed = list(flows), dict[int, float]()
    uses = np.array([[float(link in flows[f].path) for f in names] for link in range(len(capacity))])
    finite = np.isfinite(capacity)
    while len(fixed) < len(names):
        floor = _raised(uses[finite], np.asarray(capacity)[finite], flows, names, fixed, None, 0.0)
        for f in [f for f in names if f not in fixed]:
            most = _raised(uses[finite], np.asarray(capacity)[finite], flows, names, fixed, f, floor)
            if most <= floor * (1 + 1e-6) + 1e-9:
                fixed[f] = floor
    return fixed


def _raised(
    uses: np.ndarray,
    capacity: np.ndarray,
    flows: Mapping[int, Flow],
    names: list[int],
    fixed: Mapping[int, float],
    one: int | None,
    floor: float,
) -> float:
    """Return the greatest rate of flow `one`, or of the least free flow (None), while no free flow is below `floor`."""
    n = len(names)
    free = [i for i, f in enumerate(names) if f not in fixed]
    objective = np.zeros(n + 1)
    objective[n if one is None else names.index(one)] = -1.0
    rows, limits = [np.append(row, 0.0) for row in uses], list(capacity)
    if one is None:
        for i in free:
            row = np.zeros(n + 1)
            row[n], row[i] = 1.0, -1.0
            rows.append(row)
            limits.append(0.0)
    slack = 1 - 1e-9  # of fixed rates, for the tolerance of the solver
    bounds = [
        (fixed[f] * slack, fixed[f])
        if f in fixed
        else (floor * slack, None if math.isinf(flows[f].cap) else flows[f].cap)
        for f in names
    ]
    solution = linprog(objective, A_ub=np.array(rows), b_ub=limits, bounds=[*bounds, (0, None)], method="highs")
    assert solution.status == 0, solution.message
    return float(-solution.fun)


def finishes(capacity: Sequence[float], changes: Sequence[Change]) -> dict[int, float]:
    """Return the times at which flows end, from full solutions in rational numbers after every event."""
    room, flows = list(capacity), dict[int, Flow]()
    remaining, ended = dict[int, Fraction](), dict[int, float]()
    now, pending = Fraction(0), sorted(changes, key=lambda change: change.at)
    while pending or flows:
        rates = filled(room, flows)
        ends = {f: now + remaining[f] / rate for f, rate in rates.items() if rate > 0}
        first = min(ends.values(), default=None)
        following = Fraction(pending[0].at) if pending else None
        if first is None and following is None:
            break
        at = min(t for t in (first, following) if t is not None)
        for f, rate in rates.items():
            remaining[f] -= rate * (at - now)
        now = at
        if first is not None and first == at:
            for f in [f for f, end in ends.items() if end == at]:
                ended[f] = float(at)
                del flows[f], remaining[f]
            continue
        change = pending.pop(0)
        if change.opens is not None:
            name, flow = change.opens
            flows[name], remaining[name] = flow, Fraction(flow.size)
        elif change.closes is not None:
            flows.pop(change.closes, None)
            remaining.pop(change.closes, None)
        elif change.link is not None:
            room[change.link[0]] = change.link[1]
    return ended
