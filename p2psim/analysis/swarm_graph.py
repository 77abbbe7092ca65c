"""The swarm as a graph at one instant: nodes are the present viewers, edges their open connections."""

import math
from typing import Any

import networkx as nx
import numpy as np
import pandas as pd

from p2psim.errors import InputError
from p2psim.trace import Trace

__all__ = ["describe", "locality", "swarm_graph"]


def swarm_graph(trace: Trace, at: float) -> "nx.Graph[str]":
    """Return the swarm of a simulated or measured trace at a time, seconds from the start of the run.

    Nodes are names of viewers; their attributes are the columns of the table `viewers`, and `age`, seconds since
    joining. Edges have `path` (host, srflx, prflx, relay), `opened_at`, and `bytes`: media bytes carried so far in both
    directions; unfinished transfers count in proportion.

    Raises
    ------
    InputError
        For a time outside the run.
    """
    if not 0 <= at <= trace.manifest.duration:
        raise InputError(f"t = {at:g}: outside the run, which lasts {trace.manifest.duration:g} s")
    graph: nx.Graph[str] = nx.Graph(at=at)
    viewers = trace["viewers"]
    present = viewers[(viewers["joined_at"] <= at) & ~(viewers["left_at"] <= at)]
    for row in present.to_dict("records"):
        graph.add_node(row["viewer"], **{str(name): value for name, value in row.items()}, age=at - row["joined_at"])
    links = trace["connections"]
    is_open = (links["outcome"] == "open") & (links["opened_at"] <= at) & ~(links["closed_at"] <= at)
    for row in links[is_open].to_dict("records"):
        if row["viewer"] in graph and row["other"] in graph:
            graph.add_edge(row["viewer"], row["other"], path=row["path"], opened_at=row["opened_at"], bytes=0.0)
    for (sender, receiver), amount in _carried(trace["transfers"], at).items():
        if graph.has_edge(sender, receiver):
            graph.edges[sender, receiver]["bytes"] += amount
    return graph


def _carried(transfers: pd.DataFrame, at: float) -> dict[tuple[str, str], float]:
    """Return the bytes sent so far by (sender, receiver)."""
    sending = transfers[(transfers["source"] == "p2p") & (transfers["first_byte_at"] < at)]
    begun, ended = sending["first_byte_at"].to_numpy(float), sending["ended_at"].to_numpy(float)
    span = np.maximum(np.where(np.isnan(ended), np.inf, ended) - begun, 1e-9)
    amount = sending["bytes"].to_numpy(float) * np.clip((at - begun) / span, 0.0, 1.0)
    sums = pd.Series(amount).groupby([sending["from_viewer"].to_numpy(), sending["viewer"].to_numpy()]).sum()
    return {(str(pair[0]), str(pair[1])): float(total) for pair, total in sums.items()}  # type: ignore[index]


def describe(graph: "nx.Graph[str]", by: str = "region") -> dict[str, float]:
    """Return statistics of a swarm graph.

    Keys: `viewers`, `connections`; `degree` (mean), `degree_least`, `degree_most`; `components`, `largest` (share of
    the viewers in the largest component), `alone` (share of the viewers without a connection); `clustering` (clustering
    coefficient, mean over viewers: Watts and Strogatz 1998); `assortativity` (correlation of the degrees at both ends
    of a connection: Newman 2002); and the keys of `locality`. NaN means undefined for this graph.
    """
    degrees = [degree for _, degree in graph.degree()]
    sizes = sorted(map(len, nx.connected_components(graph)), reverse=True)
    count = len(degrees)
    return {
        "viewers": count,
        "connections": graph.number_of_edges(),
        "degree": float(np.mean(degrees)) if degrees else math.nan,
        "degree_least": min(degrees, default=math.nan),
        "degree_most": max(degrees, default=math.nan),
        "components": len(sizes),
        "largest": sizes[0] / count if sizes else math.nan,
        "alone": degrees.count(0) / count if degrees else math.nan,
        "clustering": nx.average_clustering(graph) if degrees else math.nan,
        "assortativity": _assortativity(graph),
        **locality(graph, by),
    }


def locality(graph: "nx.Graph[str]", by: str = "region") -> dict[str, float]:
    """Return how much of the exchange stays among viewers with the same value of an attribute (region, nat, channel).

    Keys: `local_connections` and `local_bytes`, shares of connections and bytes between viewers with the same value;
    `local_by_chance`, the expected share if connections ignored the attribute (share of all pairs of viewers);
    `mixing`, Newman's assortativity coefficient: 1 if all connections are local, 0 if they are random.
    """
    values: dict[str, Any] = nx.get_node_attributes(graph, by)
    if len(values) < len(graph):
        return dict.fromkeys(("local_connections", "local_bytes", "local_by_chance", "mixing"), math.nan)
    edges = [(values[a] == values[b], data["bytes"]) for a, b, data in graph.edges(data=True)]
    total = sum(amount for _, amount in edges)
    counts = pd.Series(list(values.values()), dtype=object).value_counts().to_numpy(float)
    pairs = len(values) * (len(values) - 1)
    return {
        "local_connections": float(np.mean([same for same, _ in edges])) if edges else math.nan,
        "local_bytes": sum(amount for same, amount in edges if same) / total if total else math.nan,
        "local_by_chance": float((counts * (counts - 1)).sum()) / pairs if pairs else math.nan,
        "mixing": nx.attribute_assortativity_coefficient(graph, by) if edges and len(counts) > 1 else math.nan,
    }


def _assortativity(graph: "nx.Graph[str]") -> float:
    ends = np.array([(graph.degree(a), graph.degree(b)) for a, b in graph.edges()], float).reshape(-1, 2)
    both = np.concatenate([ends, ends[:, ::-1]])
    if len(both) == 0 or np.ptp(both[:, 0]) == 0:
        return math.nan
    return float(np.corrcoef(both.T)[0, 1])
