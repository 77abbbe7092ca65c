"""Style of all figures, and the colours, each of which has the same meaning everywhere.

Colours are from the palette of Okabe and Ito, which is distinguishable with any colour vision; "both" is lighter than
theirs, so that greyscale prints are readable too. (M. Okabe, K. Ito: Color Universal Design, 2002/2008,
https://jfly.uni-koeln.de/color/.)
"""

import difflib
from collections.abc import Callable, Mapping
from functools import partial, wraps
from types import MappingProxyType
from typing import Any, ParamSpec

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from p2psim.errors import InputError

__all__ = ["COLOURS", "DRAWN", "MBIT", "RATES", "STYLE", "axes_for", "sheet", "styled"]

P = ParamSpec("P")

COLOURS: Mapping[str, str] = MappingProxyType(
    {
        "p2p": "#0072B2",
        "http": "#E69F00",
        "origin": "#D55E00",
        "relay": "#F0E442",
        "stalled": "#CC79A7",
        "both": "#8CCBEF",
        "nothing": "#EDEDED",
        "claim": "#DDE6EC",
        "measured": "#222222",
        "simulated": "#0072B2",
        "lower": "#A9B5BE",
        "higher": "#56646F",
        "holds": "#009E73",
        "holds only if": "#E69F00",
        "fails": "#D55E00",
    }
)
"""Meaning → colour."""

MBIT = 8e-6
"""Megabits in a byte."""
RATES: Mapping[str, str] = MappingProxyType(
    {
        "http": "received over HTTP (Mbit/s)",
        "p2p": "received from peers (Mbit/s)",
        "origin": "sent by the origin (Mbit/s)",
    }
)
"""Column of a time line in bytes/s → its label on an axis in Mbit/s."""

STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",  # is part of matplotlib, so that figures look the same everywhere
    "font.size": 9.0,
    "axes.titlesize": 10.0,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E5E5E5",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "figure.dpi": 110.0,
    "savefig.dpi": 130.0,
    "lines.linewidth": 1.6,
}


DRAWN: Mapping[str, str] = MappingProxyType(
    {
        "timeline": "results.timeline",
        "raster": "results.segments (simulate with events=True)",
        "distribution": "results.viewers",
        "graph": "results.graph(t) (simulate with events=True)",
        "welch": "p2psim.analysis.steady_state.welch(results.timeline)",
        "heat": "a table of x, y, value, low and high: one row per combination of two fields",
        "overlay": "measured and simulated time lines in one table, with world and replication",
        "over_time": "pd.concat([a.timeline.assign(case='a'), b.timeline.assign(case='b')]) of several results",
        "tornado": "plan.sensitivities",
        "cost": "plan.costs",
        "load": "plan.curve",
    }
)
"""Figure → the table that it draws, for error messages."""


def styled(figure: Callable[P, Axes]) -> Callable[P, Axes]:
    """Return the figure function with this style, and with checks of the table that raise InputError."""

    @wraps(figure)
    def drawn(*args: P.args, **options: P.kwargs) -> Axes:
        table: object = args[0] if args else next(iter(options.values()), None)
        _check_kind(figure.__name__, table)
        if options.get("ax") is None and len(args) < 2:
            # Loads the backend: that of a notebook switches to interactive mode, which the context would undo.
            plt.draw_if_interactive()  # type: ignore[no-untyped-call]
        with plt.rc_context(STYLE):
            try:
                return _titled_left(figure(*args, **options))
            except KeyError as error:
                if not isinstance(table, pd.DataFrame) or error.args[0] in table.columns:
                    raise
                raise InputError(_misfit(figure.__name__, str(error.args[0]), table)) from None

    return drawn


def _titled_left(ax: Axes) -> Axes:
    """Return the axes with a `set_title` that replaces the title of the figure instead of overlapping it."""
    ax.set_title = partial(ax.set_title, loc="left", fontsize=STYLE["axes.titlesize"])  # type: ignore[method-assign]
    return ax


def _check_kind(name: str, table: object) -> None:
    is_table = isinstance(table, pd.DataFrame)
    if is_table == (name != "graph"):
        return
    if is_table or not hasattr(table, "is_directed"):
        wanted = "a graph of networkx" if name == "graph" else "a table (a pandas.DataFrame)"
        raise InputError(f"plots.{name}: {wanted} is expected, not a {type(table).__name__}{_instead(name)}")


def _misfit(name: str, column: str, table: pd.DataFrame) -> str:
    columns = [str(each) for each in table.columns]
    near = difflib.get_close_matches(column, columns, n=1, cutoff=0.8)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return (
        f"plots.{name}: this table has no column {column!r}{hint}{_instead(name)} (the table has {', '.join(columns)})"
    )


def _instead(name: str) -> str:
    return f"; it draws {DRAWN[name]}" if name in DRAWN else f"; see help(p2psim.plots.{name}) for its columns"


def axes_for(ax: Axes | None, width: float = 6.4, height: float = 3.4) -> Axes:
    """Return `ax`, or the axes of a new figure if it is None."""
    if ax is not None and not isinstance(ax, Axes):
        raise InputError(f"ax: Axes of matplotlib are expected, not a {type(ax).__name__}; use those of plt.subplots()")
    return ax if ax is not None else plt.subplots(figsize=(width, height), layout="constrained")[1]


def sheet(width: float = 6.4, height: float = 3.4) -> tuple[Figure, Axes]:
    """Return a figure and its axes, unknown to windows and notebooks, to be saved to a file."""
    with plt.rc_context(STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        return figure, figure.add_subplot()
