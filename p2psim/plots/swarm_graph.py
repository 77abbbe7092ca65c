"""Figure of a swarm as a graph."""

from typing import Any

import matplotlib as mpl
import networkx as nx
import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from p2psim.plots.style import COLOURS, axes_for, styled

__all__ = ["graph"]

_MARKS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#666666")


@styled
def graph(swarm: "nx.Graph[str]", ax: Axes | None = None, by: str = "nat") -> Axes:
    """Draw viewers as dots and connections as lines, wider and darker the more bytes they carried.

    Parameters
    ----------
    swarm
        A graph of `p2psim.analysis.swarm_graph.swarm_graph`.
    by
        Attribute of the viewers shown by colour.
    """
    ax = axes_for(ax, height=4.4)
    positions = _positions(swarm)
    amounts = np.array([data["bytes"] for _, _, data in swarm.edges(data=True)], float)
    share = amounts / amounts.max() if amounts.any() else np.zeros(len(amounts))
    nx.draw_networkx_edges(
        swarm, positions, ax=ax, width=0.4 + 2.2 * share, edge_color=COLOURS["both"], alpha=0.35 + 0.65 * share
    )
    _label(ax, swarm, positions, by)
    total = f"{amounts.sum() / 1e6:,.0f} MB"
    ax.set_title(
        f"{len(swarm)} viewers, {swarm.number_of_edges()} connections, {total} so far, t = {swarm.graph['at']:g} s"
    )
    ax.set_axis_off()
    return ax


def _positions(swarm: "nx.Graph[str]") -> dict[str, Any]:
    """Return positions: the largest component in the centre, the others (mostly single viewers) on a circle."""
    largest, *others = sorted(nx.connected_components(swarm), key=lambda part: (-len(part), min(part))) or [set[str]()]
    spread = 2.0 / np.sqrt(max(1, len(largest)))
    positions: dict[str, Any] = dict(nx.spring_layout(swarm.subgraph(sorted(largest)), seed=1, k=spread, iterations=80))
    for i, part in enumerate(others):
        angle = 2 * np.pi * i / len(others)
        centre = 1.25 * np.array([np.cos(angle), np.sin(angle)])
        positions |= nx.spring_layout(swarm.subgraph(sorted(part)), seed=1, scale=0.08, center=centre)
    return positions


def _label(ax: Axes, swarm: "nx.Graph[str]", positions: Any, by: str) -> None:
    values = {node: str(data.get(by, "")) or "none" for node, data in swarm.nodes(data=True)}
    kinds = sorted(set(values.values()))
    colour = {kind: _MARKS[i % len(_MARKS)] for i, kind in enumerate(kinds)}
    size = float(np.clip(2500 / max(1, len(swarm)), 12, 90))
    nx.draw_networkx_nodes(
        swarm, positions, ax=ax, node_size=size, node_color=[colour[values[node]] for node in swarm], linewidths=0.6,
        edgecolors="white",
    )  # fmt: skip
    rows = [Line2D([], [], marker="o", linestyle="", color=colour[kind], label=kind) for kind in kinds]
    with mpl.rc_context({"legend.title_fontsize": 9}):
        ax.legend(handles=rows, title=by, loc="upper left", bbox_to_anchor=(1.0, 1.0))
