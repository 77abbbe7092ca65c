"""Tornado diagram: the saving with each input low and high, the largest change on top."""

import pandas as pd
from matplotlib.axes import Axes

from p2psim.plots.style import COLOURS, axes_for, styled

__all__ = ["tornado"]

_MOST = 12
"""Maximum number of inputs drawn."""


@styled
def tornado(
    table: pd.DataFrame, ax: Axes | None = None, at: float = 0.0, label: str = "origin bytes saved (%)"
) -> Axes:
    """Draw one bar per input, from its low to its high value, with the 95 % interval of each end.

    Parameters
    ----------
    table
        Columns input, end (low or high), setting, saving, low, high; shares, in the order in which they are drawn.
    at
        Saving of the plan, drawn as a line.
    """
    names = [name for name in dict.fromkeys(table["input"]) if _moves(table, name)][:_MOST]
    ax = axes_for(ax, 7.2, 0.42 * len(names) + 1.3)
    for position, name in enumerate(names):
        _input(ax, position, table[table["input"] == name], at)
    ax.axvline(100 * at, color=COLOURS["measured"], linewidth=1.0)
    ax.set(yticks=range(len(names)), yticklabels=names, ylim=(len(names) - 0.5, -0.5), xlabel=label)
    shown = table[table["input"].isin(names)]
    low, high = (100 * float(each) for each in (min(at, shown["saving"].min()), max(at, shown["saving"].max())))
    room = 0.22 * max(high - low, 5.0)
    ax.set_xlim(low - room, high + room)
    ax.set_title(f"What the saving depends on (now {100 * at:.0f} %)")
    ax.grid(visible=False, axis="y")
    for end, text in (("low", "input lower"), ("high", "input higher")):
        ax.barh([0], [0], color=COLOURS[_COLOUR[end]], label=text)
    ax.legend(loc="lower right")
    return ax


_COLOUR = {"low": "lower", "high": "higher"}


def _moves(table: pd.DataFrame, name: str) -> bool:
    return bool((table.loc[table["input"] == name, "change"].abs() > 0.0005).any())


def _input(ax: Axes, position: int, rows: pd.DataFrame, at: float) -> None:
    longest_first = rows.loc[(rows["saving"] - at).abs().sort_values(ascending=False).index]
    for row in longest_first.to_dict("records"):  # if both are on one side, the shorter bar is drawn on top
        length = 100 * (row["saving"] - at)
        ax.barh(position, length, left=100 * at, height=0.56, color=COLOURS[_COLOUR[row["end"]]])
        ax.plot([100 * row["low"], 100 * row["high"]], [position, position], color=COLOURS["measured"],
                linewidth=1.0, alpha=0.7)  # fmt: skip
    below = rows["saving"] < at
    for side, bars in ((-1, rows[below]), (1, rows[~below])):
        if len(bars):
            furthest = side * (side * bars["saving"]).max()
            _label(ax, (100 * furthest, position), ", ".join(map(str, bars["setting"])), side)


def _label(ax: Axes, end: tuple[float, float], settings: str, side: int) -> None:
    ax.annotate(
        settings, end, xytext=(4 * side, 7), textcoords="offset points", ha="left" if side > 0 else "right",
        va="center", fontsize=7.5, color="#333333", annotation_clip=True,
    )  # fmt: skip
