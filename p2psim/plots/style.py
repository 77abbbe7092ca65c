"""One look for all figures: a colour means the same thing everywhere.

Colours are from the palette of Okabe and Ito, which people with any kind of colour vision can tell apart; "both" is
lighter than theirs, so that prints in grey can be read too.
"""

from collections.abc import Callable, Mapping
from functools import wraps
from types import MappingProxyType
from typing import Any, ParamSpec

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

__all__ = ["COLOURS", "STYLE", "axes_for", "sheet", "styled"]

P = ParamSpec("P")

COLOURS: Mapping[str, str] = MappingProxyType(
    {
        "p2p": "#0072B2",
        "http": "#E69F00",
        "origin": "#D55E00",
        "stalled": "#CC79A7",
        "both": "#8CCBEF",
        "nothing": "#EDEDED",
        "said": "#DDE6EC",
        "measured": "#222222",
        "simulated": "#0072B2",
        "holds": "#009E73",
        "holds only if": "#E69F00",
        "fails": "#D55E00",
    }
)
"""Meaning → colour."""

STYLE: dict[Any, Any] = {
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


def styled(figure: Callable[P, Axes]) -> Callable[P, Axes]:
    """Let a figure be drawn in this style, whatever the caller's."""

    @wraps(figure)
    def drawn(*args: P.args, **options: P.kwargs) -> Axes:
        with plt.rc_context(STYLE):
            return figure(*args, **options)

    return drawn


def axes_for(ax: Axes | None, width: float = 6.4, height: float = 3.4) -> Axes:
    """Give the axes to draw on: `ax`, or new ones of a figure of their own."""
    return ax if ax is not None else plt.subplots(figsize=(width, height), layout="constrained")[1]


def sheet(width: float = 6.4, height: float = 3.4) -> tuple[Figure, Axes]:
    """Make a figure that no window or notebook knows of, to be saved to a file."""
    with plt.rc_context(STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        return figure, figure.add_subplot()
