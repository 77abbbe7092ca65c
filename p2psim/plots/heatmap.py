"""Figure of a metric over two fields of the scenario, with the boundary of a claim as a line."""

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
"""Colour map that looks the same with red-green colour blindness (Nuñez, Anderton, Renslow, PLoS ONE 2018)."""
_DARK = 0.55
"""Share below which the text of a cell is white."""


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
    """Draw a grid of shares as colours and numbers, each with half the width of its interval.

    Parameters
    ----------
    table
        Columns x, y, value, low, high: one row per combination; values are shares. All cells have the same width;
        numbers are in ascending order, text in the order of the table.
    claim
        Claimed range: its ends are drawn as lines, interpolated between the centres of the cells. An asterisk marks a
        cell whose interval contains an end, so that it may lie on either side.
    bar
        Draw a colour bar; for several maps one is enough, since all have the same colours.
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
    ax.set_xticks(middles[0], [_label(each) for each in across])
    ax.set_yticks(middles[1], [_label(each) for each in up])
    ax.tick_params(length=0)
    ax.grid(visible=False)
    ax.spines[["left", "bottom"]].set_visible(False)
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.set_title(f"{label}, {_claim_text(claim)}" if claim else label)
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
        path_effects=[withStroke(linewidth=3.0, foreground=behind)],  # keeps the text readable on a boundary
    )  # fmt: skip


def _values(column: "pd.Series[Any]") -> list[Any]:
    values = list(column.unique())
    return sorted(values) if pd.api.types.is_numeric_dtype(column) else values


def _label(value: object) -> str:
    return f"{value:g}" if isinstance(value, (int, float, np.number)) else str(value)


def _claim_text(claim: tuple[float, float]) -> str:
    low, high = claim
    if low <= 0:
        return f"claim at most {100 * high:g} %"
    return f"claim at least {100 * low:g} %" if high >= 1 else f"claim {100 * low:g}–{100 * high:g} %"
