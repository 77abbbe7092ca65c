"""Figure of the sources of the received bytes over time."""

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes

from p2psim.plots.style import COLOURS, MBIT, axes_for, styled

__all__ = ["timeline"]

_POINTS = 30


@styled
def timeline(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw the stacked rates of HTTP, peers and relayed peers, and the share of viewers stalled.

    Parameters
    ----------
    table
        Columns of `p2psim.trace.TIMELINE`; with a column `replication`, the mean is drawn.
    """
    ax = axes_for(ax)
    known = table if "relayed" in table else table.assign(relayed=0.0)
    mean = known.groupby("at")[["http", "p2p", "relayed", "viewers", "stalled"]].mean()
    step = float(mean.index[1] - mean.index[0]) if len(mean) > 1 else 1.0
    width = max(1, round(len(mean) / _POINTS))
    coarse = mean.groupby(np.arange(len(mean)) // width).mean()
    at = np.append(coarse.index.to_numpy(float), len(coarse)) * width * step
    relayed = coarse["relayed"].to_numpy()
    bands = {"http": coarse["http"].to_numpy(), "p2p": coarse["p2p"].to_numpy() - relayed, "relay": relayed}
    below = np.zeros(len(coarse))
    for source, label in (("http", "HTTP"), ("p2p", "peers"), ("relay", "peers, by relay")):
        if source == "relay" and not relayed.any():
            continue
        above = below + bands[source] * MBIT
        ax.fill_between(
            at, np.append(below, below[-1]), np.append(above, above[-1]), step="post", color=COLOURS[source],
            linewidth=0, label=label,
        )  # fmt: skip
        below = above
    marked = _mark_stalls(ax, at, coarse)
    ax.set(xlabel="time (s)", ylabel="received (Mbit/s)", title="Sources of media bytes", xlim=(0, at[-1]))
    ax.set_ylim(bottom=0)
    handles = [*ax.get_legend_handles_labels()[0], *marked]
    ax.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.16 if marked else 1.0, 1.0))
    return ax


def _mark_stalls(ax: Axes, at: np.ndarray, coarse: pd.DataFrame) -> list[Artist]:
    """Draw the share of viewers stalled on a second axis, and return its legend entries."""
    share = (coarse["stalled"] / coarse["viewers"].clip(lower=1)).to_numpy()
    if not share.any():
        return []
    twin = ax.twinx()
    line = twin.step(at, np.append(share, share[-1]) * 100, where="post", color=COLOURS["stalled"], label="stalled")
    twin.set(ylabel="viewers stalled (%)", ylim=(0, max(5.0, float(share.max()) * 130)))
    twin.grid(visible=False)
    return list(line)
