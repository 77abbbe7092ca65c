"""Figure of a metric against a field of the scenario, such as P2P share against live latency."""

import pandas as pd
from matplotlib.axes import Axes

from p2psim.plots.style import COLOURS, axes_for, styled

__all__ = ["curve"]


@styled
def curve(
    table: pd.DataFrame,
    ax: Axes | None = None,
    claim: tuple[float, float] | None = None,
    xlabel: str = "live latency (s)",
    ylabel: str = "P2P share (%)",
) -> Axes:
    """Draw estimates with their intervals over the values of the field.

    Parameters
    ----------
    table
        Columns at, mean, low, high: shares.
    claim
        Claimed range, drawn as a band.
    """
    ax = axes_for(ax)
    rows = table.sort_values("at")
    if claim is not None:
        ax.axhspan(100 * claim[0], 100 * claim[1], color=COLOURS["claim"], linewidth=0, label="claim")
    ax.fill_between(rows["at"], 100 * rows["low"], 100 * rows["high"], color=COLOURS["p2p"], alpha=0.2, linewidth=0)
    ax.plot(rows["at"], 100 * rows["mean"], "o-", color=COLOURS["p2p"], clip_on=False,
            label="simulated, 95 % interval")  # fmt: skip
    ax.set(xlabel=xlabel, ylabel=ylabel, ylim=(0, 102), title=f"{ylabel.split(' (')[0]} and {xlabel.split(' (')[0]}")
    ax.legend(loc="best")
    return ax
