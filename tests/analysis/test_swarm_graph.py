"""The swarm as a graph: built from a trace told by hand, and described where the answer is known."""

import math

import networkx as nx
import numpy as np
import pytest

from p2psim.analysis.swarm_graph import describe, locality, swarm_graph
from p2psim.errors import InputError
from p2psim.trace import Trace
from tests.traces import TraceBuilder


@pytest.fixture
def trace() -> Trace:
    """Ana, Bo and Cy; Bo leaves at 15 and Cy comes at 5."""
    story = TraceBuilder()
    story.viewer("ana")
    story.viewer("bo", left=15.0, departure="clean")
    story.viewer("cy", joined=5.0)
    story.connection("ana", "bo", 2.0, 15.0)
    story.connection("cy", "ana", 7.0)
    story.connection("bo", "cy", math.nan, outcome="failed")
    story.p2p("ana", "bo", 0, 3.0, 5.0, 1000)
    story.p2p("bo", "ana", 1, 4.0, 8.0, 4000, first=6.0)
    story.p2p("cy", "ana", 1, 12.0, 16.0, 800)
    return story.trace()


def test_only_what_is_there_is_in_the_graph(trace: Trace) -> None:
    assert set(swarm_graph(trace, 0.0)) == {"ana", "bo"}
    assert not swarm_graph(trace, 1.9).edges
    assert set(map(frozenset, swarm_graph(trace, 10.0).edges)) == {frozenset({"ana", "bo"}), frozenset({"ana", "cy"})}
    after = swarm_graph(trace, 15.0)
    assert set(after) == {"ana", "cy"}
    assert list(after.edges) in ([("ana", "cy")], [("cy", "ana")])


@pytest.mark.parametrize(("at", "amount"), [(3.0, 0), (4.0, 500), (6.0, 1000), (7.0, 3000), (8.0, 5000), (14.0, 5000)])
def test_bytes_so_far_count_both_ways_and_parts_of_what_is_under_way(at: float, amount: float, trace: Trace) -> None:
    assert swarm_graph(trace, at).edges["ana", "bo"]["bytes"] == pytest.approx(amount)


def test_attributes_are_those_of_the_tables(trace: Trace) -> None:
    graph = swarm_graph(trace, 14.0)
    assert graph.nodes["cy"]["age"] == 9.0
    assert graph.nodes["cy"]["nat"] == "public"
    assert graph.nodes["cy"]["uplink"] == 1e6
    assert graph.edges["ana", "cy"]["path"] == "host"
    assert graph.edges["ana", "cy"]["opened_at"] == 7.0
    assert graph.edges["ana", "cy"]["bytes"] == pytest.approx(400)


def test_a_time_outside_the_run_is_refused(trace: Trace) -> None:
    for at in (-1.0, 20.5, math.nan):
        with pytest.raises(InputError, match="lasts 20 s"):
            swarm_graph(trace, at)


def weighted(graph: "nx.Graph[int]") -> "nx.Graph[int]":
    nx.set_edge_attributes(graph, 1.0, "bytes")
    return graph


KNOWN = [
    (nx.complete_graph(6), {"degree": 5, "components": 1, "largest": 1, "clustering": 1, "assortativity": math.nan}),
    (nx.star_graph(9), {"degree": 1.8, "degree_most": 9, "clustering": 0, "assortativity": -1, "alone": 0}),
    (nx.empty_graph(4), {"degree": 0, "components": 4, "largest": 0.25, "alone": 1, "clustering": 0}),
    (nx.cycle_graph(8), {"degree": 2, "degree_least": 2, "clustering": 0, "components": 1}),
    # two triangles and a loner; each pair of neighbours in a triangle is connected
    (
        nx.disjoint_union_all([nx.complete_graph(3), nx.complete_graph(3), nx.empty_graph(1)]),
        {"viewers": 7, "connections": 6, "components": 3, "largest": 3 / 7, "alone": 1 / 7, "clustering": 6 / 7},
    ),
    # Zachary's karate club: clustering 0.5706, assortativity -0.4756 (published with the data set)
    (nx.karate_club_graph(), {"viewers": 34, "connections": 78, "clustering": 0.5706, "assortativity": -0.4756}),
]


@pytest.mark.parametrize(("graph", "expected"), KNOWN)
def test_known_graphs_are_described_as_they_are(graph: "nx.Graph[int]", expected: dict[str, float]) -> None:
    found = describe(weighted(graph))
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, abs=1e-4, nan_ok=True), name


def test_nothing_is_described_without_an_error() -> None:
    found = describe(nx.Graph())
    assert found["viewers"] == found["connections"] == found["components"] == 0
    assert math.isnan(found["degree"])


def test_locality_counts_connections_and_bytes() -> None:
    graph: nx.Graph[str] = nx.Graph()
    for name, region in (("a", "north"), ("b", "north"), ("c", "south"), ("d", "south")):
        graph.add_node(name, region=region)
    graph.add_edge("a", "b", bytes=300.0)
    graph.add_edge("c", "d", bytes=500.0)
    graph.add_edge("a", "c", bytes=200.0)
    found = locality(graph)
    assert found["local_connections"] == pytest.approx(2 / 3)
    assert found["local_bytes"] == 0.8
    assert found["local_by_chance"] == pytest.approx(1 / 3)
    # Newman 2003: (tr e - |e²|) / (1 - |e²|), with e = [[1/3, 1/6], [1/6, 1/3]]
    assert found["mixing"] == pytest.approx((2 / 3 - 1 / 2) / (1 - 1 / 2))
    assert all(math.isnan(value) for value in locality(graph, by="colour").values())


def test_random_connections_are_local_by_chance() -> None:
    graph = nx.gnm_random_graph(300, 3000, seed=1)
    weighted(graph)
    rng = np.random.default_rng(1)
    nx.set_node_attributes(graph, {node: int(rng.integers(3)) for node in graph}, "region")
    found = locality(graph)
    assert found["local_connections"] == pytest.approx(found["local_by_chance"], abs=0.03)
    assert found["mixing"] == pytest.approx(0, abs=0.04)
