"""Figure of the source of every segment of every viewer."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from p2psim.plots.style import COLOURS, axes_for, styled

__all__ = ["raster"]

_KINDS = (("nothing", "not played"), ("http", "HTTP"), ("both", "both"), ("p2p", "peers"))


@styled
def raster(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw a cell per segment and viewer, coloured by the source of the segment.

    Parameters
    ----------
    table
        Columns of the table `segments` of one trace.
    """
    ax = axes_for(ax, 7.2, 3.6)
    played = table[table["played_at"].notna()]
    first = played.groupby("viewer")["played_at"].min().sort_values(kind="stable")
    rows = {viewer: row for row, viewer in enumerate(first.index)}
    low = int(played["segment"].min()) if len(played) else 0
    columns = (int(played["segment"].max()) - low + 1) if len(played) else 1
    image = np.zeros((max(1, len(rows)), columns))
    kinds = np.select([played["bytes_p2p"] == 0, played["bytes_http"] == 0], [1, 3], default=2)
    image[played["viewer"].map(rows).to_numpy(int), played["segment"].to_numpy(int) - low] = kinds
    colours = ListedColormap([COLOURS[kind] for kind, _ in _KINDS])
    ax.imshow(
        image, cmap=colours, vmin=-0.5, vmax=3.5, aspect="auto", interpolation="nearest",
        extent=(low - 0.5, low + columns - 0.5, len(image) - 0.5, -0.5),
    )  # fmt: skip
    ax.set(xlabel="segment", ylabel="viewer, in order of start", title="Source of every segment")
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(MaxNLocator(integer=True))
    ax.grid(visible=False)
    handles = [Patch(color=COLOURS[kind], label=label) for kind, label in _KINDS]
    ax.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return ax
