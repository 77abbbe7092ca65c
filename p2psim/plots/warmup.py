"""Figure of the end of a warm-up (Welch's method)."""

import math

import pandas as pd
from matplotlib.axes import Axes

from p2psim.plots.style import COLOURS, axes_for, styled

__all__ = ["welch"]


@styled
def welch(
    table: pd.DataFrame, ax: Axes | None = None, name: str = "", detected: float = math.nan, cut: float = 0.0
) -> Axes:
    """Draw a series, its moving average, and the detected and the cut end of the warm-up.

    Parameters
    ----------
    table
        Columns at, value, smooth (`p2psim.analysis.steady_state.welch`).
    detected, cut
        End of the warm-up in seconds: detected (NaN: none), and cut by the scenario.
    """
    ax = axes_for(ax)
    ax.plot(table["at"], table["value"], color=COLOURS["simulated"], alpha=0.25, linewidth=0.6, label="each second")
    ax.plot(table["at"], table["smooth"], color=COLOURS["simulated"], label="moving average")
    if math.isfinite(detected):
        ax.axvline(detected, color=COLOURS["fails"], linestyle="--", label=f"MSER-5: {detected:g} s")
    if cut > 0:
        ax.axvline(cut, color=COLOURS["measured"], linestyle=":", label=f"cut: {cut:g} s")
    title = "Warm-up" if math.isfinite(detected) else "Warm-up: no steady state within the run"
    ax.set(xlabel="time (s)", ylabel=name, title=title, xlim=(0, float(table["at"].max())))
    ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return ax
