"""Max-min sharing: optimal on every graph and at any time, and bytes are conserved."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from p2psim.network.max_min_sharing import Network, allocate, close_flow, left_at, next_finish, open_flow, set_capacity
from tests.theory.exact import Change, Flow, filled, finishes, programmed

EXACT = 1e-9
SLOTS = 64
SIZE = 1e12


def shared(capacity: Sequence[float], flows: Mapping[int, Flow]) -> dict[int, float]:
    """Return the rates that the kernel finds when flows open one after the other."""
    network = allocate(np.array(capacity, float), SLOTS * 2, 3)
    for f, flow in flows.items():
        open_flow(network, f, np.array(flow.path, np.int64), SIZE, flow.cap, 0.0)
    return {f: float(network.flow[f].rate) for f in flows}


def assert_optimal(capacity: Sequence[float], flows: Mapping[int, Flow]) -> None:
    """Compare rates with the exact solution; errors are relative to the narrowest link that a flow crosses."""
    expected = filled(capacity, flows)
    for f, rate in shared(capacity, flows).items():
        narrowest = min((capacity[link] for link in flows[f].path), default=math.inf)
        assert rate == pytest.approx(float(expected[f]), rel=EXACT, abs=EXACT * min(narrowest, flows[f].cap))


def pairs(n: int) -> list[Flow]:
    return [Flow((i, n + j)) for i in range(n) for j in range(n) if i != j]


RNG = np.random.default_rng(11)
GRAPHS: dict[str, tuple[list[float], list[Flow]]] = {
    "star": ([10.0, *RNG.uniform(0.1, 5, 12)], [Flow((0, i + 1)) for i in range(12)]),
    "two stars": (
        [*RNG.uniform(1, 9, 14)],
        [Flow((0, 7 + j)) for j in range(7)] + [Flow((i, 7)) for i in range(7)],
    ),
    "chain": ([*np.arange(1.0, 14.0)], [Flow((i, i + 1)) for i in range(12)]),
    "chain, falling": ([*np.arange(13.0, 0.0, -1)], [Flow((i, i + 1)) for i in range(12)]),
    "long paths over a chain": ([*RNG.uniform(1, 4, 9)], [Flow((i, i + 1, i + 2)) for i in range(7)]),
    "complete": ([*RNG.uniform(1, 10, 16)], pairs(8)),
    "complete, equal": ([6.0] * 16, pairs(8)),
    "zero capacity": ([0.0, 5.0, 5.0, 0.0, 3.0, 1.0], [Flow((i, j)) for i in range(3) for j in range(3, 6)]),
    "all zero": ([0.0, 0.0], [Flow((0, 1)), Flow((1,))]),
    "equal ties": ([6.0] * 8, [Flow((i, (i + k) % 8)) for i in range(8) for k in (1, 2, 3)]),
    "ties by sums": ([3.0, 1.0, 2.0, 3.0], [Flow((0, 1)), Flow((0, 2)), Flow((3, 0)), Flow((3,)), Flow((1, 2))]),
    "a million to one": ([*10.0 ** np.linspace(0, 6, 14)], pairs(7)),
    "a million to one, crossed": ([1e6, 1.0] * 6, pairs(6)),
    "caps": ([10.0, 10.0, 4.0], [Flow((0, 1), 0.5), Flow((0, 2), 1e6), Flow((1, 2), 3.0), Flow((0,), 10.0)]),
    "caps at the share": ([12.0, 12.0], [Flow((0, 1), 3.0), Flow((0,), 3.0), Flow((1,), 3.0), Flow((0, 1), 3.0)]),
    "unlimited links": ([math.inf, 7.0, math.inf], [Flow((0, 1)), Flow((0, 2), 2.0), Flow((1, 2), 5.0)]),
}  # fmt: skip


@pytest.mark.parametrize("name", GRAPHS)
def test_adversarial_graphs(name: str) -> None:
    capacity, flows = GRAPHS[name]
    assert_optimal(capacity, dict(enumerate(flows)))
    assert_optimal(capacity, dict(enumerate(reversed(flows))))


@pytest.mark.parametrize("name", ["two stars", "chain", "long paths over a chain", "equal ties", "caps"])
def test_linear_programs_agree(name: str) -> None:
    """The definition of max-min: the least rate is maximal, then the next, and so on."""
    capacity, flows = GRAPHS[name]
    named = dict(enumerate(flows))
    assert shared(capacity, named) == pytest.approx(programmed(capacity, named), rel=1e-6)


rates = st.one_of(st.sampled_from([0.0, 1.0, 2.0, 3.0, 6.0, 1e-3, 1e3, 1e6, math.inf]), st.floats(1e-3, 1e3))
caps = st.one_of(st.just(math.inf), st.sampled_from([1.0, 2.0, 1e-3]), st.floats(1e-3, 1e3))


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[float], list[Flow]]:
    capacity = draw(st.lists(rates, min_size=1, max_size=8))
    paths = st.lists(st.integers(0, len(capacity) - 1), min_size=1, max_size=3, unique=True)
    flows = draw(st.lists(st.builds(lambda path, cap: Flow(tuple(path), cap), paths, caps), min_size=1, max_size=16))
    assume(all(math.isfinite(flow.cap) or any(math.isfinite(capacity[i]) for i in flow.path) for flow in flows))
    return capacity, flows


@settings(max_examples=120, deadline=None, derandomize=True)
@given(graphs())
def test_any_graph(graph: tuple[list[float], list[Flow]]) -> None:
    assert_optimal(graph[0], dict(enumerate(graph[1])))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(graphs(), st.randoms(use_true_random=False))
def test_names_and_order_do_not_matter(graph: tuple[list[float], list[Flow]], random: object) -> None:
    """Permutation invariance: other numbers for flows and links, another order of arrival, the same rates."""
    capacity, flows = graph
    before = shared(capacity, dict(enumerate(flows)))
    links, names = list(range(len(capacity))), list(range(len(flows)))
    random.shuffle(links)  # type: ignore[attr-defined]
    random.shuffle(names)  # type: ignore[attr-defined]
    moved = {names[f]: Flow(tuple(links[i] for i in flow.path), flow.cap) for f, flow in enumerate(flows)}
    after = shared([capacity[links.index(i)] for i in range(len(links))], {f: moved[f] for f in sorted(moved)})
    for f in before:
        narrowest = min(capacity[i] for i in flows[f].path)
        assert after[names[f]] == pytest.approx(before[f], rel=EXACT, abs=EXACT * min(narrowest, flows[f].cap))


@settings(max_examples=80, deadline=None, derandomize=True)
@given(graphs(), st.integers(0, 7), st.floats(1.0, 4.0))
def test_the_least_rate_grows_with_any_capacity(
    graph: tuple[list[float], list[Flow]], link: int, factor: float
) -> None:
    """A theorem of max-min for the least rate; a wider link may reduce the rates of other flows."""
    capacity, flows = graph
    wider = [c * factor if i == link % len(capacity) else c for i, c in enumerate(capacity)]
    before, after = (min(shared(c, dict(enumerate(flows))).values()) for c in (capacity, wider))
    assert after >= before * (1 - EXACT) - 1e-12


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[float], list[Change]]:
    """Histories in which flows open, also at the same time, some are closed early, and capacities change."""
    capacity = draw(st.lists(st.sampled_from([1.0, 2.0, 3.0, 10.0, 0.7, 1e3]), min_size=2, max_size=6))
    changes, at = [], 0.0
    for f in range(draw(st.integers(1, 9))):
        at += draw(st.sampled_from([0.0, 0.25, 1.0, 3.7]))
        path = draw(st.lists(st.integers(0, len(capacity) - 1), min_size=1, max_size=3, unique=True))
        size = draw(st.sampled_from([0.5, 1.0, 6.0, 1.3, 250.0]))
        cap = draw(st.sampled_from([math.inf, 1.0, 0.3]))
        changes.append(Change(at, opens=(f, Flow(tuple(path), cap, size))))
        if draw(st.booleans()):
            at += draw(st.sampled_from([0.0, 0.5, 2.0]))
            if draw(st.booleans()):
                changes.append(Change(at, closes=draw(st.integers(0, f))))
            else:
                room = draw(st.sampled_from([0.0, 0.5, 2.0, 40.0]))
                changes.append(Change(at, link=(draw(st.integers(0, len(capacity) - 1)), room)))
    return capacity, changes


def finish_times(capacity: Sequence[float], changes: Sequence[Change]) -> dict[int, float]:
    """Return the finish times that the kernel finds."""
    network, ended, running = allocate(np.array(capacity, float), SLOTS, 3), dict[int, float](), set[int]()
    for change in [*changes, Change(math.inf)]:
        while (at := next_finish(network)) <= change.at and at < math.inf:
            f = int(network.finish[0].who)
            close_flow(network, f, at)
            ended[f] = at
            running.discard(f)
        if change.opens is not None:
            f, flow = change.opens
            open_flow(network, f, np.array(flow.path, np.int64), flow.size, flow.cap, change.at)
            running.add(f)
        elif change.closes in running:
            close_flow(network, change.closes, change.at)
            running.discard(change.closes)
        elif change.link is not None:
            set_capacity(network, change.link[0], change.link[1], change.at)
    return ended


@pytest.mark.slow
@settings(max_examples=120, deadline=None, derandomize=True)
@given(histories())
def test_finish_times_are_those_of_full_solutions(history: tuple[list[float], list[Change]]) -> None:
    """Finish times agree to 1e-9 through openings, early ends and changes of capacity."""
    capacity, changes = history
    assert finish_times(capacity, changes) == pytest.approx(finishes(capacity, changes), rel=EXACT)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(histories(), st.floats(0.1, 20.0))
def test_bytes_are_conserved(history: tuple[list[float], list[Change]], step: float) -> None:
    """The bytes of a flow are the integral of its rate, and no link carries more than its capacity."""
    capacity, changes = history
    opened = [change for change in changes if change.opens is not None]
    network = allocate(np.array(capacity, float), SLOTS, 3)
    flows = dict[int, Flow]()
    for change in opened:
        assert change.opens is not None
        f, flow = change.opens
        open_flow(network, f, np.array(flow.path, np.int64), flow.size, flow.cap, 0.0)
        flows[f] = flow
    now, carried = 0.0, dict.fromkeys(flows, 0.0)
    while (at := min(next_finish(network), now + step)) < 200 and flows:
        assert_within(network, capacity, flows)
        for f in flows:
            carried[f] += float(network.flow[f].rate) * (at - now)
            assert carried[f] + left_at(network, f, at) == pytest.approx(flows[f].size, rel=1e-9)
        now = at
        while next_finish(network) <= now:
            f = int(network.finish[0].who)
            assert close_flow(network, f, now) == pytest.approx(0.0, abs=1e-9 * flows[f].size)
            assert carried[f] == pytest.approx(flows[f].size, rel=1e-9)
            del flows[f]


def assert_within(network: Network, capacity: Sequence[float], flows: Mapping[int, Flow]) -> None:
    for link, whole in enumerate(capacity):
        used = sum(float(network.flow[f].rate) for f, flow in flows.items() if link in flow.path)
        assert used <= whole * (1 + EXACT)
