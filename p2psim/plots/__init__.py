"""Figures: each function draws a table on the given or new axes, and returns the axes."""

from p2psim.plots.boundaries import boundaries
from p2psim.plots.claims import claims
from p2psim.plots.comparison import scatter
from p2psim.plots.cost import cost, load
from p2psim.plots.curve import curve
from p2psim.plots.distribution import distribution
from p2psim.plots.heatmap import heat
from p2psim.plots.over_time import over_time
from p2psim.plots.overlay import overlay
from p2psim.plots.source_raster import raster
from p2psim.plots.style import COLOURS, sheet
from p2psim.plots.swarm_graph import graph
from p2psim.plots.timeline import timeline
from p2psim.plots.tornado import tornado
from p2psim.plots.warmup import welch

__all__ = [
    "COLOURS",
    "boundaries",
    "claims",
    "cost",
    "curve",
    "distribution",
    "graph",
    "heat",
    "load",
    "over_time",
    "overlay",
    "raster",
    "scatter",
    "sheet",
    "timeline",
    "tornado",
    "welch",
]
