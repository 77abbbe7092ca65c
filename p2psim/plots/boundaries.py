"""Figure of the ranges in which claims hold: a row per claim, a column per dimension."""

import math

import pandas as pd
from matplotlib.axes import Axes

from p2psim.plots.style import COLOURS, axes_for, styled

__all__ = ["boundaries"]

_WIDTH = 0.86
"""Share of the width of a column that its axis takes."""


@styled
def boundaries(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw the ranges of each dimension in which each claim holds.

    Parameters
    ----------
    table
        Columns claim, what (the dimension), begin, end (0 to 1 along it; NaN: nowhere), least, most (its ends as text).
    """
    claims, whats = list(dict.fromkeys(table["claim"])), list(dict.fromkeys(table["what"]))
    ax = axes_for(ax, 1.25 * len(whats) + 0.6, 0.34 * len(claims) + 1.3)
    for row in table.to_dict("records"):
        left, position = whats.index(row["what"]) - _WIDTH / 2, claims.index(row["claim"])
        ax.barh(position, _WIDTH, left=left, height=0.5, color=COLOURS["nothing"], linewidth=0, zorder=1)
        if not math.isnan(row["begin"]):
            length = max(0.02, row["end"] - row["begin"]) * _WIDTH
            ax.barh(position, length, left=left + row["begin"] * _WIDTH, height=0.5, color=COLOURS["holds"], zorder=2)
    for column, what in enumerate(whats):
        ends = table[table["what"] == what].iloc[0]
        for side, text in ((-1, ends["least"]), (1, ends["most"])):
            ha = "left" if side < 0 else "right"
            ax.text(column + side * _WIDTH / 2, len(claims) - 0.45, text, ha=ha, va="top", fontsize=7, color="#555555")
    ax.set(xlim=(-0.55, len(whats) - 0.45), ylim=(len(claims) + 0.1, -0.6))
    ax.set_xticks(range(len(whats)), [_wrapped(what) for what in whats])
    ax.xaxis.tick_top()
    ax.tick_params(length=0)
    ax.set_yticks(range(len(claims)), claims)
    ax.grid(visible=False)
    ax.spines[["left", "bottom"]].set_visible(False)
    ax.barh([0], [0], color=COLOURS["holds"], label="holds")
    ax.barh([0], [0], color=COLOURS["nothing"], label="does not hold")
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.01), ncols=2)
    return ax


def _wrapped(text: str, width: int = 16) -> str:
    lines = [""]
    for word in text.split():
        lines = [*lines[:-1], f"{lines[-1]} {word}".strip()] if len(lines[-1] + word) < width else [*lines, word]
    return "\n".join(line for line in lines if line)
