"""A metric over two fields of the scenario; where a claim ends is drawn as a line."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from p2psim.plots.style import COLOURS, axes_for, styled

__all__ = ["heat"]

_MAP = "cividis"
"""Reads the same with and without red-green vision (Nuñez, Anderton, Renslow, PLoS ONE 2018)."""
_DARK = 0.55


@styled
def heat(
    table: pd.DataFrame,
    ax: Axes | None = None,
    claim: tuple[float, float] | None = None,
    xlabel: str = "x",
    ylabel: str = "y",
    label: str = "P2P share",
    bar: bool = True,
) -> Axes:
    """Colour a grid of shares and write each into its cell, with half the width of its interval.

    Parameters
    ----------
    table
        Columns x, y, value, low, high: one row for each combination; values are shares. Fields of any kind: cells
        are as wide as each other, in ascending order (words: in the order of the table).
    claim
        Interval of a claim: its ends are drawn as lines, interpolated between the middles of the cells. Asterisk: the
        cell's interval contains an end, so that the cell may lie on either side.
    bar
        Whether a colour bar stands beside it; of several maps one may do, since all have the same colours.
    """
    across, up = _values(table["x"]), _values(table["y"])
    ax = axes_for(ax, 1.0 + 0.85 * len(across) + 1.2, 1.3 + 0.42 * len(up))
    grids = {
        name: table.pivot(index="y", columns="x", values=name).reindex(index=up, columns=across).to_numpy(float)
        for name in ("value", "low", "high")
    }
    shares = grids["value"]
    image = ax.pcolormesh(100 * shares, cmap=_MAP, vmin=0, vmax=100, edgecolors="white", linewidth=0.5)
    ends = [end for end in claim or () if 0 < end < 1]
    for (row, column), share in np.ndenumerate(shares):
        low, high = grids["low"][row, column], grids["high"][row, column]
        behind = image.to_rgba(100 * share)
        _write(ax, (column, row), share, (high - low) / 2, any(low <= end <= high for end in ends), behind)
    middles = [np.arange(len(each)) + 0.5 for each in (across, up)]
    if min(shares.shape) > 1 and ends:
        _bound(ax, middles, shares, ends)
    ax.set_xticks(middles[0], [_word(each) for each in across])
    ax.set_yticks(middles[1], [_word(each) for each in up])
    ax.tick_params(length=0)
    ax.grid(visible=False)
    ax.spines[["left", "bottom"]].set_visible(False)
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.set_title(f"{label}, {_word_of(claim)}" if claim else label)
    figure = ax.get_figure()
    if bar and figure is not None:
        figure.colorbar(image, ax=ax, label=f"{label} (%)")
    return ax


def _bound(ax: Axes, middles: list[Any], shares: NDArray[np.float64], ends: list[float]) -> None:
    inside = [end for end in ends if np.nanmin(shares) < end < np.nanmax(shares)]
    if inside:
        ax.contour(*middles, shares, levels=inside, colors="white", linewidths=3.4)
        ax.contour(*middles, shares, levels=inside, colors=COLOURS["fails"], linewidths=1.8)
        line = Line2D([], [], color=COLOURS["fails"], linewidth=1.8, label="boundary of the claim")
        ax.legend(handles=[line], loc="lower right", bbox_to_anchor=(1.0, 1.0), borderaxespad=0.0)


def _write(ax: Axes, cell: tuple[int, int], share: float, half: float, may_be_either: bool, behind: Any) -> None:
    if np.isnan(share):
        return
    reach = "" if np.isnan(half) else f"±{100 * half:.0f}"
    ax.text(
        cell[0] + 0.5, cell[1] + 0.5, f"{100 * share:.0f}{reach}{'*' if may_be_either else ''}",
        ha="center", va="center", fontsize=7.5, color="white" if share < _DARK else "black",
        path_effects=[withStroke(linewidth=3.0, foreground=behind)],  # a boundary does not cross it out
    )  # fmt: skip


def _values(column: "pd.Series[Any]") -> list[Any]:
    found = list(column.unique())
    return sorted(found) if pd.api.types.is_numeric_dtype(column) else found


def _word(value: object) -> str:
    return f"{value:g}" if isinstance(value, (int, float, np.number)) else str(value)


def _word_of(claim: tuple[float, float]) -> str:
    low, high = claim
    if low <= 0:
        return f"claim at most {100 * high:g} %"
    return f"claim at least {100 * low:g} %" if high >= 1 else f"claim {100 * low:g}–{100 * high:g} %"
