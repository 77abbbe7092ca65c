"""One look for all figures: a colour means the same thing everywhere.

Colours are from the palette of Okabe and Ito, which people with any kind of colour vision can tell apart; "both" is
lighter than theirs, so that prints in grey can be read too. (M. Okabe, K. Ito: Color Universal Design, 2002/2008,
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

__all__ = ["COLOURS", "DRAWN", "STYLE", "axes_for", "sheet", "styled"]

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

STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same letters everywhere
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
        "heat": "a table of x, y, value, low and high: one row for each combination of two fields",
        "overlay": "the time lines of both worlds in one table, with world and replication",
        "course": "pd.concat([a.timeline.assign(case='a'), b.timeline.assign(case='b')]) of several results",
        "tornado": "plan.sensitivities",
        "cost": "plan.costs",
        "load": "plan.curve",
    }
)
"""Figure → what it draws, for those who give it something else."""


def styled(figure: Callable[P, Axes]) -> Callable[P, Axes]:
    """Let a figure be drawn in this style, whatever the caller's, and refuse what it cannot draw."""

    @wraps(figure)
    def drawn(*args: P.args, **options: P.kwargs) -> Axes:
        table: object = args[0] if args else next(iter(options.values()), None)
        _check_kind(figure.__name__, table)
        if options.get("ax") is None and len(args) < 2:
            # Loads the backend: a notebook's turns interactive by that, which the context would undo.
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
    """Let a title that is set afterwards, in whatever style, take the place of ours instead of lying over it."""
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
    """Give the axes to draw on: `ax`, or new ones of a figure of their own."""
    if ax is not None and not isinstance(ax, Axes):
        raise InputError(f"ax: Axes of matplotlib are expected, not a {type(ax).__name__}; plt.subplots() makes some")
    return ax if ax is not None else plt.subplots(figsize=(width, height), layout="constrained")[1]


def sheet(width: float = 6.4, height: float = 3.4) -> tuple[Figure, Axes]:
    """Make a figure that no window or notebook knows of, to be saved to a file."""
    with plt.rc_context(STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        return figure, figure.add_subplot()
