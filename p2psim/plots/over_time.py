"""Figure of a quantity over time in several cases, each with its interval."""

import pandas as pd
from matplotlib.axes import Axes
from scipy.special import stdtrit

from p2psim.plots.style import COLOURS, MBIT, RATES, axes_for, styled

__all__ = ["over_time"]

_DASHES = ("-", "--", ":", "-.")


@styled
def over_time(table: pd.DataFrame, ax: Axes | None = None, column: str = "origin", bins: float = 5.0) -> Axes:
    """Draw the mean over replications and its 95 % interval over time, one line per case.

    Parameters
    ----------
    table
        Columns case, replication, at (s) and `column`: the concatenated `results.timeline` of several results.
    bins
        Seconds over which values are averaged.
    """
    ax = axes_for(ax)
    colour, scale = COLOURS.get(column, COLOURS["simulated"]), MBIT if column in RATES else 1.0
    coarse = table.assign(at=(table["at"] // bins + 0.5) * bins, value=scale * table[column])
    rates = coarse.groupby(["case", "at", "replication"])["value"].mean()
    for number, case in enumerate(table["case"].unique()):
        lines = rates.loc[case].unstack()
        mean, count = lines.mean(axis=1), lines.shape[1]
        if count > 1:
            reach = float(stdtrit(count - 1, 0.975)) * lines.std(axis=1) / count**0.5
            ax.fill_between(lines.index, mean - reach, mean + reach, color=colour, alpha=0.2, linewidth=0)
        ax.plot(lines.index, mean, color=colour, linestyle=_DASHES[number % len(_DASHES)], label=case)
    ax.set(xlabel="time (s)", ylabel=RATES.get(column, column), title="Mean over runs, with its 95 % interval")
    ax.set_ylim(bottom=0)
    ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return ax
