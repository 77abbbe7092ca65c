"""Figure of cumulative distributions."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from p2psim.plots.style import COLOURS, axes_for, styled

__all__ = ["distribution"]

_LABELS = {
    "startup": "time from joining to the first frame (s)",
    "p2p_share": "P2P share of the bytes of a viewer",
    "peers": "connected peers",
    "stalled": "time stalled (s)",
    "stalls": "stalls",
    "latency": "live latency (s)",
    "time": "time from request to last byte (s)",
}


@styled
def distribution(table: pd.DataFrame, ax: Axes | None = None, column: str = "startup", by: str = "world") -> Axes:
    """Draw the cumulative distribution of a column, with one line per value of the column `by` if it exists."""
    ax = axes_for(ax)
    groups = [(str(name), rows) for name, rows in table.groupby(by)] if by in table else [("", table)]
    for name, rows in groups:
        values = np.sort(rows[column].dropna().to_numpy(float))
        if not len(values):
            continue
        share = np.arange(1, len(values) + 1) / len(values)
        ax.step(
            np.append(values[0], values), np.append(0.0, share), where="post", label=name or None,
            color=COLOURS.get(name, COLOURS["p2p"]), linestyle="--" if name == "simulated" else "-",
        )  # fmt: skip
    ax.set(xlabel=_LABELS.get(column, column), ylabel="share at or below", ylim=(0, 1.02))
    ax.set_title(f"Distribution: {_LABELS.get(column, column).split(' (')[0]}")
    if any(name for name, _ in groups):
        ax.legend(loc="lower right")
    return ax
