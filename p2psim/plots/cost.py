"""Figures of a plan: the bill against the price of the CDN, and the rate of the origin over time."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import StrMethodFormatter

from p2psim.plots.style import COLOURS, axes_for, styled

__all__ = ["cost", "load"]


@styled
def cost(table: pd.DataFrame, ax: Axes | None = None, planned: float = 0.0, by: str = "GB") -> Axes:
    """Draw the bill with and without sharing against the price of the CDN.

    Parameters
    ----------
    table
        Columns price, without, with, low, high: dollars.
    planned
        Price of the plan, drawn as a line; 0: none.
    by
        Unit that the price is for.
    """
    ax = axes_for(ax)
    ax.plot(table["price"], table["without"], color=COLOURS["origin"], label="without sharing")
    ax.fill_between(table["price"], table["low"], table["high"], color=COLOURS["p2p"], alpha=0.2, linewidth=0)
    ax.plot(table["price"], table["with"], color=COLOURS["p2p"], label="with sharing, 95 % interval")
    if planned > 0:
        ax.axvline(planned, color=COLOURS["measured"], linewidth=1.0, linestyle=":", label="price of the plan")
    ax.set(xlabel=f"price of the CDN ($ per {by})", ylabel="bill ($)", title="Bill and price of the CDN")
    ax.set_xlim(left=0)
    ax.set_ylim(bottom=0)
    ax.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}" if table["without"].max() >= 10 else "{x:,.2f}"))
    ax.legend(loc="upper left")
    return ax


@styled
def load(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw the origin's rate over time with and without sharing.

    Parameters
    ----------
    table
        Columns at (s), origin, base: bytes/s.
    """
    ax = axes_for(ax)
    at = table["at"] / 60
    top = float(table["base"].max())
    scale, unit = (8e-9, "Gbit/s") if top >= 1e9 / 8 else (8e-6, "Mbit/s")
    ax.plot(at, table["base"] * scale, color=COLOURS["origin"], label="without sharing")
    ax.plot(at, table["origin"] * scale, color=COLOURS["p2p"], label="with sharing")
    ax.fill_between(at, table["origin"] * scale, table["base"] * scale, color=COLOURS["p2p"], alpha=0.15, linewidth=0)
    ax.set(xlabel="time (min)", ylabel=f"rate of the origin ({unit})", title="Load of the origin")
    ax.set_ylim(bottom=0)
    ax.legend(loc="lower center", ncols=2)
    return ax
