"""Max-min sharing against a slow and simple solver, on adversarial and random graphs."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from p2psim.network.max_min_sharing import Network, allocate, close_flow, left_at, next_finish, open_flow, set_capacity

FLOWS = 12
Spec = tuple[list[int], float]
History = tuple[list[float], list[tuple[int, list[int], float]]]


def progressive_filling(capacity: NDArray[np.float64], flows: dict[int, Spec]) -> dict[int, float]:
    """Return rates by progressive filling: all grow together until each meets its cap or a full link (B&G §6.5.2)."""
    rates: dict[int, float] = {}
    residual = capacity.astype(float).copy()
    while len(rates) < len(flows):
        rising = [f for f in flows if f not in rates]
        share = {}
        for link in range(len(capacity)):
            users = [f for f in rising if link in flows[f][0]]
            if users:
                share[link] = max(0.0, residual[link]) / len(users)
        lowest = min(share.values(), default=math.inf)
        cap = min(flows[f][1] for f in rising)
        if cap <= lowest:
            fixed = {f: flows[f][1] for f in rising if flows[f][1] <= cap}
        else:
            full = [link for link, value in share.items() if value <= lowest * (1 + 1e-12)]
            fixed = {f: lowest for f in rising if any(link in flows[f][0] for link in full)}
        for f, rate in fixed.items():
            rates[f] = rate
            for link in flows[f][0]:
                residual[link] -= rate
    return rates


def assert_same(network: Network, capacity: NDArray[np.float64], flows: dict[int, Spec]) -> None:
    scale = 1e-9 * float(np.max(capacity[np.isfinite(capacity)], initial=1.0))
    for f, rate in progressive_filling(capacity, flows).items():
        assert network.flow[f].rate == pytest.approx(rate, rel=1e-9, abs=scale)


link_rates = st.one_of(st.sampled_from([0.0, 1.0, 2.0, 10.0, math.inf]), st.floats(1e-3, 1e3))
caps = st.one_of(st.just(math.inf), st.floats(1e-3, 1e3))


@st.composite
def histories(draw: st.DrawFn) -> History:
    """Capacities of links, then openings (slot, path, cap) of flows; a slot in use is closed first."""
    capacity = draw(st.lists(link_rates, min_size=1, max_size=7))
    paths = st.lists(st.integers(0, len(capacity) - 1), min_size=1, max_size=3, unique=True)
    steps = st.tuples(st.integers(0, FLOWS - 1), paths, caps)
    return capacity, draw(st.lists(steps, min_size=1, max_size=30))


@settings(max_examples=150, deadline=None)
@given(histories())
def test_repaired_rates_are_those_of_a_full_solution(
    history: tuple[list[float], list[tuple[int, list[int], float]]],
) -> None:
    capacity = np.array(history[0])
    network = allocate(capacity, FLOWS, 3)
    flows: dict[int, Spec] = {}
    for f, path, cap in history[1]:
        if f in flows:
            close_flow(network, f, 0.0)
            del flows[f]
        elif not (np.isinf(capacity[path]).all() and math.isinf(cap)):
            open_flow(network, f, np.array(path, np.int64), 1e9, cap, 0.0)
            flows[f] = (path, cap)
        assert_same(network, capacity, flows)


@pytest.mark.parametrize("shape", ["star", "chain", "complete", "ties", "million-to-one"])
def test_adversarial_graphs(shape: str) -> None:
    n = 8
    rng = np.random.default_rng(5)
    if shape == "star":
        capacity, paths = np.r_[10.0, rng.uniform(0.1, 5, n)], [[0, i + 1] for i in range(n)]
    elif shape == "chain":
        capacity, paths = np.arange(1.0, n + 2), [[i, i + 1] for i in range(n)]
    elif shape == "complete":
        capacity = rng.uniform(1, 10, 2 * n)
        paths = [[i, n + j] for i in range(n) for j in range(n) if i != j]
    elif shape == "ties":
        capacity, paths = np.full(n, 6.0), [[i, (i + k) % n] for i in range(n) for k in (1, 2, 3)]
    else:
        capacity, paths = 10.0 ** np.linspace(0, 6, 2 * n), [[i, n + j] for i in range(n) for j in range(n)]
    network = allocate(capacity, len(paths), 2)
    flows: dict[int, Spec] = {}
    for f, path in enumerate(paths):
        open_flow(network, f, np.array(path, np.int64), 1e9, math.inf, 0.0)
        flows[f] = (path, math.inf)
    assert_same(network, capacity, flows)
    for f in list(flows)[::2]:
        close_flow(network, f, 1.0)
        del flows[f]
    assert_same(network, capacity, flows)
    capacity[0] /= 3
    set_capacity(network, 0, float(capacity[0]), 2.0)
    assert_same(network, capacity, flows)


def run_to_end(network: Network) -> dict[int, float]:
    """Close all flows as they end; return their finish times."""
    finished = {}
    while math.isfinite(at := next_finish(network)):
        f = int(network.finish[0].who)
        finished[f] = at
        close_flow(network, f, at)
    return finished


def test_two_flows_on_one_link_share_it() -> None:
    network = allocate(np.array([10.0]), 2, 1)
    for f, size in enumerate((10.0, 30.0)):
        open_flow(network, f, np.array([0]), size, math.inf, 0.0)
    assert run_to_end(network) == pytest.approx({0: 2.0, 1: 4.0})


def test_three_flows_on_one_link_share_it() -> None:
    network = allocate(np.array([6.0]), 3, 1)
    for f, size in enumerate((6.0, 12.0, 18.0)):
        open_flow(network, f, np.array([0]), size, math.inf, 0.0)
    assert run_to_end(network) == pytest.approx({0: 3.0, 1: 5.0, 2: 6.0})


def test_a_flow_over_a_link_of_zero_capacity_never_ends() -> None:
    network = allocate(np.array([0.0, 5.0]), 1, 2)
    open_flow(network, 0, np.array([0, 1]), 1.0, math.inf, 0.0)
    assert next_finish(network) == math.inf
    assert left_at(network, 0, 100.0) == 1.0


def test_flows_that_end_together_end_in_the_order_of_owners_and_ranks() -> None:
    network = allocate(np.array([math.inf]), flows=4)
    network.flow["owner"], network.flow["rank"] = [0, 1, 0, 1], [0, 0, 1, 1]
    path = np.zeros(1, np.int64)
    for flow in (3, 1, 2):
        open_flow(network, flow, path, 1000.0, 100.0, 0.0)
    ended = []
    while network.counts[0] > 0:
        assert next_finish(network) == 10.0
        ended.append(int(network.finish[0].who))
        close_flow(network, ended[-1], 10.0)
    assert ended == [2, 1, 3]  # row 2 is the second of owner 0
