"""Figure of the claimed range and the estimate of each claim."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from p2psim.plots.style import COLOURS, axes_for, styled

__all__ = ["claims"]

_LEFT, _RIGHT = 1 / 3, 2 / 3
"""Ends of a two-sided claimed range along the row."""
_MARKERS = {"holds": "o", "holds only if": "D", "fails": "X"}


@styled
def claims(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw each claim on its own scale: the claimed range as a band, the estimate with its interval on it.

    Parameters
    ----------
    table
        Columns id, label, low, high (claimed range; infinite: one-sided), mean, found_low, found_high, claimed, found,
        verdict: `claimed` and `found` as text, `verdict` one of holds, holds only if, fails.
    """
    ax = axes_for(ax, 10.0, 0.42 * len(table) + 1.0)
    for position, row in enumerate(table.to_dict("records")):
        _band(ax, position, row["low"], row["high"])
        _estimate(ax, position, row)
        ax.text(-0.04, position, f"{row['id']}  {row['label']}", ha="right", va="center")
        ax.text(1.04, position, f"{row['claimed']}  |  {row['found']}", ha="left", va="center")
    ax.set(xlim=(0, 1), ylim=(len(table) - 0.4, -0.9), xticks=[], yticks=[])
    ax.text(1.04, -0.8, "claimed  |  found", ha="left", va="center", color="#555555")
    ax.set_title("Claimed (band) and found (95 % interval), each on its own scale", pad=14)
    ax.grid(visible=False)
    ax.spines[["left", "bottom"]].set_visible(False)
    for word, marker in _MARKERS.items():
        ax.plot([], [], marker, color=COLOURS[word], label=word)
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.01), ncols=3)
    return ax


def _band(ax: Axes, position: int, low: float, high: float) -> None:
    begin = 0.0 if math.isinf(low) else (_LEFT if not math.isinf(high) else 0.5)
    end = 1.0 if math.isinf(high) else (_RIGHT if not math.isinf(low) else 0.5)
    ax.barh(position, end - begin, left=begin, height=0.6, color=COLOURS["claim"], linewidth=0)


def _estimate(ax: Axes, position: int, row: Mapping[Any, Any]) -> None:
    mean, low, high = float(row["mean"]), float(row["found_low"]), float(row["found_high"])
    if math.isnan(mean):
        return
    ends = [mean if math.isnan(end) else end for end in (low, high)]
    colour = COLOURS[row["verdict"]]
    scale = _scale(row["low"], row["high"], [mean, *ends])
    ax.plot([scale(ends[0]), scale(ends[1])], [position, position], color=colour, linewidth=3, solid_capstyle="butt")
    at = scale(mean)
    marker = "<" if at <= 0.01 else ">" if at >= 0.99 else _MARKERS[row["verdict"]]
    ax.plot([at], [position], marker, color=colour, clip_on=False)


def _scale(low: float, high: float, values: list[float]) -> Callable[[float], float]:
    """Return a function from values to positions along the row; values far outside are at the edge."""
    if not math.isinf(low) and not math.isinf(high):
        return lambda x: min(1.0, max(0.0, _LEFT + (x - low) / ((high - low) or 1.0) * (_RIGHT - _LEFT)))
    bound = high if math.isinf(low) else low
    reach = max([abs(bound), *(abs(x - bound) for x in values)]) or 1.0
    return lambda x: min(1.0, max(0.0, 0.5 + 0.45 * (x - bound) / reach))
