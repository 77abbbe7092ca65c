"""Figure of a quantity over time, measured and simulated."""

import pandas as pd
from matplotlib.axes import Axes

from p2psim.plots.style import COLOURS, MBIT, RATES, axes_for, styled

__all__ = ["overlay"]

_LABELS = {
    **RATES,
    "p2p_share": "P2P share of the bytes received",
    "peers": "connected peers per viewer",
    "viewers": "viewers",
}


@styled
def overlay(table: pd.DataFrame, ax: Axes | None = None, column: str = "p2p", bins: float = 5.0) -> Axes:
    """Draw measured and simulated means over time, each with the range from the lowest to the highest run.

    Parameters
    ----------
    table
        Columns world (measured, simulated), replication, at (s) and `column`: columns of `p2psim.trace.TIMELINE`.
    bins
        Seconds over which values are averaged.
    """
    ax = axes_for(ax)
    scale = MBIT if column in RATES else 1.0
    coarse = table.assign(at=(table["at"] // bins + 0.5) * bins, value=scale * table[column])
    rates = coarse.groupby(["world", "at", "replication"])["value"].mean()
    for world in ("simulated", "measured"):
        if world not in rates.index.get_level_values("world"):
            continue
        lines = rates.loc[world].unstack()
        label = world
        if lines.shape[1] > 1:
            low, high = lines.min(axis=1), lines.max(axis=1)
            ax.fill_between(lines.index, low, high, color=COLOURS[world], alpha=0.2, linewidth=0)
            label = f"{world}: mean and range of {lines.shape[1]} runs"
        style = "--" if world == "simulated" else "-"
        ax.plot(lines.index, lines.mean(axis=1), color=COLOURS[world], linestyle=style, label=label)
    ax.set(xlabel="time (s)", ylabel=_LABELS.get(column, column), title="Simulated and measured over time")
    ax.set_ylim(bottom=0)
    ax.legend(loc="best")
    return ax
