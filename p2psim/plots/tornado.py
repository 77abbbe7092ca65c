"""What an answer depends on: each input low and high, the widest on top."""

import pandas as pd
from matplotlib.axes import Axes

from p2psim.plots.style import COLOURS, axes_for, styled

__all__ = ["tornado"]

_MOST = 12


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
        The answer as it is.
    """
    names = [name for name in dict.fromkeys(table["input"]) if _moves(table, name)][:_MOST]
    ax = axes_for(ax, 7.2, 0.42 * len(names) + 1.3)
    for position, name in enumerate(names):
        for row in table[table["input"] == name].to_dict("records"):
            _bar(ax, position, row, at)
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


_COLOUR = {"low": "http", "high": "p2p"}


def _moves(table: pd.DataFrame, name: str) -> bool:
    return bool((table.loc[table["input"] == name, "change"].abs() > 0.0005).any())


def _bar(ax: Axes, position: int, row: dict[str, object], at: float) -> None:
    saving, low, high = (float(str(row[key])) for key in ("saving", "low", "high"))
    ax.barh(position, 100 * (saving - at), left=100 * at, height=0.56, color=COLOURS[_COLOUR[str(row["end"])]])
    ax.plot([100 * low, 100 * high], [position, position], color=COLOURS["measured"], linewidth=1.0, alpha=0.7)
    outside = saving < at
    ax.annotate(
        str(row["setting"]), (100 * saving, position), xytext=(-4 if outside else 4, 7), textcoords="offset points",
        ha="right" if outside else "left", va="center", fontsize=7.5, color="#333333", annotation_clip=True,
    )  # fmt: skip
