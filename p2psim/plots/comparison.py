"""Figure of simulated against measured P2P shares."""

import pandas as pd
from matplotlib.axes import Axes

from p2psim.plots.style import COLOURS, axes_for, styled

__all__ = ["scatter"]


_NAMED = 8
"""Number of points up to which all are labelled: more labels would overlap."""


@styled
def scatter(table: pd.DataFrame, ax: Axes | None = None, margin: float = 0.10) -> Axes:
    """Draw simulated against measured shares with intervals, the diagonal, and the margin around it as a band.

    Of many points, only those outside of the band are labelled.

    Parameters
    ----------
    table
        Columns trace, measured, simulated, low, high: shares; low and high of the simulated one.
    """
    ax = axes_for(ax, 4.6, 4.4)
    ax.fill_between([0, 100], [-margin * 100, 100 - margin * 100], [margin * 100, 100 + margin * 100],
                    color=COLOURS["claim"], linewidth=0, label=f"within {margin * 100:g} points")  # fmt: skip
    ax.plot([0, 100], [0, 100], color="#999999", linewidth=1)
    for row in table.to_dict("records"):
        measured, simulated = row["measured"], row["simulated"]
        reach = [[100 * max(0.0, simulated - row["low"])], [100 * max(0.0, row["high"] - simulated)]]
        ax.errorbar([100 * measured], [100 * simulated], yerr=reach, fmt="o", color=COLOURS["simulated"], capsize=3)
        right = measured < 0.6
        if len(table) > _NAMED and abs(simulated - measured) <= margin:
            continue
        ax.annotate(
            str(row["trace"]), (100 * measured, 100 * simulated), xytext=(8 if right else -8, -4),
            textcoords="offset points", ha="left" if right else "right",
        )  # fmt: skip
    ax.set(
        xlabel="measured P2P share (%)", ylabel="simulated P2P share (%)", title="Simulated against measured",
        xlim=(-2, 102), ylim=(-2, 102),
    )  # fmt: skip
    ax.set_aspect("equal")
    ax.legend(loc="upper left")
    return ax
